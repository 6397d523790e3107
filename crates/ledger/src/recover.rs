//! Opens a ledger to write on, after a clean end or a crash.
//!
//! Owns what may be cut off: only a tear behind what was last on disk, never a whole frame that the chain vouches for.
//! Anything else that does not fit keeps the ledger closed. Called once, when the ledger is opened.

use std::collections::BTreeSet;

use creel_guard::Outcome;

use crate::append::Appender;
use crate::error::Error;
use crate::folder::Folder;
use crate::frame::Kind;
use crate::head::{self, Found, Head, Position};
use crate::walk::{Remainder, Step, Walker};

/// Opens or makes the ledger in `folder`; returns its end.
pub(crate) fn open(folder: Folder, tenant: &str, segment_bytes: u64) -> Result<Appender, Error> {
    folder.create()?;
    let found = head::read(&folder)?;
    let head = match found {
        Some(found) if found.latest().is_some() => found,
        // No segment yet: the head is made first, so nothing was ever written.
        _ if folder.last_segment()?.is_none() => return make(folder, tenant, segment_bytes),
        Some(_) => return Err(damaged(0, "both halves of the head are damaged")),
        None => return Err(damaged(0, "the head is gone")),
    };
    let replay = replay(&folder, &head)?;
    if let Some(found) = replay.tenant.filter(|found| found != tenant) {
        return Err(Error::OtherTenant { found, wanted: tenant.to_owned() });
    }
    resume(folder, tenant, segment_bytes, &head, replay.at, replay.cut, replay.open)
}

/// What is in a ledger that was written before.
struct Replay {
    at: Position,
    tenant: Option<String>,
    /// Admitted records whose end nobody wrote down.
    open: BTreeSet<u64>,
    /// Whether something behind `at` has to be cut off.
    cut: bool,
}

fn make(folder: Folder, tenant: &str, segment_bytes: u64) -> Result<Appender, Error> {
    let nothing = Found { whole: Vec::new(), damaged: false };
    let mut head = Head::open(&folder, &nothing)?;
    // On disk before the first segment is made.
    head.settle(&Position::START).map_err(Error::io("write", &folder.head_path()))?;
    Appender::open(folder, tenant, segment_bytes, head, Position::START)
}

fn replay(folder: &Folder, head: &Found) -> Result<Replay, Error> {
    let mut walker = Walker::new(folder.clone());
    let mut open = BTreeSet::new();
    let mut promises = head.whole.iter().map(|(_, position)| *position).peekable();
    let cut = loop {
        while let Some(promise) = promises.next_if(|promise| promise.frames == walker.position().frames) {
            let at = walker.position();
            if promise.chain != at.chain || promise.records != at.records {
                return Err(damaged(promise.records, "the chain is not the one that the head names"));
            }
        }
        match walker.step()? {
            Step::Frame(frame) => match frame.kind {
                Kind::Admitted => drop(open.insert(frame.record)),
                Kind::Settled => drop(open.remove(&frame.record)),
                Kind::Segment | Kind::Refused | Kind::Note => {}
            },
            // A flipped bit in empty space must not be taken for a clean end, nor for a tear.
            Step::End | Step::Cut => match walker.remainder()? {
                Remainder::Empty => break false,
                Remainder::Torn | Remainder::Hole => break true,
                Remainder::Other => return Err(damaged(walker.position().records, "bytes that no frame explains")),
            },
            Step::Bad(why) => match walker.remainder()? {
                Remainder::Hole => break true,
                _ => return Err(damaged(walker.position().records, &why)),
            },
        }
    };
    let at = walker.position();
    if let Some(promise) = promises.last() {
        return Err(Error::Truncated { size: at.records, promised: promise.records });
    }
    // A segment is only made when the one before it is on disk.
    if folder.last_segment()?.is_some_and(|last| last > at.segment) {
        return Err(damaged(at.records, "a segment breaks off and others follow"));
    }
    Ok(Replay { at, tenant: walker.tenant().map(str::to_owned), open, cut })
}

fn resume(
    folder: Folder,
    tenant: &str,
    segment_bytes: u64,
    found: &Found,
    at: Position,
    cut: bool,
    open: BTreeSet<u64>,
) -> Result<Appender, Error> {
    if cut {
        let path = folder.segment_path(at.segment);
        folder.open_segment(at.segment)?.set_len(at.offset).map_err(Error::io("cut", &path))?;
    }
    let head = Head::open(&folder, found)?;
    let mut appender = Appender::open(folder, tenant, segment_bytes, head, at)?;
    if cut {
        let after =
            format!("a write behind record `{}` was torn by a crash and cut off; it was never on disk", at.records);
        appender.note("recovered", &after)?;
    }
    if found.damaged {
        appender.note("recovered", "one half of the head was damaged; the other half holds")?;
    }
    // Whoever held these permits is dead, and can no longer say how the acts ended.
    for record in open {
        appender.settlement(record, Outcome::Abandoned)?;
    }
    appender.sync()?;
    Ok(appender)
}

fn damaged(records: u64, why: &str) -> Error {
    Error::Damaged { first_bad: records + 1, why: why.to_owned() }
}
