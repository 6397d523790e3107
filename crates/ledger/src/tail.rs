//! Reads on as a ledger grows, from a place that is remembered.
//!
//! Owns [`Tail`]: every frame in its order, each with its number, so that whoever passes them on can go on after a break
//! where he was. Bounded in memory. Never writes, takes no lock. Called by the guard's export.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Error;
use crate::line::LogLine;
use crate::read::{Seen, existing, next_line};
use crate::walk::Walker;

/// Admitted acts that are kept in mind until they end; the end of one that was forgotten is told by its number alone.
const MOST_OPEN: usize = 4_096;

/// A reader that counts.
#[derive(Debug)]
pub struct Tail {
    walker: Walker,
    after: u64,
    open: BTreeMap<u64, LogLine>,
}

impl Tail {
    /// Follows the ledger in `dir` after the first `after` lines: those are walked over, and not told. Of lines that are not kept
    /// any more the numbers go on being counted.
    ///
    /// # Errors
    /// [`Error::NoLedger`] when there is none yet.
    pub fn new(dir: &Path, after: u64) -> Result<Self, Error> {
        Ok(Self { walker: Walker::new(existing(dir)?)?, after, open: BTreeMap::new() })
    }

    /// The next line with its number, counted from 1: a decision, or a decision as it ended. `None` when nothing more is
    /// written yet; ask again.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the chain breaks, or what the file system says.
    pub fn next_line(&mut self) -> Result<Option<(u64, LogLine)>, Error> {
        loop {
            let line = match next_line(&mut self.walker)? {
                None => return Ok(None),
                Some(Seen::Nothing) => continue,
                Some(Seen::Line(line)) => {
                    if line.outcome == "open" {
                        self.remember(&line);
                    }
                    *line
                }
                Some(Seen::End(ended)) => {
                    let begun = self.open.remove(&ended.record);
                    let mut line = begun.unwrap_or_else(|| LogLine::forgotten(&ended, self.walker.tenant()));
                    line.end(&ended);
                    line
                }
            };
            // Each leaf is one line, those that are not kept any more as well.
            let passed = self.passed();
            if passed > self.after {
                return Ok(Some((passed, line)));
            }
        }
    }

    /// How many lines it has walked over: fewer than it was told to pass, when nothing more is written, means that the ledger
    /// is shorter than it was.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.walker.position().leaves()
    }

    fn remember(&mut self, line: &LogLine) {
        if self.open.len() >= MOST_OPEN {
            self.open.pop_first();
        }
        self.open.insert(line.seq, line.clone());
    }
}
