//! Every process of the jail, as root reads it in /proc.
//!
//! Owns [`Process`]: what the kernel says holds it. It takes no process's word for anything and skips what ended
//! meanwhile. `outside` calls it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// What a process is held by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Process {
    /// On the host.
    pub(crate) pid: i32,
    /// The file that it executes, as its own mount namespace names it; empty when it can't be read.
    pub(crate) program: String,
    /// Lines of its status that matter: name → value. Numbers of users and groups are the host's.
    pub(crate) status: BTreeMap<String, String>,
    /// Namespace → its id.
    pub(crate) namespaces: BTreeMap<String, String>,
    /// Hard limit of open files, as /proc writes it.
    pub(crate) open_files: String,
    /// Hard limit of a core file's size.
    pub(crate) core: String,
    /// Memory limit of its control group, in bytes.
    pub(crate) memory: Option<String>,
    /// Most microseconds of processor time a period; version 2 has both numbers in one file.
    pub(crate) cpu: Option<String>,
    /// That period, under version 1.
    pub(crate) cpu_period: Option<String>,
    /// Most processes.
    pub(crate) pids: Option<String>,
    /// Most processes of its user in its user namespace: the hard limit, as /proc writes it.
    pub(crate) users_processes: String,
}

impl Process {
    /// The real id of its line `Uid` or `Gid`, as the host numbers it; empty when it was not seen.
    pub(crate) fn id(&self, line: &str) -> &str {
        let ids = self.status.get(line).map(String::as_str).unwrap_or_default();
        ids.split_whitespace().next().unwrap_or_default()
    }
}

/// The kinds of namespaces that a jail has.
pub(crate) const NAMESPACES: [&str; 7] = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"];

/// All processes in the process namespace of `init`, itself first.
pub(crate) fn of_jail(init: i32) -> Vec<Process> {
    let Ok(namespace) = fs::read_link(format!("/proc/{init}/ns/pid")) else { return Vec::new() };
    let mut found: Vec<Process> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|ns| ns == namespace))
        .filter_map(look)
        .collect();
    found.sort_by_key(|process| (process.pid != init, process.pid));
    found
}

/// The ids of `pid`'s namespaces.
pub(crate) fn namespaces(pid: &str) -> BTreeMap<String, String> {
    let id = |name: &str| fs::read_link(format!("/proc/{pid}/ns/{name}")).map(|link| link.display().to_string());
    NAMESPACES.iter().filter_map(|name| Some(((*name).to_owned(), id(name).ok()?))).collect()
}

/// `None` when it ended, also when it is dead but not yet waited for: such a one runs no more code.
pub(super) fn look(pid: i32) -> Option<Process> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    let status: BTreeMap<String, String> = pairs.map(|(n, v)| (n.to_owned(), v.trim().to_owned())).collect();
    if status.get("State").is_none_or(|state| state.starts_with(['Z', 'X'])) {
        return None;
    }
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let hard = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or_default().to_owned()
    };
    let program = fs::read_link(format!("/proc/{pid}/exe")).map(|path| path.display().to_string()).unwrap_or_default();
    Some(Process {
        pid,
        program,
        status,
        namespaces: namespaces(&pid.to_string()),
        open_files: hard("Max open files"),
        core: hard("Max core file size"),
        memory: control(pid, "memory", &["memory.max", "memory.limit_in_bytes"]),
        cpu: control(pid, "cpu", &["cpu.max", "cpu.cfs_quota_us"]),
        cpu_period: control(pid, "cpu", &["cpu.cfs_period_us"]),
        pids: control(pid, "pids", &["pids.max"]),
        users_processes: hard("Max processes"),
    })
}

/// The first of `files` that the process's control group has, wherever its hierarchy is mounted (cgroups(7)). The root
/// group has none of them under version 2, and then there is no limit.
fn control(pid: i32, controller: &str, files: &[&str]) -> Option<String> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let mut places: Vec<PathBuf> = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            places.push(PathBuf::from("/sys/fs/cgroup").join(path));
        } else if controllers.split(',').any(|name| name == controller) {
            places.push(PathBuf::from("/sys/fs/cgroup").join(controllers).join(path));
            places.push(PathBuf::from("/sys/fs/cgroup").join(controller).join(path));
        }
    }
    let read = |place: &PathBuf| {
        files.iter().find_map(|file| fs::read_to_string(place.join(file)).ok()).map(|text| text.trim().to_owned())
    };
    places.iter().find_map(read)
}
