//! What is kept of the workspace.
//!
//! Owns [`SnapshotRules`]. It reads no file; `check` makes it, the guard's process goes by it.

use std::time::Duration;

use creel_policy::CommandPattern;

/// How much of the workspace is kept, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRules {
    /// How often; `None` for never.
    pub every: Option<Duration>,
    /// Before which programs.
    pub before: Vec<CommandPattern>,
    /// Before acts no more than one within this time.
    pub pause: Duration,
    /// So many of each kind.
    pub keep: usize,
    /// So many bytes.
    pub room: u64,
}

/// What deletes, cuts or writes over files when somebody slips. It is no list of all that can: a program of the agent's own does so
/// unseen, and then there is what was taken on schedule.
pub(super) const DESTROYS: [&str; 13] = [
    "rm",
    "shred",
    "truncate",
    "dd",
    "find -delete",
    "rsync --delete*",
    "git checkout",
    "git clean",
    "git rebase",
    "git reset",
    "git restore",
    "git rm",
    "git stash",
];
