//! What dies, and what must hold then. Called from the story in `road.rs`.

use std::process::Command;
use std::time::Duration;

use creel_testkit::Creel;

fn status(creel: &Creel) -> serde_json::Value {
    let ran = creel.run(&["status", "--json"]).unwrap();
    serde_json::from_str(&ran.out).unwrap_or_default()
}

pub(crate) fn warden(creel: &Creel) -> i64 {
    status(creel)["tenants"][0]["warden_pid"].as_i64().unwrap()
}

pub(super) fn kill(pid: i64) {
    signal("-9", pid);
}

pub(super) fn signal(name: &str, pid: i64) {
    assert!(pid > 1);
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

/// The process of ours that the warden started with this word.
pub(super) fn of_the_warden(creel: &Creel, word: &str) -> i64 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", warden(creel))).unwrap().flatten();
    let children = tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
    let children: Vec<i64> =
        children.flat_map(|line| line.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()).collect();
    let end = format!("\0{word}\0");
    let is_it =
        |pid: &i64| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(end.as_bytes()));
    children.into_iter().find(is_it).unwrap()
}

/// Whatever of this installation can be seen on the host: processes, mounts, loop devices, control groups.
pub(crate) fn leftovers(creel: &Creel) -> Vec<String> {
    let mut found = Vec::new();
    let id = std::fs::read_to_string(creel.state().join("id")).unwrap();
    let program = std::fs::canonicalize(creel_e2e::program()).unwrap();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let groups = std::fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        let ours = std::fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == program);
        // A zombie runs nothing: it waits for its new parent, the host's own init, to take note of it.
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let dead = status.lines().any(|line| line.starts_with("State:") && (line.contains('Z') || line.contains('X')));
        if !dead && (ours || groups.contains(&id)) {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(format!("process {}", String::from_utf8_lossy(&line).replace('\0', " ")));
        }
    }
    let state = creel.state().display().to_string();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    found.extend(mounts.lines().filter(|line| line.contains(&state)).map(str::to_owned));
    for entry in std::fs::read_dir("/sys/block").unwrap().flatten() {
        let backing = std::fs::read_to_string(entry.path().join("loop/backing_file")).unwrap_or_default();
        if backing.contains(&state) {
            found.push(format!("loop device for {}", backing.trim()));
        }
    }
    let groups = Command::new("find").args(["/sys/fs/cgroup", "-maxdepth", "3", "-name", &format!("*{id}*")]).output();
    found.extend(String::from_utf8_lossy(&groups.unwrap().stdout).lines().map(str::to_owned));
    found
}

/// Waits up to two seconds.
pub(crate) fn nothing_is_left(creel: &Creel) {
    for _ in 0..20 {
        if leftovers(creel).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("left over: {:#?}", leftovers(creel));
}

pub(crate) fn the_guard_dies_and_comes_back(creel: &Creel, port: u16) {
    let before = status(creel)["tenants"][0]["guard_pid"].as_i64().unwrap();
    // Load: a loop of requests inside, while the guard is killed.
    let load = format!(
        "RUN: (for i in $(seq 1 200); do curl -s --max-time 2 https://origin.test:{port}/load-$i >/dev/null && echo ok >> load.txt || echo no >> load.txt; sleep 0.05; done) >/dev/null 2>&1 & echo started"
    );
    creel.run(&["say", &load]).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    upgrade_the_file();
    kill(before);
    let mut after = before;
    for _ in 0..100 {
        after = status(creel)["tenants"][0]["guard_pid"].as_i64().unwrap_or(before);
        if after != before && after > 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_ne!(after, before, "the guard came back");
    // It is the warden's own version, whatever stands in the file's place by now, and it judges.
    let warden = warden(creel);
    let program = |pid: i64| std::fs::read(format!("/proc/{pid}/exe")).unwrap();
    assert!(program(after) == program(warden), "guard and warden are of one version");
    assert!(std::fs::read_link(format!("/proc/{warden}/exe")).unwrap().to_string_lossy().ends_with(" (deleted)"));
    let refused = creel.run(&["say", &format!("FETCH: https://elsewhere.test:{port}/after-the-guard")]).unwrap();
    assert!(!refused.out.contains("hello from ORIGIN"), "{refused:?}");
    let said = creel.run(&["say", &format!("FETCH: https://origin.test:{port}/after-the-guard")]).unwrap();
    assert!(said.out.contains("hello from ORIGIN"), "{said:?}");
    assert_eq!(creel.run(&["ledger", "verify"]).unwrap().code, 0);
}

/// What a package manager does: another file in the program's place.
fn upgrade_the_file() {
    let (program, fresh) = (creel_e2e::program(), creel_e2e::program().with_extension("fresh"));
    std::fs::copy(&program, &fresh).unwrap();
    std::fs::rename(&fresh, &program).unwrap();
}

pub(crate) fn the_warden_dies_and_takes_the_jail_along(creel: &Creel) {
    kill(warden(creel));
    // The kernel has a gigabyte of OpenClaw's to give back first, on a host that may be busy.
    for _ in 0..100 {
        if !leftovers(creel).iter().any(|left| left.starts_with("process")) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("processes outlived the warden: {:#?}", leftovers(creel));
}
