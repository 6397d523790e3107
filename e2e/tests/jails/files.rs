//! The files door: what is done to a jail's files is on record, however much it is.

use std::time::{Duration, Instant};

use creel_e2e::fresh;
use creel_testkit::Creel;
use serde_json::Value;

use super::exec::process_of;
use super::exhaustion::Worker;

/// Makes, writes, renames and deletes files when it is told to.
const WRITER: &str = r#"
import os, subprocess, sys
print("ready", flush=True)
for line in sys.stdin:
    word = line.split()
    if word[0] == "many":
        for n in range(int(word[1])):
            folder = f"many/{n % 100}"
            os.makedirs(folder, exist_ok=True)
            with open(f"{folder}/{n}", "w") as f: f.write("x")
    elif word[0] == "away":
        for n in range(int(word[1])):
            os.rename(f"many/{n % 100}/{n}", f"many/{n % 100}/{n}.old")
            os.unlink(f"many/{n % 100}/{n}.old")
    elif word[0] == "one":
        with open("one.txt", "w") as f: f.write("x")
    elif word[0] == "checkout":
        count = int(word[1])
        git = lambda *words, **more: subprocess.run(["git", *words], check=True, **more)
        git("init", "-q", "-b", "main", "tree")
        files = "".join(f"M 644 inline {n % 100}/{n}\ndata 6\n{n:06}\n" for n in range(count))
        stream = f"commit refs/heads/main\ncommitter a <a@b.test> 0 +0000\ndata 0\n{files}\n"
        git("fast-import", "--quiet", cwd="tree", input=stream.encode())
        git("checkout", "-q", "main", cwd="tree")
    print("done", flush=True)
"#;

fn world(name: &str) -> (Creel, String) {
    let creel = fresh(name).unwrap();
    let config = creel.file("creel.toml", "").unwrap().display().to_string();
    (creel, config)
}

fn seen(creel: &Creel) -> Vec<Value> {
    let log = creel.run(&["log", "--json"]).unwrap();
    assert_eq!(log.code, 0, "{log:?}");
    let lines = log.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["door"] == "files").collect()
}

/// How often `what` was done below a folder, by all records together.
fn times(lines: &[Value], what: &str, below: &str) -> u64 {
    let counted = |line: &&Value| line["file"]["path"].as_str().unwrap().starts_with(below);
    let number = |line: &Value| {
        let how = line["file"]["how"].as_str().unwrap();
        how.split(", ").find_map(|part| part.strip_prefix(what)).map_or(0, |rest| rest.trim().parse().unwrap_or(1))
    };
    lines.iter().filter(counted).map(number).sum()
}

#[test]
fn twenty_thousand_files_are_few_records_and_none_is_missing() {
    let (creel, config) = world("files-many");
    for (disk, line) in [("--no-disk-limit", 0), ("", 1)] {
        let options = ["--config", &config, disk];
        let options: Vec<&str> = options.into_iter().filter(|option| !option.is_empty()).collect();
        let mut worker = Worker::start(&creel, &options, WRITER, "");
        let sentry = process_of(&worker, "sentry");
        assert_eq!(worker.answer("many 20000"), "done");
        assert_eq!(worker.answer("away 20000"), "done");
        // what is made in one folder within a second is one record
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(worker.answer("one"), "done");
        assert!(peak(sentry) < 64 << 10, "{} KiB", peak(sentry));
        worker.end();
        let lines = seen(&creel);
        assert!(!lines.iter().any(|line| line["file"]["how"] == "events lost"), "{lines:#?}");
        let runs = line + 1;
        // its folders are made too
        assert_eq!(times(&lines, "create", "/workspace/many"), runs * 20_101);
        assert_eq!(times(&lines, "write", "/workspace/many"), runs * 20_000);
        assert_eq!(times(&lines, "rename", "/workspace/many"), runs * 20_000);
        assert_eq!(times(&lines, "delete", "/workspace/many"), runs * 20_000);
        assert!(lines.len() < 4000, "{} records", lines.len());
        let one: Vec<&Value> = lines.iter().filter(|line| line["file"]["path"] == "/workspace/one.txt").collect();
        assert_eq!(one.len() as u64, runs, "{one:#?}");
        assert!(one.iter().all(|line| line["file"]["program"].as_str().unwrap().contains("python3")), "{one:#?}");
        assert!(one.iter().all(|line| line["cause"].is_u64() && line["outcome"] == "done"), "{one:#?}");
    }
    assert_eq!(creel.run(&["ledger", "verify"]).unwrap().code, 0);
}

/// The most memory that a process ever had, in KiB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn signal(name: &str, pid: u32) {
    assert!(std::process::Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

#[test]
fn a_checkout_of_a_hundred_thousand_files_is_counted_to_the_last() {
    let (creel, _) = world("files-checkout");
    let config = creel.file("creel.toml", "[limits]\ndisk = \"2GiB\"\n").unwrap().display().to_string();
    let mut worker = Worker::start(&creel, &["--config", &config], WRITER, "");
    let [sentry, guard, porter] = ["sentry", "guard", "porter"].map(|name| process_of(&worker, name));
    assert_eq!(worker.answer("checkout 100000"), "done");
    assert_eq!(worker.answer("one"), "done", "the agent lives");
    for (pid, most) in [(sentry, 64 << 10), (guard, 256 << 10), (porter, 64 << 10)] {
        assert!(peak(pid) < most, "{pid} had {} KiB", peak(pid));
    }
    // a jail's end waits two seconds for its volume, and this much takes longer to write out
    assert!(std::process::Command::new("sync").status().unwrap().success());
    worker.end();
    let lines = seen(&creel);
    assert!(!lines.iter().any(|line| line["file"]["how"] == "events lost"), "{} records", lines.len());
    let folders: u64 = (0..100).map(|n| times(&lines, "write", &format!("/workspace/tree/{n}/"))).sum();
    assert_eq!(folders, 100_000);
    assert!(lines.len() < 4000, "{} records", lines.len());
    assert!(lines.iter().any(|line| line["file"]["path"] == "/workspace/one.txt"));
}

#[test]
fn a_queue_that_overflows_is_a_record_and_what_comes_after_is_seen() {
    let (creel, config) = world("files-lost");
    let mut worker = Worker::start(&creel, &["--config", &config, "--no-disk-limit"], WRITER, "");
    let sentry = process_of(&worker, "sentry");
    signal("-STOP", sentry);
    // more than the kernel keeps (fs.fanotify.max_queued_events)
    assert_eq!(worker.answer("many 40000"), "done", "nobody waits for who watches");
    signal("-CONT", sentry);
    // what was done in one folder within a second is one record
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(worker.answer("one"), "done");
    worker.end();
    let lines = seen(&creel);
    let lost = |line: &&Value| line["file"]["how"] == "events lost";
    assert_eq!(lines.iter().filter(lost).count(), 1, "{lines:#?}");
    assert!(lines.iter().any(|line| line["file"]["path"] == "/workspace/one.txt"), "{lines:#?}");
}

#[test]
fn without_its_sentry_there_is_no_jail() {
    let (creel, config) = world("files-sentry");
    let mut worker = Worker::start(&creel, &["--config", &config, "--no-disk-limit"], WRITER, "");
    assert_eq!(worker.answer("one"), "done");
    let sentry = process_of(&worker, "sentry");
    signal("-KILL", sentry);
    let begun = Instant::now();
    let mut child = worker.child;
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(10), "the jail goes on without its sentry");
        std::thread::sleep(Duration::from_millis(20));
    }
}
