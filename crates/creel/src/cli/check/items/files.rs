//! What can be written, read and filled up.
//!
//! Owns the items about mounts, masks, volume and configuration. The probe's tries alone can't tell a missing mount option
//! from landlock that stands behind it, so each item also rests on the mounts that root reads.

use super::{WRITABLE, item, named, unknown};
use crate::cli::check::{Item, Seen};
use crate::outside::Outside;
use crate::outside::mounts::Mount;
use crate::probe::Findings;
use crate::protocol::LimitStatus;
use crate::run::FILES_WATCHED;

const CONFIG: &str = "/etc/openclaw/openclaw.json";
/// Mounted writable and harmless: nothing in them is a file of anybody's.
const SPECIAL: [&str; 2] = ["/proc", "/dev/pts"];
/// What of /proc and /sys must not open.
const CLOSED: [&str; 6] = [
    "read /proc/kcore",
    "read /proc/keys",
    "read /proc/timer_list",
    "append /proc/sysrq-trigger",
    "append /proc/sys/kernel/core_pattern",
    "list /sys",
];

/// The mounts that `id` rests on, or what to say instead.
fn mounts<'a>(outside: &'a Outside, id: &'static str) -> Result<&'a [Mount], Item> {
    outside.mounts.as_deref().ok_or_else(|| unknown(id, "rootfs", "the jail's mounts could not be read"))
}

fn writable_place(mount: &Mount) -> bool {
    WRITABLE.contains(&mount.place.as_str())
}

fn kernels(mount: &Mount) -> bool {
    mount.is_in("/proc") || mount.is_in("/sys")
}

/// What must be read-only: all that Creel itself mounts but the writable places.
fn ours(mount: &Mount) -> bool {
    let places = ["/usr", "/dev", "/opt", "/creel", "/run"];
    let harmless = mount.is_device() || mount.is_cover();
    mount.place == "/"
        || (!harmless && places.iter().any(|place| mount.is_in(place)) && !SPECIAL.contains(&mount.place.as_str()))
}

/// The system is read-only, by its mounts and by trying.
pub(super) fn readonly(found: &Findings, outside: &Outside) -> Item {
    let id = "fs.readonly";
    let places = ["/", "/usr", "/usr/bin", "/etc", "/opt/openclaw", "/creel"];
    let open: Vec<&str> = places.into_iter().filter(|place| found.writable.iter().any(|w| w == place)).collect();
    if !places.iter().all(|place| found.read_only.contains_key(*place) || open.contains(place)) {
        return unknown(id, "rootfs", "not every place was tried");
    }
    let mounts = match mounts(outside, id) {
        Ok(mounts) => mounts,
        Err(item) => return item,
    };
    let soft = |mount: &&Mount| !mount.has("ro") || !mount.has("nosuid");
    let bad: Vec<&str> =
        mounts.iter().filter(|m| ours(m) && !writable_place(m)).filter(soft).map(|m| m.place.as_str()).collect();
    let root = mounts.iter().any(|mount| mount.place == "/");
    let evidence = format!("writable of {places:?}: {open:?}; mounts not `ro,nosuid`: {bad:?}");
    item(id, "rootfs", root && open.is_empty() && bad.is_empty(), evidence)
}

/// Nothing else can be written, and there nothing is worth more than its bytes.
pub(super) fn writable(found: &Findings, outside: &Outside) -> Item {
    let id = "fs.writable-only";
    let mounts = match mounts(outside, id) {
        Ok(mounts) => mounts,
        Err(item) => return item,
    };
    let placed = |place: &str| WRITABLE.contains(&place);
    // A system folder that can be written is `fs.readonly`'s to tell.
    let system = ["/", "/usr", "/usr/bin", "/etc", "/opt", "/opt/openclaw", "/creel", "/run", "/dev", "/proc/sys"];
    let odd = found.writable.iter().map(String::as_str).filter(|place| !placed(place) && !system.contains(place));
    let extra =
        mounts.iter().filter(|m| !m.has("ro") && !placed(&m.place) && !ours(m) && !kernels(m) && !m.is_device());
    let extra = extra.filter(|m| !SPECIAL.contains(&m.place.as_str()) && m.place != CONFIG);
    let odd: Vec<&str> = odd.chain(extra.map(|mount| mount.place.as_str())).collect();
    let must = ["/workspace", "/tmp"];
    let missing: Vec<&str> = must.into_iter().filter(|m| !found.writable.iter().any(|w| w == m)).collect();
    let soft = mounts.iter().filter(|m| placed(&m.place) && !(m.has("nosuid") && m.has("nodev")));
    let soft: Vec<&str> = soft.map(|mount| mount.place.as_str()).collect();
    let evidence = format!(
        "writable: {:?}; unexpected: {odd:?}; missing: {missing:?}; without `nosuid,nodev`: {soft:?}",
        found.writable
    );
    item(id, "rootfs", odd.is_empty() && missing.is_empty() && soft.is_empty(), evidence)
}

/// What of the kernel's own files would say or do too much.
pub(super) fn masked(found: &Findings, outside: &Outside) -> Item {
    let id = "proc.masked";
    let mounts = match mounts(outside, id) {
        Ok(mounts) => mounts,
        Err(item) => return item,
    };
    if !CLOSED.iter().all(|what| found.tries.contains_key(*what)) {
        return unknown(id, "rootfs", "not every path was tried");
    }
    let open: Vec<&str> = CLOSED.into_iter().filter(|what| found.tries.get(*what) == Some(&None)).collect();
    // The topmost mount at a place is the one that counts.
    let top = |place: &str| mounts.iter().rev().find(|mount| mount.place == place);
    let covers = |mount: &Mount| mount.is_mask() || (mount.kind == "tmpfs" && mount.has("ro"));
    let bare: Vec<&str> = outside.proc_paths.iter().copied().filter(|place| !top(place).is_some_and(covers)).collect();
    let system = top("/proc/sys").is_some_and(|mount| mount.has("ro"));
    let strange = mounts.iter().filter(|m| kernels(m) && m.place != "/proc" && !m.is_mask());
    let strange = strange.filter(|m| !m.has("ro") || !["proc", "tmpfs"].contains(&m.kind.as_str()));
    let strange: Vec<&str> = strange.map(|mount| mount.place.as_str()).collect();
    let pass = open.is_empty() && bare.is_empty() && system && strange.is_empty();
    let evidence =
        format!("open: {open:?}; not masked: {bare:?}; /proc/sys read-only: {system}; strange mounts: {strange:?}");
    item(id, "rootfs", pass, evidence)
}

/// What is done to files comes to be on record: a file was made inside, and its record waited for. Who can't have that layer is
/// told so.
pub(in crate::cli::check) fn watched(made: Option<&str>, seen: &Seen, watches: bool) -> Item {
    let (id, layer) = (FILES_WATCHED, "files");
    let evidence = match (made, seen) {
        _ if !watches => {
            let evidence = "nothing is seen of what is done to files here".to_owned();
            return Item { id, layer, status: "degraded", evidence };
        }
        (None, _) => return unknown(id, layer, "no file could be made"),
        (_, Err(why)) => return unknown(id, layer, format!("the ledger can't be read: {why}")),
        (_, Ok(Some(after))) => format!("a file that was made inside was on record within {} ms", after.as_millis()),
        (_, Ok(None)) => "a file that was made inside did not come to be on record".to_owned(),
    };
    item(id, layer, matches!(seen, Ok(Some(_))), evidence)
}

/// The configuration is root's, and nothing lies over it.
pub(super) fn config(found: &Findings, outside: &Outside) -> Item {
    let (id, layer) = ("config.readonly", "rootfs");
    let mounts = match mounts(outside, id) {
        Ok(mounts) => mounts,
        Err(item) => return item,
    };
    let (Some((owner, mode)), Some(tried)) = (outside.config, found.tries.get(&format!("append {CONFIG}"))) else {
        return unknown(id, layer, "it could not be looked at");
    };
    let agent = outside.processes.first().and_then(|process| process.id("Uid").parse::<u32>().ok());
    let Some(agent) = agent else {
        return unknown(id, layer, "the agent's user could not be seen");
    };
    let covered = mounts.iter().any(|mount| [CONFIG, "/etc/openclaw", "/etc"].contains(&mount.place.as_str()));
    // All that a plain user's jail has is that user's, but nobody changes the mode of what is mounted read-only.
    let fixed = mounts.iter().rev().find(|mount| mount.place == "/").is_some_and(|root| root.has("ro"));
    let foreign = if outside.own_user { fixed } else { owner != agent };
    let pass = tried.is_some() && foreign && mode & 0o222 == 0 && !covered;
    let said = tried.map_or_else(|| "worked".to_owned(), named);
    let owner = if owner == agent { "the agent's" } else { "not the agent's" };
    let evidence = format!("to append: {said}; {owner}, mode {mode:o}; something mounted over it: {covered}");
    item(id, layer, pass, evidence)
}

/// All that can be written together is not larger than promised, and counted.
pub(super) fn disk(found: &Findings, outside: &Outside, promised: &LimitStatus) -> Vec<Item> {
    let own = outside.root_disk != Some((found.disk_bytes, found.disk_inodes)) && found.disk_bytes > 0;
    let sizes: Vec<u64> = outside.disks.values().map(|(bytes, _)| *bytes).collect();
    let inodes: Vec<u64> = outside.disks.values().map(|(_, inodes)| *inodes).collect();
    if sizes.is_empty() {
        let say = |id| unknown(id, "volume", "the writable places could not be seen from outside");
        return vec![say("limit.disk"), say("limit.inodes")];
    }
    let total = sizes.iter().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
    // A tmpfs without a limit says 0.
    let within = own && total <= promised.disk && !sizes.contains(&0);
    let disk = format!("promised {} bytes; the writable file systems have {sizes:?}", promised.disk);
    let counted = own && !inodes.contains(&0);
    vec![
        item("limit.disk", "volume", within, disk),
        item("limit.inodes", "volume", counted, format!("the writable file systems have {inodes:?} inodes")),
    ]
}
