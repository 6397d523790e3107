//! A plain user's way to a jail: a user namespace of his own, in which the stage has power over what it makes.
//!
//! Owns the entry into it and its maps: one id, the user's own, called 0 there. It gives nobody a right that the user lacks
//! outside. `stage` calls it before anything else.

use nix::sched::{CloneFlags, unshare};
use rustix::process::{getegid, geteuid};

use super::birth::die_with_stage;
use crate::error::Error;

/// Moves this process, which must have one thread, into a user namespace of its own. See `user_namespaces(7)`.
pub(super) fn enter() -> Result<(), Error> {
    let missing = |error: &dyn std::fmt::Display| Error::missing("ns.user", error);
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| missing(&error))?;
    // groups first: without root no map of groups is taken while they could be changed
    for (file, text) in [("setgroups", "deny".to_owned()), ("uid_map", map(uid)), ("gid_map", map(gid))] {
        std::fs::write(format!("/proc/self/{file}"), text).map_err(|error| missing(&error))?;
    }
    // a change of credentials may clear it (prctl(2))
    die_with_stage()
}

fn map(id: u32) -> String {
    format!("0 {id} 1\n")
}
