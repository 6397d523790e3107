//! A secret of the store in a real agent's life: never in its jail, filled in where it may go, exchanged under load.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use creel_e2e::{fresh, runtime};
use creel_testkit::{Asked, Creel, Origin};

use super::{ALONE, deaths, up};

/// Values of one secret, one after the other. No part of one may be found where the agent can look.
const VALUES: [&str; 4] = [
    "crm-live-Zq8xW2vN5tLr0aKc9uPe",
    "crm-live-Hb3mD7yJ1sGf6oXi4nTz",
    "crm-live-Rw5kQ9cU2hVe8jBp0dAy",
    "crm-live-Mf4gS6zL1oIn7tCx3rEu",
];

/// How long an old value is looked for.
const OVERLAP: Duration = Duration::from_secs(12);

struct World {
    creel: Creel,
    origin: Origin,
    accepted: Arc<Mutex<Vec<&'static str>>>,
    config: String,
}

fn token(asked: &Asked) -> String {
    let header = asked.headers.iter().find(|(name, _)| name == "authorization");
    header.map(|(_, value)| value.trim_start_matches("Bearer ").to_owned()).unwrap_or_default()
}

impl World {
    fn new() -> Self {
        let creel = fresh("secrets").unwrap();
        let accepted: Arc<Mutex<Vec<&'static str>>> = Arc::new(Mutex::new(vec![VALUES[0]]));
        let known = Arc::clone(&accepted);
        // Whatever it is asked, it tells the first value, which it should not.
        let origin = Origin::https_answering("127.0.0.1:0", &["origin.test"], move |asked| {
            let ok = known.lock().unwrap().contains(&token(asked).as_str());
            let text = format!("{} first={}\n", if ok { "welcome" } else { "go-away" }, VALUES[0]);
            http::Response::builder().status(if ok { 200 } else { 401 }).body(text.into()).unwrap()
        })
        .unwrap();
        let maker = creel.file("new-token.sh", &format!("#!/bin/sh\necho {}\n", VALUES[1])).unwrap();
        std::fs::set_permissions(&maker, PermissionsExt::from_mode(0o700)).unwrap();
        let ca = creel.file("ca.pem", origin.ca_pem()).unwrap();
        let port = origin.address().port();
        let text = format!(
            "[limits]\ndisk = \"1GiB\"\n[approvals]\nwait = 0\n[[egress.allow]]\nhost = \"origin.test\"\nports = [{port}]\naddress = \"127.0.0.1\"\nca = \"{}\"\n\
             [[secret]]\nname = \"CRM_TOKEN\"\nhost = \"origin.test\"\nports = [{port}]\nstore = true\n\
             rotate_with = [\"{}\"]\noverlap = \"{}s\"\n",
            ca.display(),
            maker.display(),
            OVERLAP.as_secs()
        );
        let config = creel.file("creel.toml", &text).unwrap().display().to_string();
        Self { creel, origin, accepted, config }
    }

    /// `creel secret …`: exit code, and all that was said.
    fn secret(&self, args: &[&str], input: &str) -> (i32, String) {
        let args: Vec<&str> = ["secret", "--config", &self.config].iter().chain(args).copied().collect();
        let ran = self.creel.run_with(&args, input.as_bytes()).unwrap();
        for value in VALUES {
            assert!(!ran.out.contains(value) && !ran.err.contains(value), "{args:?} shows a value: {ran:?}");
        }
        (ran.code, ran.out + &ran.err)
    }

    /// The origin takes these from now on.
    fn accept(&self, values: &[&'static str]) {
        *self.accepted.lock().unwrap() = values.to_vec();
    }

    /// The agent runs this script: of a credential in its own words OpenClaw would make stars.
    fn script(&self, text: &str) -> String {
        // Each has a name of its own: of a command that is said again and again people are asked.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("script-{}.sh", NUMBER.fetch_add(1, Ordering::Relaxed));
        let put = self.creel.run_with(&["ws", "put", "-", &name], text.as_bytes()).unwrap();
        assert_eq!(put.code, 0, "{put:?}");
        let said = self.creel.run(&["say", &format!("RUN: sh {name}")]).unwrap();
        assert_eq!(said.code, 0, "{said:?}");
        said.out
    }

    /// One request of the agent's with what stands for the secret.
    fn ask(&self) -> String {
        let port = self.origin.address().port();
        self.script(&format!("curl -s -H \"Authorization: Bearer $CRM_TOKEN\" https://origin.test:{port}/me"))
    }

    fn last_token(&self) -> String {
        self.origin.asked().last().map(token).unwrap_or_default()
    }

    fn tenant(&self) -> serde_json::Value {
        let ran = self.creel.run(&["status", "--json"]).unwrap();
        serde_json::from_str::<serde_json::Value>(&ran.out).unwrap_or_default()["tenants"][0].take()
    }
}

#[test]
fn a_secret_of_the_store_is_never_in_the_jail_and_is_exchanged_under_load() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let world = World::new();
    what_is_no_secret_is_not_taken(&world);
    up(&world.creel, &world.config);
    assert!(world.secret(&["list"], "").1.contains("in use"));
    assert!(world.ask().contains("welcome"));
    assert_eq!(world.last_token(), VALUES[0]);
    the_agent_has_nothing_of_it(&world);
    it_is_exchanged_under_load(&world);
    the_old_one_is_scrubbed_until_it_lapses(&world);
    a_person_brings_the_next_one(&world);
    the_next_guard_has_it_too(&world);
    its_uses_are_told(&world);
    at_rest_it_is_exchanged_and_taken_out(&world);
    // The first one the test itself gave to the agent: it stands in OpenClaw's own files, and in no record of its act.
    nothing_below_holds(world.creel.state(), &VALUES[1..]);
    let ledger = world.creel.state().join("tenants/default/ledger");
    assert!(ledger.is_dir());
    nothing_below_holds(&ledger, &VALUES);
}

fn what_is_no_secret_is_not_taken(world: &World) {
    let ran = world.creel.run(&["up", "--config", &world.config, "--runtime-folder", &runtime()]).unwrap();
    assert!(ran.code == 2 && ran.err.contains("creel secret put CRM_TOKEN"), "{ran:?}");
    for (value, why) in [("short", "shorter than 8"), ("12345678\u{1b}", "control"), ("one-line\nand-two", "CR, LF")] {
        let (code, told) = world.secret(&["put", "CRM_TOKEN"], value);
        assert!(code == 2 && told.contains(why), "{told}");
    }
    // More than a value is not read: this one never ends.
    let mut endless = world.creel.command(&["secret", "--config", &world.config, "put", "CRM_TOKEN"]);
    let ran = endless.stdin(Stdio::from(std::fs::File::open("/dev/zero").unwrap())).output().unwrap();
    assert!(ran.status.code() == Some(2) && String::from_utf8_lossy(&ran.stderr).contains("longer than"), "{ran:?}");
    assert_ne!(world.secret(&["put", "CRM_TOKEN", "by-argument"], "").0, 0, "no value stands in an argument");
    assert_eq!(world.secret(&["put", "CRM_TOKEN"], VALUES[0]), (0, "the store holds `CRM_TOKEN`\n".to_owned()));
    let (code, told) = world.secret(&["put", "CRM_TOKEN"], VALUES[1]);
    assert!(code == 2 && told.contains("creel secret rotate CRM_TOKEN"), "{told}");
}

/// Everything that a process in the jail is or can read, looked at by root.
fn the_agent_has_nothing_of_it(world: &World) {
    let tenant = world.tenant();
    let init = tenant["init_pid"].as_i64().unwrap();
    let groups = std::fs::read_to_string(format!("/proc/{init}/cgroup")).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        // In its control group is the jail, and nothing else.
        if std::fs::read_to_string(path.join("cgroup")).is_ok_and(|own| own == groups) {
            seen += 1;
            for file in ["environ", "cmdline"] {
                holds_nothing(&path.join(file), &VALUES);
            }
        }
    }
    assert!(seen >= 3, "init, wall and gateway at least: {seen}");
    for folder in ["workspace", "var", "tmp", "etc", "run", "home", "opt"] {
        nothing_below_holds(&Path::new("/proc").join(init.to_string()).join("root").join(folder), &VALUES);
    }
    let said = world.creel.run(&["say", "RUN: echo have=${#CRM_TOKEN}"]).unwrap();
    assert!(said.out.contains(&format!("have={}", VALUES[0].len())), "the agent has a stand-in of its form: {said:?}");
}

fn nothing_below_holds(folder: &Path, values: &[&str]) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            nothing_below_holds(&entry.path(), values);
        } else if kind.is_file() {
            holds_nothing(&entry.path(), values);
        }
    }
}

fn holds_nothing(file: &Path, values: &[&str]) {
    // Of the volume's image the files were looked at one by one.
    if file.ends_with("volume.img") {
        return;
    }
    let bytes = std::fs::read(file).unwrap_or_default();
    for value in values {
        let secret = value.trim_start_matches("crm-live-").as_bytes();
        let found = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!found, "{} holds a value", file.display());
    }
}

/// Four connections ask all the while; the value is exchanged by its program, and the origin forgets the old one.
fn it_is_exchanged_under_load(world: &World) {
    const REQUESTS: usize = 400;
    let put = world.creel.run_with(&["ws", "put", "-", "load.py"], include_bytes!("load.py")).unwrap();
    assert_eq!(put.code, 0, "{put:?}");
    let port = world.origin.address().port();
    let start = format!("RUN: python3 load.py origin.test {port} load.txt {REQUESTS} >load.log 2>&1 & echo started");
    assert_eq!(world.creel.run(&["say", &start]).unwrap().code, 0);
    let count = || world.origin.asked().iter().filter(|asked| asked.path == "/load").count();
    until("the load is on", || count() > 20);
    world.accept(&[VALUES[0], VALUES[1]]);
    let (code, told) = world.secret(&["rotate", "CRM_TOKEN"], "");
    assert!(code == 0 && told.contains("has a new value"), "{told}");
    // What was filled in before is under way at most so long.
    std::thread::sleep(Duration::from_millis(500));
    world.accept(&[VALUES[1]]);
    let after = world.origin.asked().len();
    until("the load is over", || world.creel.run(&["ws", "get", "load.txt"]).unwrap().out.contains("end"));
    let lines = world.creel.run(&["ws", "get", "load.txt"]).unwrap().out;
    let good = lines.lines().filter(|line| *line == "200").count();
    assert_eq!(good, REQUESTS, "no request is lost: {lines}");
    let asked = world.origin.asked();
    assert!(asked.len() > after + 20, "the load went on: {} {after}", asked.len());
    assert!(asked.iter().skip(after).all(|asked| token(asked) == VALUES[1]), "the old one is filled in no more");
}

fn the_old_one_is_scrubbed_until_it_lapses(world: &World) {
    // The load took some of the first overlap: another exchange begins one for the value that the origin tells.
    world.accept(&[VALUES[0], VALUES[2]]);
    assert_eq!(world.secret(&["rotate", "CRM_TOKEN", "--ask"], VALUES[0]).0, 0);
    assert_eq!(world.secret(&["rotate", "CRM_TOKEN", "--ask"], VALUES[2]).0, 0);
    let answer = world.ask();
    assert!(answer.contains("welcome first=[scrubbed by creel]"), "{answer}");
    assert_eq!(world.tenant()["secrets"][0]["old"], 2);
    let leak = world.script(&format!("/bin/echo {}", VALUES[0]));
    let log = world.creel.run(&["log"]).unwrap().out;
    assert!(log.contains("the secret `CRM_TOKEN` turned up in an act at the exec door"), "{leak}");
    std::thread::sleep(OVERLAP);
    until("the old values lapse", || world.tenant()["secrets"][0]["old"] == 0);
    let answer = world.ask();
    assert!(answer.contains(VALUES[0]), "nobody looks for it any more: {answer}");
}

fn a_person_brings_the_next_one(world: &World) {
    let (code, told) = world.secret(&["rotate", "CRM_TOKEN", "--ask"], VALUES[2]);
    assert!(code == 2 || code == 1, "{told}");
    assert!(told.contains("this very value"), "{told}");
    let (code, told) = world.secret(&["rotate", "OTHER"], VALUES[3]);
    assert!(code == 1 && told.contains("nothing that runs has a secret `OTHER`"), "{told}");
    let (code, told) = world.secret(&["rotate", "CRM_TOKEN", "--ask"], "short");
    assert!(code == 2 && told.contains("shorter than 8"), "{told}");
    world.accept(&[VALUES[3]]);
    assert_eq!(world.secret(&["rotate", "CRM_TOKEN", "--ask"], VALUES[3]).0, 0);
    assert!(world.ask().contains("welcome"));
    assert_eq!(world.last_token(), VALUES[3]);
    let (code, told) = world.secret(&["rm", "CRM_TOKEN"], "");
    assert!(code == 2 && told.contains("in use"), "{told}");
}

fn the_next_guard_has_it_too(world: &World) {
    let guard = world.tenant()["guard_pid"].as_i64().unwrap();
    deaths::kill(guard);
    until("the next guard serves", || {
        let next = world.tenant()["guard_pid"].as_i64().unwrap_or(0);
        next != 0 && next != guard
    });
    assert!(world.ask().contains("welcome"));
    assert_eq!(world.last_token(), VALUES[3]);
}

fn its_uses_are_told(world: &World) {
    let (code, told) = world.secret(&["uses", "CRM_TOKEN"], "");
    assert_eq!(code, 0, "{told}");
    assert!(told.lines().filter(|line| line.contains("/load")).count() == 400, "every use is told");
    assert!(told.contains("(in bearer)") && told.contains("secret-rotate CRM_TOKEN"), "{told}");
    let (_, other) = world.secret(&["uses", "OTHER"], "");
    assert!(!other.contains("/load"), "{other}");
}

fn at_rest_it_is_exchanged_and_taken_out(world: &World) {
    assert_eq!(world.creel.run(&["down", "--now"]).unwrap().code, 0);
    let (code, told) = world.secret(&["rotate", "CRM_TOKEN", "--ask"], VALUES[2]);
    assert!(code == 0 && told.contains("no ledger tells of it"), "{told}");
    world.accept(&[VALUES[2]]);
    up(&world.creel, &world.config);
    assert!(world.ask().contains("welcome"));
    assert_eq!(world.last_token(), VALUES[2]);
    assert_eq!(world.creel.run(&["down", "--now"]).unwrap().code, 0);
    let sealed = world.creel.state().join("secrets-default.sealed");
    let whole = std::fs::read(&sealed).unwrap();
    std::fs::write(&sealed, &whole[..whole.len() - 1]).unwrap();
    let ran = world.creel.run(&["up", "--config", &world.config, "--runtime-folder", &runtime()]).unwrap();
    assert!(ran.code == 2 && ran.err.contains("damaged"), "{ran:?}");
    std::fs::write(&sealed, &whole).unwrap();
    assert_eq!(world.secret(&["rm", "CRM_TOKEN"], "").0, 0);
    let ran = world.creel.run(&["up", "--config", &world.config, "--runtime-folder", &runtime()]).unwrap();
    assert!(ran.code == 2 && ran.err.contains("creel secret put CRM_TOKEN"), "{ran:?}");
}

fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..900 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{what}: never");
}

/// A program of the operator's makes one of them, nobody the other.
#[test]
fn what_is_due_is_exchanged_by_itself_or_overdue_until_it_is() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let creel = fresh("rotation").unwrap();
    let hook = Origin::http("127.0.0.1:0").unwrap();
    let made = creel.file("made", "").unwrap();
    let maker = creel.file("maker.sh", "").unwrap();
    let makes = |line: &str| {
        std::fs::write(&maker, format!("#!/bin/sh\n{line}\n")).unwrap();
        std::fs::set_permissions(&maker, PermissionsExt::from_mode(0o700)).unwrap();
    };
    makes(&format!("echo x >>{0}; echo made-by-program-$(wc -l <{0})", made.display()));
    let entry = |name: &str, every: &str, more: &str| {
        format!(
            "[[secret]]\nname = \"{name}\"\nhost = \"a.test\"\nslot = \"header x-{name}\"\nstore = true\nrotate_every = \"{every}\"\n{more}"
        )
    };
    let text = format!(
        "[limits]\ndisk = \"1GiB\"\n[[egress.allow]]\nhost = \"a.test\"\n{}{}[[alerts]]\nurl = \"http://{}/\"\n",
        entry("MADE", "6s", &format!("rotate_with = [\"{}\"]\n", maker.display())),
        entry("TYPED", "60s", ""),
        hook.address()
    );
    let config = creel.file("creel.toml", &text).unwrap().display().to_string();
    let secret = |args: &[&str], input: &str| {
        let args: Vec<&str> = ["secret", "--config", &config].iter().chain(args).copied().collect();
        creel.run_with(&args, input.as_bytes()).unwrap()
    };
    assert_eq!(secret(&["put", "MADE"], "made-by-hand-0").code, 0);
    assert_eq!(secret(&["put", "TYPED"], "typed-by-hand-0").code, 0);
    up(&creel, &config);
    let of = |name: &str| {
        let ran = creel.run(&["status", "--json"]).unwrap();
        let status: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_default();
        let secrets = status["tenants"][0]["secrets"].as_array().cloned().unwrap_or_default();
        secrets.into_iter().find(|one| one["name"] == name).unwrap_or_default()
    };
    let checked = || {
        let ran = creel.run(&["check", "--json"]).unwrap();
        let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_default();
        let items = report["items"].as_array().cloned().unwrap_or_default();
        (ran.code, items.into_iter().find(|item| item["id"] == "secrets.rotated").unwrap_or_default())
    };
    let times = || std::fs::read_to_string(&made).unwrap().lines().count();
    until("it is exchanged again and again", || times() >= 2);
    until("the guard has it", || of("MADE")["old"].as_u64() >= Some(2));
    assert_eq!(of("MADE")["overdue"], serde_json::Value::Null);
    let log = creel.run(&["log"]).unwrap().out;
    assert!(log.lines().any(|line| line.contains("creel ") && line.contains("secret-rotate MADE")), "{log}");

    makes("exit 3");
    until("a program that fails makes it overdue", || {
        of("MADE")["overdue"].as_str().is_some_and(|why| why.contains("exit status: 3"))
    });
    let (code, item) = checked();
    assert!(code == 1 && item["status"] == "fail" && item["evidence"].to_string().contains("MADE"), "{item}");
    assert!(creel.run(&["status"]).unwrap().out.contains("OVERDUE   the secret MADE"));
    assert!(secret(&["list"], "").out.contains("OVERDUE"));
    until("people are told", || {
        hook.asked().iter().any(|asked| String::from_utf8_lossy(&asked.body).contains("the secret MADE"))
    });
    assert!(creel.run(&["log"]).unwrap().out.contains("secret-overdue MADE"));
    assert!(secret(&["uses", "MADE"], "").out.contains("secret-overdue MADE"));
    // The door goes on meanwhile, and it is tried again.
    makes("echo made-by-another-1234");
    until("it is tried again", || of("MADE")["overdue"].is_null());

    until("what nobody makes is overdue", || {
        of("TYPED")["overdue"].as_str().is_some_and(|why| why.contains("creel secret rotate TYPED"))
    });
    assert_eq!(secret(&["rotate", "TYPED"], "typed-by-hand-1").code, 0);
    assert!(of("TYPED")["overdue"].is_null() && of("TYPED")["old"] == 1);
    assert_eq!(creel.run(&["down", "--now"]).unwrap().code, 0);
}
