//! Bombs: whatever the agent uses up, only its own jail is hit, and all of it is gone two seconds after the kill.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use creel_e2e::fresh;
use creel_testkit::{Creel, Origin};

/// Four bombs at once: processes, memory, disk and inodes, each with no end.
const BOMBS: &str = include_str!("exhaustion/bombs.py");
/// Answers a line at a time: a program started, a file written, a request made.
const WORKER: &str = include_str!("exhaustion/worker.py");
/// One resource after the other up to its limit.
const ALONE: &str = include_str!("exhaustion/alone.py");

/// One bomb at a time: what is measured is what it does to a jail beside it, not to another bomb.
static ONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// After the kill, and no later, everything of a jail is gone.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// A jail at work, answering on its standard output.
pub(super) struct Worker {
    pub(super) child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts `program`, which says `ready`, with `options` of `creel jail`.
    pub(super) fn start(creel: &Creel, options: &[&str], program: &str, url: &str) -> Self {
        let words = [&["jail"], options, &["--", "python3", "-c", program, url]].concat();
        let mut command = creel.command(&words);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut worker = Self { child, to, from };
        assert_eq!(worker.line(), "ready");
        worker
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// What it says to a line.
    pub(super) fn answer(&mut self, line: &str) -> String {
        writeln!(self.to, "{line}").unwrap();
        self.line()
    }

    /// How long one piece of work takes, seen from outside.
    fn takes(&mut self, work: &str) -> Duration {
        let begun = Instant::now();
        assert_eq!(self.answer(work), "done", "of `{work}`");
        begun.elapsed()
    }

    /// The median of `count` pieces of each kind of work.
    fn medians(&mut self, count: usize) -> [Duration; 2] {
        ["work", "request"].map(|work| {
            let mut all: Vec<Duration> = (0..count).map(|_| self.takes(work)).collect();
            all.sort();
            all[count / 2]
        })
    }

    pub(super) fn end(mut self) {
        drop(self.to);
        assert!(self.child.wait().unwrap().success());
    }
}

/// What a jail has on the host, by its tenant's name in paths and the ids of its namespaces.
pub(super) struct Traces {
    name: String,
    state: String,
    namespaces: Vec<String>,
    /// Held open, since the kernel gives a namespace's number anew as soon as it is free: without that a jail of a
    /// test beside this one passes for a rest of this jail.
    _held: Vec<File>,
}

impl Traces {
    /// Of the jail that `creel jail` with this process id runs.
    pub(super) fn of(creel: &Creel, child: &Child) -> Self {
        let own = namespaces(std::process::id());
        let (mut found, mut held) = (own.clone(), Vec::new());
        for (pid, kind) in descendants(child.id()).into_iter().flat_map(|pid| KINDS.map(|kind| (pid, kind))) {
            let path = format!("/proc/{pid}/ns/{kind}");
            let Ok(name) = std::fs::read_link(&path).map(|link| link.display().to_string()) else { continue };
            if !found.contains(&name) {
                held.extend(File::open(&path).ok().filter(|_| namespaces(pid).contains(&name)));
                found.push(name);
            }
        }
        found.drain(..own.len());
        assert!(found.len() >= KINDS.len() && held.len() == found.len(), "the jail's namespaces: {found:?}");
        let id = std::fs::read_to_string(creel.state().join("id")).unwrap();
        Self {
            name: format!("-{}", id.trim()),
            state: creel.state().display().to_string(),
            namespaces: found,
            _held: held,
        }
    }

    /// Whatever of it is still there.
    pub(super) fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let shared = namespaces(pid).into_iter().filter(|one| self.namespaces.contains(one)).count();
            if shared > 0 {
                left.push(format!("process {pid} in {shared} namespaces"));
            }
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        left.extend(mounts.lines().filter(|line| line.contains(&self.state)).map(|line| format!("mount {line}")));
        for loops in std::fs::read_dir("/sys/block").unwrap().flatten() {
            let file = std::fs::read_to_string(loops.path().join("loop/backing_file")).unwrap_or_default();
            if file.contains(&self.state) {
                left.push(format!("loop device of {}", file.trim()));
            }
        }
        left
    }

    /// Control groups of the whole installation.
    fn groups(&self) -> Vec<String> {
        let found =
            Command::new("find").args(["/sys/fs/cgroup", "-name", &format!("*{}", self.name)]).output().unwrap();
        String::from_utf8_lossy(&found.stdout).lines().map(str::to_owned).collect()
    }
}

/// The kinds of namespace of which a jail has its own. The mount namespace is not among them: held open it would keep
/// the volume and its loop device, which are looked for by themselves; and every process of the jail is in the others.
const KINDS: [&str; 6] = ["user", "pid", "net", "ipc", "uts", "cgroup"];

fn namespaces(pid: u32) -> Vec<String> {
    let link = |kind: &str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    KINDS.iter().filter_map(|kind| Some(link(kind)?.display().to_string())).collect()
}

pub(super) fn descendants(pid: u32) -> Vec<u32> {
    let mut all = Vec::new();
    let mut next = vec![pid];
    while let Some(pid) = next.pop() {
        for task in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            next.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        all.push(pid);
    }
    all
}

fn terminate(child: &Child) {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
}

/// Waits until `left` gives nothing more, or the time is over.
pub(super) fn gone(since: Instant, mut left: impl FnMut() -> Vec<String>) -> Vec<String> {
    loop {
        let now = left();
        if now.is_empty() || since.elapsed() > GONE_WITHIN {
            return now;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Issue 3, "Done when" 3. Other tests take the same processors as they please, so a round that they spoilt is played again;
/// bombs that slow the other jail down do so in all three. The other jail has a volume, limits and a guard of its own; what is measured is a program
/// started, a file written and read, and a request through its guard, by medians. The bombs may use two processors, as
/// the defaults say, which on a machine of two is all of them: what is proved is that they get no more than a jail's
/// share of them.
#[test]
fn four_bombs_at_once_slow_another_jail_by_less_than_twice_and_are_gone_in_two_seconds() {
    let _alone = alone();
    let creel = fresh("bombs").unwrap();
    let origin = Origin::http("127.0.0.1:0").unwrap();
    let port = origin.address().port();
    let open = format!(
        "[limits]\ndisk = \"128MiB\"\n[[egress.allow]]\nhost = \"origin.test\"\nports = [{port}]\naddress = \"127.0.0.1\"\nhttp = true\n"
    );
    let open = creel.file("worker.toml", &open).unwrap().display().to_string();
    let mut worker = Worker::start(&creel, &["--config", &open], WORKER, &format!("http://origin.test:{port}/"));
    worker.medians(20);
    let mut rounds = Vec::new();
    while rounds.len() < 3 {
        let before = worker.medians(201);
        let during = under_bombs(&mut worker, rounds.len());
        // 4 ms: a slice of the scheduler (3 ms and a tick at most) each way of so short an answer is no slowing down.
        let held = before.iter().zip(&during).all(|(before, during)| *during <= *before * 2 + Duration::from_millis(4));
        println!("before {before:?}, during {during:?}");
        if held {
            return worker.end();
        }
        rounds.push((before, during));
    }
    panic!("three times the other jail was slowed down: {rounds:?}");
}

/// The medians of `worker` while four bombs work in a jail beside it, which is gone in time after its end.
fn under_bombs(worker: &mut Worker, round: usize) -> [Duration; 2] {
    let other = fresh(&format!("bombs-other-{round}")).unwrap();
    let tight = "[limits]\ndisk = \"128MiB\"\nmemory = \"256MiB\"\nprocesses = 256\n";
    let tight = other.file("bombs.toml", tight).unwrap().display().to_string();
    let mut bombs = other
        .command(&["jail", "--config", &tight, "--", "python3", "-c", BOMBS])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(bombs.stdout.take().unwrap());
    let mut hit = Vec::new();
    while hit.len() < 4 {
        let mut line = String::new();
        assert!(said.read_line(&mut line).unwrap() > 0, "the bombs ended after {hit:?}");
        hit.push(line.trim().to_owned());
    }
    hit.sort();
    assert_eq!(hit, ["disk is full", "inodes are used up", "memory is used up", "processes are used up"]);
    let traces = Traces::of(&other, &bombs);
    let during = worker.medians(201);

    let begun = Instant::now();
    terminate(&bombs);
    let left = gone(begun, || {
        let mut left = traces.left();
        left.extend(traces.groups());
        left
    });
    let took = begun.elapsed();
    assert_eq!(left, Vec::<String>::new(), "after {took:?}");
    assert_eq!(bombs.wait().unwrap().code(), Some(143));
    during
}

#[derive(Debug, serde::Deserialize)]
struct Reached {
    name: String,
    reached: u64,
    stopped: serde_json::Value,
}

#[test]
fn each_resource_alone_ends_at_its_limit_and_the_jail_goes_on() {
    let _alone = alone();
    let creel = fresh("bombs-alone").unwrap();
    let tight = "[limits]\ndisk = \"128MiB\"\nmemory = \"256MiB\"\nprocesses = 256\nopen_files = 2048\n";
    let tight = creel.file("tight.toml", tight).unwrap().display().to_string();
    let ran = creel.run(&["jail", "--config", &tight, "--", "python3", "-c", ALONE]).unwrap();
    assert_eq!(ran.code, 0, "{ran:?}");
    let number = |path: &str| std::fs::read_to_string(path).unwrap().trim().parse::<u64>().unwrap();
    // getrlimit(2): RLIMIT_SIGPENDING bounds timers as well; what they take counts as the jail's memory.
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let signals = limits.lines().find_map(|line| line.strip_prefix("Max pending signals")).unwrap();
    let signals = signals.split_whitespace().next().unwrap().parse().unwrap();
    let memory = 256 << 20;
    // what, where it must stop at the latest, and by what; without a reason, the script stopped by itself
    let known = [
        ("open files", 2048, r#""EMFILE""#),
        ("pseudo-terminals", 256, r#"["ENOSPC"]"#),
        ("inotify instances", number("/proc/sys/fs/inotify/max_user_instances"), r#"["EMFILE"]"#),
        // a call of each of the two may be under way while the other is counted
        ("netlink sockets", 256 + 2, r#"["EMFILE"]"#),
        ("timers", signals, r#""EAGAIN""#),
        ("shared memory", memory / (8 << 20), r#""killed""#),
        ("message bytes", 0, r#""EPERM""#),
        ("posix queues", 0, r#""EPERM""#),
        ("keys", 0, r#""EPERM""#),
        ("connections", 1500, "null"),
        ("pipes", 256, r#""EMFILE""#),
    ];
    let rows: Vec<Reached> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), known.len(), "{rows:?}");
    for (row, (name, most, stopped)) in rows.iter().zip(known) {
        let held = row.name == name
            && row.reached <= most
            && row.stopped == serde_json::from_str::<serde_json::Value>(stopped).unwrap();
        assert!(held, "{row:?}: at most {most}, by {stopped}");
    }
}

/// The kernel charges a user namespace's inotify instances to the user who made it as well: were that root, an agent could
/// leave the host's services without any.
#[test]
fn the_hosts_own_inotify_instances_are_not_the_agents_to_use_up() {
    let _alone = alone();
    let creel = fresh("bombs-inotify").unwrap();
    let line = "import ctypes, sys\nn = 0\nwhile ctypes.CDLL(None).inotify_init1(0) >= 0: n += 1\nprint(n, flush=True)\nsys.stdin.read()";
    let alone = Command::new("python3").args(["-c", &line.replace("sys.stdin.read()", "")]).output().unwrap();
    let count = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().parse::<u64>().unwrap();
    let alone = count(&alone.stdout);
    let mut jail =
        creel.command(&["jail", "--no-disk-limit", "--", "python3", "-c", line]).stdin(Stdio::piped()).spawn().unwrap();
    let mut held = String::new();
    BufReader::new(jail.stdout.as_mut().unwrap()).read_line(&mut held).unwrap();
    let beside = Command::new("python3").args(["-c", &line.replace("sys.stdin.read()", "")]).output().unwrap();
    let beside = count(&beside.stdout);
    assert!(count(held.as_bytes()) > 50, "the jail took `{held}`");
    // Other tests and services have a few of root's at any moment.
    assert!(beside + 20 >= alone, "the host could have {alone}, and {beside} beside the jail");
    drop(jail.stdin.take());
    assert!(jail.wait().unwrap().success());
}

/// Nobody reads what the agent prints: it waits, memory does not grow, and the kill is not held up.
#[test]
fn output_without_end_is_held_back_and_ends_with_the_jail() {
    let _alone = alone();
    let creel = fresh("bombs-output").unwrap();
    let line = "yes stdout & yes stderr >&2 & wait";
    let mut jail = creel.command(&["jail", "--no-disk-limit", "--", "sh", "-c", line]).spawn().unwrap();
    let mut first = [0; 6];
    std::io::Read::read_exact(jail.stdout.as_mut().unwrap(), &mut first).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let traces = Traces::of(&creel, &jail);
    for pid in descendants(jail.id()) {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
        let kib: u64 = resident.split_whitespace().next().unwrap().parse().unwrap();
        assert!(kib < 64 << 10, "process {pid} holds {kib} KiB");
    }
    let begun = Instant::now();
    terminate(&jail);
    let left = gone(begun, || {
        let mut left = traces.left();
        left.extend(traces.groups());
        if jail.try_wait().unwrap().is_none() {
            left.push("creel itself".to_owned());
        }
        left
    });
    assert_eq!(left, Vec::<String>::new());
}
