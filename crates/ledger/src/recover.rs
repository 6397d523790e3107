//! Opens a ledger to write on, after a clean end or a crash.
//!
//! Owns what may be cut off: only a tear behind what was last on disk, never a whole frame that the chain vouches for.
//! Anything else that does not fit keeps the ledger closed, and so does a log that its last checkpoint does not name.
//! Called once, when the ledger is opened.

mod seal;

use creel_guard::Outcome;

use crate::account::{self, Account};
use crate::append::Appender;
use crate::checkpoint::Checkpoint;
use crate::clock::Stamp;
use crate::error::Error;
use crate::folder::Folder;
use crate::frame::{Frame, Kind};
use crate::grow::Grow;
use crate::head::{self, Found, Head, Position};
use crate::publish::{Notaries, Publisher};
use crate::retain::{Keep, Retention};
use crate::shelf::Shelf;
use crate::walk::{Remainder, Step, Walker};

/// Opens or makes the ledger in `folder`; returns its end, and who publishes it.
pub(crate) fn open(
    folder: Folder,
    tenant: &str,
    segment_bytes: u64,
    keep: Keep,
    notaries: Option<Notaries>,
) -> Result<(Appender, Publisher), Error> {
    folder.create()?;
    seal::first_form(&folder, tenant)?;
    let shelf = Shelf::at(folder.path());
    let fixed = checkpoint(&shelf, notaries.as_ref())?;
    let signed = fixed.as_ref().map_or(0, |checkpoint| checkpoint.size);
    let retention = Retention::new(folder.clone(), keep);
    let (mut appender, walker, grow, retention) = match found_head(&folder)? {
        None => {
            let appender = make(folder.clone(), tenant, segment_bytes)?;
            (appender, Walker::new(folder.clone())?, Grow::new(shelf.clone(), signed), retention)
        }
        Some(head) => {
            let before = Walker::new(folder.clone())?.position();
            let grow = grown(&shelf, signed, &before)?;
            let mut replay = Replay { grow, fixed: fixed.clone(), retention };
            let (walker, cut) = replay_all(&folder, &head, signed, &mut |frame, at| replay.take(frame, at))?;
            if let Some(found) = walker.tenant().filter(|found| *found != tenant) {
                return Err(Error::OtherTenant { found: found.to_owned(), wanted: tenant.to_owned() });
            }
            let appender =
                resume(folder.clone(), tenant, segment_bytes, &head, walker.position(), cut, replay.retention.open())?;
            (appender, walker, replay.grow, replay.retention)
        }
    };
    if grow.size() < signed {
        return Err(Error::Truncated { size: grow.size(), promised: signed });
    }
    if appender.records() == 0
        && let Some(text) = seal::binding(&folder, tenant)?
    {
        appender.note("began", &text)?;
        appender.sync()?;
    }
    if let Some(notaries) = &notaries {
        let witness = notaries.witness.as_ref().map(|(_, key)| key);
        shelf.keep_keys(&[&notaries.signer.1].into_iter().chain(witness).collect::<Vec<_>>())?;
    }
    Ok((appender, Publisher { walker, grow, retention, notaries, published: signed }))
}

/// The tree up to `before`, where what is kept begins.
fn grown(shelf: &Shelf, signed: u64, before: &Position) -> Result<Grow, Error> {
    match before.leaves() {
        0 => Ok(Grow::new(shelf.clone(), signed)),
        leaves if leaves > signed => Err(damaged(0, &account::unaccounted(before))),
        leaves => Grow::resume(shelf.clone(), signed, leaves),
    }
}

/// The last checkpoint, signed by whom it has to be signed by.
fn checkpoint(shelf: &Shelf, notaries: Option<&Notaries>) -> Result<Option<Checkpoint>, Error> {
    let Some((note, checkpoint)) = shelf.checkpoint()? else { return Ok(None) };
    let ours =
        |notaries: &Notaries| checkpoint.origin == notaries.origin && notaries.signer.1.verifies(&note).is_some();
    match notaries {
        Some(notaries) if !ours(notaries) => Err(damaged(0, "the last checkpoint was signed by somebody else")),
        _ => Ok(Some(checkpoint)),
    }
}

fn found_head(folder: &Folder) -> Result<Option<Found>, Error> {
    let found = head::read(folder)?;
    match found {
        Some(found) if found.latest().is_some() => Ok(Some(found)),
        // No segment yet: the head is made first, so nothing was ever written.
        _ if folder.last_segment()?.is_none() => Ok(None),
        Some(_) => Err(damaged(0, "both halves of the head are damaged")),
        None => Err(damaged(0, "the head is gone")),
    }
}

/// What is in a ledger that was written before.
struct Replay {
    grow: Grow,
    fixed: Option<Checkpoint>,
    retention: Retention,
}

impl Replay {
    fn take(&mut self, frame: &Frame, at: &Position) -> Result<(), Error> {
        self.retention.take(frame, at);
        if frame.kind == Kind::Segment {
            return Ok(());
        }
        self.grow.push(&frame.payload, frame.hash)?;
        match &self.fixed {
            Some(fixed) if fixed.size == self.grow.size() && fixed.root != self.grow.root() => {
                Err(Error::Fork(format!("the first {} leaves are others than it names", fixed.size)))
            }
            _ => Ok(()),
        }
    }
}

fn make(folder: Folder, tenant: &str, segment_bytes: u64) -> Result<Appender, Error> {
    let nothing = Found { whole: Vec::new(), damaged: false };
    let mut head = Head::open(&folder, &nothing)?;
    // On disk before the first segment is made.
    head.settle(&Position::START).map_err(Error::io("write", &folder.head_path()))?;
    Appender::open(folder, tenant, segment_bytes, head, Position::START)
}

/// Walks over all there is, of which `signed` leaves are signed; says whether something behind it has to be cut off.
fn replay_all(
    folder: &Folder,
    head: &Found,
    signed: u64,
    take: &mut dyn FnMut(&Frame, &Position) -> Result<(), Error>,
) -> Result<(Walker, bool), Error> {
    let mut walker = Walker::new(folder.clone())?;
    let start = walker.position();
    let mut account = Account::new(start, signed);
    // Of what was before the beginning nobody can tell any more.
    let promises = head.whole.iter().map(|(_, position)| *position);
    let mut promises = promises.filter(|promise| promise.frames >= start.frames).peekable();
    let cut = loop {
        while let Some(promise) = promises.next_if(|promise| promise.frames == walker.position().frames) {
            let at = walker.position();
            if promise.chain != at.chain || promise.records != at.records {
                return Err(damaged(promise.records, "the chain is not the one that the head names"));
            }
        }
        let before = walker.position();
        match walker.step()? {
            Step::Frame(frame) => {
                account.take(&frame, &before).map_err(|why| damaged(before.records, &why))?;
                take(&frame, &walker.position())?;
            }
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
    match account.missing() {
        Some(why) => Err(damaged(0, &why)),
        None => Ok((walker, cut)),
    }
}

fn resume(
    folder: Folder,
    tenant: &str,
    segment_bytes: u64,
    found: &Found,
    at: Position,
    cut: bool,
    open: &std::collections::BTreeSet<u64>,
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
    let stamp = Stamp::now();
    for record in open {
        appender.settlement(*record, Outcome::Abandoned, &stamp)?;
    }
    appender.sync()?;
    Ok(appender)
}

fn damaged(records: u64, why: &str) -> Error {
    Error::Damaged { first_bad: records + 1, why: why.to_owned() }
}
