//! What fails around a jail: another Creel, a file cut short, a full disk, killed and stopped processes, no descriptors.
//! While the part that judges or records is down, nothing is let through; nothing needs to be mended by hand afterwards.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use creel_e2e::fresh;
use creel_testkit::{Creel, Origin};

use super::exhaustion::{Traces, Worker, descendants, gone};

/// Answers each line, a path, with whether a request for it came through.
const ASKER: &str = include_str!("faults/asker.py");

/// An installation, an approved origin, and a jail that asks it.
fn at_work(name: &str, prepare: impl FnOnce(&Creel)) -> (Creel, Origin, Worker, String) {
    let creel = fresh(name).unwrap();
    prepare(&creel);
    let origin = Origin::http("127.0.0.1:0").unwrap();
    let port = origin.address().port();
    let text =
        format!("[[egress.allow]]\nhost = \"origin.test\"\nports = [{port}]\naddress = \"127.0.0.1\"\nhttp = true\n");
    let config = creel.file("creel.toml", &text).unwrap().display().to_string();
    let options = ["--no-disk-limit", "--config", &config];
    let mut asker = Worker::start(&creel, &options, ASKER, &format!("http://origin.test:{port}"));
    assert_eq!(asker.answer("/first"), "yes");
    (creel, origin, asker, config)
}

/// The guard of the jail that `asker` runs in.
fn guard_of(asker: &Worker) -> u32 {
    let is_guard =
        |pid: &u32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(b"\0guard\0"));
    descendants(asker.child.id()).into_iter().find(is_guard).unwrap()
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

/// Asks until the answer is Yes again.
fn soon_again(asker: &mut Worker) {
    let begun = Instant::now();
    while asker.answer("/again") != "yes" {
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing goes through any more");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The warden with `config`, started by hand on `creel`'s folder: what it ends with and says.
fn warden(creel: &Creel, config: &Path) -> (Option<i32>, String) {
    let orders = serde_json::json!({
        "state": creel.state(), "runtime": "/nowhere", "config": config, "secrets": "", "degraded": [],
        "engine": "embedded",
        "provider": { "kind": "scripted", "model": "scripted-1", "format": "openai-completions", "base_url": null,
            "script": null },
    });
    let mut child = creel.command(&["warden"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(orders.to_string().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_second_creel_on_the_folder_touches_nothing_of_the_first() {
    let (creel, _origin, mut asker, config) = at_work("faults-two", |_| {});
    let lock = creel.state().join("run/warden.lock");
    let held = File::options().create(true).truncate(false).write(true).open(&lock).unwrap();
    held.try_lock().unwrap();
    let up = creel.run(&["up", "--config", &config]).unwrap();
    assert!(up.code != 0 && up.err.contains("creel runs already here"), "{up:?}");
    let (code, said) = warden(&creel, Path::new(&config));
    assert!(code == Some(1) && said.contains("another creel runs on"), "{code:?}: {said}");
    assert!(!creel.state().join("warden.log").exists() && !creel.state().join("tenants/default").exists());
    assert_eq!(asker.answer("/still"), "yes");
    // The lock is what held it back: without, the same orders get as far as their configuration.
    drop(held);
    let (code, said) = warden(&creel, Path::new("/nowhere/creel.toml"));
    assert!(code == Some(2) && !said.contains("another creel"), "{code:?}: {said}");
    assert_eq!(asker.answer("/still"), "yes");
    asker.end();
}

#[test]
fn a_half_written_configuration_starts_nothing() {
    let creel = fresh("faults-config").unwrap();
    let whole = "[limits]\nmemory = \"512MiB\"\n[[egress.allow]]\nhost = \"origin.test\"\nports = [443]\n";
    let run = |text: &str| {
        let config = creel.file("cut.toml", text).unwrap().display().to_string();
        let jail = creel.run(&["jail", "--no-disk-limit", "--config", &config, "--", "echo", "started"]).unwrap();
        (jail, creel.run(&["up", "--config", &config]))
    };
    for cut in ["[lim", "memory", "memory = ", "\"512M", "[[egress", "[[egress.allow]", "host", "\"origin", "[443"] {
        let text = whole.split_once(cut).unwrap().0.to_owned() + cut;
        let (jail, up) = run(&text);
        let up = up.unwrap();
        assert!(jail.code == 125 && jail.out.is_empty() && jail.err.contains("cut.toml"), "{text}: {jail:?}");
        assert!(up.code == 2 && up.err.contains("cut.toml"), "{text}: {up:?}");
    }
    assert!(!creel.state().join("tenants").exists(), "something was made for a jail");
    let config = creel.file("cut.toml", whole).unwrap().display().to_string();
    let jail = creel.run(&["jail", "--no-disk-limit", "--config", &config, "--", "echo", "started"]).unwrap();
    assert_eq!((jail.code, jail.out.as_str()), (0, "started\n"), "{jail:?}");
}

/// A small disk under an installation's folder, for as long as this lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn under(creel: &Creel) -> Self {
        let state = creel.state().to_owned();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m,mode=755", "creel-e2e"]).arg(&state).status();
        assert!(mounted.unwrap().success());
        Self(state)
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.filler()).unwrap();
        while file.write_all(&[1; 512]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn on_a_full_disk_nothing_is_let_through_and_with_room_the_next_start_works() {
    let mut disk = None;
    let (creel, origin, mut asker, config) = at_work("faults-disk", |creel| disk = Some(SmallDisk::under(creel)));
    let disk = disk.unwrap();
    disk.fill();
    // What has its place on the disk already may still be recorded, and what is recorded may still be done.
    let mut let_through = 0;
    while asker.answer("/filling") == "yes" {
        let_through += 1;
        assert!(let_through < 20_000, "the disk never filled up");
        disk.fill();
    }
    let before = origin.asked().len();
    for _ in 0..20 {
        assert!(asker.answer("/full").starts_with("no"));
    }
    assert_eq!(origin.asked().len(), before, "something left unrecorded");
    let args = ["jail", "--no-disk-limit", "--config", &config, "--", "echo", "started"];
    let other = creel.run(&args).unwrap();
    assert!(other.code == 125 && other.out.is_empty() && other.err.contains("No space left"), "{other:?}");
    // A ledger that was closed stays so for its guard's life.
    signal("-TERM", asker.child.id());
    asker.child.wait().unwrap();
    std::fs::remove_file(disk.filler()).unwrap();
    let other = creel.run(&args).unwrap();
    assert_eq!((other.code, other.out.as_str()), (0, "started\n"), "{other:?}");
    let verified = creel.run(&["ledger", "verify", "--json"]).unwrap();
    assert!(verified.code == 0 && verified.out.contains("\"ok\":true"), "{verified:?}");
    let (room, asked) = ("[limits]\ndisk = \"1GiB\"\n", ["jail", "--config"]);
    let large = creel.file("large.toml", room).unwrap().display().to_string();
    let more = creel.run(&[&asked[..], &[&large, "--", "echo", "started"]].concat()).unwrap();
    assert!(more.code == 125 && more.out.is_empty(), "a volume larger than the disk: {more:?}");
}

#[test]
fn a_killed_creel_takes_its_jail_along_in_two_seconds() {
    let (creel, origin, asker, _) = at_work("faults-killed", |_| {});
    let traces = Traces::of(&creel, &asker.child);
    let begun = Instant::now();
    signal("-KILL", asker.child.id());
    // The volume is in memory; control groups are for the next start to sweep.
    assert_eq!(gone(begun, || traces.left()), Vec::<String>::new());
    assert_eq!(origin.asked().len(), 1);
    drop(asker);
    assert_eq!(creel.jail(&["--no-disk-limit"], "true").unwrap().code, 0);
}

#[test]
fn a_guard_that_stands_still_lets_nothing_through() {
    let (_creel, origin, mut asker, _) = at_work("faults-stopped", |_| {});
    let guard = guard_of(&asker);
    signal("-STOP", guard);
    let answer = asker.answer("/stopped");
    let meanwhile = origin.asked().len();
    signal("-CONT", guard);
    assert!(answer.starts_with("no"), "{answer}");
    assert_eq!(meanwhile, 1);
    soon_again(&mut asker);
    asker.end();
}

/// Runs a program in the network namespace of the jail that `asker` runs in.
fn in_its_network(asker: &Worker, words: &[&str]) {
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let elsewhere = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|net| net != own);
    let inside = descendants(asker.child.id()).into_iter().find(elsewhere).unwrap().to_string();
    let ran = Command::new("nsenter").args(["-t", &inside, "-n"]).args(words).output().unwrap();
    assert!(ran.status.success(), "{words:?}: {ran:?}");
}

/// The root of another network namespace alone can do that. Losses can't be had here: the kernel has no netem.
#[test]
fn a_damaged_network_lets_nothing_past_and_small_frames_let_everything_through() {
    let (_creel, origin, mut asker, _) = at_work("faults-network", |_| {});
    in_its_network(&asker, &["ip", "link", "set", "lo", "mtu", "576"]);
    assert_eq!(asker.answer(&format!("/small-frames-{}", "x".repeat(4000))), "yes");
    let unrule = creel_e2e::root().join("e2e/tests/road/unrule.py").display().to_string();
    in_its_network(&asker, &["python3", &unrule, "redirect"]);
    assert!(asker.answer("/without-rules").starts_with("no"));
    in_its_network(&asker, &["ip", "link", "set", "lo", "down"]);
    assert!(asker.answer("/without-a-link").starts_with("no"));
    assert!(origin.asked().iter().all(|asked| !asked.path.starts_with("/without")), "{:?}", origin.asked());
    asker.end();
}

/// Ticks of the processor that `pid` has used.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // proc_pid_stat(5): utime and stime are fields 14 and 15; field 2 ends with the last parenthesis
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_guard_without_descriptors_sheds_and_does_not_spin() {
    let (creel, _origin, mut asker, _) = at_work("faults-descriptors", |_| {});
    let guard = guard_of(&asker);
    let open = std::fs::read_dir(format!("/proc/{guard}/fd")).unwrap().count();
    // prlimit(2): a process of the same ids may, root without CAP_SYS_RESOURCE may not
    let status = std::fs::read_to_string(format!("/proc/{guard}/status")).unwrap();
    let id = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().split_whitespace().next();
    let (uid, gid) = (id("Uid:").unwrap(), id("Gid:").unwrap());
    let limit = format!("--nofile={0}:{0}", open + 12);
    let lowered = Command::new("setpriv")
        .args(["--reuid", uid, "--regid", gid, "--clear-groups", "prlimit", &limit, "--pid", &guard.to_string()])
        .status();
    assert!(lowered.unwrap().success());
    assert_eq!(asker.answer("hold 60"), "held 60");
    std::thread::sleep(Duration::from_millis(300));
    let before = ticks(guard);
    // somebody comes to the control socket as well
    let sockets = std::fs::read_dir(creel.state().join("run")).unwrap().flatten().map(|entry| entry.path());
    let socket = sockets.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "sock")).unwrap();
    let visit = "import socket, sys\nsocket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(sys.argv[1])";
    let visited = || Command::new("python3").args(["-c", visit]).arg(&socket).status().unwrap().success();
    assert!(visited());
    std::thread::sleep(Duration::from_secs(2));
    let used = ticks(guard) - before;
    // 100 ticks a second (USER_HZ): a twentieth of two seconds
    assert!(used <= 10, "the guard used {used} ticks in two seconds");
    assert!(asker.answer("/shed").starts_with("no"));
    assert_eq!(asker.answer("release"), "released");
    soon_again(&mut asker);
    assert!(visited(), "nobody serves the control socket any more");
    let log = creel.run(&["log", "--json"]).unwrap();
    assert!(log.out.contains("/again"), "{log:?}");
    asker.end();
}
