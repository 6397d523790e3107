//! Each wall of a running jail is broken from outside, one by one: `creel check` must name exactly that one, and be green
//! again when it is repaired. Landlock and the process namespace can't be taken from a running process.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::PoisonError;

use creel_e2e::fresh;
use creel_testkit::Creel;

/// What is broken, how, how it is repaired, and the items that must turn red.
type Sabotage = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// The shell's words: `$init` is a pid as the host sees it, `$jail` its root folder, `$memory`, `$cpu` and `$pids` are folders of
/// control groups, `within` enters the jail's mounts, `behind` those behind its inner wall, `net` its network, `intrude` starts
/// a process in the jail that lacks one wall, `expel` ends it, `part` finds a process of Creel's own, which `free` takes out of its control group. In front of the inner wall every program is the launcher, so
/// `within` takes those of the other side.
const PRELUDE: &str = r#"
init=$1 here=$2 state=$3 wall=$4 warden=$5 jail=/proc/$1/root
programs=/proc/$(sed -n 's/^NSpid:.*\t//p' /proc/$wall/status)/root
group() {
    line=$(grep -E ":([a-z,]*,)?$1(,[a-z]*)*:" /proc/$init/cgroup || true)
    [ -n "$line" ] && echo "/sys/fs/cgroup/$(echo "$line" | cut -d: -f2)$(echo "$line" | cut -d: -f3)" ||
        echo "/sys/fs/cgroup$(grep ^0:: /proc/$init/cgroup | cut -d: -f3)"
}
memory=$(group memory) cpu=$(group cpu) pids=$(group pids)
within() { PATH=$programs/usr/bin:$programs/usr/sbin /usr/bin/nsenter -t $init -m -p "$@"; }
behind() { nsenter -t $wall -m -p "$@"; }
net() { nsenter -t $init -n "$@"; }
intrude() { python3 "$here/intruder.py" $init "$@" > "$state/intruder"; }
part() {
    for pid in $(cat /proc/$warden/task/*/children); do
        for pid in $pid $(cat /proc/$pid/task/*/children); do
            tr '\0' ' ' < /proc/$pid/cmdline | grep -q "^[^ ]* $1 " && echo $pid
        done
    done | head -n 1
}
free() { part $1 > ${cpu%/*}/cgroup.procs; }
bind() { part $1 > $cpu.staff/cgroup.procs; }
expel() { read -r pid < "$state/intruder"; kill -9 $pid; while [ -e /proc/$pid ]; do sleep 0.02; done; }
cover() {
    within sh -ec "mount -t tmpfs tmpfs /mnt; printf '$2' > /mnt/file; chmod 444 /mnt/file; mount --bind /mnt/file $1;
        mount -o remount,bind,ro $1; umount -l /mnt"
}
"#;

const MOUNTS: [Sabotage; 14] = [
    (
        "the root is writable",
        "within mount -o remount,bind,rw,nosuid,nodev /",
        "within mount -o remount,bind,ro,nosuid,nodev /",
        &["fs.readonly"],
    ),
    (
        "setuid programs work in /usr",
        "within mount -o remount,bind,ro,suid,nodev,noatime /usr",
        "within mount -o remount,bind,ro,nosuid,nodev,noatime /usr",
        &["fs.readonly"],
    ),
    (
        "the runtime is writable",
        "within mount -t tmpfs -o nosuid,nodev tmpfs /opt/openclaw",
        "within umount /opt/openclaw",
        &["fs.readonly"],
    ),
    ("a place more to write", "within mount -t tmpfs tmpfs /mnt", "within umount /mnt", &["fs.writable-only"]),
    (
        "devices work in /tmp",
        "within mount -o remount,bind,rw,dev,nosuid /tmp",
        "within mount -o remount,bind,rw,nosuid,nodev /tmp",
        &["fs.writable-only"],
    ),
    ("a mask is gone", "within umount /proc/keys", "within mount --bind /dev/null /proc/keys", &["proc.masked"]),
    ("/sys is there", "within mount -t sysfs -o ro sysfs /sys", "within umount /sys", &["proc.masked"]),
    (
        "/proc/sys is writable",
        "within mount -o remount,bind,rw,nosuid,nodev,noexec /proc/sys",
        "within mount -o remount,bind,ro,nosuid,nodev,noexec /proc/sys",
        &["proc.masked"],
    ),
    (
        "the configuration's mode is open",
        "within unshare -m sh -ec 'mount -o remount,bind,rw /; chmod 666 /etc/openclaw/openclaw.json'",
        "within unshare -m sh -ec 'mount -o remount,bind,rw /; chmod 444 /etc/openclaw/openclaw.json'",
        &["config.readonly"],
    ),
    (
        "another configuration lies over ours",
        "cover /etc/openclaw/openclaw.json {}",
        "within umount /etc/openclaw/openclaw.json",
        &["config.readonly"],
    ),
    (
        "the host table sends a name elsewhere",
        r"cover /etc/hosts '127.0.0.1 localhost creel\n192.0.2.7 api.openai.com\n'",
        "within umount /etc/hosts",
        &["net.dns"],
    ),
    (
        "another resolver is asked",
        r"cover /etc/resolv.conf 'nameserver 192.0.2.53\n'",
        "within umount /etc/resolv.conf",
        &["net.dns"],
    ),
    (
        "more disk than promised",
        "within mount -t tmpfs -o size=8G,nr_inodes=100,nosuid,nodev,mode=1777 tmpfs /dev/shm",
        "within umount /dev/shm",
        &["limit.disk"],
    ),
    (
        "inodes without end",
        "within mount -t tmpfs -o size=16M,nr_inodes=0,nosuid,nodev,mode=1777 tmpfs /dev/shm",
        "within umount /dev/shm",
        &["limit.inodes"],
    ),
];

const INNER: [Sabotage; 3] = [
    (
        "the gateway's state behind the inner wall",
        "behind umount /var/lib/openclaw",
        "behind mount -t tmpfs -o ro,nosuid,nodev,size=4k tmpfs /var/lib/openclaw",
        &["inner.wall"],
    ),
    ("a place more to write behind it", "behind mount -t tmpfs tmpfs /mnt", "behind umount /mnt", &["inner.wall"]),
    (
        "the launcher's socket behind it",
        "behind umount /run/creel",
        "behind mount -t tmpfs -o ro,nosuid,nodev,size=4k tmpfs /run/creel",
        &["inner.wall"],
    ),
];

/// The folders' limits come from the configuration below.
const LIMITS: [Sabotage; 4] = [
    (
        "memory without a limit",
        "if [ -e $memory/memory.max ]; then echo max > $memory/memory.max; else
            [ ! -e $memory/memory.memsw.limit_in_bytes ] || echo -1 > $memory/memory.memsw.limit_in_bytes
            echo -1 > $memory/memory.limit_in_bytes; fi",
        "if [ -e $memory/memory.max ]; then echo 3G > $memory/memory.max; else
            echo 3G > $memory/memory.limit_in_bytes
            [ ! -e $memory/memory.memsw.limit_in_bytes ] || echo 3G > $memory/memory.memsw.limit_in_bytes; fi",
        &["limit.memory"],
    ),
    ("one process more than promised", "echo 301 > $pids/pids.max", "echo 300 > $pids/pids.max", &["limit.pids"]),
    (
        "twice the processor time",
        "if [ -e $cpu/cpu.max ]; then echo '400000 100000' > $cpu/cpu.max; else echo 400000 > $cpu/cpu.cfs_quota_us; fi",
        "if [ -e $cpu/cpu.max ]; then echo '200000 100000' > $cpu/cpu.max; else echo 200000 > $cpu/cpu.cfs_quota_us; fi",
        &["limit.cpu"],
    ),
    (
        "the same quota in half the period",
        "if [ -e $cpu/cpu.max ]; then echo '200000 50000' > $cpu/cpu.max; else echo 50000 > $cpu/cpu.cfs_period_us; fi",
        "if [ -e $cpu/cpu.max ]; then echo '200000 100000' > $cpu/cpu.max; else echo 100000 > $cpu/cpu.cfs_period_us; fi",
        &["limit.cpu"],
    ),
];

const INTRUDERS: [Sabotage; 15] = [
    ("a process as it should be", "intrude nothing", "expel", &[]),
    ("a process with capabilities", "intrude caps", "expel", &["caps.none"]),
    ("a process that may gain privileges", "intrude nnp", "expel", &["nnp"]),
    ("a process without a filter", "intrude seccomp", "expel", &["seccomp"]),
    ("a process of another user", "intrude uid", "expel", &["uid"]),
    ("a process in the host's users", "intrude user", "expel", &["ns.user"]),
    ("a process in the host's mounts", "intrude mnt", "expel", &["ns.mnt"]),
    ("a process in the host's network", "intrude net", "expel", &["ns.net"]),
    ("a process in the host's ipc", "intrude ipc", "expel", &["ns.ipc"]),
    ("a process in the host's uts", "intrude uts", "expel", &["ns.uts"]),
    ("a process in the host's control groups", "intrude cgroup", "expel", &["ns.cgroup"]),
    ("a process with more files", "intrude nofile", "expel", &["limit.fds"]),
    ("a process that dumps core", "ulimit -c 1; intrude core", "expel", &["core.none"]),
    ("another program in front of the inner wall", "intrude runtime", "expel", &["inner.wall"]),
    ("a token in a command line", "intrude nothing creel-gw-leaked", "expel", &["token.hidden"]),
];

/// Who watches the files stands still.
const WATCHERS: [Sabotage; 1] =
    [("nobody is told of files", "kill -STOP $(part sentry)", "kill -CONT $(part sentry)", &["files.watched"])];

/// What else Creel's own processes gave up no one gives back without `CAP_SYS_RESOURCE` (getrlimit(2)), which root need not
/// have; that it turns these items red is shown in `cli/check/items/creel.rs`.
const OWN: [Sabotage; 5] = [
    (
        "a warden without a bound of memory",
        "prlimit --pid $warden --data=unlimited",
        "prlimit --pid $warden --data=536870912:unlimited",
        &["warden.confined"],
    ),
    ("a guard with any processor time", "free guard", "bind guard", &["guard.confined"]),
    ("a notary with any processor time", "free notary", "bind notary", &["notary.confined"]),
    ("a porter with any processor time", "free porter", "bind porter", &["porter.confined"]),
    ("a sentry with any processor time", "free sentry", "bind sentry", &["sentry.confined"]),
];

/// The chains come last: nothing here can bring them back.
const NETWORK: [Sabotage; 7] = [
    (
        "a token in the workspace",
        "echo creel-gw-leaked > $jail/workspace/leak",
        "rm $jail/workspace/leak",
        &["token.hidden"],
    ),
    (
        "a token in the home",
        "echo creel-gw-leaked > $jail/home/agent/leak",
        "rm $jail/home/agent/leak",
        &["token.hidden"],
    ),
    (
        "a token in shared memory",
        "echo creel-gw-leaked > $jail/dev/shm/leak",
        "rm $jail/dev/shm/leak",
        &["token.hidden"],
    ),
    ("an interface more", "net ip link add extra type bridge", "net ip link del extra", &["net.lo-only"]),
    (
        "an address that could be reached",
        "net ip addr add 10.9.9.9/32 dev lo",
        "net ip addr del 10.9.9.9/32 dev lo",
        &["net.inbound"],
    ),
    ("packets go out", "net python3 $here/unrule.py out", "", &["net.udp"]),
    ("connections are not turned to us", "net python3 $here/unrule.py redirect", "", &["net.udp", "net.tcp"]),
];

#[test]
fn check_names_the_wall_that_was_broken_and_no_other() {
    let _alone = super::ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let creel = fresh("sabotage").unwrap();
    let limits = "[limits]\ndisk = \"1GiB\"\nmemory = \"3GiB\"\ncpus = 2\nprocesses = 300\nopen_files = 1024\n";
    let config = creel.file("creel.toml", limits).unwrap().display().to_string();
    super::up(&creel, &config);
    assert_eq!(red(&creel), BTreeSet::new(), "before anything was broken");
    let mut wrong = Vec::new();
    for (what, sabotage, repair, expected) in
        MOUNTS.iter().chain(&INNER).chain(&LIMITS).chain(&INTRUDERS).chain(&WATCHERS).chain(&OWN).chain(&NETWORK)
    {
        wrong.extend(shell(&creel, what, sabotage));
        let (found, expected) = (red(&creel), expected.iter().map(|id| format!("fail {id}")).collect());
        if found != expected {
            wrong.push(format!("{what}: {found:?} instead of {expected:?}"));
        }
        if repair.is_empty() {
            continue;
        }
        wrong.extend(shell(&creel, what, repair));
        let left = red(&creel);
        if !left.is_empty() {
            wrong.push(format!("{what}: {left:?} after the repair"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(creel.run(&["down", "--now"]).unwrap().code, 0);
}

/// Every item that is no pass, with what it is instead.
fn red(creel: &Creel) -> BTreeSet<String> {
    let ran = creel.run(&["check", "--json"]).unwrap();
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let items = report["items"].as_array().unwrap();
    assert!(items.len() >= 30, "{report}");
    let word = |item: &serde_json::Value, key: &str| item[key].as_str().unwrap().to_owned();
    let red: BTreeSet<String> = items
        .iter()
        .filter(|item| item["status"] != "pass")
        .map(|item| format!("{} {}", word(item, "status"), word(item, "id")))
        .collect();
    assert_eq!((ran.code, report["ok"].as_bool()), (i32::from(!red.is_empty()), Some(red.is_empty())), "{ran:?}");
    red
}

/// What went wrong, if anything did.
fn shell(creel: &Creel, what: &str, line: &str) -> Option<String> {
    let status = creel.run(&["status", "--json"]).unwrap();
    let report: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    let init = report["tenants"][0]["init_pid"].as_i64().unwrap();
    let wall = report["tenants"][0]["wall_pid"].as_i64().unwrap();
    let warden = report["tenants"][0]["warden_pid"].as_i64().unwrap();
    assert!(init > 1 && wall > 1 && warden > 1, "{report}");
    let here = creel_e2e::root().join("e2e/tests/road").display().to_string();
    let state = creel.state().with_extension("files").display().to_string();
    let script = format!("{PRELUDE}\n{line}");
    let words = [init.to_string(), here, state, wall.to_string(), warden.to_string()];
    let ran = Command::new("sh").args(["-ec", &script, "sabotage"]).args(words).output().unwrap();
    (!ran.status.success()).then(|| format!("{what}: {line}: {}", String::from_utf8_lossy(&ran.stderr)))
}
