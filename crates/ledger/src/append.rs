//! Puts frames behind each other on disk.
//!
//! Owns [`Appender`]: the open segment, the room kept in reserve, the change to the next segment. Never waits for
//! anybody and knows no queue. Called by the writer's thread alone.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Stamp;
use crate::error::Error;
use crate::folder::{self, Folder};
use crate::frame::{self, CHAIN, HEADER, Kind, LARGEST, LARGEST_LEAF, hex};
use crate::head::{Head, Position};
use crate::stored::{self, Draft, Opening, Place};

/// Room at the end of each segment that ordinary frames don't use, so that the ledger can say that it halted when the
/// disk is full.
const RESERVE: u64 = 8 * 1024;

/// The smallest segment: the largest frame twice over.
pub(crate) const SMALLEST_SEGMENT: u64 = 2 * LARGEST as u64 + RESERVE;

/// The room that a segment begins with; it doubles whenever it is full, as far as a segment goes.
const FIRST_ROOM: u64 = 1024 * 1024;

/// The end of a ledger, open for writing.
#[derive(Debug)]
pub(crate) struct Appender {
    folder: Folder,
    tenant: String,
    segment_bytes: u64,
    file: Arc<File>,
    /// How far the open segment's room is allocated; the reserve lies within it.
    room: u64,
    head: Head,
    /// Everything that write(2) has taken.
    written: Position,
    /// Everything that was appended.
    next: Position,
    /// The frames between the two.
    buffer: Vec<u8>,
    dirty: bool,
}

/// What was written and is not yet known to be on disk.
#[derive(Debug)]
pub(crate) struct Unsynced {
    file: Arc<File>,
    path: PathBuf,
    pub(crate) upto: Position,
}

impl Unsynced {
    /// Puts it there (fdatasync(2)).
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(Error::io("sync", &self.path))
    }
}

impl Appender {
    /// Goes on at `at`, in the segment that stands there or in a new one; what was found is on disk afterwards.
    pub(crate) fn open(
        folder: Folder,
        tenant: &str,
        segment_bytes: u64,
        mut head: Head,
        at: Position,
    ) -> Result<Self, Error> {
        let path = folder.segment_path(at.segment);
        // A segment that was filled under a larger limit has no room but the reserve.
        let room = (at.offset + FIRST_ROOM).min(segment_bytes).max(at.offset + RESERVE);
        let file = if folder::is_there(&path) {
            let file = folder.open_segment(at.segment)?;
            folder::allocate(&file, at.offset, room - at.offset).map_err(Error::io("allocate room for", &path))?;
            file.sync_all().map_err(Error::io("sync", &path))?;
            file
        } else {
            folder.create_segment(at.segment, room)?
        };
        head.settle(&at).map_err(Error::io("write", &folder.head_path()))?;
        Ok(Self {
            folder,
            tenant: tenant.to_owned(),
            segment_bytes,
            file: Arc::new(file),
            room,
            head,
            written: at,
            next: at,
            buffer: Vec::new(),
            dirty: false,
        })
    }

    /// How many records there are.
    pub(crate) fn records(&self) -> u64 {
        self.next.records
    }

    /// Whether something was written that is not yet known to be on disk.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// How many bytes of frames the open segment takes without a call that may wait for the disk.
    pub(crate) fn ready_room(&self) -> u64 {
        if self.next.offset == 0 {
            0
        } else {
            self.room.min(self.segment_bytes).saturating_sub(self.next.offset + RESERVE)
        }
    }

    /// How far everything that was appended reaches.
    pub(crate) fn end(&self) -> Position {
        self.next
    }

    /// Appends a decision; returns its number.
    pub(crate) fn decision(&mut self, draft: &Draft, stamp: &Stamp) -> Result<u64, Error> {
        let record = self.next.records + 1;
        self.append(draft.kind, record, stamp, &draft.body, &draft.beside)?;
        Ok(record)
    }

    /// Appends how an act ended.
    pub(crate) fn settlement(
        &mut self,
        record: u64,
        outcome: creel_guard::Outcome,
        stamp: &Stamp,
    ) -> Result<(), Error> {
        self.append(Kind::Settled, record, stamp, &stored::outcome(outcome), &[])
    }

    /// Appends what the ledger has to say about itself.
    pub(crate) fn note(&mut self, note: &str, why: &str) -> Result<(), Error> {
        let record = self.next.records + 1;
        self.append(Kind::Note, record, &Stamp::now(), &stored::note(note, why), &[])
    }

    /// Hands what was appended to the system.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        if !self.buffer.is_empty() {
            let path = self.folder.segment_path(self.written.segment);
            self.file.write_all_at(&self.buffer, self.written.offset).map_err(Error::io("write", &path))?;
            self.buffer.clear();
            self.dirty = true;
        }
        self.written = self.next;
        Ok(())
    }

    /// Puts what was written on disk, and then the head (fdatasync(2)).
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        self.flush()?;
        if self.dirty {
            let path = self.folder.segment_path(self.written.segment);
            self.file.sync_data().map_err(Error::io("sync", &path))?;
            self.head.write(&self.written).map_err(Error::io("write", &self.folder.head_path()))?;
            self.dirty = false;
        }
        Ok(())
    }

    /// What has to be put on disk, for somebody who does that while others go on; `None` when all is there.
    pub(crate) fn unsynced(&mut self) -> Result<Option<Unsynced>, Error> {
        self.flush()?;
        let path = self.folder.segment_path(self.written.segment);
        Ok(self.dirty.then(|| Unsynced { file: Arc::clone(&self.file), path, upto: self.written }))
    }

    /// All up to there is on disk: the head says so.
    pub(crate) fn synced(&mut self, upto: &Position) -> Result<(), Error> {
        self.head.write(upto).map_err(Error::io("write", &self.folder.head_path()))?;
        self.dirty = self.written.frames > upto.frames;
        Ok(())
    }

    /// Puts everything on disk and gives the room behind it back. A crash amid this leaves more empty room, no less
    /// ledger.
    pub(crate) fn close(&mut self) -> Result<(), Error> {
        self.sync()?;
        // That the room can't be given back harms nobody.
        let _ = self.file.set_len(self.written.offset).and_then(|()| self.file.sync_all());
        Ok(())
    }

    /// Says in the room kept in reserve that nothing more will be written, and why. Best effort: the ledger is closed
    /// either way.
    pub(crate) fn halt(mut self, why: &str) {
        self.buffer.clear();
        self.next = self.written;
        if self.next.offset == 0 {
            // Nothing stands in a segment before its opening. Short as it is, it can't fail.
            let _ = self.open_segment();
        }
        // Whatever a failed write left behind the last whole frame.
        let _ = self.wipe_behind(self.written.offset);
        let (record, stamp) = (self.next.records + 1, Stamp::now());
        let place = Place { index: self.next.leaves(), record, stamp: &stamp };
        let note = stored::leaf(Kind::Note, place, &stored::note("halted", why));
        self.put(Kind::Note, record, note.as_bytes(), &[]);
        self.dirty = true;
        let _ = self.sync();
    }

    fn wipe_behind(&self, offset: u64) -> std::io::Result<()> {
        let zeros = [0; 64 * 1024];
        let len = self.file.metadata()?.len();
        let mut at = offset;
        while let Some(left) = len.checked_sub(at).filter(|left| *left > 0) {
            let part = zeros.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(&zeros);
            self.file.write_all_at(part, at)?;
            at += part.len() as u64;
        }
        Ok(())
    }

    fn append(&mut self, kind: Kind, record: u64, stamp: &Stamp, body: &str, beside: &[u8]) -> Result<(), Error> {
        let leaf = stored::leaf(kind, Place { index: self.next.leaves(), record, stamp }, body);
        if leaf.len() > LARGEST_LEAF || leaf.len() + beside.len() > LARGEST {
            return Err(Error::TooLarge(leaf.len() + beside.len()));
        }
        let frame_len = (HEADER + leaf.len() + beside.len() + CHAIN) as u64;
        if self.next.offset + frame_len + RESERVE > self.segment_bytes {
            self.next_segment()?;
        }
        if self.next.offset == 0 {
            self.open_segment()?;
        }
        self.make_room(self.next.offset + frame_len + RESERVE)?;
        self.put(kind, record, leaf.as_bytes(), beside);
        Ok(())
    }

    fn put(&mut self, kind: Kind, record: u64, leaf: &[u8], beside: &[u8]) {
        let before = self.buffer.len();
        frame::write(&mut self.buffer, kind, record, leaf, beside, &mut self.next.chain);
        self.next.offset += (self.buffer.len() - before) as u64;
        self.next.frames += 1;
        if kind.is_record() {
            self.next.records = record;
        }
    }

    /// Sees to it that the open segment's room reaches to `end`. When that fails, the reserve is still there.
    fn make_room(&mut self, end: u64) -> Result<(), Error> {
        if end > self.room {
            let room = (self.room * 2).min(self.segment_bytes).max(end);
            let path = self.folder.segment_path(self.next.segment);
            let grown = folder::allocate(&self.file, self.room, room - self.room);
            grown.map_err(Error::io("allocate room for", &path))?;
            self.room = room;
        }
        Ok(())
    }

    fn open_segment(&mut self) -> Result<(), Error> {
        let opening = Opening {
            tenant: self.tenant.clone(),
            segment: self.next.segment,
            records: self.next.records,
            frames: self.next.frames,
            before: hex(&self.next.chain),
        };
        let text = serde_json::to_string(&opening)
            .map_err(|error| Error::Unreadable { record: self.next.records, why: error.to_string() })?;
        self.put(Kind::Segment, 0, text.as_bytes(), &[]);
        Ok(())
    }

    /// Makes the next segment before this one is given up, so that the reserve is there until the new one is.
    fn next_segment(&mut self) -> Result<(), Error> {
        self.sync()?;
        let number = self.next.segment + 1;
        let room = FIRST_ROOM.min(self.segment_bytes);
        let file = self.folder.create_segment(number, room)?;
        let old = std::mem::replace(&mut self.file, Arc::new(file));
        // What is left of the old one's room is given back; that it fails harms nobody.
        let _ = old.set_len(self.next.offset);
        self.room = room;
        self.next.segment = number;
        self.next.offset = 0;
        self.written = self.next;
        Ok(())
    }
}
