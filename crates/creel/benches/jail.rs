//! What a jail costs: its start to the end of a command beside other sandboxes, its network alone, and idle memory.
//!
//! `make bench` prints medians in milliseconds, taken in turns in one run: compare the ratios, not the figures. It needs root,
//! `bwrap` and `runc`, and takes no argument.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Starts of each kind.
const ROUNDS: usize = 25;
/// Network namespaces.
const NETWORKS: usize = 50;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("creel-bench-jail-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let done = starts(&folder).and_then(|()| programs(&folder)).and_then(|()| network()).and_then(|()| memory(&folder));
    std::fs::remove_dir_all(&folder)?;
    done
}

/// Each in its turn, so that what else the machine does hits all alike.
fn starts(folder: &Path) -> Result<(), Failure> {
    let bundle = bundle(folder)?;
    let config = folder.join("creel.toml");
    std::fs::write(&config, "[limits]\ndisk = \"128MiB\"\n")?;
    let (bundle, config) = (bundle.display().to_string(), config.display().to_string());
    let kinds: [(&str, Vec<&str>); 6] = [
        ("the command alone", vec!["/usr/bin/true"]),
        ("bwrap --unshare-all", [&BWRAP[..], &["/usr/bin/true"]].concat()),
        ("runc run", vec!["runc", "run", "--bundle", &bundle, "creel-bench"]),
        ("creel jail, in memory", vec![CREEL, "jail", "--no-disk-limit", "--", "/usr/bin/true"]),
        ("creel jail, fresh disk of 128 MiB", vec![CREEL, "jail", "--config", &config, "--", "/usr/bin/true"]),
        (
            "creel jail by runc, in memory",
            vec![CREEL, "jail", "--runtime", "runc", "--no-disk-limit", "--", "/usr/bin/true"],
        ),
    ];
    let mut taken: Vec<Vec<Duration>> = vec![Vec::new(); kinds.len()];
    for _ in 0..ROUNDS {
        for ((name, words), all) in kinds.iter().zip(&mut taken) {
            let begun = now();
            run(folder, words).map_err(|why| format!("{name}: {why}"))?;
            all.push(begun.elapsed());
        }
    }
    let medians: Vec<Duration> = taken.into_iter().map(median).collect();
    let bwrap = medians.get(1).copied().unwrap_or_default();
    for ((name, _), taken) in kinds.iter().zip(&medians) {
        print(name, *taken, bwrap);
    }
    Ok(())
}

/// What a program's start costs inside, from `posix_spawn` to its end.
fn programs(folder: &Path) -> Result<(), Failure> {
    const SPAWNS: &str = "import os, time\n\
        def once():\n begun = time.perf_counter()\n os.waitpid(os.posix_spawn('/usr/bin/true', ['true'], {}), 0)\n return time.perf_counter() - begun\n\
        [once() for _ in range(200)]\nprint(sorted(once() for _ in range(1000))[500])";
    let python = ["/usr/bin/python3", "-c", SPAWNS];
    let kinds: [(&str, Vec<&str>); 3] = [
        ("a program's start, alone", python.to_vec()),
        ("a program's start in bwrap", [&BWRAP[..], &python].concat()),
        ("a program's start in creel jail", [&[CREEL, "jail", "--no-disk-limit", "--"][..], &python].concat()),
    ];
    let mut taken: Vec<Vec<Duration>> = vec![Vec::new(); kinds.len()];
    for _ in 0..3 {
        for ((name, words), all) in kinds.iter().zip(&mut taken) {
            let said = said(folder, words).map_err(|why| format!("{name}: {why}"))?;
            all.push(Duration::from_secs_f64(said.trim().parse()?));
        }
    }
    let medians: Vec<Duration> = taken.into_iter().map(median).collect();
    let bwrap = medians.get(1).copied().unwrap_or_default();
    for ((name, _), taken) in kinds.iter().zip(&medians) {
        print(name, *taken, bwrap);
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a bench starts what it measures")]
fn said(folder: &Path, words: &[&str]) -> Result<String, Failure> {
    let (program, arguments) = words.split_first().ok_or("no command")?;
    let ran =
        Command::new(program).args(arguments).env("CREEL_STATE", folder.join("state")).stdin(Stdio::null()).output()?;
    if ran.status.success() {
        Ok(String::from_utf8(ran.stdout)?)
    } else {
        Err(format!("ended with {}", ran.status).into())
    }
}

const CREEL: &str = env!("CARGO_BIN_EXE_creel");

const BWRAP: [&str; 16] = [
    "bwrap",
    "--unshare-all",
    "--die-with-parent",
    "--ro-bind",
    "/usr",
    "/usr",
    "--symlink",
    "usr/lib",
    "/lib",
    "--symlink",
    "usr/lib64",
    "/lib64",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
];

#[expect(clippy::disallowed_methods, reason = "a bench starts what it measures")]
fn run(folder: &Path, words: &[&str]) -> Result<(), Failure> {
    let (program, arguments) = words.split_first().ok_or("no command")?;
    let mut command = Command::new(program);
    command.args(arguments).env("CREEL_STATE", folder.join("state")).stdin(Stdio::null()).stdout(Stdio::null());
    let ended = command.status()?;
    if ended.success() { Ok(()) } else { Err(format!("ended with {ended}").into()) }
}

/// A bundle with the namespaces, mounts and user that bwrap's command line asks for.
fn bundle(folder: &Path) -> Result<PathBuf, Failure> {
    let bundle = folder.join("bundle");
    let root = bundle.join("rootfs");
    for name in ["usr", "proc", "dev"] {
        std::fs::create_dir_all(root.join(name))?;
    }
    for name in ["lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{name}"), root.join(name))?;
    }
    let spaces: Vec<_> =
        ["pid", "mount", "network", "ipc", "uts", "cgroup"].map(|kind| serde_json::json!({ "type": kind })).into();
    let spec = serde_json::json!({
        "ociVersion": "1.1.0",
        "process": {
            "user": { "uid": 0, "gid": 0 }, "cwd": "/", "args": ["/usr/bin/true"], "noNewPrivileges": true,
            "capabilities": { "bounding": [], "effective": [], "permitted": [] },
        },
        "root": { "path": "rootfs", "readonly": true },
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"] },
            { "destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"] },
        ],
        "linux": { "namespaces": spaces },
    });
    std::fs::write(bundle.join("config.json"), serde_json::to_vec(&spec)?)?;
    Ok(bundle)
}

/// The namespace, its planted sockets and its nftables rules, by a thread each: a namespace belongs to a thread.
fn network() -> Result<(), Failure> {
    let mut taken = Vec::new();
    for _ in 0..NETWORKS {
        let one = std::thread::spawn(|| {
            let begun = now();
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).map_err(|error| error.to_string())?;
            let sockets = creel_jail::net::build_in_this_namespace(None).map_err(|error| error.to_string())?;
            let taken = begun.elapsed();
            drop(sockets);
            Ok::<Duration, String>(taken)
        });
        taken.push(one.join().map_err(|_| "a thread failed")??);
    }
    let taken = median(taken);
    print("of which the network namespace with sockets and rules", taken, taken);
    Ok(())
}

/// Of an idle jail: the process that a person started, which is its warden, and the guard.
#[expect(clippy::disallowed_methods, reason = "a bench starts what it measures")]
fn memory(folder: &Path) -> Result<(), Failure> {
    let mut jail = Command::new(CREEL)
        .args(["jail", "--no-disk-limit", "--", "sleep", "2"])
        .env("CREEL_STATE", folder.join("state"))
        .spawn()?;
    std::thread::sleep(Duration::from_millis(1500));
    let mut rows = vec![("the jail's warden", jail.id())];
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let words = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if words.starts_with(CREEL)
            && words.trim_end_matches('\0').ends_with("\0guard")
            && parent(pid) == Some(jail.id())
        {
            rows.push(("its guard", pid));
        }
    }
    for (name, pid) in rows {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let kib = |field: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(field))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        let (resident, own) = (kib("Rss:").unwrap_or_default(), kib("Private_Dirty:").unwrap_or_default());
        write(&format!("{name}, idle: {:.1} MiB resident, {:.1} MiB of it its own", resident / 1024.0, own / 1024.0));
    }
    jail.wait()?;
    Ok(())
}

fn parent(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

fn print(name: &str, taken: Duration, beside: Duration) {
    let ratio = taken.as_secs_f64() / beside.as_secs_f64().max(1e-9);
    write(&format!("{name:<55} {:>8.2} ms   {ratio:>6.2} x", taken.as_secs_f64() * 1000.0));
}

#[expect(clippy::print_stdout, reason = "a bench prints its table")]
fn write(line: &str) {
    println!("{line}");
}

#[expect(clippy::disallowed_methods, reason = "a bench measures the real clock")]
fn now() -> Instant {
    Instant::now()
}
