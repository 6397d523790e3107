//! Jails that somebody else builds or asks for: an OCI runtime of the host, and a plain user.

use std::os::unix::process::CommandExt;
use std::process::Command;

use creel_jail::{Disk, Engine, Error, Jail, LayerStatus, OciRuntime, Plan, Users};

use crate::box_under_test::{Box, launch_plan, plan, state_dir};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("engines::runc_builds_the_same_box", runc_builds_the_same_box),
    ("engines::runc_leaves_nothing", runc_leaves_nothing),
    ("engines::crun_builds_it_or_says_why_not", crun_builds_it_or_says_why_not),
    ("engines::a_plain_user_gets_a_box_too", a_plain_user_gets_a_box_too),
];

fn by(runtime: OciRuntime) -> Result<Box, Error> {
    let (plan, lock) = plan();
    let plan = Plan { engine: Engine::Runtime(runtime), ..plan };
    Jail::launch(&plan).map(|launched| Box::of(launched, Some(lock)))
}

/// What holds in every box, whoever built it.
const SAME: [(&str, &str); 12] = [
    ("id -u; id -g; id -G; pwd; umask; hostname", "1000\n1000\n1000\n/workspace\n0022\nbox"),
    ("grep -E '^Cap' /proc/self/status | awk '{print $2}' | sort -u", "0000000000000000"),
    ("grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | awk '{print $2}' | tr '\\n' ' '", "1 2"),
    ("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", "lo"),
    ("echo x > /workspace/a && echo x > /tmp/b && cat /workspace/a /tmp/b", "x\nx"),
    ("for p in / /usr /etc /dev /opt /creel; do touch $p/x 2>/dev/null && echo $p; done; echo end", "end"),
    ("cat /proc/keys /proc/kallsyms /proc/cmdline /proc/timer_list 2>/dev/null | wc -c", "0"),
    ("(echo x > /proc/sys/kernel/core_pattern) 2>/dev/null; (echo x > /proc/sysrq-trigger) 2>/dev/null; echo $?", "1"),
    ("unshare -U true 2>/dev/null; echo $?; mount -t tmpfs x /tmp 2>/dev/null; echo $?", "1\n32"),
    ("cat /proc/self/cgroup | cut -d: -f3 | sort -u", "/"),
    ("python3 -c 'import os; os.mknod(\"/tmp/n\", 0o20600, 0)' 2>&1 | grep -c 'Permission denied'", "1"),
    ("ulimit -n; ulimit -c; ls /sys | wc -l; ls -l /proc/self/fd | grep -c ' -> '", "1024\n0\n0\n4"),
];

fn is_the_same(jail: &mut Box) {
    for (script, answer) in SAME {
        // a plain user's groups stay with him, without a name
        assert_eq!(jail.sh(script).replace("1000 65534", "1000"), answer, "{script}");
    }
    let mounts = jail.sh("cat /proc/self/mountinfo");
    assert!(!mounts.contains(&state_dir().display().to_string()) && !mounts.contains("/target/"), "{mounts}");
}

fn runc_builds_the_same_box() {
    let mut jail = by(OciRuntime::Runc).unwrap();
    is_the_same(&mut jail);
    let degraded = jail.launched.layers.iter().filter(|layer| layer.status == LayerStatus::Degraded);
    assert_eq!(degraded.map(|layer| layer.id).collect::<Vec<_>>(), ["limit.disk"]);
    jail.launched.jail.kill().unwrap();
}

fn runc_leaves_nothing() {
    let (plan, lock) = plan();
    let plan = Plan { engine: Engine::Runtime(OciRuntime::Runc), ..plan };
    let mut jail = launch_plan(&plan, lock);
    jail.sh("(while :; do sleep 0.01 & done) >/dev/null 2>&1 & sleep 0.2; echo");
    let begun = std::time::Instant::now();
    jail.launched.jail.kill().unwrap();
    assert!(begun.elapsed() < std::time::Duration::from_secs(2));
    let left =
        Command::new("find").args(["/sys/fs/cgroup", "-name", &format!("creel-{}", plan.name)]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
    assert!(!std::path::Path::new("/run/creel/box/engine").exists());
}

/// crun 1.8 refuses hosts that have both cgroup versions; then its own words are shown.
fn crun_builds_it_or_says_why_not() {
    match by(OciRuntime::Crun) {
        Ok(mut jail) => {
            is_the_same(&mut jail);
            jail.launched.jail.kill().unwrap();
        }
        Err(Error::Engine { runtime: OciRuntime::Crun, said }) => {
            assert!(said.contains("cgroup") || said.contains("not installed"), "{said}");
        }
        Err(other) => panic!("{other}"),
    }
}

fn a_plain_user_gets_a_box_too() {
    const USER: u32 = 54_321;
    let mut command = Command::new(std::env::current_exe().unwrap());
    let ended = command.arg("plain").uid(USER).gid(USER).env("HOME", "/nonexistent").status();
    assert!(ended.unwrap().success());
}

/// What runs as that user.
pub(crate) fn as_a_plain_user() -> i32 {
    let uid = rustix::process::geteuid().as_raw();
    assert_ne!(uid, 0);
    let wanted = Plan { degraded: Vec::new(), ..own(uid) };
    let lacks = ["limit.memory", "limit.cpu", "limit.disk", "separate-uid", "guard-uid"];
    match Jail::launch(&wanted) {
        Err(Error::Missing { layers, accept }) => {
            assert_eq!((layers.as_slice(), accept.as_slice()), (&lacks[..], &lacks[..]));
        }
        other => panic!("{other:?}"),
    }
    let four = Plan { degraded: lacks[..4].iter().map(|&layer| layer.to_owned()).collect(), ..own(uid) };
    assert!(matches!(Jail::launch(&four), Err(Error::Missing { layers, .. }) if layers == ["guard-uid"]));

    let mut jail = Box::of(Jail::launch(&own(uid)).unwrap(), None);
    is_the_same(&mut jail);
    let degraded = jail.launched.layers.iter().filter(|layer| layer.status == LayerStatus::Degraded);
    let mut degraded: Vec<_> = degraded.map(|layer| layer.id).collect();
    degraded.sort_unstable();
    assert_eq!(degraded, ["guard-uid", "limit.cpu", "limit.disk", "limit.memory", "separate-uid"]);
    // the limit on processes needs no cgroup
    let forks = "import os,time\nn=0\ntry:\n  while n<1000:\n    if os.fork()==0: time.sleep(30); os._exit(0)\n    n+=1\nexcept OSError: print(n)";
    let count: u64 = jail.python(forks).parse().unwrap();
    assert!((100..128).contains(&count), "{count} processes");
    let begun = std::time::Instant::now();
    jail.launched.jail.kill().unwrap();
    assert!(begun.elapsed() < std::time::Duration::from_secs(2));
    0
}

fn own(uid: u32) -> Plan {
    let degraded = ["limit.memory", "limit.cpu", "limit.disk", "separate-uid", "guard-uid"];
    Plan {
        degraded: degraded.map(str::to_owned).to_vec(),
        disk: Disk::Memory,
        ..crate::box_under_test::plan_of(Users::Own(uid))
    }
}
