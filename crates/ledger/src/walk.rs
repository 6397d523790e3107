//! Walks a ledger frame by frame and follows the chain.
//!
//! Owns [`Walker`], the one reader of frames: the command line, recovery and verification all go through it. Reads in
//! bounded pieces, trusts no length that the chain does not vouch for, and never writes. It may run beside a writer.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::folder::{self, Folder, LARGEST_SEGMENT};
use crate::frame::{CHAIN, FIRST_MAGIC, Frame, HEADER, Header, Kind, MAGIC, chain_after, hex, unhex};
use crate::head::Position;
use crate::stored::Opening;

/// How much is read at once; a frame that is larger grows the buffer as far as it needs.
const PIECE: usize = 64 * 1024;

/// More frames than a ledger will ever have.
const MOST_FRAMES: u64 = 1 << 53;

/// What the walker came upon.
#[derive(Debug)]
pub(crate) enum Step {
    /// The next frame; the walker has moved behind it.
    Frame(Frame),
    /// Nothing more is written.
    End,
    /// The next frame is not whole: it is being written, was torn by a crash, or was cut off.
    Cut,
    /// What stands there does not continue the chain.
    Bad(String),
}

/// What stands behind the last whole frame of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remainder {
    /// Empty space, or nothing.
    Empty,
    /// The start of a frame and then empty space, as a write that was cut short leaves it.
    Torn,
    /// A page that never reached the disk, with later bytes behind it, as a power cut leaves it.
    Hole,
    /// Anything else.
    Other,
}

/// Where the segments are.
#[derive(Debug)]
enum Source {
    Folder(Folder),
    Single(PathBuf),
}

/// A reader of frames.
#[derive(Debug)]
pub(crate) struct Walker {
    source: Source,
    file: Option<File>,
    at: Position,
    tenant: Option<String>,
    /// Whether the frames are of the first form; no ledger holds both.
    first: Option<bool>,
    buffer: Vec<u8>,
    buffer_from: u64,
    /// How much of the buffer holds what was read.
    held: usize,
}

impl Walker {
    /// Starts at the first frame of the ledger in `folder` that is kept, and takes its word for what stood before.
    pub(crate) fn new(folder: Folder) -> Result<Self, Error> {
        // The first one may be taken away between two looks.
        for _ in 0..16 {
            let mut walker = Self::at(Source::Folder(folder.clone()));
            let Some(first) = folder.first_segment()? else { return Ok(walker) };
            walker.at.segment = first;
            walker.open()?;
            if walker.file.is_none() {
                continue;
            }
            if first > 1 {
                walker.anchor(first)?;
            }
            return Ok(walker);
        }
        Err(Error::Overtaken)
    }

    /// Stands where the first segment that is kept says that it begins. One that does not say so is met as a bad frame.
    fn anchor(&mut self, first: u32) -> Result<(), Error> {
        let Some(raw) = self.look(0, HEADER)?.first_chunk::<HEADER>().copied() else { return Ok(()) };
        if !self.take_its_word(&raw)? || self.at.segment != first {
            self.at = Position { segment: first, ..Position::START };
        }
        Ok(())
    }

    fn at(source: Source) -> Self {
        Self {
            source,
            file: None,
            at: Position::START,
            tenant: None,
            first: None,
            buffer: Vec::new(),
            buffer_from: 0,
            held: 0,
        }
    }

    /// Starts at the first frame of one segment file and takes its word for what stood before.
    pub(crate) fn single(path: &Path) -> Self {
        Self::at(Source::Single(path.to_path_buf()))
    }

    /// Everything that was walked over.
    pub(crate) fn position(&self) -> Position {
        self.at
    }

    /// Whether its frames are of the first form, once one was read.
    pub(crate) fn is_first_form(&self) -> bool {
        self.first == Some(true)
    }

    /// Whose ledger it is, once a segment's first frame was read.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The next frame. After `End` and `Cut` it may be called again, to see whether a writer went on.
    pub(crate) fn step(&mut self) -> Result<Step, Error> {
        loop {
            let step = self.step_within()?;
            if !matches!(step, Step::End) {
                return Ok(step);
            }
            if !self.has_next_segment() {
                // Segments go oldest first: without this one nobody knows what came after it.
                let gone = self.file.is_some() && !folder::is_there(&self.path());
                return if gone { Err(Error::Overtaken) } else { Ok(step) };
            }
            // The writer may have filled this segment up between our look and its step into the next one.
            let again = self.step_within()?;
            if !matches!(again, Step::End) {
                return Ok(again);
            }
            if self.remainder()? != Remainder::Empty {
                return Ok(Step::Bad("bytes stand behind the last frame of a full segment".to_owned()));
            }
            self.enter(self.at.segment + 1)?;
        }
    }

    /// What stands behind the last frame that was walked over, to the end of its segment.
    pub(crate) fn remainder(&mut self) -> Result<Remainder, Error> {
        self.forget();
        let start = self.at.offset;
        let header = self.look(start, HEADER)?.first_chunk::<HEADER>().copied();
        let (mut scan, mut at) = (Scan::default(), start);
        loop {
            let to_page_end = Scan::PAGE - usize::try_from(at % Scan::PAGE as u64).unwrap_or(0);
            let part = self.look(at, to_page_end)?;
            if part.is_empty() {
                break;
            }
            scan.take(at, part);
            at += part.len() as u64;
        }
        let (Some(first), Some(last)) = (scan.first_byte, scan.last_byte) else { return Ok(Remainder::Empty) };
        let valid = header.and_then(|bytes| Header::read(&bytes, &self.at.chain));
        let torn = match (&valid, header) {
            // The last eight bytes of a chain value are zero once in 2^64 frames.
            (Some(header), _) => last + 8 < start + header.frame_len() as u64,
            (None, Some(bytes)) => last < start + HEADER as u64 && starts_like_a_frame(&bytes),
            (None, None) => true,
        };
        let end = start + valid.map_or(HEADER, |header| header.frame_len()) as u64;
        let next_page = (start / Scan::PAGE as u64 + 1) * Scan::PAGE as u64;
        let hole = first >= next_page || scan.first_zero_page.is_some_and(|page| page < end);
        Ok(if torn {
            Remainder::Torn
        } else if hole {
            Remainder::Hole
        } else {
            Remainder::Other
        })
    }

    /// Whatever is no whole frame is looked at anew before it is believed: a writer may just have finished it.
    fn step_within(&mut self) -> Result<Step, Error> {
        let mut step = self.attempt()?;
        for _ in 0..2 {
            if matches!(step, Step::Frame(_)) {
                break;
            }
            self.forget();
            step = self.attempt()?;
        }
        Ok(step)
    }

    fn attempt(&mut self) -> Result<Step, Error> {
        let start = self.at.offset;
        let bytes = self.look(start, HEADER)?;
        let Some(raw) = bytes.first_chunk::<HEADER>().copied() else {
            return Ok(if bytes.iter().all(|byte| *byte == 0) { Step::End } else { Step::Cut });
        };
        if raw == [0; HEADER] {
            return Ok(Step::End);
        }
        if start == 0 && matches!(self.source, Source::Single(_)) && !self.take_its_word(&raw)? {
            return Ok(Step::Bad("the segment does not start with its opening frame".to_owned()));
        }
        let header = Header::read(&raw, &self.at.chain);
        let Some(header) = header.filter(|header| self.first.is_none_or(|first| first == header.first)) else {
            let torn = self.remainder()? == Remainder::Torn;
            return Ok(if torn { Step::Cut } else { Step::Bad("the frame does not continue the chain".to_owned()) });
        };
        let frame_len = header.frame_len();
        let whole = self.look(start, frame_len)?;
        let Some((payload, chain)) = whole
            .get(HEADER..frame_len)
            .and_then(|rest| rest.split_last_chunk::<CHAIN>())
            .map(|(payload, chain)| (payload.to_vec(), *chain))
        else {
            return Ok(Step::Cut);
        };
        let (expected, hash) = chain_after(&header, &raw, &payload, &self.at.chain);
        if chain != expected {
            let torn = self.remainder()? == Remainder::Torn;
            return Ok(if torn { Step::Cut } else { Step::Bad("the frame was changed".to_owned()) });
        }
        let mut payload = payload;
        let beside = payload.split_off(header.leaf);
        let frame = Frame { kind: header.kind, record: header.record, hash, payload, beside };
        Ok(match self.accept(&frame) {
            Ok(()) => {
                self.at.offset += frame_len as u64;
                self.at.frames += 1;
                self.at.chain = expected;
                self.first = Some(header.first);
                Step::Frame(frame)
            }
            Err(why) => Step::Bad(why),
        })
    }

    /// Checks what the chain can't: numbers that follow each other, segments that open as they should.
    fn accept(&mut self, frame: &Frame) -> Result<(), String> {
        if (frame.kind == Kind::Segment) != (self.at.offset == 0) {
            return Err("a segment's opening frame stands in the wrong place".to_owned());
        }
        if frame.kind == Kind::Segment {
            let opening: Opening = serde_json::from_slice(&frame.payload).map_err(|error| error.to_string())?;
            let counts = (opening.segment, opening.records, opening.frames);
            if counts != (self.at.segment, self.at.records, self.at.frames) || opening.before != hex(&self.at.chain) {
                return Err("a segment is out of its place".to_owned());
            }
            if self.tenant.as_ref().is_some_and(|tenant| *tenant != opening.tenant) {
                return Err("a segment belongs to another tenant".to_owned());
            }
            self.tenant = Some(opening.tenant);
        }
        if frame.kind.is_record() {
            if frame.record != self.at.records + 1 {
                return Err(format!("record `{}` is numbered `{}`", self.at.records + 1, frame.record));
            }
            self.at.records = frame.record;
        } else if frame.record > self.at.records {
            return Err(format!("record `{}` ended before it began", frame.record));
        }
        Ok(())
    }

    /// For a segment on its own: the chain before it and the count are what its opening frame says.
    fn take_its_word(&mut self, raw: &[u8; HEADER]) -> Result<bool, Error> {
        let unchecked = raw.first_chunk().and_then(Header::read_unchecked);
        let Some(header) = unchecked.filter(|header| header.kind == Kind::Segment) else { return Ok(false) };
        let payload = self.look(0, HEADER + header.len)?.get(HEADER..).unwrap_or_default();
        let Ok(opening) = serde_json::from_slice::<Opening>(payload) else { return Ok(false) };
        let Some(before) = unhex(&opening.before) else { return Ok(false) };
        // What leads beyond every count that there can be is no word to take.
        let counted = opening.frames <= MOST_FRAMES && opening.records <= opening.frames;
        if !counted || opening.segment == 0 || u64::from(opening.segment) - 1 > opening.frames {
            return Ok(false);
        }
        self.at = Position {
            records: opening.records,
            frames: opening.frames,
            segment: opening.segment,
            offset: 0,
            chain: before,
        };
        Ok(true)
    }

    fn has_next_segment(&self) -> bool {
        match &self.source {
            Source::Folder(folder) => folder::is_there(&folder.segment_path(self.at.segment + 1)),
            Source::Single(_) => false,
        }
    }

    fn enter(&mut self, segment: u32) -> Result<(), Error> {
        self.file = None;
        self.forget();
        self.at.segment = segment;
        self.at.offset = 0;
        self.open()
    }

    fn open(&mut self) -> Result<(), Error> {
        // A ledger whose first segment is missing is empty as far as anybody can tell; the head says otherwise.
        self.file = folder::open_to_read(&self.path())?;
        Ok(())
    }

    fn path(&self) -> PathBuf {
        match &self.source {
            Source::Folder(folder) => folder.segment_path(self.at.segment),
            Source::Single(path) => path.clone(),
        }
    }

    fn forget(&mut self) {
        self.held = 0;
        self.buffer_from = 0;
    }

    /// Bytes from `from` on: `wanted` of them, or fewer when the file ends before. What was read once is not read
    /// again before [`Self::forget`], unless it was too little.
    fn look(&mut self, from: u64, wanted: usize) -> Result<&[u8], Error> {
        if self.file.is_none() {
            self.open()?;
        }
        let skip = from.checked_sub(self.buffer_from).and_then(|skip| usize::try_from(skip).ok());
        if skip.and_then(|skip| self.held.checked_sub(skip)).is_none_or(|left| left < wanted) {
            self.fill(from, wanted.max(PIECE))?;
        }
        let skip = usize::try_from(from - self.buffer_from).unwrap_or(usize::MAX);
        let rest = self.buffer.get(skip..self.held).unwrap_or_default();
        Ok(rest.get(..wanted).unwrap_or(rest))
    }

    fn fill(&mut self, from: u64, len: usize) -> Result<(), Error> {
        if from > LARGEST_SEGMENT {
            return Err(Error::TooLong(self.path()));
        }
        if self.buffer.len() < len {
            self.buffer = vec![0; len];
        }
        self.buffer_from = from;
        self.held = 0;
        if let Some(file) = &self.file {
            while let Some(rest) = self.buffer.get_mut(self.held..len).filter(|rest| !rest.is_empty()) {
                let read = file.read_at(rest, from + self.held as u64);
                match read.map_err(Error::io("read", &self.source_path()))? {
                    0 => break,
                    read => self.held += read,
                }
            }
        }
        Ok(())
    }

    fn source_path(&self) -> PathBuf {
        match &self.source {
            Source::Folder(folder) => folder.path().to_path_buf(),
            Source::Single(path) => path.clone(),
        }
    }
}

fn starts_like_a_frame(header: &[u8; HEADER]) -> bool {
    let written = header.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1).min(MAGIC.len());
    [MAGIC, FIRST_MAGIC].iter().any(|magic| written > 0 && header.get(..written) == magic.get(..written))
}

/// What a look over the rest of a segment found.
#[derive(Debug, Default)]
struct Scan {
    first_byte: Option<u64>,
    last_byte: Option<u64>,
    first_zero_page: Option<u64>,
}

impl Scan {
    const PAGE: usize = 4096;

    /// Takes in the part of one page that starts at `at`.
    fn take(&mut self, at: u64, part: &[u8]) {
        static ZEROS: [u8; Scan::PAGE] = [0; Scan::PAGE];
        if ZEROS.get(..part.len()) == Some(part) {
            if part.len() == Self::PAGE {
                self.first_zero_page.get_or_insert(at);
            }
            return;
        }
        let place = |index: Option<usize>| index.map(|index| at + index as u64);
        self.first_byte = self.first_byte.or(place(part.iter().position(|byte| *byte != 0)));
        self.last_byte = place(part.iter().rposition(|byte| *byte != 0)).or(self.last_byte);
    }
}
