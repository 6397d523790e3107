//! Writes records out for other tools: a line a record, in order, each with how it ended.
//!
//! Owns [`Export`], which walks the ledger twice: once for the ends, which go to a file without a name, once for the
//! records, so that a ledger of any size needs the same memory. Reads alone, beside a live writer too. Called by
//! `creel ledger export`.

mod csv;
mod ends;
mod ocsf;
mod range;

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use self::ends::Ends;
pub use self::range::{NoEdge, Range};
use crate::error::Error;
use crate::frame::{Frame, Kind, hex};
use crate::line::LogLine;
use crate::read::{existing, parse};
use crate::stored::{Note, Stored};
use crate::walk::{Step, Walker};

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A JSON object a line: the fields of `creel log --json`, the leaf as it is in the log, and its hash.
    Jsonl,
    /// An event of the Open Cybersecurity Schema Framework a line.
    Ocsf,
    /// Comma-separated values (RFC 4180), with a line of names first.
    Csv,
}

/// Records on their way out.
#[derive(Debug)]
pub struct Export {
    walker: Walker,
    ends: Ends,
    range: Range,
    /// The last record that there was when the export began.
    until: u64,
}

/// A record with all that the log holds of it.
#[derive(Debug)]
struct Row {
    line: LogLine,
    /// The decision; of what the ledger says about itself there is none.
    stored: Option<Box<Stored>>,
    frame: Frame,
}

impl Export {
    /// Begins an export of the ledger in `dir`.
    ///
    /// # Errors
    /// [`Error::NoLedger`], or what the file system says. Damage is told once all before it was written out.
    pub fn new(dir: &Path, range: Range) -> Result<Self, Error> {
        let folder = existing(dir)?;
        let mut walker = Walker::new(folder.clone())?;
        let mut ends = Ends::new(range.first_record())?;
        let until = loop {
            match walker.step() {
                Ok(Step::Frame(frame)) if frame.kind == Kind::Settled && range.may_hold(frame.record) => {
                    ends.keep(frame.record, &frame.payload)?;
                }
                Ok(Step::Frame(_)) => {}
                Ok(Step::End | Step::Cut) => break walker.position().records,
                // Met again, and told, when the records are written.
                Ok(Step::Bad(_)) | Err(_) => break u64::MAX,
            }
        };
        Ok(Self { walker: Walker::new(folder)?, ends: ends.finish()?, range, until })
    }

    /// Writes everything to `out`, and says how many records that were.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the chain breaks, or what the file system or `out` says. What was written before is right.
    pub fn write(mut self, form: Form, out: &mut dyn Write) -> Result<u64, Error> {
        let mut count = 0;
        if form == Form::Csv {
            out.write_all(csv::HEADER.as_bytes()).map_err(Error::Output)?;
        }
        while let Some(row) = self.next_row()? {
            match form {
                Form::Jsonl => jsonl(&row, out),
                Form::Ocsf => json_line(&ocsf::event(&row), out),
                Form::Csv => out.write_all(csv::line(&row).as_bytes()),
            }
            .map_err(Error::Output)?;
            count += 1;
        }
        out.flush().map_err(Error::Output)?;
        Ok(count)
    }

    fn next_row(&mut self) -> Result<Option<Row>, Error> {
        loop {
            let records = self.walker.position().records;
            if records >= self.until || self.range.is_behind(records + 1) {
                return Ok(None);
            }
            let frame = match self.walker.step()? {
                Step::Frame(frame) => frame,
                Step::End | Step::Cut => return Ok(None),
                Step::Bad(why) => return Err(Error::Damaged { first_bad: records + 1, why }),
            };
            if !frame.kind.is_record() || !self.range.may_hold(frame.record) {
                continue;
            }
            let row = self.row(frame)?;
            if self.range.holds(row.line.seq, &row.line.time) {
                return Ok(Some(row));
            }
        }
    }

    fn row(&mut self, frame: Frame) -> Result<Row, Error> {
        if frame.kind == Kind::Note {
            let line = LogLine::noted(parse::<Note>(&frame)?, self.walker.tenant().unwrap_or_default());
            return Ok(Row { line, stored: None, frame });
        }
        let stored = Box::new(parse::<Stored>(&frame)?);
        let mut line = LogLine::decided(&stored, frame.kind == Kind::Admitted);
        if let Some(ended) = self.ends.of(frame.record)? {
            line.end(&ended);
        }
        Ok(Row { line, stored: Some(stored), frame })
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    line: &'a LogLine,
    leaf_hash: String,
    leaf: serde_json::Value,
}

fn jsonl(row: &Row, out: &mut dyn Write) -> io::Result<()> {
    let leaf = serde_json::from_slice(&row.frame.payload)?;
    json_line(&Whole { line: &row.line, leaf_hash: hex(&row.frame.hash), leaf }, out)
}

fn json_line(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
