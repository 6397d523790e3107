//! The jail as the host sees it.
//!
//! Owns [`Outside`]: what root reads in /proc and the control groups about the jail's processes, mounts and network. It
//! looks, it never changes anything, and follows no path that the agent made. `creel check` uses it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

pub(crate) mod mounts;
pub(crate) mod own;
pub(crate) mod processes;

use mounts::Mount;
use own::Own;
use processes::Process;

/// What is seen from outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outside {
    /// This process's own namespaces, that is the host's: name → id.
    pub(crate) namespaces: BTreeMap<String, String>,
    /// The jail's processes, its first one first.
    pub(crate) processes: Vec<Process>,
    /// The process behind the inner wall, which is also among `processes`.
    pub(crate) wall: Option<Process>,
    /// The jail's mounts.
    pub(crate) mounts: Option<Vec<Mount>>,
    /// The mounts behind the inner wall.
    pub(crate) mounts_behind: Option<Vec<Mount>>,
    /// The file systems under the places where the agent may write: device → (size in bytes, inodes).
    pub(crate) disks: BTreeMap<u64, (u64, u64)>,
    /// Size and inodes of the host's root file system.
    pub(crate) root_disk: Option<(u64, u64)>,
    /// Of these paths of /proc, the ones that this kernel has.
    pub(crate) proc_paths: Vec<&'static str>,
    /// Who owns the agent's configuration on the host, and its permission bits.
    pub(crate) config: Option<(u32, u32)>,
    /// The jail's host table.
    pub(crate) hosts: Option<String>,
    /// Its resolver file.
    pub(crate) resolver: Option<String>,
    /// Whether a plain user looks at a jail that has his own id.
    pub(crate) own_user: bool,
    /// Creel's own processes, the warden first.
    pub(crate) own: Vec<Own>,
    /// Local addresses in the jail's network namespace.
    pub(crate) addresses: Option<Vec<String>>,
}

/// Paths of /proc that must be masked in a jail where the kernel has them.
pub(crate) const MASKED: [&str; 18] = [
    "/proc/acpi",
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/diskstats",
    "/proc/interrupts",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/partitions",
    "/proc/sched_debug",
    "/proc/slabinfo",
    "/proc/timer_list",
];

impl Outside {
    /// Looks at the jail whose first process is `init`, with process `wall` behind its inner wall (0 without) and `warden` over
    /// it; the agent may write at `writable`.
    pub(crate) fn look(init: i32, wall: i32, warden: i32, writable: &[&str]) -> Self {
        let text = |path: &str| fs::read_to_string(format!("/proc/{init}{path}")).ok();
        let inside = |path: &str| format!("/proc/{init}/root{path}");
        let processes = processes::of_jail(init);
        Self {
            namespaces: processes::namespaces("self"),
            own_user: is_own(processes.first()),
            wall: processes.iter().find(|process| process.pid == wall).cloned(),
            processes,
            mounts: mounts::of(init),
            mounts_behind: if wall == 0 { None } else { mounts::of(wall) },
            disks: disks(init, writable),
            root_disk: rustix::fs::statvfs("/").ok().map(|s| (s.f_blocks.saturating_mul(s.f_frsize), s.f_files)),
            proc_paths: MASKED.into_iter().filter(|path| fs::symlink_metadata(path).is_ok()).collect(),
            config: fs::symlink_metadata(inside("/etc/openclaw/openclaw.json"))
                .ok()
                .map(|found| (found.uid(), found.mode() & 0o7777)),
            // The jail's /etc is root's: no link there is the agent's.
            hosts: fs::read_to_string(inside("/etc/hosts")).ok(),
            resolver: fs::read_to_string(inside("/etc/resolv.conf")).ok(),
            own: own::of_warden(warden),
            addresses: addresses(&text("/net/fib_trie"), text("/net/if_inet6")),
        }
    }
}

/// Whether the agent has the id of whoever looks, who is not root.
fn is_own(first: Option<&Process>) -> bool {
    let id = first.and_then(|process| process.id("Uid").parse::<u32>().ok());
    id.is_some_and(|id| id != 0 && id == rustix::process::geteuid().as_raw())
}

fn disks(init: i32, writable: &[&str]) -> BTreeMap<u64, (u64, u64)> {
    let look = |place: &&str| {
        let path = format!("/proc/{init}/root{place}");
        let device = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_dir)?.dev();
        let stat = rustix::fs::statvfs(&path).ok()?;
        Some((device, (stat.f_blocks.saturating_mul(stat.f_frsize), stat.f_files)))
    };
    writable.iter().filter_map(look).collect()
}

/// Addresses that the kernel takes as its own there. A host without IPv6 has no list of such.
fn addresses(trie: &Option<String>, v6: Option<String>) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut last = "";
    for line in trie.as_ref()?.lines() {
        if let Some((_, address)) = line.split_once("|-- ") {
            last = address;
        } else if line.contains("/32 host LOCAL") && !found.iter().any(|known| known == last) {
            found.push(last.to_owned());
        }
    }
    for line in v6.unwrap_or_default().lines() {
        let digits = line.split_whitespace().next().unwrap_or_default();
        let address = u128::from_str_radix(digits, 16).map(std::net::Ipv6Addr::from_bits);
        found.push(address.map_or_else(|_| digits.to_owned(), |address| address.to_string()));
    }
    Some(found)
}
