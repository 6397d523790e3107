//! Secrets, as the configuration speaks of them.
//!
//! Owns where values come from and how they are exchanged. Never sees a value. `check` makes it, the command line and the
//! warden ask it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_guard::Slot;
use creel_policy::SecretPlace;

use super::Config;

/// A `[[secret]]` entry: a place where a placeholder is worth its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Which, whose, and where.
    pub place: SecretPlace,
    /// The variable that holds the placeholder in the jail.
    pub variable: String,
    /// Where the value comes from; of several entries with one name, the one that says it counts.
    pub source: Source,
    /// How it is exchanged; of several entries with one name, the one that says it counts.
    pub rotation: Option<Rotation>,
}

impl Secret {
    /// Whether requests are signed with it, and it has two variables: `AWS` is the beginning of both.
    #[must_use]
    pub fn signs(&self) -> bool {
        matches!(self.place.slot, Slot::Aws(_))
    }
}

/// Where the value of a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The environment, credentials of systemd, secrets of Docker and Kubernetes, and last the store.
    Usual,
    /// This file.
    File(PathBuf),
    /// What this program prints.
    Command(Vec<String>),
    /// Creel's own store.
    Store,
}

impl Source {
    /// One word for people.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::File(_) => "file",
            Self::Command(_) => "command",
            Self::Store => "store",
        }
    }
}

/// How the value of a secret is exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The program that prints a new value.
    pub with: Option<Vec<String>>,
    /// How often; never by itself without it.
    pub every: Option<Duration>,
    /// How long the old value is still scrubbed and looked for.
    pub overlap: Duration,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { with: None, every: None, overlap: OVERLAP }
    }
}

/// The overlap of secrets that say nothing.
pub(super) const OVERLAP: Duration = Duration::from_secs(3600);

impl Config {
    /// The secrets that the agent has placeholders of.
    #[must_use]
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// Where the value of this secret comes from.
    #[must_use]
    pub fn source_of(&self, name: &str) -> &Source {
        let said = self.entries_of(name).map(|secret| &secret.source).find(|source| **source != Source::Usual);
        said.unwrap_or(&Source::Usual)
    }

    /// How this secret is exchanged.
    #[must_use]
    pub fn rotation_of(&self, name: &str) -> Rotation {
        self.entries_of(name).find_map(|secret| secret.rotation.clone()).unwrap_or_default()
    }

    fn entries_of(&self, name: &str) -> impl Iterator<Item = &Secret> {
        self.secrets.iter().filter(move |secret| secret.place.secret == name)
    }

    /// The file with the key of the store, where it is not the usual one.
    #[must_use]
    pub fn key_file(&self) -> Option<&Path> {
        self.key_file.as_deref()
    }
}
