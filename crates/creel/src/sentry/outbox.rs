//! What the guard is told, until it is on record.
//!
//! Owns [`Outbox`]: a queue, the messages that have no answer yet, and the link. The content of a protected file is read when it
//! is told, so that it is the newest. Who is not answered waits, and is counted meanwhile. The sentry keeps it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use creel_doors::files::{Answer, Counts, Found, Saw, Touched};
use creel_jail_sys::seqpacket::Seq;

use super::places::{Content, Places};
use super::protected::Protected;
use crate::link::memory_file;

/// Messages that wait for an answer.
const MOST_UNANSWERED: usize = 32;
/// Messages that wait to be sent before more is counted together.
const MOST_WAITING: usize = 64;
/// Contents that are held once the jail is gone.
const MOST_HELD: usize = 512;

/// Something to tell.
#[derive(Debug)]
pub(super) enum Item {
    Touched { touched: Touched, protected: bool, held: Option<OwnedFd> },
    Lost,
    LookBegins,
    LookEnds { whole: bool },
    Blind { why: String },
}

impl Item {
    pub(super) fn plain(touched: Touched) -> Self {
        Self::Touched { touched, protected: false, held: None }
    }

    pub(super) fn protected(touched: Touched) -> Self {
        Self::Touched { touched, protected: true, held: None }
    }

    /// A protected file that was met at a look.
    pub(super) fn found(path: &str) -> Self {
        Self::protected(Touched { path: path.to_owned(), ..Touched::default() })
    }

    fn is_seen(&self) -> bool {
        matches!(self, Self::Lost)
            || matches!(self, Self::Touched { touched, .. } if touched.counts != Counts::default())
    }
}

pub(super) struct Outbox {
    guard: Seq,
    next: u64,
    queue: VecDeque<Item>,
    unanswered: BTreeMap<u64, Item>,
    /// Somebody is at the other end.
    heard: bool,
}

impl Outbox {
    pub(super) fn new(guard: Seq) -> Self {
        Self { guard, next: 0, queue: VecDeque::new(), unanswered: BTreeMap::new(), heard: false }
    }

    pub(super) fn push(&mut self, item: Item) {
        // one says it all
        if matches!(item, Item::Lost) && matches!(self.queue.back(), Some(Item::Lost)) {
            return;
        }
        self.queue.push_back(item);
    }

    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < MOST_WAITING
    }

    /// Something could be sent, and was not taken.
    pub(super) fn waits(&self) -> bool {
        self.heard && !self.queue.is_empty() && self.unanswered.len() < MOST_UNANSWERED
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.unanswered.is_empty()
    }

    /// What the guard says next.
    pub(super) fn hear(&mut self) -> io::Result<Option<Answer>> {
        match self.guard.recv() {
            Ok((bytes, _)) if bytes.is_empty() => Err(io::Error::other("the link to the guard is closed")),
            Ok((bytes, _)) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Another guard listens: what has no answer is told again, and looks begin anew.
    pub(super) fn again(&mut self) {
        self.heard = true;
        let unanswered = std::mem::take(&mut self.unanswered).into_values();
        let waiting = std::mem::take(&mut self.queue);
        self.queue = unanswered.chain(waiting).filter(Item::is_seen).collect();
    }

    /// It is on record; whether that was the end of a look.
    pub(super) fn recorded(&mut self, id: u64) -> bool {
        matches!(self.unanswered.remove(&id), Some(Item::LookEnds { .. } | Item::Blind { .. }))
    }

    /// Sends what the guard takes at once.
    pub(super) fn send(&mut self, places: Option<&Places>, known: &mut Protected) -> io::Result<()> {
        while self.heard && self.unanswered.len() < MOST_UNANSWERED {
            let Some(mut item) = self.queue.pop_front() else { break };
            let id = self.next + 1;
            if let Some(places) = places {
                read(&mut item, places, known);
            }
            let (saw, held) = message(id, &item);
            if let Some(held) = held {
                // whoever had it before has read it to its end
                rustix::fs::seek(held, rustix::fs::SeekFrom::Start(0))?;
            }
            let fds: Vec<_> = held.iter().map(AsFd::as_fd).collect();
            match self.guard.send(&serde_json::to_vec(&saw)?, &fds) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.queue.push_front(item);
                    break;
                }
                Err(error) => return Err(error),
            }
            self.next = id;
            if !matches!(item, Item::LookBegins) {
                // read anew if it is told again, while that can be
                if let (Item::Touched { held, .. }, Some(_)) = (&mut item, places) {
                    *held = None;
                }
                self.unanswered.insert(id, item);
            }
        }
        Ok(())
    }

    /// Reads what is still to be told, for the last time.
    pub(super) fn read_ahead(&mut self, places: &Places, known: &mut Protected) {
        for item in self.unanswered.values_mut().chain(&mut self.queue).take(MOST_HELD) {
            read(item, places, known);
        }
    }
}

/// Reads what stands there now, of a protected file that was changed.
fn read(item: &mut Item, places: &Places, known: &mut Protected) {
    let Item::Touched { touched, protected: true, held } = item else { return };
    if touched.counts.changes() == 0 && touched.counts != Counts::default() {
        return;
    }
    // before it is read: what is changed meanwhile is another one
    known.note(&touched.path, places);
    let content = places.read(&touched.path);
    (touched.found, *held) = match content {
        Content::Gone => (Found::Gone, None),
        Content::Unread => (Found::Unread, None),
        Content::Here(bytes) => match memory_file("creel-version", &bytes) {
            Ok(file) => (Found::Here, Some(file)),
            Err(_) => (Found::Unread, None),
        },
    };
}

fn message(id: u64, item: &Item) -> (Saw, Option<&OwnedFd>) {
    match item {
        Item::Touched { touched, protected, held } => {
            let mut touched = touched.clone();
            let changed = touched.counts.changes() > 0 || touched.counts == Counts::default();
            if *protected && changed && touched.found == Found::Untold {
                touched.found = Found::Unread;
            }
            if touched.found == Found::Here && held.is_none() {
                touched.found = Found::Unread;
            }
            (Saw::Touched { id, touched }, held.as_ref())
        }
        Item::Lost => (Saw::Lost { id }, None),
        Item::LookBegins => (Saw::LookBegins, None),
        Item::LookEnds { whole } => (Saw::LookEnds { id, whole: *whole }, None),
        Item::Blind { why } => (Saw::Blind { id, why: why.clone() }, None),
    }
}
