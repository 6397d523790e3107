//! The ledger that the guard writes to.
//!
//! Owns [`FileLedger`]: a folder, its lock and the writer's thread. Never blocks a caller: deciding waits in a future,
//! ending does not wait at all.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use creel_guard::{BoxFuture, Durability, Entry, Ledger, LedgerClosed, Outcome, RecordId, Tenant};

use crate::append::SMALLEST_SEGMENT;
use crate::error::Error;
use crate::folder::{Folder, LARGEST_SEGMENT};
use crate::publish::{Notaries, Progress, Published};
use crate::queue::{Admission, Queue};
use crate::retain::Keep;
use crate::writer::Desk;
use crate::{recover, stored, writer};

/// How a ledger is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Keep a second writer out (flock on the file `lock`). Off only where the caller holds the lock itself.
    pub lock: bool,
    /// Where a segment ends, in bytes: at least 2.2 MiB, at most 64 MiB.
    pub segment_bytes: u64,
    /// How often a checkpoint is made, at most.
    pub checkpoint_every: Duration,
    /// How long records are kept.
    pub keep: Keep,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            lock: true,
            segment_bytes: 16 * 1024 * 1024,
            checkpoint_every: Duration::from_secs(1),
            keep: Keep::default(),
        }
    }
}

/// Where a ledger stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// How many records there are.
    pub records: u64,
    /// Why nothing more can be written; `None` while all is well.
    pub closed: Option<String>,
    /// The last checkpoint.
    pub published: Published,
}

/// A tenant's ledger, open for writing. Dropping it writes and syncs what waits, and ends the thread.
#[derive(Debug)]
pub struct FileLedger {
    queue: Arc<Queue>,
    desk: Arc<Desk>,
    progress: Arc<Progress>,
    writer: Option<JoinHandle<()>>,
    publisher: Option<JoinHandle<()>>,
    _lock: Option<File>,
}

impl FileLedger {
    /// Opens the ledger in `dir`, or makes one there; checks the whole chain first. Nobody signs its checkpoints.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process writes it, [`Error::Damaged`] and [`Error::Truncated`] when what is on
    /// disk is not what was written, [`Error::OtherTenant`], and what the file system says.
    pub fn open(dir: &Path, tenant: &Tenant, options: OpenOptions) -> Result<Self, Error> {
        Self::start(dir, tenant, options, None)
    }

    /// As [`Self::open`], with checkpoints.
    ///
    /// # Errors
    /// As [`Self::open`], and [`Error::Damaged`] when the last checkpoint was signed by somebody else.
    pub fn open_signed(dir: &Path, tenant: &Tenant, options: OpenOptions, notaries: Notaries) -> Result<Self, Error> {
        Self::start(dir, tenant, options, Some(notaries))
    }

    fn start(dir: &Path, tenant: &Tenant, options: OpenOptions, notaries: Option<Notaries>) -> Result<Self, Error> {
        let folder = Folder::at(dir);
        folder.create()?;
        let lock = if options.lock { Some(folder.lock()?) } else { None };
        let segment_bytes = options.segment_bytes.clamp(SMALLEST_SEGMENT, LARGEST_SEGMENT);
        let (appender, publisher) = recover::open(folder, tenant.as_str(), segment_bytes, options.keep, notaries)?;
        let (queue, progress) = (Arc::new(Queue::default()), Arc::new(Progress::default()));
        queue.set_records(appender.records());
        progress.synced(appender.end().frames);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.to_owned()).spawn(work).map_err(Error::Thread)
        };
        let (shared, told) = (Arc::clone(&queue), Arc::clone(&progress));
        let publisher = spawn("publisher", Box::new(move || publisher.run(&told, &shared, options.checkpoint_every)))?;
        let desk = Arc::new(Desk::new(appender));
        let (shared, lent, told) = (Arc::clone(&queue), Arc::clone(&desk), Arc::clone(&progress));
        let writer = spawn("ledger", Box::new(move || writer::run(&shared, &lent, &told)))?;
        Ok(Self { queue, desk, progress, writer: Some(writer), publisher: Some(publisher), _lock: lock })
    }

    /// All who have to have them before they may go ([`Keep::outside`]) have the first `leaves` leaves.
    pub fn outside(&self, leaves: u64) {
        self.progress.outside(leaves);
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        State { records: self.queue.records(), closed: self.queue.closed(), published: self.progress.published() }
    }
}

impl Ledger for FileLedger {
    fn admitted(&self, entry: Entry) -> BoxFuture<'_, Result<RecordId, LedgerClosed>> {
        let closed = |why: String| Box::pin(std::future::ready(Err(LedgerClosed { why })));
        match stored::draft(&entry) {
            Err(why) => closed(why),
            Ok(draft) => {
                let durable = entry.durability == Durability::BeforeRelease;
                Box::pin(Admission::new(&self.queue, &self.desk, draft, durable))
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
        // A panic of either has closed the queue already, or leaves the log behind its segments.
        let _ = self.writer.take().map(JoinHandle::join);
        self.progress.stop();
        let _ = self.publisher.take().map(JoinHandle::join);
    }
}
