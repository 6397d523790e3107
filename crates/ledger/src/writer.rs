//! The one thread that writes, and the pen that it lends.
//!
//! Owns group commit: the thread takes all that waits, writes it at once, syncs once, and only then answers. Who brings a record
//! that need not be on disk yet, while nothing else waits, takes the [`Desk`]'s pen and writes it himself: no thread is woken for
//! it. Syncing is the thread's alone, which lays the pen down for it. The first error closes the ledger for good: after a failed
//! fsync nobody knows what is on disk (fsync(2)).

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use creel_guard::{LedgerClosed, Outcome, RecordId};

use crate::append::{Appender, Unsynced};
use crate::clock::{self, Moment, Stamp};
use crate::error::Error;
use crate::publish::Progress;
use crate::queue::{Batch, Item, Queue};
use crate::stored::Draft;

/// Mere reads are on disk at most 50 ms after they were written (DESIGN.md, invariant 4); this leaves room for the sync.
const SYNC_AFTER_MS: u64 = 40;

const CLOSED: &str = "the ledger was closed";

/// More bytes than stand around what was drafted of a decision: its frame, and its place and time in the leaf.
const MOST_AROUND: u64 = 512;

/// More bytes than an end takes: 1 KiB of a reason, each character of which may take six when it is escaped.
const MOST_OF_AN_END: u64 = 8 * 1024;

/// Looks at a pen that somebody has, which takes a few microseconds together: about as long as a record takes to be written.
const TRIES: u32 = 256;

/// Whoever holds it writes.
#[derive(Debug)]
struct Pen {
    appender: Appender,
    /// Since when something is written that is not on disk, by the boot clock.
    dirty_since: Option<u64>,
    /// The last time that stands in a record.
    last: Moment,
}

/// Where the pen lies; it is gone once nothing more may be written.
#[derive(Debug)]
pub(crate) struct Desk(Mutex<Option<Pen>>);

impl Desk {
    /// A desk with a pen for `appender`.
    pub(crate) fn new(appender: Appender) -> Self {
        Self(Mutex::new(Some(Pen { appender, dirty_since: None, last: Moment::now() })))
    }

    /// Writes `item` at once if that needs no sync and nobody is before it; else leaves it where it is.
    pub(crate) fn write_now(&self, queue: &Queue, item: &mut Option<Item>) {
        let Some(Draft { body, beside, .. }) = item.as_ref().filter(|item| !item.durable).map(|item| &item.draft)
        else {
            return;
        };
        let Some(mut held) = self.soon() else { return };
        // Room that has to be made is the thread's to make.
        let room = held.as_ref().map_or(0, |pen| pen.appender.ready_room());
        let Some(room) = room.checked_sub((body.len() + beside.len()) as u64 + MOST_AROUND) else { return };
        let Some(ends) = queue.nothing_waits(room / MOST_OF_AN_END) else { return };
        let mut batch = Batch { items: item.take().into_iter().collect(), ends, last: false };
        let closer = CloseOnPanic(queue);
        settle(queue, &mut held, &mut batch);
        drop((held, closer));
        queue.wrote();
    }

    /// The pen's place, if whoever is there leaves at once, as all do but who begins a new segment or has a disk that hangs: nobody
    /// waits for those here.
    fn soon(&self) -> Option<MutexGuard<'_, Option<Pen>>> {
        for _ in 0..TRIES {
            match self.0.try_lock() {
                Ok(held) => return Some(held),
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
                Err(TryLockError::Poisoned(_)) => return None,
            }
        }
        None
    }

    /// How long what is written may stay so.
    fn patience(&self) -> Option<Duration> {
        self.0.lock().ok()?.as_ref().and_then(|pen| pen.dirty_since).map(|since| {
            let waited = clock::boot_ms().saturating_sub(since);
            Duration::from_millis(SYNC_AFTER_MS.saturating_sub(waited).max(1))
        })
    }
}

/// Writes until the queue stops or an error closes it.
pub(crate) fn run(queue: &Queue, desk: &Desk, progress: &Progress) {
    let closer = CloseOnPanic(queue);
    while let Some(on_disk) = desk.turn(queue) {
        if let Some(frames) = on_disk {
            progress.synced(frames);
        }
    }
    drop(closer);
}

impl Desk {
    /// Writes what waits, and puts it on disk when somebody needs that or the time has come. Returns how many frames are there
    /// if it did; `None` at the end.
    fn turn(&self, queue: &Queue) -> Option<Option<u64>> {
        let mut batch = queue.take(self.patience());
        // Whoever left before the answer has given the writer one more thing to write.
        let last = batch.last && batch.items.is_empty() && batch.ends.is_empty();
        // Who panicked with the pen in hand left nobody knows what, and has closed the queue.
        let mut held = self.0.lock().ok()?;
        let waiting = settle(queue, &mut held, &mut batch);
        let pen = held.as_mut()?;
        let due = pen.dirty_since.is_some_and(|since| clock::boot_ms().saturating_sub(since) >= SYNC_AFTER_MS);
        let found = match last {
            true => pen.appender.close().map(|()| None),
            false if due || !waiting.is_empty() => pen.appender.unsynced(),
            false => return Some(None),
        };
        if last && found.is_ok() {
            let frames = pen.appender.end().frames;
            queue.close(CLOSED);
            *held = None;
            return Some(Some(frames));
        }
        // Others write on while this reaches the disk.
        drop(held);
        let found = found.and_then(|found| found.map(|unsynced| unsynced.sync().map(|()| unsynced)).transpose());
        let Ok(mut held) = self.0.lock() else {
            fail(waiting.into_iter().map(|(item, _)| item), "the ledger's writer ended");
            return None;
        };
        let done = found.map_err(|error| error.to_string()).and_then(|found| on_disk(&mut held, found.as_ref()));
        match done {
            Ok(frames) => {
                drop(held);
                waiting.into_iter().for_each(|(item, record)| answer(queue, &item, record));
                Some(Some(frames))
            }
            Err(why) => {
                halt(queue, &mut held, &why);
                fail(waiting.into_iter().map(|(item, _)| item), &why);
                None
            }
        }
    }
}

/// Notes that what was written up to there is on disk; returns how many frames that are.
fn on_disk(held: &mut Option<Pen>, found: Option<&Unsynced>) -> Result<u64, String> {
    let pen = held.as_mut().ok_or(CLOSED)?;
    let frames = match found {
        Some(Unsynced { upto, .. }) => {
            pen.appender.synced(upto).map_err(|error| error.to_string())?;
            upto.frames
        }
        None => pen.appender.end().frames,
    };
    pen.dirty_since = pen.appender.is_dirty().then(clock::boot_ms);
    Ok(frames)
}

/// Writes a batch and answers all but those who wait for the disk, who are returned. When that fails it takes the pen away and
/// tells everybody.
fn settle(queue: &Queue, held: &mut Option<Pen>, batch: &mut Batch) -> Vec<(Item, RecordId)> {
    let done = match held {
        Some(pen) => write(pen, batch).map_err(|error| error.to_string()),
        None => Err(CLOSED.to_owned()),
    };
    let mut waiting = Vec::new();
    match done {
        Ok((records, count)) => {
            queue.set_records(count);
            for (item, record) in batch.items.drain(..).zip(records) {
                if item.durable {
                    waiting.push((item, record));
                } else {
                    answer(queue, &item, record);
                }
            }
        }
        Err(why) => {
            halt(queue, held, &why);
            fail(std::mem::take(&mut batch.items), &why);
        }
    }
    waiting
}

/// Hands a batch to the system. Returns the numbers of its records, and how many there are now.
fn write(pen: &mut Pen, batch: &mut Batch) -> Result<(Vec<RecordId>, u64), Error> {
    let Pen { appender, dirty_since, last } = pen;
    let mut records = Vec::with_capacity(batch.items.len());
    // What ended while nobody wrote did so before what is decided now, and no time stands behind a later one.
    let mut stamp: Option<Stamp> = None;
    for (record, outcome, moment) in batch.ends.drain(..) {
        let moment = moment.no_earlier_than(*last);
        if moment != *last || stamp.is_none() {
            (*last, stamp) = (moment, Some(moment.stamp()));
        }
        if let Some(stamp) = &stamp {
            appender.settlement(record.0, outcome, stamp)?;
        }
    }
    if !batch.items.is_empty() {
        *last = Moment::now().no_earlier_than(*last);
        let stamp = last.stamp();
        for item in &batch.items {
            records.push(RecordId(appender.decision(&item.draft, &stamp)?));
        }
    }
    appender.flush()?;
    if appender.is_dirty() {
        dirty_since.get_or_insert_with(clock::boot_ms);
    }
    Ok((records, appender.records()))
}

/// Whoever left meanwhile leaves an act that was let pass and never happened.
fn answer(queue: &Queue, item: &Item, record: RecordId) {
    if !item.slot.give(Ok(record)) && item.draft.passes() {
        queue.end(record, Outcome::Abandoned);
    }
}

fn halt(queue: &Queue, held: &mut Option<Pen>, why: &str) {
    if let Some(pen) = held.take() {
        pen.appender.halt(why);
    }
    queue.close(why);
}

fn fail(items: impl IntoIterator<Item = Item>, why: &str) {
    for item in items {
        item.slot.give(Err(LedgerClosed { why: why.to_owned() }));
    }
}

/// A panic of whoever writes closes the ledger too.
struct CloseOnPanic<'a>(&'a Queue);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close("the ledger's writer ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::queue::Slot;

    #[test]
    fn nobody_waits_for_a_pen_that_is_not_laid_down() {
        let draft = Draft { kind: crate::frame::Kind::Admitted, body: "{}".to_owned(), beside: Vec::new() };
        let mut item = Some(Item { draft, durable: false, slot: Arc::new(Slot::default()) });
        let (desk, queue) = (Desk(Mutex::new(None)), Queue::default());
        let held = desk.0.lock().unwrap();
        // Would it wait, this test would not end.
        desk.write_now(&queue, &mut item);
        assert!(item.is_some(), "it goes to the queue");
        drop(held);
        desk.write_now(&queue, &mut item);
        assert!(item.is_some(), "where nothing may be written any more the queue says so");
    }
}
