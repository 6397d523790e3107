//! Between those who record and the one who writes.
//!
//! Owns the bounded queue, its back-pressure and the waiting of [`Admission`]. No file is touched here and no runtime is
//! needed: futures are woken by their wakers, the writer by a condition variable.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use creel_guard::{LedgerClosed, Outcome, RecordId};

use crate::clock::Moment;
use crate::stored::Draft;
use crate::writer::Desk;

/// Decisions that may wait for the writer; more wait outside, at no cost but their own.
const MOST_ITEMS: usize = 4096;

/// Bytes of decisions that may wait for the writer.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Ends that may wait. Each belongs to an admitted act, and doors bound those far below this; beyond it the ledger
/// closes rather than forget one.
const MOST_ENDS: usize = 1024 * 1024;

/// Ends for which the writer is woken. Nobody waits for an end, so that fewer go along with the next decision.
const ENDS_AT_ONCE: usize = 256;

/// How long an end waits for company when no decision comes; with the 40 ms after which what was written is put on disk it stays
/// within 50 ms (DESIGN.md, invariant 4).
const LINGER: Duration = Duration::from_millis(8);

/// A decision on its way to the writer.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) draft: Draft,
    /// Answered only when it is on disk.
    pub(crate) durable: bool,
    pub(crate) slot: Arc<Slot>,
}

/// Where the writer leaves its answer.
#[derive(Debug, Default)]
pub(crate) struct Slot(Mutex<Answer>);

#[derive(Debug, Default)]
enum Answer {
    #[default]
    Awaited,
    AwaitedBy(Waker),
    Given(Result<RecordId, LedgerClosed>),
    /// Taken, or nobody waits any more.
    Over,
}

impl Slot {
    /// Gives the answer; `false` when nobody waits for it any more.
    pub(crate) fn give(&self, answer: Result<RecordId, LedgerClosed>) -> bool {
        let before = mem::replace(&mut *lock(&self.0), Answer::Given(answer));
        match before {
            Answer::Awaited | Answer::Given(_) => true,
            Answer::AwaitedBy(waker) => {
                waker.wake();
                true
            }
            Answer::Over => false,
        }
    }

    fn poll(&self, waker: &Waker) -> Poll<Result<RecordId, LedgerClosed>> {
        let mut answer = lock(&self.0);
        match mem::replace(&mut *answer, Answer::Over) {
            Answer::Given(given) => Poll::Ready(given),
            Answer::Awaited | Answer::AwaitedBy(_) => {
                *answer = Answer::AwaitedBy(waker.clone());
                Poll::Pending
            }
            Answer::Over => Poll::Ready(Err(LedgerClosed { why: "the answer was taken before".to_owned() })),
        }
    }

    /// Nobody waits any more; the answer, if it was given and not taken.
    fn leave(&self) -> Option<RecordId> {
        match mem::replace(&mut *lock(&self.0), Answer::Over) {
            Answer::Given(given) => given.ok(),
            Answer::Awaited | Answer::AwaitedBy(_) | Answer::Over => None,
        }
    }
}

/// What the writer takes at once.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) items: VecDeque<Item>,
    /// How acts ended, and when.
    pub(crate) ends: VecDeque<(RecordId, Outcome, Moment)>,
    /// Nothing will follow.
    pub(crate) last: bool,
}

/// What wakes the writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Awaits {
    /// Nothing: it is at work, or woken already.
    #[default]
    Nothing,
    /// A decision; it looks for ends by itself before long.
    Decisions,
    /// Anything.
    Anything,
}

#[derive(Debug, Default)]
struct Inside {
    items: VecDeque<Item>,
    bytes: usize,
    ends: VecDeque<(RecordId, Outcome, Moment)>,
    /// What the writer waits for.
    writer: Awaits,
    /// Those who wait for room, by ticket.
    room: BTreeMap<u64, Waker>,
    tickets: u64,
    closed: Option<String>,
    stopping: bool,
    /// Something was written by another than the writer, who has to put it on disk before long.
    dirty: bool,
    records: u64,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    inside: Mutex<Inside>,
    work: Condvar,
}

impl Queue {
    /// Waits for work, at most `patience` long when something must be synced, and takes all there is.
    pub(crate) fn take(&self, patience: Option<Duration>) -> Batch {
        let mut inside = lock(&self.inside);
        let mut lingered = false;
        while inside.items.is_empty() && inside.ends.len() < ENDS_AT_ONCE && !inside.stopping {
            let wait = match patience {
                None if lingered => None,
                patience => Some(patience.unwrap_or(LINGER)),
            };
            inside.writer = if wait.is_some() { Awaits::Decisions } else { Awaits::Anything };
            let timed_out;
            (inside, timed_out) = self.wait(inside, wait);
            inside.writer = Awaits::Nothing;
            if timed_out && (patience.is_some() || !inside.ends.is_empty()) {
                break;
            }
            lingered = timed_out;
            // the writer then looks how long that may stay
            if mem::take(&mut inside.dirty) && patience.is_none() {
                break;
            }
        }
        inside.bytes = 0;
        let batch =
            Batch { items: mem::take(&mut inside.items), ends: mem::take(&mut inside.ends), last: inside.stopping };
        let waiting = mem::take(&mut inside.room);
        drop(inside);
        waiting.into_values().for_each(Waker::wake);
        batch
    }

    /// Waits to be woken; says whether that took too long.
    fn wait<'a>(&self, inside: MutexGuard<'a, Inside>, patience: Option<Duration>) -> (MutexGuard<'a, Inside>, bool) {
        match patience {
            None => (self.work.wait(inside).unwrap_or_else(PoisonError::into_inner), false),
            Some(patience) => {
                let (inside, timeout) =
                    self.work.wait_timeout(inside, patience).unwrap_or_else(PoisonError::into_inner);
                (inside, timeout.timed_out())
            }
        }
    }

    /// Wakes the writer if that is what it waits for; a waiter is woken once.
    fn tell(&self, mut inside: MutexGuard<'_, Inside>, decision: bool) {
        let awaited = match inside.writer {
            Awaits::Nothing => false,
            Awaits::Decisions => decision || inside.ends.len() >= ENDS_AT_ONCE,
            Awaits::Anything => true,
        };
        if awaited {
            inside.writer = Awaits::Nothing;
            drop(inside);
            self.work.notify_one();
        }
    }

    /// Records how an act ended, without waiting.
    pub(crate) fn end(&self, record: RecordId, outcome: Outcome) {
        let mut inside = lock(&self.inside);
        if inside.closed.is_some() {
            return;
        }
        if inside.ends.len() >= MOST_ENDS {
            drop(inside);
            self.close("more acts ended at once than can be written down");
            return;
        }
        inside.ends.push_back((record, outcome, Moment::now()));
        self.tell(inside, false);
    }

    /// The ends that wait, for somebody who will write `most` of them, when no more do, nothing else does and the ledger is open.
    pub(crate) fn nothing_waits(&self, most: u64) -> Option<VecDeque<(RecordId, Outcome, Moment)>> {
        let mut inside = lock(&self.inside);
        let few = inside.ends.len() as u64 <= most;
        let free = few && inside.items.is_empty() && inside.closed.is_none() && !inside.stopping;
        free.then(|| mem::take(&mut inside.ends))
    }

    /// Another than the writer has written.
    pub(crate) fn wrote(&self) {
        let mut inside = lock(&self.inside);
        inside.dirty = true;
        self.tell(inside, false);
    }

    /// Nothing more is recorded: all who wait are told, and all who come.
    pub(crate) fn close(&self, why: &str) {
        let mut inside = lock(&self.inside);
        inside.closed.get_or_insert_with(|| why.to_owned());
        let items = mem::take(&mut inside.items);
        inside.ends.clear();
        let waiting = mem::take(&mut inside.room);
        drop(inside);
        for item in items {
            item.slot.give(Err(LedgerClosed { why: why.to_owned() }));
        }
        waiting.into_values().for_each(Waker::wake);
        self.work.notify_one();
    }

    /// Has the ledger say something about itself, durably. Nobody waits for that: who cares finds it on disk.
    pub(crate) fn say(&self, draft: Draft) {
        let mut inside = lock(&self.inside);
        if inside.closed.is_none() && !inside.stopping {
            inside.items.push_back(Item { draft, durable: true, slot: Arc::new(Slot::default()) });
            self.tell(inside, true);
        }
    }

    /// Lets the writer finish what is there and end.
    pub(crate) fn stop(&self) {
        lock(&self.inside).stopping = true;
        self.work.notify_one();
    }

    /// Why it is closed.
    pub(crate) fn closed(&self) -> Option<String> {
        lock(&self.inside).closed.clone()
    }

    pub(crate) fn set_records(&self, records: u64) {
        lock(&self.inside).records = records;
    }

    pub(crate) fn records(&self) -> u64 {
        lock(&self.inside).records
    }
}

/// The future behind `Ledger::admitted`. Dropped half-way, an act that was let pass is recorded as abandoned.
#[derive(Debug)]
pub(crate) struct Admission<'a> {
    queue: &'a Queue,
    desk: &'a Desk,
    item: Option<Item>,
    slot: Arc<Slot>,
    passes: bool,
    ticket: Option<u64>,
}

impl<'a> Admission<'a> {
    pub(crate) fn new(queue: &'a Queue, desk: &'a Desk, draft: Draft, durable: bool) -> Self {
        let (slot, passes) = (Arc::new(Slot::default()), draft.passes());
        let item = Item { draft, durable, slot: Arc::clone(&slot) };
        Self { queue, desk, item: Some(item), slot, passes, ticket: None }
    }

    /// Puts the item in when there is room; leaves the waker when there is none.
    fn enter(&mut self, waker: &Waker) -> Result<(), LedgerClosed> {
        let mut inside = lock(&self.queue.inside);
        if let Some(why) = &inside.closed {
            return Err(LedgerClosed { why: why.clone() });
        }
        if inside.stopping {
            return Err(LedgerClosed { why: "the ledger is being closed".to_owned() });
        }
        if inside.items.len() >= MOST_ITEMS || inside.bytes >= MOST_BYTES {
            let ticket = *self.ticket.get_or_insert_with(|| {
                inside.tickets += 1;
                inside.tickets
            });
            inside.room.insert(ticket, waker.clone());
            return Ok(());
        }
        if let Some(item) = self.item.take() {
            inside.bytes += item.draft.body.len() + item.draft.beside.len();
            inside.items.push_back(item);
        }
        self.queue.tell(inside, true);
        Ok(())
    }
}

impl Future for Admission<'_> {
    type Output = Result<RecordId, LedgerClosed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.desk.write_now(this.queue, &mut this.item);
        if self.item.is_some() {
            if let Err(closed) = self.enter(cx.waker()) {
                self.item = None;
                return Poll::Ready(Err(closed));
            }
            if self.item.is_some() {
                return Poll::Pending;
            }
        }
        self.slot.poll(cx.waker())
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            lock(&self.queue.inside).room.remove(&ticket);
        }
        if let Some(record) = self.slot.leave().filter(|_| self.passes) {
            self.queue.end(record, Outcome::Abandoned);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
