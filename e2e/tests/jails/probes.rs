//! What agents' code may try against the kernel, the files and the host's secrets, from a table that runs twice.
//!
//! Inside a jail every probe must be refused, whichever engine built it. Outside, as root in throw-away namespaces, the same probe must go through:
//! otherwise it would be refused anywhere, and prove nothing. The table is the Python program in `probes/`.

#[path = "probes/host.rs"]
mod host;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use creel_e2e::fresh;

use host::Host;
pub(crate) use host::Marker;

/// The program; the facts about the host are put before it.
const PROGRAM: [&str; 4] = [
    include_str!("probes/kit.py"),
    include_str!("probes/calls.py"),
    include_str!("probes/gaps.py"),
    include_str!("probes/files.py"),
];

/// What the control may skip, or find absent from this kernel, by the beginning of its name. Whatever else is refused
/// outside too is a blunt probe.
const HOST_MAY_LACK: &[&str] = &[
    "call: init_module",
    "call: finit_module",
    "call: delete_module",
    "call: iopl",
    "call: ioperm",
    "call: kexec_load",
    "call: x32 getpid",
    "call: int 0x80 getpid",
    "call: quotactl",
    "device: /dev/",
    "file: write /proc/",
    "file: write /sys/fs/cgroup/",
    "file: a lower oom score",
    "file: write creel's own program",
    "loader: a link in /creel",
    "program: reopen /creel/creel for writing",
    "info: interfaces",
];

/// Probe to (verdict, how).
pub(crate) type Verdicts = BTreeMap<String, (String, String)>;

pub(crate) fn verdicts(out: &[u8]) -> Verdicts {
    let text = String::from_utf8_lossy(out);
    let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let field = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
    let named = rows.iter().map(|row| (field(row, "probe"), (field(row, "got"), field(row, "how"))));
    let all: Verdicts = named.collect();
    assert_eq!(all.len(), rows.len(), "two probes have one name");
    all
}

pub(crate) fn but(all: &Verdicts, wanted: &str) -> Vec<String> {
    let others = all.iter().filter(|(_, (got, _))| got != wanted);
    others.map(|(name, (got, how))| format!("{name}: {got}, {how}")).collect()
}

/// A process to be found, and the program for a jail of somebody who keeps his files in `folder`.
pub(crate) fn program(folder: &std::path::Path) -> (Marker, String) {
    let marker = Marker::start("creel-probes-plain").unwrap();
    let secret = folder.join("secret.txt");
    std::fs::write(&secret, "of the host").unwrap();
    let program = host::facts(&marker, &secret, false) + &PROGRAM.concat();
    (marker, program)
}

#[test]
fn every_probe_is_refused_inside_and_the_host_stays_as_it_was() {
    let creel = fresh("probes-inside").unwrap();
    assert_eq!(creel.jail(&["--no-disk-limit"], "true").unwrap().code, 0);
    let marker = Marker::start("creel-probes-inside").unwrap();
    let secret = creel.file("secret.txt", "of the host").unwrap();
    let program = host::facts(&marker, &secret, false) + &PROGRAM.concat();
    let config = creel.file("creel.toml", "[limits]\ndisk = \"1GiB\"\n").unwrap().display().to_string();
    let careless = host::Careless::start(&creel).unwrap();
    let given = format!("{}:/mnt/given", careless.folder().display());
    let before = Host::seen(&creel);
    let bytes = std::fs::read(creel_e2e::program()).unwrap();
    let mut counts = Vec::new();
    let engine = ["--runtime", "runc", "--config", &config];
    for options in [["--config", &config].as_slice(), &["--no-disk-limit"], &engine] {
        let args: Vec<&str> =
            ["jail", "--bind", &given].iter().chain(options).chain(&["--", "python3", "-"]).copied().collect();
        let ran = creel.run_with(&args, program.as_bytes()).unwrap();
        assert_eq!(ran.code, 0, "{}", ran.err);
        let all = verdicts(ran.out.as_bytes());
        assert_eq!(but(&all, "shut"), Vec::<String>::new(), "with {options:?}");
        counts.push(all.len());
    }
    assert!(counts[0] > 300 && counts.iter().all(|count| *count == counts[0]), "{counts:?} probes ran");
    let after = Host::seen(&creel);
    assert_eq!(before, after);
    assert!(std::fs::read(creel_e2e::program()).unwrap() == bytes, "creel's own program was overwritten");
    assert_eq!(host::leftovers(&creel), Vec::<String>::new());
    assert!(marker.lives() && careless.lets_in(), "a process of the host is gone");
}

#[test]
fn every_probe_goes_through_outside() {
    let creel = fresh("probes-outside").unwrap();
    assert_eq!(creel.jail(&["--no-disk-limit"], "true").unwrap().code, 0);
    let marker = Marker::start("creel-probes-outside").unwrap();
    let secret = creel.file("secret.txt", "of the host").unwrap();
    let program = host::facts(&marker, &secret, true) + &PROGRAM.concat();
    // One descriptor too many, and another process with the marker, for the probes to find.
    let line = "exec 9</ && MARKED=$0 exec unshare -fmpinuC --mount-proc sh -c 'sleep 60 & python3 - '\"$0\"";
    let mut child = Command::new("sh")
        .args(["-c", line, marker.text()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let all = verdicts(&done.stdout);
    let mut blunt = Vec::new();
    for (name, (got, how)) in &all {
        let may_lack = HOST_MAY_LACK.iter().any(|start| name.starts_with(start));
        match got.as_str() {
            "open" => {}
            "skipped" | "absent" if may_lack => {}
            _ => blunt.push(format!("{name}: {got}, {how}")),
        }
    }
    assert_eq!(blunt, Vec::<String>::new());
    let sharp = all.values().filter(|(got, _)| got == "open").count();
    assert!(sharp * 10 >= all.len() * 8, "only {sharp} of {} probes could be shown to be sharp", all.len());
    // The probe for interfaces reads the same file; a new network namespace can't be its control.
    assert!(host::interfaces().iter().any(|name| name != "lo"), "this host has `lo` alone: the probe proves nothing");
}
