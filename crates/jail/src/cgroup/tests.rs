use super::*;
use std::io::Write;
use std::process::{Child, Command, Stdio};

const LIMITS: CgroupLimits = CgroupLimits { cpus: 1.5, memory_bytes: 64 << 20, pids: 20 };

fn name(test: &str) -> String {
    format!("test-{test}-{}", std::process::id())
}

/// A shell that runs `script` when it is told to, so that it can be put into a group first.
struct Shell(Child);

impl Shell {
    #[expect(clippy::disallowed_methods, reason = "the tests need processes to hold")]
    fn new(script: &str) -> Self {
        // bash tries again when a fork fails, so that its bombs stay alive.
        let mut command = Command::new("/bin/bash");
        command.args(["-c", &format!("read go; {script}")]).stdin(Stdio::piped());
        Self(command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    fn go(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let seen = (0..500).any(|_| {
        std::thread::sleep(PAUSE);
        is_so()
    });
    assert!(seen, "{what}");
}

#[test]
fn limits_are_proved_and_the_groups_go_away() {
    let group = Cgroup::create(&name("proved"), &LIMITS).unwrap();
    assert_eq!(group.unenforced(), [""; 0], "this host can't enforce the limits that the tests need");
    let dirs = group.dirs();
    assert!(dirs.iter().all(|dir| dir.is_dir()));
    assert_eq!(group.usage().pids, Some(0));
    assert_eq!(group.usage().oom_kills, Some(0));
    assert!(group.usage().cpu_ns.is_some() && group.usage().memory_bytes.is_some());
    // Again under the same name: the empty one is replaced.
    let again = Cgroup::create(group.name(), &LIMITS).unwrap();
    again.remove().unwrap();
    assert!(!dirs.iter().any(|dir| dir.exists()));
    group.remove().unwrap();
}

#[test]
fn tcp_buffers_are_limited_under_version_1() {
    let group = Cgroup::create(&name("tcp"), &LIMITS).unwrap();
    let place = group.memory.clone().unwrap();
    let file = place.dir().join("memory.kmem.tcp.limit_in_bytes");
    // Version 2 counts them as memory; newer kernels of version 1 may lack the file.
    assert!(!(place.is_v2() && file.exists()));
    if file.exists() {
        assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), (64_u64 << 20).to_string());
    }
    group.remove().unwrap();
}

#[test]
fn a_fork_bomb_is_held_and_killed() {
    let group = Cgroup::create(&name("bomb"), &LIMITS).unwrap();
    let mut bomb = Shell::new("b() { b | b & }; while :; do b; done");
    group.add(bomb.pid()).unwrap();
    assert_eq!(group.processes(), [bomb.pid()]);
    bomb.go();
    eventually("the limit is never reached", || {
        let pids = group.usage().pids.unwrap();
        assert!(pids <= LIMITS.pids, "{pids} processes");
        pids == LIMITS.pids
    });
    assert!(matches!(Cgroup::create(group.name(), &LIMITS), Err(Error::Host { .. })), "replaced while in use");
    group.kill_all().unwrap();
    assert_eq!(group.processes(), [0; 0]);
    bomb.0.wait().unwrap();
    let dirs = group.dirs();
    group.remove().unwrap();
    assert!(!dirs.iter().any(|dir| dir.exists()));
}

#[test]
fn memory_is_limited() {
    let group = Cgroup::create(&name("memory"), &LIMITS).unwrap();
    // tail keeps the whole of a line in memory.
    let mut hog = Shell::new("head -c 300000000 /dev/zero | tail -n 1; exit 7");
    group.add(hog.pid()).unwrap();
    hog.go();
    eventually("nothing was killed", || group.usage().oom_kills.unwrap() > 0);
    hog.0.wait().unwrap();
    group.kill_all().unwrap();
    group.remove().unwrap();
}

#[test]
fn killing_works_without_the_unified_hierarchy() {
    let mut group = Cgroup::create(&name("plain"), &LIMITS).unwrap();
    let unified = group.unified.take();
    let mut shell = Shell::new("sleep 600 & sleep 600 & wait");
    group.add(shell.pid()).unwrap();
    shell.go();
    eventually("nothing was started", || group.processes().len() == 3);
    group.kill_all().unwrap();
    shell.0.wait().unwrap();
    group.unified = unified;
    group.remove().unwrap();
}

#[test]
fn what_a_killed_warden_left_is_swept_and_others_are_not() {
    let (dead, live) = (name("dead"), name("live"));
    let group = Cgroup::create(&dead, &LIMITS).unwrap();
    let other = Cgroup::create(&live, &LIMITS).unwrap();
    let mut shell = Shell::new("sleep 600");
    group.add(shell.pid()).unwrap();
    shell.go();
    let dirs = group.dirs();
    drop(group);
    assert_eq!(sweep(|name| name == dead).unwrap(), vec![dead]);
    assert!(!dirs.iter().any(|dir| dir.exists()));
    shell.0.wait().unwrap();
    assert!(other.dirs().iter().all(|dir| dir.exists()));
    other.remove().unwrap();
}

#[test]
fn names_and_limits_that_make_no_sense_are_refused() {
    let refused = |name: &str, limits: CgroupLimits| {
        assert!(matches!(Cgroup::create(name, &limits), Err(Error::Operator { .. })), "{name} {limits:?}");
    };
    for bad in ["", "..", "a/b", "A", "a.b", &"x".repeat(65)] {
        refused(bad, LIMITS);
    }
    for cpus in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused("x", CgroupLimits { cpus, ..LIMITS });
    }
    refused("x", CgroupLimits { memory_bytes: 1 << 20, ..LIMITS });
    refused("x", CgroupLimits { pids: 0, ..LIMITS });
}

#[test]
fn a_group_that_could_not_be_made_is_left_out() {
    let mut group = Cgroup::create(&name("unmade"), &LIMITS).unwrap();
    let dir = group.unified.as_ref().unwrap().dir().to_owned();
    std::fs::remove_dir(&dir).unwrap();
    group.forget_unmade();
    assert!(!group.dirs().contains(&dir));
    let shell = Shell::new("exit");
    group.add(shell.pid()).unwrap();
    group.kill_all().unwrap();
    drop(shell);
    group.remove().unwrap();
}

#[test]
fn what_is_frozen_stands_still_can_be_killed_and_goes_on() {
    let group = Cgroup::create(&name("frozen"), &LIMITS).unwrap();
    let mut busy = Shell::new("while :; do :; done & while :; do :; done");
    group.add(busy.pid()).unwrap();
    busy.go();
    eventually("nothing was started", || group.processes().len() == 2);
    let used = || group.usage().cpu_ns.unwrap();
    assert!(!group.is_frozen() && group.freeze(true).unwrap() && group.is_frozen());
    let before = used();
    std::thread::sleep(PAUSE * 10);
    assert_eq!(used(), before, "it went on");
    // One that comes later stands still as well.
    let late = Shell::new("true");
    group.add(late.pid()).unwrap();
    eventually("the late one runs", || group.is_frozen());
    assert!(group.freeze(false).unwrap() && !group.is_frozen());
    eventually("it does not go on", || used() > before);
    assert!(group.freeze(true).unwrap());
    group.kill_all().unwrap();
    busy.0.wait().unwrap();
    drop(late);
    group.remove().unwrap();
}

#[test]
fn without_version_2_nothing_claims_to_be_frozen() {
    let mut group = Cgroup::create(&name("unfrozen"), &LIMITS).unwrap();
    let unified = group.unified.take();
    assert!(group.freeze(true).is_err_and(|error| error.to_string().contains("version 2")) && !group.is_frozen());
    group.unified = unified;
    group.remove().unwrap();
}

#[test]
fn a_jails_staff_has_processor_time_of_its_own_and_is_swept_with_it() {
    let name = name("staff");
    let staff = Staff::create(&name, 1.5).unwrap();
    let dir = staff.dir().expect("this host has the controller that the test needs").to_owned();
    let mut shell = Shell::new("sleep 60");
    let mut entrance = std::fs::File::from(staff.entrance().unwrap().unwrap());
    entrance.write_all(shell.pid().to_string().as_bytes()).unwrap();
    let (v1, v2) = (dir.join("cpu.cfs_quota_us"), dir.join("cpu.max"));
    let quota = std::fs::read_to_string(v1).or_else(|_| std::fs::read_to_string(v2)).unwrap();
    assert!(quota.starts_with("150000"), "{quota}");
    shell.0.kill().unwrap();
    shell.0.wait().unwrap();
    drop(staff);
    assert!(!dir.exists());
    // what a killed warden leaves
    std::mem::forget(Staff::create(&name, 1.5).unwrap());
    assert!(dir.exists());
    assert_eq!(sweep(|found| found == name).unwrap(), [name]);
    assert!(!dir.exists());
}
