//! The audit of what the agent remembers.
//!
//! Owns what its three sides agree on: the helper in the jail hands over bytes and puts bytes in their place
//! ([`hands`]), the guard looks at them and keeps what was taken out ([`auditor`], [`store`]), the warden starts both on
//! its schedule. What the agent can do to the helper is what it can do to its own files; nothing is decided in the jail.

pub(crate) mod auditor;
pub(crate) mod hands;
mod store;

use creel_scan::memory::Kind;
use serde::{Deserialize, Serialize};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "kebab-case")]
pub(crate) enum MemoryTask {
    /// Look through everything; take out what is sure, unless only a report is wanted.
    Audit {
        /// Change nothing.
        report_only: bool,
    },
    /// Tell what was taken out so far.
    List,
    /// Show one change.
    Diff {
        /// Its id.
        id: String,
    },
    /// Put back what a change took out, for good.
    Restore {
        /// Its id.
        id: String,
        /// Where: the helper must know before it starts; told by `Where`.
        place: Place,
    },
    /// Which file a change is of.
    Where {
        /// Its id.
        id: String,
    },
}

impl MemoryTask {
    /// The act's name and detail in its record.
    pub(crate) fn record(&self) -> (&'static str, &str) {
        match self {
            Self::Audit { report_only: false } => ("memory-audit", ""),
            Self::Audit { report_only: true } => ("memory-audit", "report only"),
            Self::List => ("memory-list", ""),
            Self::Diff { id } => ("memory-diff", id),
            Self::Restore { id, .. } => ("memory-restore", id),
            Self::Where { id } => ("memory-where", id),
        }
    }

    /// The words after `creel inside`, when a helper in the jail is needed.
    pub(crate) fn helper(&self) -> Option<Vec<String>> {
        match self {
            Self::Audit { .. } => Some(vec!["memory".to_owned()]),
            Self::Restore { place, .. } => {
                Some(vec!["memory-file".to_owned(), place.area.name().to_owned(), place.path.clone()])
            }
            Self::List | Self::Diff { .. } | Self::Where { .. } => None,
        }
    }
}

/// A file of the agent's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Below which folder.
    pub(crate) area: Area,
    /// The path there.
    pub(crate) path: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.area.top(), self.path)
    }
}

/// The folders that are looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Area {
    /// The workspace.
    Workspace,
    /// OpenClaw's state.
    State,
    /// The agent's HOME.
    Home,
    /// OpenClaw's logs.
    Logs,
}

impl Area {
    pub(crate) const ALL: [Self; 4] = [Self::Workspace, Self::State, Self::Home, Self::Logs];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::State => "state",
            Self::Home => "home",
            Self::Logs => "logs",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|area| area.name() == name)
    }

    /// Where it lies in the jail.
    pub(crate) fn top(self) -> &'static str {
        match self {
            Self::Workspace => creel_openclaw::layout::WORKSPACE,
            Self::State => creel_openclaw::layout::STATE,
            Self::Home => creel_openclaw::layout::HOME,
            Self::Logs => "/tmp/openclaw",
        }
    }

    /// What a file there is to the agent.
    pub(crate) fn kind(self, path: &str) -> Kind {
        let lower = path.to_ascii_lowercase();
        let is_database = lower.ends_with(".sqlite") || lower.ends_with(".sqlite-wal") || lower.ends_with(".db");
        let is_log = lower.ends_with(".log") || lower.ends_with(".jsonl");
        let is_read = !lower.contains('/') || lower.starts_with("memory/") || lower.starts_with("skills/");
        match self {
            Self::Logs => Kind::Log,
            _ if is_database => Kind::Database,
            _ if is_log => Kind::Log,
            Self::Workspace if is_read && (lower.ends_with(".md") || lower.ends_with(".txt")) => Kind::Memory,
            // A project's own files: it may need what stands there.
            Self::Workspace if lower.contains('/') && !lower.starts_with("memory/") && !lower.starts_with("notes/") => {
                Kind::Log
            }
            Self::State => Kind::Log,
            Self::Workspace | Self::Home => Kind::Note,
        }
    }
}

/// Helper → guard, before a file's bytes: one JSON line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub(crate) enum Said {
    /// A file; its bytes follow, then the helper waits for an [`Order`].
    File {
        /// Which.
        place: Place,
        /// How many bytes follow.
        bytes: u64,
        /// There were more, which were not read.
        cut: bool,
    },
    /// Something that could not be read.
    Unread {
        /// Which.
        place: Place,
        /// Why.
        why: String,
    },
    /// The answer to [`Order::Put`]: why it was not done, if it was not.
    Put {
        /// Why not.
        failed: Option<String>,
    },
    /// That was all.
    End {
        /// There was more than is ever looked at.
        cut: bool,
    },
}

/// Guard → helper, after each file: one JSON line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub(crate) enum Order {
    /// Go on.
    Next,
    /// Put the bytes that follow in the place of the file, if it is still as it was read. Answered by [`Said::Put`].
    Put {
        /// How many bytes follow.
        bytes: u64,
    },
}

/// The longest line of [`Said`] and [`Order`].
pub(crate) const LONGEST_LINE: u64 = 64 << 10;
/// As much of a file is read.
pub(crate) const LONGEST_FILE: u64 = 64 << 20;
/// The longest file that is changed.
pub(crate) const LONGEST_CHANGE: u64 = 4 << 20;

/// What an audit found, as `creel memory audit --json` prints it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Audited {
    /// Files that were looked through.
    pub(crate) files: u64,
    /// Files with something in them.
    pub(crate) findings: Vec<Found>,
    /// What could not be looked at, or not whole.
    pub(crate) unread: Vec<String>,
}

/// A file with something in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Which file.
    pub(crate) file: String,
    /// What was found: kinds of credentials and rules.
    pub(crate) rules: Vec<String>,
    /// What was done: `taken out`, `reported`, or why it could not be done.
    pub(crate) done: String,
    /// The change's id, when something was taken out.
    pub(crate) id: Option<String>,
}
