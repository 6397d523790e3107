//! What the sentry saw, as an act.
//!
//! Owns the messages and the words of a record. It reads nothing itself. Called by the door.

use creel_guard::Touch;
use serde::{Deserialize, Serialize};

/// What the sentry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "saw", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Saw {
    /// Files were touched; the content of a protected one travels along. Answered by `Recorded`.
    Touched {
        /// Joins message and answer.
        id: u64,
        /// What.
        touched: Touched,
    },
    /// Events were lost. Answered by `Recorded`.
    Lost {
        /// Joins message and answer.
        id: u64,
    },
    /// Every protected file is looked at from here on.
    LookBegins,
    /// They were looked at. Answered by `Recorded`.
    LookEnds {
        /// Joins message and answer.
        id: u64,
        /// None was left out.
        whole: bool,
    },
    /// Nothing is seen on this host. Answered by `Recorded`.
    Blind {
        /// Joins message and answer.
        id: u64,
        /// Why.
        why: String,
    },
}

/// What was done to a file, or to some in one folder, within a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Touched {
    /// The path in the jail; a folder's ends with a `/`, a whole place's with `/**`.
    pub path: String,
    /// The process that was first, as the host numbers it; 0 when nobody knows.
    pub pid: i32,
    /// The one that started it; 0 when nobody knows.
    pub parent: i32,
    /// There were more processes.
    pub several: bool,
    /// How often what was done; nothing, when it was found at a look over everything.
    pub counts: Counts,
    /// What a single renamed file was called; empty for others.
    pub from: String,
    /// What stands there now.
    pub found: Found,
}

/// What stands there now, of a protected file that was changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// It is not protected, or was not changed.
    #[default]
    Untold,
    /// No file.
    Gone,
    /// A file; its content travels along in a memory file.
    Here,
    /// A file that is too long to keep, or something else than a file.
    Unread,
}

/// How often what was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Made, or linked.
    pub created: u64,
    /// Written.
    pub written: u64,
    /// Renamed, or moved in.
    pub renamed: u64,
    /// Deleted, or moved away.
    pub deleted: u64,
    /// Opened.
    pub opened: u64,
}

impl Counts {
    /// Adds others.
    pub fn add(&mut self, other: Self) {
        let Self { created, written, renamed, deleted, opened } = other;
        self.created = self.created.saturating_add(created);
        self.written = self.written.saturating_add(written);
        self.renamed = self.renamed.saturating_add(renamed);
        self.deleted = self.deleted.saturating_add(deleted);
        self.opened = self.opened.saturating_add(opened);
    }

    /// All but looks.
    #[must_use]
    pub fn changes(&self) -> u64 {
        let Self { created, written, renamed, deleted, opened: _ } = *self;
        created.saturating_add(written).saturating_add(renamed).saturating_add(deleted)
    }

    /// In words: the number stands there when it says more than one.
    fn words(&self, is_one: bool) -> String {
        let Self { created, written, renamed, deleted, opened } = *self;
        let named = [(created, "create"), (written, "write"), (renamed, "rename"), (deleted, "delete")];
        // whoever changes it has it open
        let opened = if self.changes() == 0 { opened } else { 0 };
        let word = |(times, word): (u64, &str)| match times {
            0 => None,
            1 if is_one => Some(word.to_owned()),
            _ => Some(format!("{word} {times}")),
        };
        let words: Vec<String> = named.into_iter().chain([(opened, "open")]).filter_map(word).collect();
        words.join(", ")
    }
}

impl Touched {
    /// It was found at a look over everything; nobody saw it happen.
    pub(super) fn is_found(&self) -> bool {
        self.counts == Counts::default()
    }
}

pub(super) fn touch(touched: &Touched) -> Touch {
    let Touched { path, pid, parent: _, several, counts, from, found } = touched;
    let is_one = !path.ends_with(['/', '*']);
    let how = match found {
        _ if !touched.is_found() => counts.words(is_one),
        Found::Gone => "found deleted".to_owned(),
        _ => "found changed".to_owned(),
    };
    let how = if from.is_empty() { how } else { format!("{how} from {from} to") };
    let writes = touched.is_found() || counts.changes() > 0;
    Touch { how, path: path.clone(), writes, pid: *pid, several: *several, ..Touch::default() }
}
