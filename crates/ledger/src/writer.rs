//! The one thread that writes.
//!
//! Owns group commit: it takes all that waits, writes it at once, syncs once, and only then answers. The first error
//! closes the ledger for good: after a failed fsync nobody knows what is on disk (fsync(2)).

use std::sync::Arc;
use std::time::Duration;

use creel_guard::{LedgerClosed, Outcome, RecordId};

use crate::append::Appender;
use crate::clock::{self, Stamp};
use crate::error::Error;
use crate::publish::Progress;
use crate::queue::{Batch, Item, Queue};

/// Mere reads are on disk at most 50 ms after they were written (DESIGN.md, invariant 4); this leaves room for the sync.
const SYNC_AFTER_MS: u64 = 40;

/// Writes until the queue stops or an error closes it.
pub(crate) fn run(queue: &Arc<Queue>, progress: &Progress, mut appender: Appender) {
    let closer = CloseOnPanic(Arc::clone(queue));
    let mut dirty_since = None;
    loop {
        let patience = dirty_since.map(|since: u64| {
            let waited = clock::boot_ms().saturating_sub(since);
            Duration::from_millis(SYNC_AFTER_MS.saturating_sub(waited).max(1))
        });
        let mut batch = queue.take(patience);
        // Whoever left before the answer has given the writer one more thing to write.
        let last = batch.last && batch.items.is_empty() && batch.ends.is_empty();
        let done = commit(queue, &mut appender, &mut batch, &mut dirty_since);
        let done = done.and_then(|()| if last { appender.close() } else { Ok(()) });
        if done.is_ok() && !appender.is_dirty() {
            progress.synced(appender.end().frames);
        }
        if let Err(error) = done {
            let why = error.to_string();
            appender.halt(&why);
            queue.close(&why);
            fail(batch.items, &why);
            break;
        }
        if last {
            queue.close("the ledger was closed");
            break;
        }
    }
    drop(closer);
}

/// Writes a batch, syncs when somebody in it needs that or the time has come, and answers. What was not answered is
/// left in the batch.
fn commit(
    queue: &Queue,
    appender: &mut Appender,
    batch: &mut Batch,
    dirty_since: &mut Option<u64>,
) -> Result<(), Error> {
    let mut records = Vec::with_capacity(batch.items.len());
    let stamp = Stamp::now();
    for item in &batch.items {
        records.push(RecordId(appender.decision(&item.draft, &stamp)?));
    }
    for (record, outcome) in batch.ends.drain(..) {
        appender.settlement(record.0, outcome, &stamp)?;
    }
    appender.flush()?;
    let due = dirty_since.is_some_and(|since| clock::boot_ms().saturating_sub(since) >= SYNC_AFTER_MS);
    if due || batch.items.iter().any(|item| item.durable) {
        appender.sync()?;
    }
    *dirty_since = if appender.is_dirty() { Some(dirty_since.unwrap_or_else(clock::boot_ms)) } else { None };
    queue.set_records(appender.records());
    for (item, record) in batch.items.drain(..).zip(records) {
        if !item.slot.give(Ok(record)) && item.draft.passes {
            queue.end(record, Outcome::Abandoned);
        }
    }
    Ok(())
}

fn fail(items: impl IntoIterator<Item = Item>, why: &str) {
    for item in items {
        item.slot.give(Err(LedgerClosed { why: why.to_owned() }));
    }
}

/// A panic of the writer closes the ledger too.
struct CloseOnPanic(Arc<Queue>);

impl Drop for CloseOnPanic {
    fn drop(&mut self) {
        self.0.close("the ledger's writer ended");
    }
}
