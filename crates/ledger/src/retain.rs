//! How long records are kept.
//!
//! Owns [`Keep`] and [`Retention`], which knows the closed segments and says which may go: whole ones, the oldest first. What
//! goes is a record first; only when that is on disk and signed, segments and bundles are taken away. Hashes stay, so that all
//! that is kept can be proved. The publisher's thread calls it: no act waits.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;

use crate::clock;
use crate::error::Error;
use crate::folder::Folder;
use crate::frame::{Frame, Kind};
use crate::head::Position;
use crate::shelf::Shelf;
use crate::stored::{self, Draft, Note, Opening, Pruned};
use crate::tile::WIDTH;

/// How long records are kept; without bounds, for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// What is older goes.
    pub age: Option<Duration>,
    /// When segments and bundles have more bytes, the oldest go.
    pub bytes: Option<u64>,
    /// Nothing that is younger goes, however much there is.
    pub at_least: Duration,
    /// Whether others outside have to have it first (`FileLedger::outside`).
    pub outside: bool,
}

/// A segment that nothing is added to any more.
#[derive(Clone, Debug)]
struct Closed {
    end: Pruned,
    /// Its bytes, and those of its leaves in bundles.
    bytes: u64,
    /// When its last leaf was written.
    last: String,
}

/// The closed segments of a ledger.
#[derive(Debug)]
pub(crate) struct Retention {
    keep: Keep,
    folder: Folder,
    closed: VecDeque<Closed>,
    /// Of the open segment.
    bytes: u64,
    last_leaf: Vec<u8>,
    /// Admitted records whose end nobody wrote down.
    open: BTreeSet<u64>,
    sealed: Option<String>,
    /// The last record that says what went, with the number of leaves up to it, as long as something of that may be there.
    told: Option<(Pruned, u64)>,
    asked: bool,
}

impl Retention {
    pub(crate) fn new(folder: Folder, keep: Keep) -> Self {
        Self {
            keep,
            folder,
            closed: VecDeque::new(),
            bytes: 0,
            last_leaf: Vec::new(),
            open: BTreeSet::new(),
            sealed: None,
            told: None,
            asked: false,
        }
    }

    /// Admitted records that have not ended.
    pub(crate) fn open(&self) -> &BTreeSet<u64> {
        &self.open
    }

    /// Takes the next frame, which ends at `at`.
    pub(crate) fn take(&mut self, frame: &Frame, at: &Position) {
        match frame.kind {
            Kind::Admitted => drop(self.open.insert(frame.record)),
            Kind::Settled => drop(self.open.remove(&frame.record)),
            Kind::Segment => return self.close(frame),
            Kind::Note => self.note(frame, at),
            Kind::Refused => {}
        }
        // The leaf stands in a bundle as well, behind its length.
        let len = frame.payload.len() as u64;
        self.bytes += len + 2 + len + frame.beside.len() as u64;
        self.last_leaf.clear();
        self.last_leaf.extend_from_slice(&frame.payload);
    }

    fn close(&mut self, frame: &Frame) {
        let bytes = std::mem::take(&mut self.bytes);
        let Ok(opening) = serde_json::from_slice::<Opening>(&frame.payload) else { return };
        let Some(last) = time_of(&self.last_leaf) else { return };
        let end = Pruned {
            segment: opening.segment.saturating_sub(1),
            records: opening.records,
            frames: opening.frames,
            chain: opening.before,
            sealed: None,
        };
        // A clock that was set back makes nothing older.
        let last = self.closed.back().map(|before| before.last.clone()).into_iter().chain([last]).max();
        self.closed.push_back(Closed { end, bytes, last: last.unwrap_or_default() });
    }

    fn note(&mut self, frame: &Frame, at: &Position) {
        let Ok(note) = serde_json::from_slice::<Note>(&frame.payload) else { return };
        match note.pruned {
            Some(pruned) => {
                self.sealed.clone_from(&pruned.sealed);
                self.told = Some((pruned, at.leaves()));
                self.asked = false;
            }
            None if note.note == "began" => self.sealed = stored::sealed_end(&note.why),
            None => {}
        }
    }

    /// The record of what may go now: of it, `published` leaves are signed, and those outside have `outside`.
    pub(crate) fn due(&mut self, published: u64, outside: u64) -> Option<Draft> {
        if self.asked || self.told.is_some() || self.keep == Keep::default() {
            return None;
        }
        let bound = if self.keep.outside { published.min(outside) } else { published };
        let before = |age: Duration| OffsetDateTime::now_utc().checked_sub(age.try_into().ok()?).and_then(clock::text);
        let old = self.keep.age.and_then(before);
        let floor = before(self.keep.at_least)?;
        let (mut bytes, first_open) =
            (self.bytes + self.closed.iter().map(|closed| closed.bytes).sum::<u64>(), self.open.first());
        let mut end = None;
        for closed in &self.closed {
            let is_old = old.as_ref().is_some_and(|old| closed.last < *old);
            let is_over = self.keep.bytes.is_some_and(|most| bytes > most);
            let is_held = closed.last >= floor
                || closed.end.leaves() > bound
                || first_open.is_some_and(|open| *open <= closed.end.records);
            if is_held || !(is_old || is_over) {
                break;
            }
            bytes -= closed.bytes;
            end = Some((&closed.end, is_old));
        }
        let (end, is_old) = end?;
        let pruned = Pruned { sealed: self.sealed.clone(), ..end.clone() };
        let body = stored::pruned(&pruned, &self.why(&pruned, is_old)).ok()?;
        self.asked = true;
        Some(Draft { kind: Kind::Note, body, beside: Vec::new() })
    }

    fn why(&self, pruned: &Pruned, is_old: bool) -> String {
        let days = |age: Duration| age.as_secs() / 86_400;
        let setting = match (is_old, self.keep.age, self.keep.bytes) {
            (true, Some(age), _) => format!("older than {} days", days(age)),
            (_, _, bytes) => format!(
                "more than {} bytes, and older than {} days",
                bytes.unwrap_or_default(),
                days(self.keep.at_least)
            ),
        };
        let Pruned { segment, records, chain, .. } = pruned;
        format!("records 1 to {records} are not kept any more ({setting}); segment {segment} ends in {chain}")
    }

    /// Takes away what a record says that goes, once that record is among the `published` leaves.
    pub(crate) fn let_go(&mut self, published: u64, shelf: &Shelf) -> Result<(), Error> {
        let Some((pruned, _)) = self.told.as_ref().filter(|(_, leaves)| *leaves <= published) else { return Ok(()) };
        while let Some(closed) = self.closed.front().filter(|closed| closed.end.segment <= pruned.segment) {
            self.folder.remove_segment(closed.end.segment)?;
            self.closed.pop_front();
        }
        shelf.remove_bundles(pruned.leaves() / WIDTH)?;
        self.told = None;
        Ok(())
    }
}

/// When a leaf was written.
fn time_of(leaf: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Timed {
        #[serde(rename = "@time")]
        time: String,
    }
    serde_json::from_slice::<Timed>(leaf).ok().map(|timed| timed.time)
}
