//! Creel's own processes beside the jail, as /proc tells of them.
//!
//! Owns [`Own`]: who they are and what holds them. They are found below the warden, never by name alone, and no process is
//! asked. `outside` calls it.

use std::fs;

use super::processes::{self, Process};

/// A process of Creel's.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    /// Its part: `warden`, `guard`, `notary`, `porter`, `sentry`, or whatever it was started as.
    pub(crate) part: String,
    /// What holds it.
    pub(crate) process: Process,
    /// Most bytes of its heap and stacks (RLIMIT_DATA) as they are in force, as /proc writes it.
    pub(crate) data: String,
    /// Whether others of its user may look into it or have its memory dumped: what it owns in /proc is not root's
    /// (proc(5), `PR_SET_DUMPABLE`).
    pub(crate) dumpable: bool,
}

/// The warden and whatever it started that runs Creel outside of any jail. Empty when the warden can't be seen.
pub(crate) fn of_warden(warden: i32) -> Vec<Own> {
    let Some(first) = look(warden) else { return Vec::new() };
    let depth = depth(&first.process);
    let (mut found, mut open) = (vec![first], vec![warden]);
    while let Some(parent) = open.pop() {
        for child in children(parent) {
            let Some(own) = look(child) else { continue };
            // the first process of a jail and all behind it are the jail's
            if self::depth(&own.process) != depth {
                continue;
            }
            open.push(child);
            found.push(own);
        }
    }
    found
}

/// In how many process namespaces it has a number, as far as can be seen from here.
fn depth(process: &Process) -> usize {
    process.status.get("NSpid").map_or(0, |numbers| numbers.split_whitespace().count())
}

fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()).collect()
}

fn look(pid: i32) -> Option<Own> {
    use std::os::unix::fs::MetadataExt as _;
    let process = processes::look(pid)?;
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let part = words.split(|byte| *byte == 0).nth(1).unwrap_or_default();
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max data size"))?;
    let owner = fs::metadata(format!("/proc/{pid}/limits")).ok()?.uid();
    // for a process of root's both owners are root
    let dumpable = owner.to_string() == process.id("Uid") && owner != 0;
    Some(Own {
        part: String::from_utf8_lossy(part).into_owned(),
        data: line.split_whitespace().next().unwrap_or_default().to_owned(),
        dumpable,
        process,
    })
}
