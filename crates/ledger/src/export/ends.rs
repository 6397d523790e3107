//! How acts ended, kept outside memory while an export runs.
//!
//! Owns [`Ends`]: two files without names in the folder for temporary files, one of them an index by record. The kernel
//! removes them when the export ends, however it does. Used by [`super::Export`] alone.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};

use crate::error::Error;
use crate::stored::Ended;

/// The ends of the records from `first` on.
#[derive(Debug)]
pub(super) struct Ends {
    first: u64,
    /// For each record where its end stands in `texts`, plus one: eight bytes, little-endian; zero where none is.
    index: File,
    /// Each end: its length, four bytes, and its leaf.
    texts: BufWriter<File>,
    at: u64,
}

impl Ends {
    pub(super) fn new(first: u64) -> Result<Self, Error> {
        Ok(Self { first, index: unnamed()?, texts: BufWriter::new(unnamed()?), at: 0 })
    }

    /// Keeps the end of a record; of several the last counts.
    pub(super) fn keep(&mut self, record: u64, leaf: &[u8]) -> Result<(), Error> {
        let Some(place) = record.checked_sub(self.first) else { return Ok(()) };
        let len = u32::try_from(leaf.len()).unwrap_or(u32::MAX);
        let kept = self.index.write_all_at(&(self.at + 1).to_le_bytes(), place.saturating_mul(8));
        kept.and_then(|()| self.texts.write_all(&len.to_le_bytes()))
            .and_then(|()| self.texts.write_all(leaf))
            .map_err(Error::Spill)?;
        self.at += 4 + u64::from(len);
        Ok(())
    }

    /// All were kept; they can be asked for.
    pub(super) fn finish(mut self) -> Result<Self, Error> {
        self.texts.flush().map_err(Error::Spill)?;
        Ok(self)
    }

    pub(super) fn of(&self, record: u64) -> Result<Option<Ended>, Error> {
        let Some(place) = record.checked_sub(self.first) else { return Ok(None) };
        let mut at = [0; 8];
        match self.index.read_exact_at(&mut at, place.saturating_mul(8)) {
            // Behind the last record that ended.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read.map_err(Error::Spill)?,
        }
        let Some(at) = u64::from_le_bytes(at).checked_sub(1) else { return Ok(None) };
        let mut len = [0; 4];
        self.texts.get_ref().read_exact_at(&mut len, at).map_err(Error::Spill)?;
        let mut leaf = vec![0; usize::try_from(u32::from_le_bytes(len)).unwrap_or(0)];
        self.texts.get_ref().read_exact_at(&mut leaf, at + 4).map_err(Error::Spill)?;
        let ended = serde_json::from_slice(&leaf);
        ended.map(Some).map_err(|error| Error::Unreadable { record, why: error.to_string() })
    }
}

/// A file without a name (open(2), `O_TMPFILE`).
fn unnamed() -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC);
    options.open(std::env::temp_dir()).map_err(Error::Spill)
}
