//! What the memory audit took out, where the agent can't reach it.
//!
//! Owns a folder of the guard's: one file a change, and the list of what people put back, which is never taken out again.
//! It holds secrets in the clear, so only the guard's user may read it. It never grows beyond a bound: without room nothing
//! is taken out.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Place;

/// So many changes are kept.
const CHANGES: usize = 2_000;
/// The longest file of a change.
const LONGEST: u64 = 64 << 20;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) id: String,
    pub(super) place: Place,
    pub(super) taken: Vec<Piece>,
    pub(super) restored: bool,
}

/// One thing that was taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    pub(super) mark: String,
    pub(super) bytes: Vec<u8>,
    pub(super) rules: Vec<String>,
    /// The first line that it stood in.
    pub(super) line: usize,
}

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The next change's id.
    pub(super) fn next(&self) -> io::Result<String> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let ids = self.ids()?;
        if ids.len() >= CHANGES {
            return Err(io::Error::other(format!("{CHANGES} changes are kept already")));
        }
        Ok((ids.last().copied().unwrap_or(0) + 1).to_string())
    }

    fn ids(&self) -> io::Result<Vec<u64>> {
        let listed = match std::fs::read_dir(&self.folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let id = |entry: std::fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok();
        let mut ids: Vec<u64> = listed.flatten().filter_map(id).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    pub(super) fn all(&self) -> io::Result<Vec<Change>> {
        self.ids()?.into_iter().map(|id| self.get(&id.to_string())).collect()
    }

    pub(super) fn get(&self, id: &str) -> io::Result<Change> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(io::Error::other("an id is a number; `creel memory list` shows them"));
        }
        let path = self.folder.join(format!("{id}.json"));
        let read = std::fs::metadata(&path).and_then(|found| {
            if found.len() > LONGEST { Err(io::Error::other("it is too long")) } else { std::fs::read(&path) }
        });
        Ok(serde_json::from_slice(
            &read.map_err(|error| io::Error::other(format!("there is no change {id}: {error}")))?,
        )?)
    }

    /// Writes a change, whole or not at all, before it happens.
    pub(super) fn put(&self, change: &Change) -> io::Result<()> {
        let draft = self.folder.join("draft");
        let _ = std::fs::remove_file(&draft);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(&serde_json::to_vec(change)?)?;
        file.sync_all()?;
        std::fs::rename(&draft, self.folder.join(format!("{}.json", change.id)))
    }

    /// The change did not happen.
    pub(super) fn forget(&self, id: &str) {
        let _ = std::fs::remove_file(self.folder.join(format!("{id}.json")));
    }

    /// Digests of what people put back.
    pub(super) fn accepted(&self) -> io::Result<BTreeSet<[u8; 32]>> {
        let changes = self.all()?.into_iter().filter(|change| change.restored);
        Ok(changes.flat_map(|change| change.taken).map(|piece| digest(&piece.bytes)).collect())
    }
}

pub(super) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
