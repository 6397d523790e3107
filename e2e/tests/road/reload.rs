//! Rules that change under a running agent, and faults on the way.

use std::process::Command;
use std::sync::PoisonError;
use std::time::Duration;

use creel_e2e::fresh;
use creel_testkit::{Creel, Origin, Ran};

use super::{ALONE, deaths, races, up};

/// Keeps a connection of the agent's side to an origin and writes down what comes back.
const KEEPER: &str = include_str!("keeper.py");

/// An agent at work, with the file that it was started with.
pub(crate) struct World {
    pub(crate) creel: Creel,
    pub(crate) origin: Origin,
    open: String,
}

impl World {
    pub(crate) fn start(name: &str) -> Self {
        let creel = fresh(name).unwrap();
        let origin = Origin::https("127.0.0.1:0", &["origin.test"]).unwrap();
        let ca = creel.file("ca.pem", origin.ca_pem()).unwrap();
        let open = format!(
            "[limits]\ndisk = \"1GiB\"\n[[egress.allow]]\nhost = \"origin.test\"\nports = [{}]\naddress = \"127.0.0.1\"\nca = \"{}\"\n",
            origin.address().port(),
            ca.display()
        );
        let config = creel.file("creel.toml", &open).unwrap().display().to_string();
        up(&creel, &config);
        Self { creel, origin, open }
    }

    /// A file that names no host.
    fn closed(&self) -> String {
        "[limits]\ndisk = \"1GiB\"\n".to_owned()
    }

    /// In one piece, as an operator should.
    fn write(&self, text: &str) {
        let fresh = self.creel.file("creel.toml.new", text).unwrap();
        std::fs::rename(&fresh, fresh.with_file_name("creel.toml")).unwrap();
    }

    fn reload(&self) -> Ran {
        self.creel.run(&["reload"]).unwrap()
    }

    pub(crate) fn tenant(&self) -> serde_json::Value {
        let ran = self.creel.run(&["status", "--json"]).unwrap();
        serde_json::from_str::<serde_json::Value>(&ran.out).unwrap_or_default()["tenants"][0].take()
    }

    fn generation(&self) -> u64 {
        self.tenant()["policy"]["generation"].as_u64().unwrap()
    }

    /// Starts a keeper behind the inner wall.
    pub(crate) fn keep(&self, name: &str, how: &str) {
        let put = self.creel.run_with(&["ws", "put", "-", "keeper.py"], KEEPER.as_bytes()).unwrap();
        assert_eq!(put.code, 0, "{put:?}");
        let port = self.origin.address().port();
        let start = format!("RUN: python3 keeper.py origin.test {port} {name} {how} >{name}.log 2>&1 & echo started");
        assert_eq!(self.creel.run(&["say", &start]).unwrap().code, 0);
    }

    /// What it wrote down so far.
    pub(crate) fn kept(&self, name: &str) -> Vec<String> {
        let got = self.creel.run(&["ws", "get", name]).unwrap();
        got.out.lines().map(str::to_owned).collect()
    }

    /// Waits until a file is in the workspace.
    pub(crate) fn until_there(&self, name: &str) {
        for _ in 0..200 {
            if self.creel.run(&["ws", "get", name]).unwrap().code == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("`{name}` never came");
    }

    /// Waits until a line that is new since `seen` holds this; gives back all lines.
    pub(crate) fn until(&self, name: &str, seen: usize, what: &str) -> Vec<String> {
        self.until_any(name, seen, &[what])
    }

    /// Waits until a line that is new since `seen` holds one of these; gives back all lines.
    fn until_any(&self, name: &str, seen: usize, what: &[&str]) -> Vec<String> {
        for _ in 0..200 {
            let kept = self.kept(name);
            if kept.iter().skip(seen).any(|line| what.iter().any(|what| line.contains(what))) {
                return kept;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("none of {what:?} behind line {seen}: {:#?}", self.kept(name));
    }
}

pub(crate) fn signal(name: &str, pid: i64) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

#[test]
fn rules_change_under_a_running_agent() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let world = World::start("reload");
    world.keep("kept", "");
    let kept = world.until("kept", 0, "1 200 hello");
    a_file_with_a_fault_changes_nothing(&world);
    let kept = world.until("kept", kept.len(), "1 200 hello");
    a_removed_rule_closes_the_open_connection(&world, kept.len());
    an_added_rule_opens_it_again_by_a_signal(&world);
    reloads_that_race_come_one_after_the_other(&world);
    a_reload_between_two_guards_holds_for_the_next_one(&world);
    the_ledger_and_the_log_tell(&world);
    races::links_and_renames_lead_nowhere(&world);
    assert_eq!(world.creel.run(&["down", "--now"]).unwrap().code, 0);
    deaths::nothing_is_left(&world.creel);
}

fn a_file_with_a_fault_changes_nothing(world: &World) {
    let whole = world.open.clone();
    for (cut, place) in
        [("[[egress", "creel.toml:3:"), ("host = \"orig", "creel.toml:4:"), ("address = ", "creel.toml:6:")]
    {
        let text = whole.split_once(cut).unwrap().0.to_owned() + cut;
        world.creel.file("creel.toml", &text).unwrap();
        let ran = world.reload();
        assert!(ran.code == 2 && ran.err.contains(place) && ran.err.contains("the old rules stay"), "{cut}: {ran:?}");
    }
    let nonsense = whole.replace("ports = [", "ports = [0, ") + "[limits]\nmemroy = 1\n";
    world.creel.file("creel.toml", &nonsense).unwrap();
    assert_eq!(world.reload().code, 2);
    let config = world.creel.file("creel.toml", "").unwrap();
    std::fs::remove_file(&config).unwrap();
    assert!(Command::new("mkfifo").arg(&config).status().unwrap().success());
    let pipe = world.reload();
    assert!(pipe.code == 2 && pipe.err.contains("can't be read"), "{pipe:?}");
    std::fs::remove_file(&config).unwrap();
    assert_eq!(world.reload().code, 2);
    let tenant = world.tenant();
    assert_eq!(tenant["policy"]["generation"], 1, "{tenant}");
    assert!(tenant["policy"]["failed"].as_str().unwrap().contains("creel.toml"), "{tenant}");
    assert!(world.creel.run(&["status"]).unwrap().out.contains("the old rules stay"));
}

fn a_removed_rule_closes_the_open_connection(world: &World, seen: usize) {
    world.write(&(world.closed() + "memory = \"3GiB\"\n[tools]\ndeny = [\"browser\"]\n"));
    let ran = world.reload();
    let port = world.origin.address().port();
    let says = [&format!("removed origin.test:{port}"), "added tools.deny browser", "generation 2 ", "limits.memory"];
    assert!(ran.code == 0 && says.iter().all(|text| ran.out.contains(*text)), "{ran:?}");
    let asked = world.origin.asked().len();
    let kept = world.until("kept", seen, "1 403 other");
    let first = kept.iter().position(|line| line.starts_with("1 403")).unwrap();
    assert!(kept[first..].iter().all(|line| line.contains(" 403 ")), "{kept:#?}");
    assert!(world.origin.asked().len() <= asked + 1, "one request may have been under way");
    let tenant = world.tenant();
    assert_eq!(tenant["policy"]["waiting"], serde_json::json!(["limits.memory"]), "{tenant}");
    assert!(tenant["policy"]["failed"].is_null() && tenant["approved_hosts"] == serde_json::json!([]), "{tenant}");
}

fn an_added_rule_opens_it_again_by_a_signal(world: &World) {
    let seen = world.kept("kept").len();
    let before = world.generation();
    world.write(&world.open);
    signal("-HUP", world.tenant()["warden_pid"].as_i64().unwrap());
    world.until("kept", seen, "1 200 hello");
    assert_eq!(world.generation(), before + 1);
    // and a file with a fault in it is said on status alone, for nobody waits for an answer
    world.write("[lim");
    signal("-HUP", world.tenant()["warden_pid"].as_i64().unwrap());
    for _ in 0..50 {
        if !world.tenant()["policy"]["failed"].is_null() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let tenant = world.tenant();
    assert!(tenant["policy"]["failed"].as_str().unwrap().contains("creel.toml:1:"), "{tenant}");
    assert_eq!(tenant["policy"]["generation"], before + 1, "{tenant}");
}

fn reloads_that_race_come_one_after_the_other(world: &World) {
    let before = world.generation();
    let seen = world.kept("kept").len();
    world.write(&world.open);
    let done: Vec<Ran> = std::thread::scope(|scope| {
        let flipping = scope.spawn(|| {
            for turn in 0..200 {
                world.write(&if turn % 2 == 0 { world.closed() } else { world.open.clone() });
            }
        });
        let racing: Vec<_> =
            (0..4).map(|_| scope.spawn(|| (0..5).map(|_| world.reload()).collect::<Vec<_>>())).collect();
        flipping.join().unwrap();
        racing.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(done.iter().all(|ran| ran.code == 0), "{done:?}");
    let mut generations: Vec<u64> = done.iter().map(|ran| generation_in(&ran.out)).collect();
    generations.sort_unstable();
    // each has one of its own
    assert!(generations.windows(2).all(|pair| pair[0] < pair[1]) && generations[0] > before, "{generations:?}");
    assert_eq!(world.generation(), generations[19]);
    // the last that was asked for is the one that is in force
    world.write(&world.open);
    assert_eq!(world.reload().code, 0);
    let kept = world.until("kept", world.kept("kept").len() + 1, "1 200 hello");
    assert!(kept[seen..].iter().all(|line| line.contains(" 200 hello") || line.contains(" 403 other")), "{kept:#?}");
}

fn generation_in(text: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with("generation ")).unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

fn a_reload_between_two_guards_holds_for_the_next_one(world: &World) {
    let before = world.generation();
    world.write(&world.closed());
    let guard = world.tenant()["guard_pid"].as_i64().unwrap();
    signal("-KILL", guard);
    let ran = world.reload();
    assert!(ran.code == 0 && generation_in(&ran.out) > before, "{ran:?}");
    let asked = world.origin.asked().len();
    // whose connection is gone asks for the name anew, and there is none any more; unless it was back before the reload,
    // with a guard that had still been started by the old rules: then that connection is refused
    let seen = world.kept("kept").len();
    world.until_any("kept", seen, &["gaierror", " 403 "]);
    assert!(world.origin.asked().len() <= asked + 1);
    // one more guard: it starts with the rules that are in force, not with those of the start
    let next = world.tenant()["guard_pid"].as_i64().unwrap();
    assert_ne!(next, guard);
    signal("-KILL", next);
    for _ in 0..100 {
        if ![0, next].contains(&world.tenant()["guard_pid"].as_i64().unwrap()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let kept = world.until("kept", world.kept("kept").len() + 20, "gaierror");
    assert!(kept[seen..].iter().all(|line| !line.contains(" 200 ")), "{kept:#?}");
    assert_eq!(world.generation(), generation_in(&ran.out));
    world.write(&world.open);
    assert_eq!(world.reload().code, 0);
    world.until("kept", kept.len(), " 200 hello");
}

fn the_ledger_and_the_log_tell(world: &World) {
    let log = world.creel.run(&["log", "--json"]).unwrap();
    let reloads: Vec<&str> =
        log.out.lines().filter(|line| line.contains("\"administer\"") && line.contains("reload")).collect();
    let has = |parts: &[&str]| reloads.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(has(&["generation 2:", "removed origin.test", "limits.memory", "\"done\""]), "{reloads:#?}");
    assert!(has(&["not legal", "failed"]), "{reloads:#?}");
    assert_eq!(world.creel.run(&["ledger", "verify"]).unwrap().code, 0);
}
