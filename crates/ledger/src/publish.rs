//! Publishes the log: tiles, bundles, signed checkpoints.
//!
//! Owns the thread that follows the segments at a distance. It only reads what is on disk already, so no act ever waits
//! for it; a checkpoint is written when all that it names is on disk and the signer has signed it. A refusal of the
//! signer or a witness closes the ledger: somebody tried to rewrite it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::grow::Grow;
use crate::merkle::consistency;
use crate::notary::{Ask, Countersign, No};
use crate::note::{Note, SignatureLine, VerifierKey};
use crate::queue::Queue;
use crate::retain::Retention;
use crate::shelf::Tree;
use crate::walk::{Step, Walker};

/// Who signs a log's checkpoints.
pub struct Notaries {
    /// The log's name, the first line of each checkpoint.
    pub origin: String,
    /// The log's signer, and its public key.
    pub signer: (Box<dyn Countersign>, VerifierKey),
    /// A witness, and its public key.
    pub witness: Option<(Box<dyn Countersign>, VerifierKey)>,
}

impl std::fmt::Debug for Notaries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notaries").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Between the writer and the publisher.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    inside: Mutex<Inside>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Inside {
    /// How many frames are on disk.
    frames: u64,
    /// How many leaves all have who have to have them before they may go.
    outside: u64,
    stopping: bool,
    published: Published,
}

/// What was published last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// How many leaves the last checkpoint has.
    pub size: u64,
    /// Why there is no later one, when the last try failed.
    pub behind: Option<String>,
}

impl Progress {
    pub(crate) fn synced(&self, frames: u64) {
        self.lock().frames = frames;
    }

    pub(crate) fn outside(&self, leaves: u64) {
        self.lock().outside = leaves;
    }

    pub(crate) fn stop(&self) {
        self.lock().stopping = true;
        self.news.notify_all();
    }

    pub(crate) fn published(&self) -> Published {
        self.lock().published.clone()
    }

    /// Waits a while, less when it is the end.
    fn wait(&self, patience: Duration) -> (u64, bool) {
        let inside = self.lock();
        let (inside, _) = self
            .news
            .wait_timeout_while(inside, patience, |inside| !inside.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        (inside.frames, inside.stopping)
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows the segments and publishes what they hold.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) walker: Walker,
    pub(crate) grow: Grow,
    pub(crate) retention: Retention,
    pub(crate) notaries: Option<Notaries>,
    /// How many leaves the last checkpoint has.
    pub(crate) published: u64,
}

impl Publisher {
    /// Publishes until the writer has ended.
    pub(crate) fn run(mut self, progress: &Arc<Progress>, queue: &Queue, every: Duration) {
        progress.lock().published.size = self.published;
        loop {
            let (frames, last) = progress.wait(every);
            let done = self.catch_up(frames).and_then(|()| self.publish());
            let done = done.and_then(|()| self.retention.let_go(self.published, self.grow.shelf()));
            let outside = progress.lock().outside;
            if let Some(draft) = done.as_ref().ok().and_then(|()| self.retention.due(self.published, outside)) {
                queue.say(draft);
            }
            {
                let mut inside = progress.lock();
                inside.published =
                    Published { size: self.published, behind: done.as_ref().err().map(ToString::to_string) };
            }
            // What can't be written or signed now is tried again; what does not fit never will.
            if let Err(error) = &done
                && !matches!(error, Error::Io { .. } | Error::Unsigned(_))
            {
                queue.close(&error.to_string());
                return;
            }
            if last {
                return;
            }
        }
    }

    fn catch_up(&mut self, frames: u64) -> Result<(), Error> {
        while self.walker.position().frames < frames {
            match self.walker.step()? {
                Step::Frame(frame) => {
                    self.retention.take(&frame, &self.walker.position());
                    if frame.kind.is_leaf() {
                        self.grow.push(&frame.payload, frame.hash)?;
                    }
                }
                Step::End | Step::Cut => break,
                Step::Bad(why) => {
                    return Err(Error::Damaged { first_bad: self.walker.position().records + 1, why });
                }
            }
        }
        Ok(())
    }

    fn publish(&mut self) -> Result<(), Error> {
        let size = self.grow.size();
        let Some(notaries) = self.notaries.as_mut().filter(|_| size > self.published) else { return Ok(()) };
        let current = self.grow.settle()?;
        let checkpoint = Checkpoint { origin: notaries.origin.clone(), size, root: self.grow.root() };
        let tree = Tree::new(self.grow.shelf(), size);
        let text = checkpoint.to_string();
        let line = ask(&mut *notaries.signer.0, &tree, size, self.published, &text)?;
        let mut note = Note { text, signatures: vec![line] };
        if let Some((witness, _)) = &mut notaries.witness {
            // A log that nobody witnesses just now is still signed.
            match ask(&mut **witness, &tree, size, self.published, &note.to_string()) {
                Ok(line) => note.signatures.push(line),
                Err(Error::Unsigned(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.grow.shelf().publish(&note)?;
        self.grow.tidy(&current);
        self.published = size;
        Ok(())
    }
}

/// Asks a notary, who may remember another size than the one that we think of.
fn ask(notary: &mut dyn Countersign, tree: &Tree<'_>, size: u64, old: u64, note: &str) -> Result<SignatureLine, Error> {
    let mut old = old;
    for _ in 0..3 {
        let proof = consistency(tree, old, size)?;
        match notary.countersign(&Ask { old, proof, note: note.to_owned() }) {
            Ok(line) => return Ok(line),
            Err(No::Conflict { size: theirs }) if theirs <= size => old = theirs,
            Err(No::Conflict { size: theirs }) => {
                return Err(Error::Truncated { size, promised: theirs });
            }
            Err(No::Fork { why }) => return Err(Error::Fork(why)),
            Err(No::Unable { why }) => return Err(Error::Unsigned(why)),
        }
    }
    Err(Error::Unsigned("the signer changes its mind".to_owned()))
}
