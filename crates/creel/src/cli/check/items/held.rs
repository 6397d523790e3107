//! What holds each process of the jail: privileges, namespaces, limits.
//!
//! Owns the items that are true only when they are true of every process in the jail's process namespace, as the kernel
//! tells root about it, and of the probe inside as well. One process that escaped its limits fails the item by its number.

use super::{item, unknown};
use crate::cli::check::Item;
use crate::outside::Outside;
use crate::outside::processes::Process;
use crate::probe::Findings;
use crate::protocol::LimitStatus;

const CAPS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

/// Of all processes, those for which `holds` is false, as words for the evidence.
fn strays(outside: &Outside, holds: impl Fn(&Process) -> bool) -> Vec<String> {
    let name = |process: &Process| {
        let name = process.status.get("Name").map(String::as_str).unwrap_or_default();
        format!("{} ({name})", process.pid)
    };
    outside.processes.iter().filter(|process| !holds(process)).map(name).collect()
}

fn judge(id: &'static str, layer: &'static str, inside: bool, strays: &[String], seen: &str) -> Item {
    let mut evidence = seen.to_owned();
    if !strays.is_empty() {
        evidence.push_str(&format!("; not so for process {}", strays.join(", ")));
    }
    item(id, layer, inside && strays.is_empty(), evidence)
}

/// The item, unless no process could be seen.
fn of_processes(outside: &Outside, found: Item) -> Item {
    if outside.processes.is_empty() {
        return unknown(found.id, found.layer, "no process of the jail could be seen from outside");
    }
    found
}

fn nought(value: Option<&String>) -> bool {
    value.is_some_and(|v| !v.is_empty() && v.chars().all(|c| c == '0'))
}

/// No capability, no way to get one, a user of its own.
pub(super) fn privileges(found: &Findings, outside: &Outside) -> Vec<Item> {
    let line = |name: &str| found.status.get(name).cloned().unwrap_or_else(|| "not seen".to_owned());
    let zero = CAPS.iter().all(|cap| nought(found.status.get(*cap)));
    let shown: Vec<String> = CAPS.iter().map(|cap| format!("{cap} {}", line(cap))).collect();
    let plain = |value: &str, id: &str| !value.is_empty() && value.split_whitespace().all(|part| part == id);
    let first = outside.processes.first();
    let host = |name: &str| first.map_or("", |process| process.id(name)).to_owned();
    let (uid, gid) = (host("Uid"), host("Gid"));
    // A plain user's groups stay with him (user_namespaces(7)), and his ids are what `separate-uid` is about.
    let least = if outside.own_user { 1 } else { 65_536 };
    let apart = [&uid, &gid].iter().all(|id| id.parse::<u32>().is_ok_and(|id| id >= least));
    let no_groups = |groups: &str| outside.own_user || groups.trim().is_empty();
    let inside = plain(&line("Uid"), "1000") && plain(&line("Gid"), "1000") && no_groups(&line("Groups"));
    let same = |process: &Process| {
        let is = |name: &str, id: &str| process.status.get(name).is_some_and(|value| plain(value, id));
        let (uid, gid) = if is_behind(outside, process) { walled(outside) } else { (uid.clone(), gid.clone()) };
        is("Uid", &uid) && is("Gid", &gid) && process.status.get("Groups").is_some_and(|groups| no_groups(groups))
    };
    let caps = strays(outside, |process| CAPS.iter().all(|cap| nought(process.status.get(*cap))));
    let one = |process: &Process| process.status.get("NoNewPrivs").is_some_and(|value| value == "1");
    let nnp = format!("NoNewPrivs {}", line("NoNewPrivs"));
    let who = format!("inside {} and {}; on the host {uid} and {gid}", line("Uid"), line("Gid"));
    [
        judge("caps.none", "process", zero, &caps, &shown.join(", ")),
        judge("nnp", "process", line("NoNewPrivs") == "1", &strays(outside, one), &nnp),
        judge("uid", "process", inside && apart, &strays(outside, same), &who),
    ]
    .map(|found| of_processes(outside, found))
    .into()
}

/// Whether a process lives behind the inner wall, in the mounts that are its own.
pub(super) fn is_behind(outside: &Outside, process: &Process) -> bool {
    let Some(wall) = &outside.wall else { return false };
    let mounts = |process: &Process| process.namespaces.get("mnt").cloned();
    let first = outside.processes.first().and_then(mounts);
    mounts(process).is_some() && mounts(process) == mounts(wall) && mounts(wall) != first
}

/// User and group behind the inner wall, as the host numbers them.
pub(super) fn walled(outside: &Outside) -> (String, String) {
    let of = |name: &str| outside.wall.as_ref().map_or("", |wall| wall.id(name)).to_owned();
    (of("Uid"), of("Gid"))
}

/// Apart from the host's, and the same for all of the jail but for the mounts behind the inner wall.
pub(super) fn namespaces(found: &Findings, outside: &Outside) -> Vec<Item> {
    let ids = [
        ("ns.user", "user"),
        ("ns.pid", "pid"),
        ("ns.mnt", "mnt"),
        ("ns.net", "net"),
        ("ns.ipc", "ipc"),
        ("ns.uts", "uts"),
        ("ns.cgroup", "cgroup"),
    ];
    let judged = |(id, name): (&'static str, &str)| match (found.namespaces.get(name), outside.namespaces.get(name)) {
        (Some(inside), Some(host)) => {
            let wall =
                if name == "mnt" { outside.wall.as_ref().and_then(|wall| wall.namespaces.get(name)) } else { None };
            let others = strays(outside, |process| {
                let its = process.namespaces.get(name);
                its == Some(inside) || (its.is_some() && its == wall)
            });
            let seen = format!("inside {inside}, on the host {host}");
            of_processes(outside, judge(id, "namespaces", inside != host, &others, &seen))
        }
        _ => unknown(id, "namespaces", "its id could not be read on both sides"),
    };
    ids.into_iter().map(judged).collect()
}

/// A filter on every process.
pub(super) fn unfiltered(outside: &Outside) -> Vec<String> {
    strays(outside, |process| process.status.get("Seccomp").is_some_and(|mode| mode == "2"))
}

/// Without a control group the kernel counts the processes of the user in his user namespace (getrlimit(2)).
fn users_processes(outside: &Outside, most: u64) -> Item {
    let within = |process: &Process| process.users_processes.parse::<u64>().is_ok_and(|number| number <= most);
    let seen = format!("promised {most} processes, as a limit of the jail's user");
    of_processes(outside, judge("limit.pids", "process", true, &strays(outside, within), &seen))
}

/// How many processors' worth of time its control group grants a process; none without a limit.
pub(super) fn cores(process: &Process) -> Option<f64> {
    let mut words = process.cpu.as_deref().unwrap_or_default().split_whitespace();
    let quota = words.next()?.parse::<f64>().ok().filter(|quota| *quota > 0.0)?;
    let period = words.next().or(process.cpu_period.as_deref())?.parse::<f64>().ok()?;
    Some(quota / period)
}

/// Whether that is what was promised: the kernel takes a quota of 1 ms at least and whole microseconds.
pub(super) fn within_cpus(cores: f64, promised: f64) -> bool {
    cores <= promised.max(0.01) + 0.000_1
}

/// What the kernel grants each process, compared with what was promised.
pub(super) fn limits(found: &Findings, outside: &Outside, promised: &LimitStatus) -> Vec<Item> {
    let number = |text: &str| text.parse::<u64>().ok();
    let at_most = |value: &Option<String>, most: u64| value.as_deref().and_then(number).is_some_and(|v| v <= most);
    let group =
        |id: &'static str, seen: fn(&Process) -> Option<String>, holds: &dyn Fn(&Process) -> bool, most: &str| {
            if outside.processes.iter().all(|process| seen(process).is_none()) {
                return unknown(id, "cgroup", "the jail's control group could not be read");
            }
            let first = outside.processes.first().and_then(seen).unwrap_or_else(|| "nothing".to_owned());
            judge(id, "cgroup", true, &strays(outside, holds), &format!("promised {most}, the kernel says {first}"))
        };
    let cpu = |process: &Process| cores(process).is_some_and(|cores| within_cpus(cores, promised.cpus));
    let files = found.limits.get("Max open files").cloned().unwrap_or_default();
    let core = found.limits.get("Max core file size").cloned().unwrap_or_default();
    let within = |text: &str| number(text).is_some_and(|files| files <= promised.open_files);
    let many = strays(outside, |process| within(&process.open_files));
    let dumps = strays(outside, |process| process.core == "0");
    vec![
        group("limit.cpu", |p| p.cpu.clone(), &cpu, &format!("{} cores", promised.cpus)),
        group(
            "limit.memory",
            |p| p.memory.clone(),
            &|process| at_most(&process.memory, promised.memory),
            &format!("{} bytes", promised.memory),
        ),
        if outside.own_user {
            users_processes(outside, promised.processes)
        } else {
            group(
                "limit.pids",
                |p| p.pids.clone(),
                &|process| at_most(&process.pids, promised.processes),
                &format!("{} processes", promised.processes),
            )
        },
        judge("limit.fds", "process", within(&files), &many, &format!("at most {files} open files")),
        judge("core.none", "process", core == "0", &dumps, &format!("core files of at most {core} bytes")),
    ]
}
