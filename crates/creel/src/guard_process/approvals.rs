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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use creel_guard::{Action, Answer, Asker, BoxFuture, Facts, Question, RuleId};
use tokio::sync::{broadcast, oneshot};

use book::{Act, Asked, Book, Counted, Entered, Said, Terms};
pub(crate) use book::{Effect, Open};

use crate::clock::wall_ms as now_ms;
use crate::config::Approvals as Settings;

/// The book's file below the guard's home.
const NAME: &str = "approvals.json";
/// The longest book: 8 questions of 8 KiB at their worst, 512 answers, what came up within an hour.
const LONGEST: u64 = 4 << 20;
/// News that a slow listener may be behind.
const NEWS: usize = 32;
/// How long acts that are alike may join a question that nobody was shown yet.
const GATHER: Duration = Duration::from_millis(700);

/// The questions of a tenant.
pub(crate) struct Approvals {
    settings: Settings,
    path: PathBuf,
    inner: Mutex<Inner>,
    news: broadcast::Sender<News>,
    own: Weak<Self>,
}

/// What is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// A question.
    Question(Box<Open>),
    /// Some acts are refused unasked from now on, for this reason. It holds the agent's text: escape it.
    TooMany(String),
}

#[derive(Default)]
struct Inner {
    book: Book,
    /// Who holds an act of a question, oldest first; a Yes is for one of those that hold the same.
    waiting: HashMap<u64, Vec<Waiting>>,
    next: u64,
}

struct Waiting {
    ticket: u64,
    key: String,
    answer: oneshot::Sender<Answer>,
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
        let news = broadcast::channel(NEWS).0;
        Ok(Arc::new_cyclic(|own| Self { settings, path, inner, news, own: own.clone() }))
    }

    /// What is new from now on.
    pub(crate) fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// What waits, oldest first, for people to see: from here on none of it gets more.
    pub(crate) fn list(&self) -> Vec<Open> {
        let (all, first) = self.lock().book.shown(now_ms());
        first.into_iter().for_each(|open| self.tell(News::Question(Box::new(open))));
        all
    }

    /// The question of this number, as people were shown it.
    pub(crate) fn find(&self, id: u64) -> Option<Open> {
        self.lock().book.open(now_ms()).iter().find(|open| open.id == id).cloned()
    }

    /// A person's answer.
    ///
    /// # Errors
    /// A text for the person when it did nothing.
    pub(crate) fn answer(&self, id: u64, yes: bool, by: &str) -> Result<Effect, String> {
        let mut inner = self.lock();
        let waiting = inner.waiting.entry(id).or_default();
        waiting.retain(|held| !held.answer.is_closed());
        let keys: Vec<String> = waiting.iter().map(|held| held.key.clone()).collect();
        let mut book = inner.book.clone();
        let counted = book.answer(Said { id, yes, by }, &keys, self.terms(), now_ms())?;
        self.write(&book).map_err(|error| format!("the answer can't be kept, so it counts for nothing: {error}"))?;
        inner.book = book;
        let Counted { effect, by, mut released } = counted;
        if effect == Effect::Half {
            return Ok(effect);
        }
        for Waiting { key, answer, .. } in inner.waiting.remove(&id).unwrap_or_default() {
            let at = released.iter().position(|one| *one == key);
            let (yes, rule) = (at.is_some(), if at.is_some() { "approval/by-person" } else { "approval/refused" });
            let of_several =
                if effect == Effect::Refused || yes { "" } else { ", for one act of several that were the same" };
            let by = format!("{by} answered question {id}{of_several}");
            at.map(|at| released.swap_remove(at));
            let _ = answer.send(Answer { yes, rule: RuleId::new(rule), by });
        }
        Ok(effect)
    }

    fn terms(&self) -> Terms {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Terms { keep_ms: ms(self.settings.keep), grant_ms: ms(self.settings.grant), per_hour: self.settings.per_hour }
    }

    /// The answer that is there already, or the question's number and where its answer will come.
    fn enter(&self, act: &Act) -> Result<(u64, u64, oneshot::Receiver<Answer>), Answer> {
        let no = |rule, by| Answer { yes: false, rule: RuleId::new(rule), by };
        let mut inner = self.lock();
        let mut book = inner.book.clone();
        let asked = book.ask(act, self.terms(), now_ms());
        if !matches!(asked, Asked::No { .. } | Asked::Waits(_, Entered::Again)) {
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
            Asked::No { rule, why, tell } => {
                if tell {
                    self.tell(News::TooMany(format!("{why}: more are refused unasked")));
                }
                Err(no(rule, why))
            }
            Asked::Waits(id, entered) => {
                let (answer, receiver) = oneshot::channel();
                inner.next = inner.next.wrapping_add(1);
                let ticket = inner.next;
                inner.waiting.entry(id).or_default().push(Waiting { ticket, key: act.key.clone(), answer });
                if entered == Entered::New {
                    self.tell_when_whole(id);
                }
                Ok((id, ticket, receiver))
            }
        }
    }

    /// Tells of a question once nothing joins it any more.
    fn tell_when_whole(&self, id: u64) {
        let own = self.own.clone();
        tokio::spawn(async move {
            tokio::time::sleep(GATHER).await;
            let Some(approvals) = own.upgrade() else { return };
            let open = approvals.lock().book.close(id, now_ms());
            if let Some(open) = open {
                approvals.tell(News::Question(Box::new(open)));
            }
        });
    }

    fn tell(&self, news: News) {
        let _ = self.news.send(news);
    }

    fn forget(&self, id: u64, ticket: u64) {
        let mut inner = self.lock();
        if let Some(waiting) = inner.waiting.get_mut(&id) {
            waiting.retain(|held| held.ticket != ticket && !held.answer.is_closed());
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
    fn ask<'a>(&'a self, action: &'a Action, facts: &'a Facts, question: &'a Question) -> BoxFuture<'a, Answer> {
        let act = act::act(action, facts, question);
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
