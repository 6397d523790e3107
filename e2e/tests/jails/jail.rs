//! `creel jail` as CONTRACT.md describes it.

use creel_e2e::fresh;

#[test]
fn the_commands_code_is_ours() {
    let creel = fresh("jail-codes").unwrap();
    assert_eq!(creel.jail(&[], "exit 7").unwrap().code, 7);
    assert_eq!(creel.jail(&[], "kill -9 $$").unwrap().code, 137);
    assert_eq!(creel.run(&["jail", "--", "/no/such/program"]).unwrap().code, 127);
    assert_eq!(creel.run(&["jail", "--", "/etc/passwd"]).unwrap().code, 126);
    assert_eq!(creel.run(&["jail", "--config", "/no/such/file", "--", "true"]).unwrap().code, 125);
    assert_eq!(creel.run(&["jail", "--runtime", "none-such", "--", "true"]).unwrap().code, 125);
}

#[test]
fn it_is_uid_1000_in_an_empty_workspace_with_a_clean_environment() {
    let creel = fresh("jail-plain").unwrap();
    let line = "id -u; id -g; pwd; ls -A | wc -l; env | cut -d= -f1 | sort | tr '\\n' ' '; grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status";
    let mut command = creel.command(&["jail", "--", "sh", "-c", line]);
    let ran = command.env("SECRET_OF_THE_CALLER", "must-not-pass").output().unwrap();
    let out = String::from_utf8_lossy(&ran.stdout).into_owned();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..4], ["1000", "1000", "/workspace", "0"], "{out}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(lines[4].contains("HOME") && lines[4].contains("PATH") && lines[4].contains("SSL_CERT_FILE"), "{out}");
    assert!(!out.contains("SECRET_OF_THE_CALLER"), "{out}");
    assert!(out.contains("CapEff:\t0000000000000000") && out.contains("CapBnd:\t0000000000000000"), "{out}");
    assert!(out.contains("NoNewPrivs:\t1") && out.contains("Seccomp:\t2"), "{out}");
}

#[test]
fn stdin_stdout_and_stderr_stay_apart() {
    let creel = fresh("jail-streams").unwrap();
    let ran = creel.run_with(&["jail", "--", "sh", "-c", "cat; echo oops >&2"], b"from outside\n").unwrap();
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "from outside\n", "oops\n"));
    let big = vec![b'x'; 3_000_000];
    let ran = creel.run_with(&["jail", "--", "wc", "-c"], &big).unwrap();
    assert_eq!(ran.out.trim(), "3000000");
}

#[test]
fn a_terminal_when_asked_for() {
    let creel = fresh("jail-tty").unwrap();
    let ran = creel.run(&["jail", "-t", "--", "sh", "-c", "tty && test -t 0 && test -t 1"]).unwrap();
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("/dev/pts/"), "{}", ran.out);
    assert_ne!(creel.jail(&[], "test -t 1").unwrap().code, 0);
}

#[test]
fn binds_are_read_only_and_bounded() {
    let creel = fresh("jail-binds").unwrap();
    let file = creel.file("hello.txt", "hello\n").unwrap();
    let folder = file.parent().unwrap().display().to_string();
    let bind = format!("{folder}:/mnt/given");
    let ran = creel.jail(&["--bind", &bind], "cat /mnt/given/hello.txt; echo x > /mnt/given/y").unwrap();
    assert!(ran.out.starts_with("hello\n") && ran.code != 0 && !file.with_file_name("y").exists(), "{ran:?}");
    for bad in [format!("{folder}:/proc/x"), format!("{folder}:../x"), format!("{folder}:/etc/ssl"), "nonsense".into()]
    {
        let ran = creel.jail(&["--bind", &bad], "true").unwrap();
        assert_eq!(ran.code, 125, "{bad}: {ran:?}");
    }
}

#[test]
fn the_host_is_out_of_sight() {
    let creel = fresh("jail-sight").unwrap();
    let line = "ls /; ls /sys | wc -l; cat /proc/net/dev | tail -n +3 | cut -d: -f1; ps -e 2>/dev/null | wc -l; hostname; \
                ls /usr/local /usr/src /root /work 2>&1; cat /proc/self/mountinfo";
    let ran = creel.jail(&[], line).unwrap();
    assert!(!ran.out.contains(&creel_e2e::states().display().to_string()), "a host path shows: {}", ran.out);
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let shown = creel.jail(&[], "hostname").unwrap();
    assert_ne!(shown.out.trim(), name.trim());
    let interfaces = creel.jail(&[], "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '").unwrap();
    assert_eq!(interfaces.out.trim(), "lo");
}

#[test]
fn a_killed_creel_leaves_nothing_that_the_next_one_does_not_sweep() {
    let creel = fresh("jail-killed").unwrap();
    let id = || std::fs::read_to_string(creel.state().join("id")).unwrap();
    for pause in [40, 80, 160, 1500] {
        let mut child = creel.command(&["jail", "--", "sleep", "30"]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(creel.jail(&["--no-disk-limit"], "true").unwrap().code, 0);
    let groups = std::process::Command::new("find").args(["/sys/fs/cgroup", "-name", &format!("*-{}", id())]).output();
    assert_eq!(String::from_utf8_lossy(&groups.unwrap().stdout), "");
    let mut left = Vec::new();
    for entry in std::fs::read_dir(creel.state().join("tenants")).unwrap().flatten() {
        let path = entry.path();
        if path.is_file() || path.join("guard").exists() {
            left.push(path);
        }
    }
    let run = std::fs::read_dir(creel.state().join("run")).unwrap().flatten().map(|entry| entry.path());
    left.extend(run.filter(|path| path.extension().is_some_and(|kind| kind == "sock")));
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
}

#[test]
fn when_the_guard_dies_the_jail_ends_and_says_so() {
    let creel = fresh("jail-guard").unwrap();
    let child = creel.command(&["jail", "--no-disk-limit", "--", "sleep", "30"]).spawn().unwrap();
    let own = child.id().to_string();
    let mut killed = false;
    for _ in 0..100 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).map(str::trim);
            if parent == Some(own.as_str()) && line.ends_with(b"\0guard\0") {
                std::thread::sleep(std::time::Duration::from_millis(500));
                let pid = entry.file_name().to_string_lossy().into_owned();
                killed = std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success();
            }
        }
        if killed {
            break;
        }
    }
    assert!(killed, "the guard was found");
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&done.stderr).contains("the guard died"), "{done:?}");
}

#[test]
fn many_at_once_and_each_in_the_log() {
    let creel = fresh("jail-many").unwrap();
    let children: Vec<_> = (0..4)
        .map(|n| creel.command(&["jail", "--no-disk-limit", "--", "sh", "-c", &format!("exit {n}")]).spawn().unwrap())
        .collect();
    for (n, child) in children.into_iter().enumerate() {
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(i32::try_from(n).unwrap()));
    }
    let log = creel.run(&["log", "--json"]).unwrap();
    let starts = log.out.lines().filter(|line| line.contains("\"administer\"") && line.contains("exit")).count();
    assert_eq!(starts, 4, "{}{}", log.out, log.err);
    let verified = creel.run(&["ledger", "verify", "--json"]).unwrap();
    assert_eq!(verified.code, 0, "{}", verified.out);
    let left = std::fs::read_dir(creel.state().join("run"))
        .unwrap()
        .flatten()
        .filter(|e| e.path().extension().is_some_and(|x| x == "sock"))
        .count();
    assert_eq!(left, 0);
}

#[test]
fn each_leaf_is_signed_and_witnessed_by_users_who_are_not_the_guard() {
    use std::os::unix::fs::MetadataExt;
    let creel = fresh("jail-signed").unwrap();
    assert_eq!(creel.jail(&["--no-disk-limit"], "sleep 1").unwrap().code, 0);
    let verified = creel.run(&["ledger", "verify", "--json"]).unwrap();
    let found: serde_json::Value = serde_json::from_str(&verified.out).unwrap();
    assert!(found["ok"] == true && found["anchored"] == true && found["signed"] == found["leaves"], "{found}");
    let tenants: Vec<_> = std::fs::read_dir(creel.state().join("tenants")).unwrap().flatten().collect();
    let tenant = tenants[0].path();
    let owner = |name: &str| std::fs::metadata(tenant.join(name)).unwrap().uid();
    let (guard, signer, witness) = (owner("ledger"), owner("signer"), owner("witness"));
    assert!(guard != signer && signer != witness && witness != guard && ![guard, signer, witness].contains(&0));
    for name in ["signer", "witness"] {
        let key = std::fs::metadata(tenant.join(name).join("key")).unwrap();
        assert_eq!((key.uid(), key.mode() & 0o777), (owner(name), 0o600));
        assert_eq!(std::fs::metadata(tenant.join(name)).unwrap().mode() & 0o022, 0);
    }
    let at = |name: &str| tenant.join(name).display().to_string();
    let (ledger, bundle) = (at("ledger"), at("proof"));
    let prove = creel.run(&["ledger", "prove", "1", "--ledger", &ledger, "--out", &bundle]).unwrap();
    assert_eq!(prove.code, 0, "{prove:?}");
    let check = |log: &str, by: &str| {
        creel.run(&["ledger", "verify", "--bundle", &bundle, "--key", &at(log), "--witness-key", &at(by)]).unwrap().code
    };
    assert_eq!(check("signer/vkey", "witness/vkey"), 0);
    assert_eq!(check("witness/vkey", "witness/vkey"), 1);
    // Without the witness's line, the last one, who asks for the witness is told.
    let text = std::fs::read_to_string(&bundle).unwrap();
    let (unseen, _) = text.trim_end().rsplit_once('\n').unwrap();
    std::fs::write(&bundle, format!("{unseen}\n")).unwrap();
    assert_eq!(check("signer/vkey", "witness/vkey"), 1);
    // Somebody who rewrites the end has neither key.
    std::fs::remove_file(tenant.join("ledger/checkpoint")).unwrap();
    assert_ne!(creel.run(&["ledger", "verify"]).unwrap().code, 0);
}

#[test]
fn a_refusal_of_the_kernel_stays_one() {
    let creel = fresh("jail-kernel").unwrap();
    for line in [
        "unshare -r true",
        "unshare -n true",
        "mount -t tmpfs x /tmp",
        "python3 -c 'import ctypes,sys; l=ctypes.CDLL(None,use_errno=True); sys.exit(0 if l.syscall(435,0,0)==0 else 9)'",
    ] {
        assert_ne!(creel.jail(&[], line).unwrap().code, 0, "{line}");
    }
}
