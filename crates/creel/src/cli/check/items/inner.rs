//! The wall between the agent's gateway and the commands that it runs.
//!
//! Owns that one item: what a command finds, who runs on which side, and what is mounted behind.

use super::held::{is_behind, walled};
use super::{item, unknown};
use crate::cli::check::Item;
use crate::outside::Outside;
use crate::outside::mounts::Mount;
use crate::probe::Findings;

const ID: &str = "inner.wall";
const LAYER: &str = "openclaw";
/// What the gateway has for itself.
const OWN: [&str; 3] = ["/var/lib/openclaw", "/etc/openclaw", "/run/creel"];
/// What both sides write, or what commands have of their own.
const WRITABLE: [&str; 5] = ["/workspace", "/home/agent", "/tmp", "/dev/shm", "/var/tmp"];
/// What may be executed in front of the wall: Creel and the runtime.
const FRONT: [&str; 2] = ["/creel/", "/opt/openclaw/"];

/// Judges it; `found` is what a probe found that was started as the agent's commands are.
pub(in crate::cli::check) fn inner_wall(found: Option<&Findings>, outside: &Outside) -> Item {
    let (Some(_), Some(mounts)) = (&outside.wall, &outside.mounts_behind) else {
        return item(ID, LAYER, false, "no process starts commands behind a wall");
    };
    let Some(found) = found else { return unknown(ID, LAYER, "a probe could not be started behind it") };
    let mut wrong = Vec::new();
    let agent = outside.processes.first().map_or("", |first| first.id("Uid"));
    let own = if outside.own_user { "1000" } else { "1001" };
    if (walled(outside).0 == agent && !outside.own_user)
        || found.status.get("Uid").is_none_or(|ids| ids.split_whitespace().any(|id| id != own))
    {
        wrong.push("commands have the gateway's user".to_owned());
    }
    let front = outside.processes.iter().filter(|process| !is_behind(outside, process));
    let foreign = front.filter(|process| !FRONT.iter().any(|place| process.program.starts_with(place)));
    wrong.extend(foreign.map(|process| format!("in front runs `{}` ({})", process.program, process.pid)));
    let odd = found.writable.iter().filter(|place| !WRITABLE.contains(&place.as_str()));
    wrong.extend(odd.map(|place| format!("commands can write `{place}`")));
    wrong.extend(
        OWN.into_iter().filter(|place| !is_empty(mounts, place)).map(|place| format!("commands see `{place}`")),
    );
    wrong.extend(strange(mounts));
    let pass = wrong.is_empty();
    let evidence = if pass {
        format!("commands run as host user {}, without {}", walled(outside).0, OWN.join(", "))
    } else {
        wrong.join("; ")
    };
    item(ID, LAYER, pass, evidence)
}

/// What is mounted last at a place is what is seen there.
fn is_empty(mounts: &[Mount], place: &str) -> bool {
    let last = mounts.iter().rev().find(|mount| mount.place == place);
    last.is_some_and(|mount| mount.kind == "tmpfs" && mount.root == "/" && mount.has("ro"))
        && !mounts.iter().any(|mount| mount.is_in(place) && mount.place != place)
}

/// What can be written there though it is no place for it. The kernel's own files are `proc.masked`'s.
fn strange(mounts: &[Mount]) -> Vec<String> {
    let known = |mount: &Mount| {
        let kernels = mount.is_in("/proc") || mount.place == "/dev/pts";
        // what is covered can't be reached
        kernels
            || mount.is_device()
            || mount.is_cover()
            || WRITABLE.contains(&mount.place.as_str())
            || OWN.contains(&mount.place.as_str())
    };
    let open = mounts.iter().filter(|mount| !mount.has("ro") && !known(mount));
    let soft = mounts.iter().filter(|mount| !mount.has("nosuid") && !known(mount));
    let say = |what: &str, mount: &Mount| format!("`{}` {what}", mount.place);
    open.map(|mount| say("is mounted writable", mount))
        .chain(soft.map(|mount| say("gives privileges", mount)))
        .collect()
}
