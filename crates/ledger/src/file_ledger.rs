//! The ledger that the guard writes to.
//!
//! Owns [`FileLedger`]: a folder, its lock and the writer's thread. Never blocks a caller: deciding waits in a future,
//! ending does not wait at all.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use creel_guard::{BoxFuture, Durability, Entry, Ledger, LedgerClosed, Outcome, RecordId, Tenant};

use crate::append::SMALLEST_SEGMENT;
use crate::error::Error;
use crate::folder::{Folder, LARGEST_SEGMENT};
use crate::frame::LARGEST;
use crate::queue::{Admission, Queue};
use crate::{recover, stored, writer};

/// How a ledger is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Keep a second writer out (flock on the file `lock`). Off only where the caller holds the lock itself.
    pub lock: bool,
    /// Where a segment ends, in bytes: at least 2 MiB and 8 KiB, at most 64 MiB.
    pub segment_bytes: u64,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { lock: true, segment_bytes: 16 * 1024 * 1024 }
    }
}

/// Where a ledger stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// How many records there are.
    pub records: u64,
    /// Why nothing more can be written; `None` while all is well.
    pub closed: Option<String>,
}

/// A tenant's ledger, open for writing. Dropping it writes and syncs what waits, and ends the thread.
#[derive(Debug)]
pub struct FileLedger {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
    _lock: Option<File>,
}

impl FileLedger {
    /// Opens the ledger in `dir`, or makes one there; checks the whole chain first.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process writes it, [`Error::Damaged`] and [`Error::Truncated`] when what is on
    /// disk is not what was written, [`Error::OtherTenant`], and what the file system says.
    pub fn open(dir: &Path, tenant: &Tenant, options: OpenOptions) -> Result<Self, Error> {
        let folder = Folder::at(dir);
        folder.create()?;
        let lock = if options.lock { Some(folder.lock()?) } else { None };
        let segment_bytes = options.segment_bytes.clamp(SMALLEST_SEGMENT, LARGEST_SEGMENT);
        let appender = recover::open(folder, tenant.as_str(), segment_bytes)?;
        let queue = Arc::new(Queue::default());
        queue.set_records(appender.records());
        let shared = Arc::clone(&queue);
        let thread = thread::Builder::new().name("ledger".to_owned()).spawn(move || writer::run(&shared, appender));
        Ok(Self { queue, thread: Some(thread.map_err(Error::Thread)?), _lock: lock })
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        State { records: self.queue.records(), closed: self.queue.closed() }
    }
}

impl Ledger for FileLedger {
    fn admitted(&self, entry: Entry) -> BoxFuture<'_, Result<RecordId, LedgerClosed>> {
        let closed = |why: String| Box::pin(std::future::ready(Err(LedgerClosed { why })));
        match stored::body_of(&entry) {
            Err(why) => closed(why),
            // Room for the number and the times.
            Ok((_, body)) if body.len() > LARGEST - 256 => {
                closed(format!("the record would have {} bytes, more than {LARGEST}", body.len()))
            }
            Ok((passes, body)) => {
                let durable = entry.durability == Durability::BeforeRelease;
                Box::pin(Admission::new(&self.queue, body, passes, durable))
            }
        }
    }

    fn settled(&self, record: RecordId, outcome: Outcome) {
        self.queue.end(record, outcome);
    }
}

impl Drop for FileLedger {
    fn drop(&mut self) {
        self.queue.stop();
        if let Some(thread) = self.thread.take() {
            // A panic of the writer has closed the queue already.
            let _ = thread.join();
        }
    }
}
