//! Reads a ledger as people see it, beside a live writer.
//!
//! Owns [`read`], [`decisions`], [`Follow`] and [`find`]. Never writes, takes no lock, and stops at the first frame that is not whole.
//! Called by `creel log`, `creel why` and `creel policy`.

use std::collections::HashMap;
use std::path::Path;

use crate::error::Error;
use crate::export::Range;
use crate::folder::Folder;
use crate::frame::{Frame, Kind};
use crate::line::LogLine;
use crate::stored::{self, Ended, Note, Stored};
use crate::walk::{Step, Walker};

/// Admitted acts that a follower keeps in mind until they end; the oldest are forgotten first.
const MOST_OPEN: usize = 65_536;

/// Lines that a follower returns at once.
const MOST_LINES: usize = 1024;

/// All that is in a ledger, one line a record, each with how it ended so far.
///
/// # Errors
/// [`Error::NoLedger`], or what the file system says. Damage shows up as an error of the iterator.
pub fn read(dir: &Path) -> Result<Lines, Error> {
    let folder = existing(dir)?;
    let mut ends = HashMap::new();
    let mut walker = Walker::new(folder.clone())?;
    // Damage met here is met again, and told, when the lines are read.
    while let Ok(Step::Frame(frame)) = walker.step() {
        if frame.kind == Kind::Settled {
            let ended: Ended = parse(&frame)?;
            ends.insert(frame.record, ended);
        }
    }
    Ok(Lines { walker: Walker::new(folder)?, ends, over: false })
}

/// The first record that is kept: 1, unless retention took what was before.
///
/// # Errors
/// [`Error::NoLedger`], or what the file system says.
pub fn first_kept(dir: &Path) -> Result<u64, Error> {
    Ok(Walker::new(existing(dir)?)?.position().records + 1)
}

/// One record in full, and how it ended.
///
/// # Errors
/// [`Error::NoLedger`], [`Error::NotKept`], [`Error::Damaged`] when the chain breaks before it, or what the file system says.
pub fn find(dir: &Path, record: u64) -> Result<Option<(Stored, Option<Ended>)>, Error> {
    let mut walker = Walker::new(existing(dir)?)?;
    let before = walker.position().records;
    if (1..=before).contains(&record) {
        return Err(Error::NotKept { record, first: before + 1 });
    }
    let (mut stored, mut ended) = (None, None);
    loop {
        let frame = match walker.step()? {
            Step::Frame(frame) if frame.record == record => frame,
            Step::Frame(_) => continue,
            Step::End | Step::Cut => break,
            Step::Bad(_) if stored.is_some() => break,
            Step::Bad(why) => return Err(Error::Damaged { first_bad: walker.position().records + 1, why }),
        };
        match frame.kind {
            Kind::Admitted | Kind::Refused => {
                let whole = stored::whole(&frame.payload, &frame.beside);
                stored = Some(whole.map_err(|why| Error::Unreadable { record, why })?);
            }
            Kind::Settled => ended = Some(parse::<Ended>(&frame)?),
            Kind::Segment | Kind::Note => {}
        }
    }
    Ok(stored.map(|stored| (stored, ended)))
}

/// The decisions of a range in full, oldest first, each with what is kept of it beside the log.
///
/// # Errors
/// [`Error::NoLedger`]. Damage shows up as an error of the iterator, which ends with it.
pub fn decisions(dir: &Path, range: Range) -> Result<Decisions, Error> {
    Ok(Decisions { walker: Walker::new(existing(dir)?)?, range, over: false })
}

/// Decisions in order.
#[derive(Debug)]
pub struct Decisions {
    walker: Walker,
    range: Range,
    over: bool,
}

impl Decisions {
    fn step(&mut self) -> Result<Option<Stored>, Error> {
        loop {
            let records = self.walker.position().records;
            let frame = match self.walker.step()? {
                Step::Frame(frame) => frame,
                Step::End | Step::Cut => return Ok(None),
                Step::Bad(why) => return Err(Error::Damaged { first_bad: records + 1, why }),
            };
            if !matches!(frame.kind, Kind::Admitted | Kind::Refused) || !self.range.may_hold(frame.record) {
                continue;
            }
            let stored = stored::whole(&frame.payload, &frame.beside)
                .map_err(|why| Error::Unreadable { record: frame.record, why })?;
            if self.range.holds(stored.seq, &stored.time) {
                return Ok(Some(stored));
            }
        }
    }
}

impl Iterator for Decisions {
    type Item = Result<Stored, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let found = self.step().transpose();
        self.over = !matches!(found, Some(Ok(_)));
        found
    }
}

/// The lines of a ledger, in order.
#[derive(Debug)]
pub struct Lines {
    walker: Walker,
    ends: HashMap<u64, Ended>,
    over: bool,
}

impl Iterator for Lines {
    type Item = Result<LogLine, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.over {
            match next_line(&mut self.walker) {
                Ok(Some(Seen::Line(mut line))) => {
                    if let Some(ended) = self.ends.remove(&line.seq) {
                        line.end(&ended);
                    }
                    return Some(Ok(*line));
                }
                Ok(Some(Seen::End(_) | Seen::Nothing)) => {}
                Ok(None) => self.over = true,
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// Reads on as a ledger grows. An admitted act gives two lines with the same number: one when it is decided, with
/// outcome `open`, and one when it has ended.
#[derive(Debug)]
pub struct Follow {
    walker: Walker,
    from: u64,
    open: HashMap<u64, LogLine>,
}

impl Follow {
    /// Follows the ledger in `dir`; records up to number `from` are passed over (0 for none).
    ///
    /// # Errors
    /// [`Error::NoLedger`] when there is none yet.
    pub fn new(dir: &Path, from: u64) -> Result<Self, Error> {
        Ok(Self { walker: Walker::new(existing(dir)?)?, from, open: HashMap::new() })
    }

    /// What was written since the last call, at most 1,024 lines; empty when nothing was. Ask every 100 ms or so.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the chain breaks, or what the file system says.
    pub fn poll(&mut self) -> Result<Vec<LogLine>, Error> {
        let mut lines = Vec::new();
        while lines.len() < MOST_LINES {
            match next_line(&mut self.walker)? {
                None => break,
                Some(Seen::Nothing) => {}
                Some(Seen::Line(line)) => {
                    if line.outcome == "open" {
                        self.remember(&line);
                    }
                    if line.seq > self.from {
                        lines.push(*line);
                    }
                }
                Some(Seen::End(ended)) => {
                    if let Some(mut line) = self.open.remove(&ended.record) {
                        line.end(&ended);
                        lines.extend(Some(line).filter(|line| line.seq > self.from));
                    }
                }
            }
        }
        Ok(lines)
    }

    fn remember(&mut self, line: &LogLine) {
        if self.open.len() >= MOST_OPEN
            && let Some(oldest) = self.open.keys().min().copied()
        {
            self.open.remove(&oldest);
        }
        self.open.insert(line.seq, line.clone());
    }
}

pub(crate) enum Seen {
    Line(Box<LogLine>),
    End(Ended),
    Nothing,
}

pub(crate) fn next_line(walker: &mut Walker) -> Result<Option<Seen>, Error> {
    let frame = match walker.step()? {
        Step::Frame(frame) => frame,
        Step::End | Step::Cut => return Ok(None),
        Step::Bad(why) => return Err(Error::Damaged { first_bad: walker.position().records + 1, why }),
    };
    Ok(Some(match frame.kind {
        Kind::Admitted | Kind::Refused => {
            Seen::Line(Box::new(LogLine::decided(&parse::<Stored>(&frame)?, frame.kind == Kind::Admitted)))
        }
        Kind::Note => Seen::Line(Box::new(LogLine::noted(parse::<Note>(&frame)?, walker.tenant().unwrap_or_default()))),
        Kind::Settled => Seen::End(parse::<Ended>(&frame)?),
        Kind::Segment => Seen::Nothing,
    }))
}

pub(crate) fn parse<T: serde::de::DeserializeOwned>(frame: &Frame) -> Result<T, Error> {
    serde_json::from_slice(&frame.payload)
        .map_err(|error| Error::Unreadable { record: frame.record, why: error.to_string() })
}

pub(crate) fn existing(dir: &Path) -> Result<Folder, Error> {
    let folder = Folder::at(dir);
    if folder.holds_a_ledger() { Ok(folder) } else { Err(Error::NoLedger(dir.to_path_buf())) }
}
