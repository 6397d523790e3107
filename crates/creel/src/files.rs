//! The files that OpenClaw takes orders from, and their versions.
//!
//! Owns what its sides agree on: the guard keeps versions outside of the agent's reach ([`versions`]) and says what is to be put
//! back, the warden starts the helper in the jail that does so ([`hand`]), people ask for both. Which files these are the
//! configuration says. Nothing here is decided in the jail.

pub(crate) mod diff;
pub(crate) mod hand;
pub(crate) mod versions;

use creel_openclaw::layout::{STATE, WORKSPACE};
use serde::{Deserialize, Serialize};

use crate::memory::{Area, Place};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "kebab-case")]
pub(crate) enum FilesTask {
    /// Which files are protected, and which version stands there.
    List,
    /// The versions of one.
    History {
        /// Its path.
        path: String,
    },
    /// What a version changed.
    Diff {
        /// Its path.
        path: String,
        /// Which; without, what stands there now against the last that was accepted.
        version: Option<u64>,
    },
    /// Put a version back, and accept it.
    Restore {
        /// Its path.
        path: String,
        /// Which.
        version: u64,
    },
}

impl FilesTask {
    /// The act's name and detail in its record.
    pub(crate) fn record(&self) -> (&'static str, String) {
        match self {
            Self::List => ("files-list", String::new()),
            Self::History { path } => ("files-history", path.clone()),
            Self::Diff { path, version: None } => ("files-diff", path.clone()),
            Self::Diff { path, version: Some(version) } => ("files-diff", format!("{path} version {version}")),
            Self::Restore { path, version } => ("files-restore", format!("{path} version {version}")),
        }
    }
}

/// A path as people write it, from the workspace on, as the jail's.
pub(crate) fn whole(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{WORKSPACE}/{path}") }
}

/// Where a protected file lies.
pub(crate) fn place(path: &str) -> Option<Place> {
    let below = |top: &str| path.strip_prefix(top)?.strip_prefix('/').map(str::to_owned);
    let workspace = below(WORKSPACE).map(|path| Place { area: Area::Workspace, path });
    workspace.or_else(|| below(STATE).map(|path| Place { area: Area::State, path }))
}

/// The words after `creel inside` for the helper that puts a file back (from its stdin) or away.
pub(crate) fn helper(place: &Place, is_file: bool) -> Vec<String> {
    let word = if is_file { "files-put" } else { "files-remove" };
    vec![word.to_owned(), place.area.name().to_owned(), place.path.clone()]
}
