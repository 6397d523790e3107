//! The items of the check, one judgement each.
//!
//! Owns what counts as a pass. Every item rests on what was tried or seen; with nothing seen it is unknown.

use rustix::io::Errno;

use super::Item;
use crate::outside::Outside;
use crate::probe::Findings;
use crate::protocol::{LimitStatus, SecretStatus};

mod creel;
mod files;
mod held;
mod inner;

pub(super) use creel::creel;
pub(super) use files::watched;
pub(super) use inner::inner_wall;

/// Where the agent may write, and nowhere else.
pub(super) const WRITABLE: [&str; 6] =
    ["/workspace", "/var/lib/openclaw", "/home/agent", "/tmp", "/dev/shm", "/var/tmp"];

/// Judges everything.
pub(super) fn all(found: &Findings, outside: &Outside, promised: &LimitStatus) -> Vec<Item> {
    let mut items = vec![files::readonly(found, outside), files::writable(found, outside)];
    items.extend(held::privileges(found, outside));
    items.extend(held::namespaces(found, outside));
    items.extend(kernel(found, outside));
    items.push(files::masked(found, outside));
    items.extend(held::limits(found, outside, promised));
    items.extend(files::disk(found, outside, promised));
    items.extend(network(found, outside));
    items.push(files::config(found, outside));
    items.push(token(found));
    items
}

/// What a plain user's jail lacks, whatever was accepted: users of its own, inside and for its guard.
pub(super) fn users(outside: &Outside) -> Vec<Item> {
    let missing = |id, evidence: &str| Item { id, layer: "process", status: "degraded", evidence: evidence.to_owned() };
    if !outside.own_user {
        return Vec::new();
    }
    let agent = "the agent has the id of the user who started Creel, and its commands have the gateway's";
    vec![missing("separate-uid", agent), missing("guard-uid", "the guard has the id of the user who started Creel")]
}

/// Whether each secret that is to be exchanged from time to time was, as the warden found: it is who tries.
pub(super) fn rotated(secrets: &[SecretStatus]) -> Item {
    let scheduled = secrets.iter().filter(|secret| secret.due.is_some()).count();
    let overdue: Vec<String> =
        secrets.iter().filter_map(|secret| Some(format!("{}: {}", secret.name, secret.overdue.as_ref()?))).collect();
    let evidence = match (scheduled, overdue.is_empty()) {
        (0, _) => format!("secrets in use: {}, with a `rotate_every`: none", secrets.len()),
        (_, true) => format!("secrets in use: {}, with a `rotate_every`: {scheduled}, overdue: none", secrets.len()),
        (_, false) => format!("overdue: {}", overdue.join("; ")),
    };
    item("secrets.rotated", "secrets", overdue.is_empty(), evidence)
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

fn kernel(found: &Findings, outside: &Outside) -> Vec<Item> {
    let mode = found.status.get("Seccomp").cloned().unwrap_or_default();
    let refused_by_filter = |what: &str| found.tries.get(what) == Some(&Some(Errno::PERM.raw_os_error()));
    let filter = mode == "2" && refused_by_filter("new user namespace") && refused_by_filter("mount");
    let bare = held::unfiltered(outside);
    let seen = format!("mode {mode}; unshare and mount refused: {filter}; processes without a filter: {bare:?}");
    let seccomp = if outside.processes.is_empty() {
        unknown("seccomp", "seccomp", "no process of the jail could be seen from outside")
    } else {
        item("seccomp", "seccomp", filter && bare.is_empty(), seen)
    };
    // Without landlock the call works: it needs no capability and the mount allows it.
    let landlock = match found.tries.get("make a device in /tmp") {
        Some(Some(errno)) if *errno == Errno::ACCESS.raw_os_error() => {
            item("landlock", "landlock", true, "a device in /tmp is refused with EACCES, which is landlock's word")
        }
        Some(Some(errno)) => unknown("landlock", "landlock", format!("stopped before landlock: {}", named(*errno))),
        Some(None) => item("landlock", "landlock", false, "a device could be made in /tmp"),
        None => unknown("landlock", "landlock", "not tried"),
    };
    vec![seccomp, landlock]
}

fn network(found: &Findings, outside: &Outside) -> Vec<Item> {
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
        Some("nxdomain") => match strange_names(outside) {
            None => unknown("net.dns", "dns", "the jail's resolver file could not be read"),
            Some(lines) => {
                let seen = format!("an unapproved name is NXDOMAIN; strange lines of hosts and resolv.conf: {lines:?}");
                item("net.dns", "dns", lines.is_empty(), seen)
            }
        },
        Some(said) => item("net.dns", "dns", false, format!("an unapproved name gave {said}")),
        None => unknown("net.dns", "dns", "not tried"),
    };
    let inbound = match &outside.addresses {
        None => unknown("net.inbound", "network", "the jail's addresses could not be read"),
        Some(addresses) => {
            let reachable: Vec<&String> = addresses.iter().filter(|address| !stays_inside(address)).collect();
            let seen = format!("addresses that somebody outside could reach: {reachable:?}");
            item("net.inbound", "network", reachable.is_empty(), seen)
        }
    };
    let only = item("net.lo-only", "network", lo, format!("interfaces: {:?}", found.interfaces));
    vec![only, tcp, udp, dns, inbound]
}

/// Loopback, and the two that synthetic addresses start with: no route leads to them from outside.
fn stays_inside(address: &str) -> bool {
    let planted = ["198.18.0.1", "fd00:c4ee:1::1"];
    planted.contains(&address) || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Lines that send a name elsewhere than to Creel's resolver.
fn strange_names(outside: &Outside) -> Option<Vec<String>> {
    let plain = |line: &&str| {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => words.next() == Some("127.0.0.1"),
            None | Some("options") => true,
            Some(first) => first.starts_with('#') || first.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        }
    };
    let lines = |text: &str| text.lines().filter(|line| !plain(line)).map(str::to_owned).collect::<Vec<String>>();
    let mut found = lines(outside.hosts.as_ref()?);
    found.extend(lines(outside.resolver.as_ref()?));
    Some(found)
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
