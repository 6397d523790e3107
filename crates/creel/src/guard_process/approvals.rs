//! Questions that wait for a person.
//!
//! Owns [`Approvals`], the guard's asker: it holds the act that is asked about, keeps the book of questions on disk, and
//! lets a person's answer through. An answer is bound to the act's canonical form and is worth one act. It never decides:
//! silence, a full book and a book that can't be kept are all No. Asked by the guard, answered by `control`.

mod act;
mod book;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use creel_guard::{Action, Answer, Asker, BoxFuture, Question, RuleId};
use tokio::sync::{broadcast, oneshot};

use book::{Act, Asked, Book, Terms};
pub(crate) use book::{Effect, Open};

use crate::clock::wall_ms as now_ms;
use crate::config::Approvals as Settings;

/// The book's file below the guard's home.
const NAME: &str = "approvals.json";
/// The longest book: 8 questions of 8 KiB at their worst, 512 answers.
const LONGEST: u64 = 4 << 20;
/// News that a slow listener may be behind.
const NEWS: usize = 32;

/// The questions of a tenant.
pub(crate) struct Approvals {
    settings: Settings,
    path: PathBuf,
    inner: Mutex<Inner>,
    news: broadcast::Sender<Open>,
}

#[derive(Default)]
struct Inner {
    book: Book,
    /// Who holds the act of a question, oldest first; a Yes is for one of them.
    waiting: HashMap<u64, Vec<(u64, oneshot::Sender<Answer>)>>,
    next: u64,
}

impl Approvals {
    /// Opens the book below `home`; one that can't be read is put aside, which takes back what it allowed.
    ///
    /// # Errors
    /// When it can't be read for another reason than its content, or can't be put aside.
    pub(crate) fn open(home: &Path, settings: Settings) -> io::Result<Arc<Self>> {
        let path = home.join(NAME);
        let book = match read(&path) {
            Ok(text) => match serde_json::from_str(&text) {
                Ok(book) => book,
                Err(error) => {
                    tracing::warn!(%error, "the book of questions can't be understood; it was put aside as `{NAME}.unread`");
                    std::fs::rename(&path, home.join(format!("{NAME}.unread")))?;
                    Book::default()
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Book::default(),
            Err(error) => return Err(error),
        };
        let inner = Mutex::new(Inner { book, ..Inner::default() });
        Ok(Arc::new(Self { settings, path, inner, news: broadcast::channel(NEWS).0 }))
    }

    /// Each new question from now on.
    pub(crate) fn news(&self) -> broadcast::Receiver<Open> {
        self.news.subscribe()
    }

    /// What waits, oldest first.
    pub(crate) fn list(&self) -> Vec<Open> {
        self.lock().book.open(now_ms()).to_vec()
    }

    /// A person's answer.
    ///
    /// # Errors
    /// A text for the person when it did nothing.
    pub(crate) fn answer(&self, id: u64, yes: bool, by: &str) -> Result<Effect, String> {
        let mut inner = self.lock();
        let waiting = inner.waiting.entry(id).or_default();
        waiting.retain(|(_, waits)| !waits.is_closed());
        let waited_for = !waiting.is_empty();
        let mut book = inner.book.clone();
        let effect = book.answer((id, yes), by, waited_for, self.terms(), now_ms())?;
        self.write(&book).map_err(|error| format!("the answer can't be kept, so it counts for nothing: {error}"))?;
        inner.book = book;
        let rule = if yes { "approval/by-person" } else { "approval/refused" };
        let said = |yes, by: String| Answer { yes, rule: RuleId::new(rule), by };
        let mut waiting = inner.waiting.remove(&id).unwrap_or_default().into_iter();
        if let Some((_, first)) = waiting.next() {
            let _ = first.send(said(yes, format!("{by} answered question {id}")));
        }
        for (_, other) in waiting {
            let _ = other.send(Answer {
                yes: false,
                rule: RuleId::new("approval/refused"),
                by: format!("{by} answered question {id}, for one act of several that were the same"),
            });
        }
        Ok(effect)
    }

    fn terms(&self) -> Terms {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Terms { keep_ms: ms(self.settings.keep), grant_ms: ms(self.settings.grant) }
    }

    /// The answer that is there already, or the question's number and where its answer will come.
    fn enter(&self, act: &Act) -> Result<(u64, u64, oneshot::Receiver<Answer>), Answer> {
        let no = |rule, by| Answer { yes: false, rule: RuleId::new(rule), by };
        let mut inner = self.lock();
        let mut book = inner.book.clone();
        let asked = book.ask(act, self.terms(), now_ms());
        if !matches!(asked, Asked::No { .. } | Asked::Waits(_, false)) {
            // A grant is used up on disk before it is used.
            if let Err(error) = self.write(&book) {
                return Err(no("approval/not-kept", format!("the book of questions can't be written: {error}")));
            }
        }
        inner.book = book;
        match asked {
            Asked::Granted { id, by } => Err(Answer {
                yes: true,
                rule: RuleId::new("approval/granted-before"),
                by: format!("{by} answered question {id}, for this very act"),
            }),
            Asked::No { rule, why } => Err(no(rule, why)),
            Asked::Waits(id, new) => {
                let (sender, receiver) = oneshot::channel();
                inner.next = inner.next.wrapping_add(1);
                let ticket = inner.next;
                inner.waiting.entry(id).or_default().push((ticket, sender));
                if new && let Some(open) = inner.book.open(now_ms()).iter().find(|open| open.id == id) {
                    let _ = self.news.send(open.clone());
                }
                Ok((id, ticket, receiver))
            }
        }
    }

    fn forget(&self, id: u64, ticket: u64) {
        let mut inner = self.lock();
        if let Some(waiting) = inner.waiting.get_mut(&id) {
            waiting.retain(|(own, waits)| *own != ticket && !waits.is_closed());
            if waiting.is_empty() {
                inner.waiting.remove(&id);
            }
        }
    }

    fn write(&self, book: &Book) -> io::Result<()> {
        let text = serde_json::to_vec(book)?;
        let draft = self.path.with_extension("draft");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(&draft, &self.path)?;
        if let Some(folder) = self.path.parent() {
            open_file(folder)?.sync_all()?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stops waiting when the act that waits is given up.
struct Wait<'a> {
    approvals: &'a Approvals,
    id: u64,
    ticket: u64,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.approvals.forget(self.id, self.ticket);
    }
}

impl Asker for Approvals {
    fn ask<'a>(&'a self, action: &'a Action, question: &'a Question) -> BoxFuture<'a, Answer> {
        let act = act::act(action, question);
        Box::pin(async move {
            let (id, ticket, receiver) = match self.enter(&act) {
                Ok(entered) => entered,
                Err(answer) => return answer,
            };
            let wait = Wait { approvals: self, id, ticket };
            let answer = tokio::time::timeout(self.settings.wait, receiver).await;
            drop(wait);
            match answer {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) | Err(_) => Answer {
                    yes: false,
                    rule: RuleId::new("approval/waiting"),
                    by: format!("nobody answered question {id} in time; it stays open"),
                },
            }
        })
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = open_file(path)?.take(LONGEST).read_to_string(&mut text);
    match read {
        // What is no text is no book.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok("?".to_owned()),
        read => read.map(|_| text),
    }
}

#[expect(clippy::disallowed_methods, reason = "this file owns the book of questions")]
fn open_file(path: &Path) -> io::Result<std::fs::File> {
    std::fs::File::open(path)
}

#[cfg(test)]
mod tests;
