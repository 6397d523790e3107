//! The items of the check, one judgement each.
//!
//! Owns what counts as a pass. Every item rests on what was tried or seen; with nothing seen it is unknown.

use rustix::io::Errno;

use super::Item;
use crate::outside::Outside;
use crate::probe::Findings;

/// Where the agent may write, and nowhere else.
const WRITABLE: [&str; 6] = ["/workspace", "/var/lib/openclaw", "/home/agent", "/tmp", "/dev/shm", "/var/tmp"];

/// Judges everything.
pub(super) fn all(found: &Findings, outside: &Outside) -> Vec<Item> {
    let mut items = vec![fs_readonly(found), fs_writable(found)];
    items.extend(privileges(found, outside));
    items.extend(namespaces(found, outside));
    items.extend(kernel(found));
    items.extend(limits(found, outside));
    items.extend(network(found));
    items.push(refused(found, "config.readonly", "rootfs", "append /etc/openclaw/openclaw.json"));
    items.push(token(found));
    items
}

fn item(id: &'static str, layer: &'static str, pass: bool, evidence: impl Into<String>) -> Item {
    Item { id, layer, status: if pass { "pass" } else { "fail" }, evidence: evidence.into() }
}

fn unknown(id: &'static str, layer: &'static str, evidence: impl Into<String>) -> Item {
    Item { id, layer, status: "unknown", evidence: evidence.into() }
}

/// A try that must not have worked.
fn refused(found: &Findings, id: &'static str, layer: &'static str, what: &str) -> Item {
    match found.tries.get(what) {
        Some(None) => item(id, layer, false, format!("`{what}` worked")),
        Some(Some(errno)) => item(id, layer, true, format!("`{what}`: {}", named(*errno))),
        None => unknown(id, layer, format!("`{what}` was not tried")),
    }
}

fn named(errno: i32) -> String {
    if errno == Errno::NODATA.raw_os_error() {
        return "empty".to_owned();
    }
    std::io::Error::from_raw_os_error(errno).to_string()
}

fn fs_readonly(found: &Findings) -> Item {
    let places = ["/", "/usr", "/usr/bin", "/etc", "/opt/openclaw", "/creel"];
    let open: Vec<&str> = places.into_iter().filter(|place| found.writable.iter().any(|w| w == place)).collect();
    let tried = places.iter().all(|place| found.read_only.contains_key(*place) || open.contains(place));
    if !tried {
        return unknown("fs.readonly", "rootfs", "not every place was tried");
    }
    item("fs.readonly", "rootfs", open.is_empty(), format!("writable of {places:?}: {open:?}"))
}

fn fs_writable(found: &Findings) -> Item {
    let odd: Vec<&String> = found.writable.iter().filter(|place| !WRITABLE.contains(&place.as_str())).collect();
    let must = ["/workspace", "/tmp"];
    let missing: Vec<&str> = must.into_iter().filter(|m| !found.writable.iter().any(|w| w == m)).collect();
    let evidence = format!("writable: {:?}; unexpected: {odd:?}; missing: {missing:?}", found.writable);
    item("fs.writable-only", "rootfs", odd.is_empty() && missing.is_empty(), evidence)
}

fn privileges(found: &Findings, outside: &Outside) -> Vec<Item> {
    let line = |name: &str| found.status.get(name).cloned().unwrap_or_else(|| "not seen".to_owned());
    let caps = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    let zero = caps.iter().all(|cap| found.status.get(*cap).is_some_and(|v| v.chars().all(|c| c == '0')));
    let shown: Vec<String> = caps.iter().map(|cap| format!("{cap} {}", line(cap))).collect();
    let inside_uid = line("Uid");
    let plain = inside_uid.split_whitespace().all(|uid| uid == "1000");
    let host_uid = outside.uid;
    let apart = host_uid.is_some_and(|uid| uid >= 65_536);
    vec![
        item("caps.none", "process", zero, shown.join(", ")),
        item("nnp", "process", line("NoNewPrivs") == "1", format!("NoNewPrivs {}", line("NoNewPrivs"))),
        item("uid", "process", plain && apart, format!("inside {inside_uid}; on the host {host_uid:?}")),
    ]
}

fn namespaces(found: &Findings, outside: &Outside) -> Vec<Item> {
    let ids = [
        ("ns.user", "user"),
        ("ns.pid", "pid"),
        ("ns.mnt", "mnt"),
        ("ns.net", "net"),
        ("ns.ipc", "ipc"),
        ("ns.uts", "uts"),
        ("ns.cgroup", "cgroup"),
    ];
    let judge = |(id, name): (&'static str, &str)| match (found.namespaces.get(name), outside.namespaces.get(name)) {
        (Some(inside), Some(host)) => {
            item(id, "namespaces", inside != host, format!("inside {inside}, on the host {host}"))
        }
        _ => unknown(id, "namespaces", "its id could not be read on both sides"),
    };
    ids.into_iter().map(judge).collect()
}

fn kernel(found: &Findings) -> Vec<Item> {
    let mode = found.status.get("Seccomp").cloned().unwrap_or_default();
    let refused_by_filter = |what: &str| found.tries.get(what) == Some(&Some(Errno::PERM.raw_os_error()));
    let filter = mode == "2" && refused_by_filter("new user namespace") && refused_by_filter("mount");
    let seccomp = item("seccomp", "seccomp", filter, format!("mode {mode}; unshare and mount refused: {filter}"));
    // Without landlock the call works: it needs no capability and the mount allows it.
    let landlock = match found.tries.get("make a device in /tmp") {
        Some(Some(errno)) if *errno == Errno::ACCESS.raw_os_error() => {
            item("landlock", "landlock", true, "a device in /tmp is refused with EACCES, which is landlock's word")
        }
        Some(Some(errno)) => unknown("landlock", "landlock", format!("stopped before landlock: {}", named(*errno))),
        Some(None) => item("landlock", "landlock", false, "a device could be made in /tmp"),
        None => unknown("landlock", "landlock", "not tried"),
    };
    let masked = [
        "read /proc/kcore",
        "read /proc/keys",
        "read /proc/timer_list",
        "append /proc/sysrq-trigger",
        "append /proc/sys/kernel/core_pattern",
        "list /sys",
    ];
    let open: Vec<&str> = masked.into_iter().filter(|what| found.tries.get(*what) == Some(&None)).collect();
    let tried = masked.iter().all(|what| found.tries.contains_key(*what));
    let proc = if tried {
        item("proc.masked", "rootfs", open.is_empty(), format!("open of {masked:?}: {open:?}"))
    } else {
        unknown("proc.masked", "rootfs", "not every path was tried")
    };
    vec![seccomp, landlock, proc]
}

fn limits(found: &Findings, outside: &Outside) -> Vec<Item> {
    let seen = |id: &'static str, value: Option<&String>| match value {
        Some(value) if value == "max" || value == "-1" => item(id, "cgroup", false, "no limit"),
        Some(value) => item(id, "cgroup", true, format!("the kernel says {value}")),
        None => unknown(id, "cgroup", "the jail's control group could not be read"),
    };
    let files = found.limits.get("Max open files").cloned().unwrap_or_default();
    let core = found.limits.get("Max core file size").cloned().unwrap_or_default();
    let (bytes, inodes) = (found.disk_bytes, found.disk_inodes);
    let own_disk = outside.root_disk != Some((bytes, inodes));
    vec![
        seen("limit.cpu", outside.cpu.as_ref()),
        seen("limit.memory", outside.memory.as_ref()),
        seen("limit.pids", outside.pids.as_ref()),
        item("limit.disk", "volume", own_disk && bytes > 0, format!("a file system of its own with {bytes} bytes")),
        item("limit.inodes", "volume", own_disk && inodes > 0, format!("{inodes} inodes")),
        item("limit.fds", "process", files.parse::<u64>().is_ok(), format!("at most {files} open files")),
        item("core.none", "process", core == "0", format!("core files of at most {core} bytes")),
    ]
}

fn network(found: &Findings) -> Vec<Item> {
    let lo = found.interfaces == ["lo"];
    let udp_v4 = refused(found, "net.udp", "network", "udp to 192.0.2.1:443");
    let udp = match refused(found, "net.udp", "network", "udp to [2001:db8::1]:443") {
        v6 if v6.status != "pass" => v6,
        _ => udp_v4,
    };
    let tcp = match found.names.get("tcp to 192.0.2.1:443").map(String::as_str) {
        Some(said @ ("refused by creel" | "closed")) => item("net.tcp", "network", true, format!("192.0.2.1: {said}")),
        Some(said) => item("net.tcp", "network", false, format!("192.0.2.1: {said}")),
        None => unknown("net.tcp", "network", "not tried"),
    };
    let dns = match found.names.get("not-approved.creel-probe.invalid").map(String::as_str) {
        Some("nxdomain") => item("net.dns", "dns", true, "an unapproved name is NXDOMAIN"),
        Some(said) => item("net.dns", "dns", false, format!("an unapproved name gave {said}")),
        None => unknown("net.dns", "dns", "not tried"),
    };
    let inbound = if lo {
        item("net.inbound", "network", true, "with lo alone nothing can come in")
    } else {
        item("net.inbound", "network", false, format!("interfaces: {:?}", found.interfaces))
    };
    let only = item("net.lo-only", "network", lo, format!("interfaces: {:?}", found.interfaces));
    vec![only, tcp, udp, dns, inbound]
}

fn token(found: &Findings) -> Item {
    match &found.token_seen {
        None => unknown("token.hidden", "openclaw", "the probe did not look for it"),
        Some(places) if places.is_empty() => item(
            "token.hidden",
            "openclaw",
            true,
            "in no argv, environ, configuration or plain file that a tool can read",
        ),
        Some(places) => item("token.hidden", "openclaw", false, format!("it can be read in {places:?}")),
    }
}
