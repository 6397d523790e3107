//! The exec door: every program that starts in a jail is on record as the kernel started it, and runs only when it may.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use creel_e2e::fresh;
use creel_testkit::{Creel, Ran};
use serde_json::Value;

use super::exhaustion::{Worker, descendants};

/// Changes its own argument while the call that bears it waits.
const CHANGER: &str = include_str!("exec/changer.py");
/// Starts a program each time it is told to.
const STARTER: &str = include_str!("exec/starter.py");

/// An installation whose configuration holds `text`.
fn world(name: &str, text: &str) -> (Creel, String) {
    let creel = fresh(name).unwrap();
    let config = creel.file("creel.toml", text).unwrap().display().to_string();
    (creel, config)
}

fn run(creel: &Creel, config: &str, line: &str) -> Ran {
    creel.jail(&["--config", config, "--no-disk-limit"], line).unwrap()
}

/// What the log holds of the exec door, in order.
fn seen(creel: &Creel) -> Vec<Value> {
    let log = creel.run(&["log", "--json"]).unwrap();
    assert_eq!(log.code, 0, "{log:?}");
    let lines = log.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["door"] == "exec").collect()
}

fn argv(line: &Value) -> Vec<&str> {
    let words = line["process"]["argv"].as_array().map_or(&[][..], Vec::as_slice);
    words.iter().map(|word| word.as_str().unwrap()).collect()
}

/// The only line about these arguments.
fn one<'a>(lines: &'a [Value], words: &[&str]) -> &'a Value {
    let found: Vec<&Value> = lines.iter().filter(|line| argv(line) == words).collect();
    assert_eq!(found.len(), 1, "{words:?} in {lines:#?}");
    found[0]
}

#[test]
fn whatever_starts_a_program_the_real_one_is_seen_with_its_real_arguments() {
    let (creel, config) = world("exec-seen", "");
    let line = "env A=b id -u\n/usr/bin/time -f '' id -g 2>/dev/null || timeout 9 id -g\nprintf 'x y' | xargs echo one\n\
                nohup stat -c %n /usr\nsh -c 'uname -s; exec uname -m'\n\
                seq 20000 | sort -n -S 64k --parallel=1 --compress-program=gzip >/dev/null\n\
                find /usr/bin/env -exec test -x {} ';'\n\
                python3 -c 'import os; os.execve(\"/usr/bin/expr\", [\"not its name\", \"1\"], {})'\n\
                printf '#!/bin/sh -e\\nexit 9\\n' >s; chmod +x s; ./s 'a  b' ''\n\
                python3 -c 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)'\n exit 7";
    let ran = run(&creel, &config, line);
    assert_eq!(ran.code, 7, "{ran:?}");
    let lines = seen(&creel);
    let program = |words: &[&str]| one(&lines, words)["process"]["program"].as_str().unwrap().to_owned();
    for words in [
        &["id", "-u"][..],
        &["id", "-g"],
        &["echo", "one", "x", "y"],
        &["stat", "-c", "%n", "/usr"],
        &["uname", "-s"],
        &["uname", "-m"],
        &["test", "-x", "/usr/bin/env"],
    ] {
        assert_eq!(program(words), format!("/usr/bin/{}", words[0]));
    }
    assert_eq!(program(&["not its name", "1"]), "/usr/bin/expr");
    assert!(lines.iter().any(|line| argv(line) == ["gzip"]) && lines.iter().any(|line| argv(line) == ["gzip", "-d"]));
    // a script, and the interpreter that the kernel made of it
    let (script, shell) = (one(&lines, &["./s", "a  b", ""]), one(&lines, &["/bin/sh", "-e", "./s", "a  b", ""]));
    assert_eq!(
        (&script["process"]["program"], &shell["process"]["program"]),
        (&"/workspace/s".into(), &"/usr/bin/dash".into())
    );
    assert_eq!((&shell["status"], &shell["cause"]), (&9.into(), &script["seq"]));
    // ends, families and folders
    assert_eq!(one(&lines, &["id", "-u"])["status"], 0);
    let killed =
        lines.iter().find(|line| line["target"].as_str().unwrap().contains("SIGKILL") && argv(line)[0] == "python3");
    assert_eq!(killed.unwrap()["status"], 137, "{killed:?}");
    let (inner, uname) = (one(&lines, &["sh", "-c", "uname -s; exec uname -m"]), one(&lines, &["uname", "-s"]));
    assert_eq!((&uname["cause"], &uname["process"]["parent"]), (&inner["seq"], &inner["process"]["pid"]));
    assert_eq!(uname["process"]["cwd"], "/workspace");
    assert!(lines.iter().all(|line| line["outcome"] == "done" && line["rule"] == "exec/allow-inside"), "{lines:#?}");
}

#[test]
fn what_is_denied_does_not_run_whoever_starts_it() {
    let text = "[exec]\ndeny = [\"curl\", \"git push\", \"perl\", \"tac -s*\"]\n";
    let (creel, config) = world("exec-denied", text);
    let tries = [
        "curl --version",
        "/usr/bin/curl --version",
        "env curl --version",
        "echo --version | xargs curl",
        "nohup curl --version",
        "sh -c 'curl --version'",
        "echo start\ncurl --version",
        "ln -s /usr/bin/curl harmless; ./harmless --version",
        "cp /usr/bin/cat x; (exec -a curl ./x /etc/passwd)",
        "/lib64/ld-linux-x86-64.so.2 /usr/bin/curl --version",
        "git -c a.b=c push",
        "python3 -c 'import os; os.posix_spawn(\"/usr/bin/curl\", [\"x\", \"--version\"], {})'",
        "python3 -c 'import os; f = os.open(\"/usr/bin/curl\", os.O_RDONLY); os.execve(f, [\"x\", \"--version\"], {})'",
        "seq 200000 | sort -S 64k --parallel=1 --compress-program=curl | tail -1",
        "printf '#!/usr/bin/perl\\nprint \"ran\\\\n\"' >s; chmod +x s; ./s",
        "tac -s x /etc/passwd",
    ];
    for line in tries {
        let ran = creel.run(&["jail", "--config", &config, "--no-disk-limit", "--", "bash", "-c", line]).unwrap();
        let leaked = ["libcurl", "root:", "ran\n", "nologin"].iter().any(|text| ran.out.contains(text));
        assert!(!leaked, "{line}: {ran:?}");
    }
    let lines = seen(&creel);
    let denied: BTreeMap<_, _> = lines
        .iter()
        .filter(|line| line["rule"] == "exec/deny-command")
        .map(|line| (line["tenant"].as_str().unwrap(), line["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(denied.len(), tries.len(), "{lines:#?}");
    assert!(denied.values().all(|outcome| *outcome == "refused"));
    let allowed = run(&creel, &config, "git --version && tac /etc/hostname; exit 0");
    assert!(allowed.out.contains("git version"), "{allowed:?}");
}

#[test]
fn only_what_is_listed_runs_when_places_are_listed() {
    let (creel, config) = world("exec-listed", "[exec]\nallow = [\"/usr/**\"]\n");
    let ran = run(&creel, &config, "cp /usr/bin/id x; ./x || echo no; ln -s /usr/bin/id y; ./y -u");
    assert_eq!((ran.out.as_str(), ran.code), ("no\n1000\n", 0), "{ran:?}");
    let lines = seen(&creel);
    assert_eq!(one(&lines, &["./x"])["rule"], "exec/not-listed");
    assert_eq!(one(&lines, &["./y", "-u"])["process"]["program"], "/usr/bin/id");
}

#[test]
fn what_is_asked_about_waits_and_silence_is_no() {
    let (creel, config) = world("exec-asked", "[exec]\nask = [\"touch\"]\n[approvals]\nwait = 0\n");
    let ran = run(&creel, &config, "/usr/bin/touch a; test -e a && exit 33; exit 4");
    assert_eq!(ran.code, 4, "{ran:?}");
    let lines = seen(&creel);
    let line = one(&lines, &["/usr/bin/touch", "a"]);
    assert_eq!((&line["verdict"], &line["outcome"]), (&"ask".into(), &"refused".into()));
}

#[test]
fn a_persons_yes_lets_the_waiting_process_go_on() {
    let (creel, config) = world("exec-approved", "[exec]\nask = [\"touch\"]\n[approvals]\nwait = 120\n");
    std::thread::scope(|scope| {
        let line = "/usr/bin/touch a && test -e a && exit 33";
        let ran = scope.spawn(|| run(&creel, &config, line));
        let until = Instant::now() + Duration::from_secs(60);
        let (tenant, question) = loop {
            assert!(Instant::now() < until && !ran.is_finished(), "nobody was asked");
            std::thread::sleep(Duration::from_millis(100));
            let Ok(tenants) = std::fs::read_dir(creel.state().join("tenants")) else { continue };
            let names: Vec<String> = tenants.flatten().map(|one| one.file_name().into_string().unwrap()).collect();
            let [tenant] = &names[..] else { continue };
            let listed = creel.run(&["approvals", "--tenant", tenant, "--json"]).unwrap();
            if let Some(line) = listed.out.lines().next() {
                break (tenant.clone(), serde_json::from_str::<Value>(line).unwrap());
            }
        };
        assert!(question["text"].as_str().unwrap().contains("[\"/usr/bin/touch\", \"a\"]"), "{question}");
        let answered = creel.run(&["approve", "--tenant", &tenant, &question["id"].to_string()]).unwrap();
        assert_eq!(answered.code, 0, "{answered:?}");
        assert_eq!(ran.join().unwrap().code, 33);
    });
    let lines = seen(&creel);
    let line = one(&lines, &["/usr/bin/touch", "a"]);
    assert_eq!((&line["rule"], &line["status"]), (&"approval/by-person".into(), &0.into()));
}

pub(super) fn process_of(worker: &Worker, name: &str) -> u32 {
    let end = format!("\0{name}\0");
    let is_it =
        |pid: &u32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(end.as_bytes()));
    descendants(worker.child.id()).into_iter().find(is_it).unwrap()
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

#[test]
fn arguments_that_change_behind_the_check_never_run() {
    let (creel, config) = world("exec-changed", "");
    let mut worker = Worker::start(&creel, &["--config", &config, "--no-disk-limit"], CHANGER, "");
    let guard = process_of(&worker, "guard");
    // While the guard stands still the call waits, and another thread changes the argument.
    signal("-STOP", guard);
    let jail = worker.child.id();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let until = Instant::now() + Duration::from_secs(20);
            let changed = |pid| std::fs::exists(format!("/proc/{pid}/cwd/changed")).unwrap_or(false);
            while !descendants(jail).into_iter().any(changed) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(50));
            }
            signal("-CONT", guard);
        });
        assert_eq!(worker.answer("change"), "ended by 9 and said nothing");
    });
    assert_eq!(worker.answer("keep"), "ended by 0 and said harmless");
    worker.end();
    let lines = seen(&creel);
    let changed: Vec<_> = lines.iter().filter(|line| line["rule"] == "exec/argv-changed").collect();
    assert_eq!(changed.len(), 1, "{lines:#?}");
    assert_eq!(argv(changed[0]), ["echo", "terrible"]);
}

#[test]
fn while_the_guard_stands_still_nothing_starts_and_no_porter_means_no_jail() {
    let (creel, config) = world("exec-deaths", "");
    let mut worker = Worker::start(&creel, &["--config", &config, "--no-disk-limit"], STARTER, "");
    assert_eq!(worker.answer("start"), "started");
    let (guard, porter) = (process_of(&worker, "guard"), process_of(&worker, "porter"));
    signal("-STOP", guard);
    assert_eq!(worker.answer("start"), "waits");
    signal("-CONT", guard);
    assert_eq!(worker.answer("start"), "started");
    signal("-KILL", porter);
    let begun = Instant::now();
    let mut child = worker.child;
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(10), "the jail goes on without its porter");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The most memory that a process has used so far, in bytes.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn ten_thousand_programs_and_a_fork_bomb_are_all_on_record() {
    let (creel, config) = world("exec-many", "[limits]\nprocesses = 200\n");
    let mut worker = Worker::start(&creel, &["--config", &config, "--no-disk-limit"], STARTER, "");
    let processes = ["guard", "porter"].map(|name| process_of(&worker, name));
    assert_eq!(worker.answer("10000"), "started 10000");
    // Each copy of the bomb starts a program before it makes more copies.
    let bombs: usize = worker.answer("bomb").strip_prefix("bombs ").unwrap().parse().unwrap();
    assert!(bombs > 200, "{bombs}");
    assert_eq!(worker.answer("start"), "started");
    for pid in processes {
        assert!(peak(pid) < 256 << 20, "{pid}: {}", peak(pid));
    }
    worker.end();
    let lines = seen(&creel);
    let count = |words: &[&str]| lines.iter().filter(|line| argv(line) == words && line["status"] == 0).count();
    assert_eq!(count(&["true", "many"]), 10_000);
    assert!(count(&["true", "bomb"]) >= bombs, "{} of {bombs}", count(&["true", "bomb"]));
    assert_eq!(creel.run(&["ledger", "verify"]).unwrap().code, 0);
}

#[test]
fn calls_that_break_out_are_refused_and_recorded_in_few_records() {
    let (creel, config) = world("exec-tries", "");
    let calls = "import ctypes, os\nc = ctypes.CDLL(None, use_errno=True)\ndef sys(*a):\n assert c.syscall(*a) == -1\n return ctypes.get_errno()\n\
                 for n in (101, 165, 272, 308, 321, 155, 298):\n assert sys(n, 0, 0, 0, 0, 0) == 1, n\n\
                 for _ in range(20000): sys(165, 0, 0, 0, 0, 0)\nprint('done')";
    let ran = creel.run(&["jail", "--config", &config, "--no-disk-limit", "--", "python3", "-c", calls]).unwrap();
    assert!(ran.code == 0 && ran.out == "done\n", "{ran:?}");
    let lines = seen(&creel);
    let tries: Vec<&Value> = lines.iter().filter(|line| line["deed"] == "attempt").collect();
    for call in ["ptrace", "mount", "unshare", "setns", "bpf", "pivot_root", "perf_event_open"] {
        let found: Vec<_> =
            tries.iter().filter(|line| line["target"].as_str().unwrap().starts_with(&format!("{call}(2)"))).collect();
        assert!(!found.is_empty() && found.len() < 20, "{call}: {tries:#?}");
        assert!(found.iter().all(|line| line["outcome"] == "refused" && line["rule"] == "guard/attempt"), "{found:#?}");
        assert!(found.iter().all(|line| line["cause"].is_u64()), "{found:#?}");
    }
    let times = |line: &&Value| {
        line["target"]
            .as_str()
            .unwrap()
            .rsplit_once(", ")
            .map_or(1, |(_, n)| n.split(' ').next().unwrap().parse().unwrap_or(1))
    };
    let mounts: u64 =
        tries.iter().filter(|line| line["target"].as_str().unwrap().starts_with("mount(2)")).map(times).sum();
    assert_eq!(mounts, 20_001);
}

#[test]
fn rules_of_the_operators_own_decide_before_a_program_runs() {
    let creel = fresh("exec-operator").unwrap();
    let rules = r#"@id("no-uname") @why("nobody needs to know")
forbid(principal, action == Creel::Action::"run", resource) when { resource.path like "*/uname" };
@id("no-reading") @verdict("ask")
forbid(principal, action == Creel::Action::"run", resource) when { context.words.contains("/etc/passwd") };"#;
    creel.file("house.cedar", rules).unwrap();
    let config = creel
        .file("creel.toml", "[policy]\nrules = [\"house.cedar\"]\n[approvals]\nwait = 0\n")
        .unwrap()
        .display()
        .to_string();
    let ran = run(&creel, &config, "echo before; env uname; cat /etc/passwd; echo after");
    assert!(ran.out == "before\nafter\n", "{ran:?}");
    let lines = seen(&creel);
    let refused = one(&lines, &["uname"]);
    assert!(refused["rule"] == "operator/no-uname" && refused["verdict"] == "deny", "{refused}");
    assert!(refused["why"].as_str().unwrap().contains("nobody needs to know"), "{refused}");
    // a shell whose call was refused tries the next folder of its path
    let asked: Vec<_> = lines.iter().filter(|line| argv(line) == ["cat", "/etc/passwd"]).collect();
    let told = |line: &&Value| line["verdict"] == "ask" && line["why"].as_str().unwrap().contains("`no-reading`");
    assert!(!asked.is_empty() && asked.iter().all(told), "{asked:#?}");
    // the question as a rule: from then on nobody is asked
    let (seq, tenant) = (asked[0]["seq"].to_string(), asked[0]["tenant"].as_str().unwrap().to_owned());
    let permit = creel.run(&["policy", "permit", &seq, "--tenant", &tenant, "--id", "passwd"]).unwrap();
    assert!(permit.code == 0 && permit.out.contains("cat /etc/passwd"), "{permit:?}");
    let told = creel.run(&["policy", "check", "--config", &config]).unwrap();
    assert!(told.code == 0 && told.out.contains("operator/no-uname: deny"), "{told:?}");
    // a rule that can't match keeps Creel from starting, by its place in both files
    creel.file("house.cedar", &rules.replace("resource.path", "resource.name")).unwrap();
    let wrong = run(&creel, &config, "true");
    assert!(wrong.code == 125 || wrong.code == 2, "{wrong:?}");
    let says = ["creel.toml:2:", "house.cedar", "no-uname", "line 2"];
    assert!(says.iter().all(|text| wrong.err.contains(text)), "{wrong:?}");
}
