//! Snapshots of the agent's workspace.
//!
//! Owns what the sides agree on: a helper in the jail reads and writes the workspace as the agent's user and follows no link
//! ([`hand`]), the guard leads it ([`lead`]), keeps what it reads where the agent can neither write nor fill ([`store`]) and puts
//! it back ([`back`]); both speak in frames ([`frame`]). Nothing is decided in the jail.

pub(crate) mod back;
pub(crate) mod frame;
pub(crate) mod hand;
pub(crate) mod lead;
pub(crate) mod store;

use serde::{Deserialize, Serialize};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "kebab-case")]
pub(crate) enum SnapshotTask {
    /// Take one.
    Take {
        /// What a person calls it; one with a name is kept until a person removes it.
        name: Option<String>,
    },
    /// Which there are.
    List,
    /// What lies in one, or the text of one file.
    Show {
        /// Which.
        number: u64,
        /// Below this path.
        path: Option<String>,
    },
    /// What changed since one, or between two.
    Diff {
        /// The older one.
        number: u64,
        /// The other; without, the workspace as it is.
        other: Option<u64>,
        /// Below this path.
        path: Option<String>,
        /// Of files with what changed in their text. Only what is kept has one, so the other is needed.
        text: bool,
    },
    /// Put one back, or what lay at a path.
    Restore {
        /// Which.
        number: u64,
        /// The path.
        path: Option<String>,
    },
    /// Forget one.
    Remove {
        /// Which.
        number: u64,
    },
}

impl SnapshotTask {
    /// The act's name and detail in its record.
    pub(crate) fn record(&self) -> (&'static str, String) {
        let at = |number: &u64, path: &Option<String>| match path {
            Some(path) => format!("{number} {path}"),
            None => number.to_string(),
        };
        match self {
            Self::Take { name } => ("snapshot-take", name.clone().unwrap_or_default()),
            Self::List => ("snapshot-list", String::new()),
            Self::Show { number, path } => ("snapshot-show", at(number, path)),
            Self::Diff { number, other, path, text: _ } => {
                let words = [Some(number.to_string()), other.map(|other| other.to_string()), path.clone()];
                ("snapshot-diff", words.into_iter().flatten().collect::<Vec<_>>().join(" "))
            }
            Self::Restore { number, path } => ("snapshot-restore", at(number, path)),
            Self::Remove { number } => ("snapshot-rm", number.to_string()),
        }
    }
}

/// Why one was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub(crate) enum Why {
    /// A person wanted it.
    Asked,
    /// It was due.
    Schedule,
    /// An act that may destroy was about to happen.
    Act {
        /// Which.
        act: String,
    },
    /// Another was about to be put back.
    Restore {
        /// Which.
        number: u64,
    },
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Asked => f.write_str("asked for"),
            Self::Schedule => f.write_str("on schedule"),
            Self::Act { act } => write!(f, "before {act}"),
            Self::Restore { number } => write!(f, "before {number} was put back"),
        }
    }
}

/// A path as people write it, as one below the workspace; nothing for the workspace itself.
///
/// # Errors
/// When it leads elsewhere.
pub(crate) fn below(path: &str) -> Result<Option<Vec<u8>>, String> {
    let top = creel_openclaw::layout::WORKSPACE;
    let rest = match path.strip_prefix(top) {
        Some("") => "",
        Some(rest) if rest.starts_with('/') => rest,
        _ if path.starts_with('/') => return Err(format!("`{path}` is not below `{top}`")),
        _ => path,
    };
    let rest = rest.trim_matches('/').strip_prefix("./").unwrap_or(rest.trim_matches('/'));
    match rest {
        "" | "." => Ok(None),
        rest if frame::is_path(rest.as_bytes()) => Ok(Some(rest.as_bytes().to_vec())),
        _ => Err(format!("`{path}` is no path below `{top}`")),
    }
}

#[cfg(test)]
mod tests;
