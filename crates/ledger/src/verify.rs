//! Checks a ledger off-line: is all of it as it was written?
//!
//! Owns [`verify`]. Needs no running Creel, takes no lock and writes nothing; beside a live writer it checks what was on
//! disk when it began. A chain without a signature shows changes by whoever can't write a whole new ledger: signed
//! checkpoints come with a later edition.

use std::path::Path;

use serde::Serialize;

use crate::error::Error;
use crate::folder::{self, Folder};
use crate::head::{self, Found, Position};
use crate::walk::{Remainder, Step, Walker};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Nothing is wrong.
    pub ok: bool,
    /// How many records are whole, from the start to the end or to the first bad place.
    pub size: u64,
    /// The first record that nothing vouches for; all before it are as they were written.
    pub first_bad: Option<u64>,
    /// Records that were on disk are gone from the end.
    pub truncated: bool,
    /// The last write was cut short by a crash, behind all that was promised; the next opening clears it up.
    pub torn: bool,
    /// What is wrong, in words.
    pub why: Option<String>,
}

impl Verification {
    fn fine(size: u64) -> Self {
        Self { ok: true, size, first_bad: None, truncated: false, torn: false, why: None }
    }

    fn bad(size: u64, why: impl Into<String>) -> Self {
        Self { ok: false, first_bad: Some(size + 1), why: Some(why.into()), ..Self::fine(size) }
    }

    fn truncated(size: u64, why: impl Into<String>) -> Self {
        Self { ok: false, truncated: true, why: Some(why.into()), ..Self::fine(size) }
    }
}

/// Checks a ledger's folder, or one segment file on its own (without what stands before it and without the head).
///
/// # Errors
/// [`Error::NoLedger`] when there is nothing to check, [`Error::NotAFile`] and [`Error::TooLong`] when what stands there
/// can't be read, or what the file system says. What is wrong with what was read is no error but the answer.
pub fn verify(path: &Path) -> Result<Verification, Error> {
    if folder::is_there(path) && !path.is_dir() {
        return verify_segment(path);
    }
    let folder = Folder::at(path);
    if !folder.holds_a_ledger() {
        return Err(Error::NoLedger(path.to_path_buf()));
    }
    // A slot that is being written while it is read looks damaged: look again.
    let mut found = head::read(&folder)?;
    for _ in 0..3 {
        if found.as_ref().is_some_and(|found| !found.damaged) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
        found = head::read(&folder)?;
    }
    let last = folder.last_segment()?;
    let mut walker = Walker::new(folder);
    let promises = found.as_ref().map_or(&[][..], |found| &found.whole);
    let mut answer = walk(&mut walker, promises.iter().map(|(_, position)| *position).collect())?;
    if answer.first_bad.is_none() && last.is_some_and(|last| last > walker.position().segment) {
        answer = Verification::bad(answer.size, "a segment is missing");
    }
    Ok(if answer.ok { check_head(answer, found.as_ref()) } else { answer })
}

fn verify_segment(path: &Path) -> Result<Verification, Error> {
    let mut walker = Walker::single(path);
    let mut answer = walk(&mut walker, Vec::new())?;
    if answer.ok && walker.position().frames == 0 {
        answer = Verification::bad(0, "it holds no frame");
    }
    Ok(answer)
}

fn check_head(answer: Verification, found: Option<&Found>) -> Verification {
    match found {
        None => Verification::truncated(answer.size, "the head is gone, so nobody knows where the ledger ended"),
        Some(found) if found.damaged => {
            Verification { ok: false, why: Some("the head is damaged".to_owned()), ..answer }
        }
        Some(_) => answer,
    }
}

/// Walks to the end and holds every promise of the head against what it passes.
fn walk(walker: &mut Walker, promises: Vec<Position>) -> Result<Verification, Error> {
    let mut promises = promises.into_iter().peekable();
    loop {
        let at = walker.position();
        while let Some(promise) = promises.next_if(|promise| promise.frames <= at.frames) {
            if promise.frames == at.frames && (promise.chain != at.chain || promise.records != at.records) {
                return Ok(Verification::bad(0, "the whole chain is another one than the head names"));
            }
        }
        let step = walker.step()?;
        let size = walker.position().records;
        let torn = match step {
            Step::Frame(_) => continue,
            Step::Bad(why) => return Ok(Verification::bad(size, why)),
            Step::Cut => true,
            Step::End => match walker.remainder()? {
                Remainder::Empty => false,
                // A writer may have gone on between the two looks.
                _ if matches!(walker.step()?, Step::Frame(_)) => continue,
                _ => return Ok(Verification::bad(size, "bytes stand behind the end")),
            },
        };
        return Ok(match promises.last() {
            Some(promise) => {
                Verification::truncated(size, format!("{} records were on disk, {size} are left", promise.records))
            }
            None => Verification { torn, ..Verification::fine(size) },
        });
    }
}
