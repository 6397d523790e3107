//! Taking groups away: our own at the end, and those of a warden that was killed.
//!
//! Owns the removal of group folders, which fails while a process is in them and is therefore tried for two seconds. It
//! touches only folders whose names start as ours do. The warden calls [`sweep`] at its start.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

use super::detect::Hierarchies;
use super::{Cgroup, PAUSE, PREFIX, ROUNDS, staff};
use crate::Error;

/// Kills and removes every jail whose name `is_dead` knows as left behind; returns their names. A jail of a live `creel` is
/// among those asked about, so `is_dead` must be sure, by a lock that it holds.
pub fn sweep(is_dead: impl Fn(&str) -> bool) -> Result<Vec<String>, Error> {
    let hierarchies = Hierarchies::of_this_host()?;
    let mut names = BTreeSet::new();
    for root in hierarchies.roots() {
        // A hierarchy that can't be listed holds nothing that we made.
        for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            names.extend(name.map(|name| staff::jail_of(name).unwrap_or(name).to_owned()));
        }
    }
    names.retain(|name| is_dead(name));
    for name in &names {
        let group = Cgroup::in_hierarchies(&hierarchies, name);
        group.kill_all()?;
        group.remove()?;
        staff::forget(&hierarchies, name);
    }
    Ok(names.into_iter().collect())
}

/// Removes a group with the groups below it, which another engine may have made. One that is gone is fine.
pub(super) fn remove(dir: &Path) -> Result<(), Error> {
    let mut last = None;
    for _ in 0..ROUNDS {
        match remove_below(dir, 8) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => last = Some(error),
        }
        std::thread::sleep(PAUSE);
    }
    let error = last.unwrap_or_else(|| ErrorKind::TimedOut.into());
    Err(Error::host(format!("remove `{}`", dir.display()), "end the processes in it and remove it")(error))
}

fn remove_below(dir: &Path, depth: u32) -> std::io::Result<()> {
    if depth > 0 {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                remove_below(&entry.path(), depth - 1)?;
            }
        }
    }
    std::fs::remove_dir(dir)
}
