//! A guard of another program takes over under load, and the jail goes on.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use super::reload::{World, signal};
use super::{ALONE, deaths};

/// Another program by its bytes, and the same by what it does.
fn another(world: &World, name: &str) -> PathBuf {
    let path = world.creel.file(name, "").unwrap();
    std::fs::copy(creel_e2e::program(), &path).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(name.as_bytes()).unwrap();
    path
}

fn guard(world: &World) -> i64 {
    world.tenant()["guard_pid"].as_i64().unwrap()
}

fn runs(pid: i64, program: &Path) -> bool {
    let running = std::fs::metadata(format!("/proc/{pid}/exe")).unwrap();
    running.len() == std::fs::metadata(program).unwrap().len()
}

#[test]
fn a_new_guard_takes_over_under_load_and_the_jail_goes_on() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let world = World::start("takeover");
    world.keep("kept", "");
    world.keep("fresh", "fresh");
    world.until("kept", 3, " 200 hello");
    world.until("fresh", 3, " 200 hello");
    world.keep("endless", "endless");
    world.until("endless", 5, "sent");
    let before = world.tenant();
    what_is_no_guard_changes_nothing(&world);
    for name in ["second-guard", "third-guard!"] {
        let (program, old) = (another(&world, name), guard(&world));
        let ran = world.creel.run(&["upgrade", "--program", &program.display().to_string()]).unwrap();
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(guard(&world) != old && runs(guard(&world), &program), "the new program serves");
        assert!(!runs(deaths::warden(&world.creel), &program));
        // What stands in the file's place from now on is nothing to the guard.
        std::fs::write(&program, "").unwrap();
        for name in ["kept", "fresh"] {
            world.until(name, world.kept(name).len() + 3, " 200 hello");
        }
    }
    for name in ["kept", "fresh"] {
        hardly_anything_broke(&world, name);
    }
    what_has_no_end_was_cut(&world);
    the_next_one_after_a_death_is_of_the_same_program(&world);
    let after = world.tenant();
    for same in ["warden_pid", "init_pid", "agent_restarts"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_eq!((&before["agent"]["pid"], &after["guard_takeovers"]), (&after["agent"]["pid"], &serde_json::json!(2)));
    nothing_was_unjudged(&world);
    assert_eq!(world.creel.run(&["down", "--now"]).unwrap().code, 0);
    deaths::nothing_is_left(&world.creel);
}

fn what_is_no_guard_changes_nothing(world: &World) {
    let old = guard(world);
    let folder = world.creel.state().display().to_string();
    for program in ["/bin/true", "/nowhere/creel", &folder, "/dev/null"] {
        let ran = world.creel.run(&["upgrade", "--program", program]).unwrap();
        assert!(ran.code == 1 && ran.err.contains("stays as it was"), "{program}: {ran:?}");
        assert_eq!(guard(world), old);
    }
    let kept = world.until("kept", world.kept("kept").len(), "1 200 hello");
    assert!(kept.iter().all(|line| line.starts_with("1 200 hello")), "{kept:#?}");
}

fn the_next_one_after_a_death_is_of_the_same_program(world: &World) {
    let old = guard(world);
    let program = PathBuf::from(world.tenant()["guard_program"].as_str().unwrap());
    signal("-KILL", old);
    for _ in 0..100 {
        if ![0, old].contains(&guard(world)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(guard(world) != old && runs(guard(world), &program));
    world.until("fresh", world.kept("fresh").len() + 3, " 200 hello");
}

/// What was let in by one guard does not go on under the next, and its record says that it came to nothing.
fn what_has_no_end_was_cut(world: &World) {
    world.until("endless", 0, "cut ");
    let log = world.creel.run(&["log", "--json"]).unwrap();
    let ends: Vec<serde_json::Value> = log
        .out
        .lines()
        .filter(|line| line.contains("/endless"))
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["outcome"].clone())
        .collect();
    assert_eq!(ends, ["abandoned"]);
    assert!(!world.origin.asked().iter().any(|asked| asked.path == "/endless"), "it never came to its end");
}

/// Each of two take-overs may break what was just being said; nobody waits longer than a slow machine needs.
fn hardly_anything_broke(world: &World, name: &str) {
    let kept = world.kept(name);
    let broken = kept.iter().filter(|line| line.contains("broken")).count();
    let longest = kept.iter().filter_map(|line| line.split(' ').nth(3)?.parse::<f64>().ok()).fold(0.0, f64::max);
    let figures = format!("{} asked, {broken} broken, the longest took {longest} s", kept.len());
    world.creel.file(&format!("{name}.figures"), &figures).unwrap();
    assert!(broken <= 2 && longest < 9.0, "{figures}");
}

fn nothing_was_unjudged(world: &World) {
    for name in ["kept", "fresh"] {
        world.creel.run_with(&["ws", "put", "-", &format!("{name}.stop")], b"").unwrap();
    }
    std::thread::sleep(Duration::from_millis(500));
    let log = world.creel.run(&["log", "--json"]).unwrap();
    for name in ["kept", "fresh"] {
        let path = format!("/{name}");
        let arrived = world.origin.asked().iter().filter(|asked| asked.path == path).count();
        let is_its = |line: &&str| line.contains("\"send\"") && line.contains(&path) && line.contains("\"allow\"");
        let judged = log.out.lines().filter(is_its).count();
        assert!(arrived <= judged, "{arrived} requests for {path} arrived, {judged} were judged");
        let kept = world.kept(name);
        let refused = |line: &&String| line.contains(" 4") && !line.contains(" 200 ");
        assert_eq!(kept.iter().find(refused), None);
    }
    for act in ["upgrade", "takeover guard"] {
        assert!(log.out.lines().any(|line| line.contains("\"administer\"") && line.contains(act)), "{act}");
    }
    assert_eq!(world.creel.run(&["ledger", "verify"]).unwrap().code, 0);
    let said = world.creel.run(&["say", "RUN: echo still $(id -u)"]).unwrap();
    assert!(said.out.contains("still 1001"), "{said:?}");
}
