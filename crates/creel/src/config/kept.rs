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
