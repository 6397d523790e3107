//! The jail as the host sees it.
//!
//! Owns [`Outside`]: what root reads in /proc and the control groups about the jail's first process. It looks, it never
//! changes anything. `creel check` uses it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// What is seen from outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outside {
    /// The host's user id of the jail's first process.
    pub(crate) uid: Option<u32>,
    /// This process's own namespaces, that is the host's: name → id.
    pub(crate) namespaces: BTreeMap<String, String>,
    /// Memory limit as the kernel has it.
    pub(crate) memory: Option<String>,
    /// CPU limit as the kernel has it.
    pub(crate) cpu: Option<String>,
    /// Process limit as the kernel has it.
    pub(crate) pids: Option<String>,
    /// Size and inodes of the host's root file system.
    pub(crate) root_disk: Option<(u64, u64)>,
}

impl Outside {
    /// Looks at process `pid`.
    pub(crate) fn look(pid: i32) -> Self {
        let names = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"];
        let id = |name: &str| fs::read_link(format!("/proc/self/ns/{name}")).map(|link| link.display().to_string());
        Self {
            uid: uid(pid),
            namespaces: names.iter().filter_map(|name| Some(((*name).to_owned(), id(name).ok()?))).collect(),
            memory: control(pid, "memory", &["memory.max", "memory.limit_in_bytes"]),
            cpu: control(pid, "cpu", &["cpu.max", "cpu.cfs_quota_us"]),
            pids: control(pid, "pids", &["pids.max"]),
            root_disk: rustix::fs::statvfs("/").ok().map(|s| (s.f_blocks.saturating_mul(s.f_frsize), s.f_files)),
        }
    }
}

fn uid(pid: i32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The first of `files` that the process's control group has, wherever its hierarchy is mounted (cgroups(7)).
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
    let found = places.iter().find_map(read)?;
    // v2's cpu.max is `quota period`; without a limit it says `max period`.
    Some(found.split_whitespace().next().unwrap_or_default().to_owned())
}
