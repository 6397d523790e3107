//! The tenant's memory of how its tools are defined.
//!
//! Owns [`Tools`]: the book of accepted definitions on disk, and those that wait for a person, which last as long as the guard
//! and are seen again with the next request. It states what speaks against a definition; rules decide. A book that can't be
//! read or kept accepts nothing. People look at it and accept with `creel tools`.

mod book;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use creel_doors::definition::{Definition, Definitions};
use creel_guard::{Drift, DriftKind, Facts, Guard, Outcome, Tenant};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::files::diff;
use book::{Book, Pin, Standing};

/// The book's file below the guard's home.
const NAME: &str = "tools.json";
/// The longest book that is read.
const LONGEST_BOOK: u64 = 64 << 20;
/// Definitions that wait for a person; more are asked about all the same, and can't be accepted.
const MOST_WAITING: usize = 256;
/// How much of a change stands in a question and on record.
const MOST_DIFF: usize = 1500;
/// How much of it is shown to who looks: with every character escaped it fits into a packet of the link.
const MOST_SHOWN: usize = 16 << 10;
/// News that wait to be recorded.
const NEWS: usize = 16;

/// A definition, as `creel tools` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Where it is offered: a wire format, OpenClaw's catalogue, a server.
    pub(crate) source: String,
    /// The tool's name.
    pub(crate) name: String,
    /// SHA-256 of the canonical form.
    pub(crate) digest: String,
    /// `None` when it is accepted.
    pub(crate) drift: Option<DriftKind>,
    /// The detector's rule that it hits.
    pub(crate) rule: Option<String>,
    /// The change against what was accepted last; of an accepted one nothing. It holds the agent's text: escape it.
    pub(crate) diff: String,
}

/// The memory.
pub(crate) struct Tools {
    path: PathBuf,
    /// Tools that Creel's own profile declares.
    own: Vec<String>,
    inner: Mutex<Inner>,
    news: mpsc::Sender<String>,
}

struct Inner {
    /// Why nothing is accepted instead of a book.
    book: Result<Book, String>,
    waiting: BTreeMap<(String, String), Waiting>,
}

struct Waiting {
    pin: Pin,
    drift: Drift,
    /// The change, less cut than in the drift.
    diff: String,
}

impl Tools {
    /// Goes on with the book below `home`; `own` are the tools that Creel's profile declares. News come out of the receiver.
    pub(crate) fn open(home: &Path, own: Vec<String>, openclaw: &str) -> (Arc<Self>, mpsc::Receiver<String>) {
        let path = home.join(NAME);
        let is_own = |name: &str| own.iter().any(|one| one == name);
        let book = read(&path).map(|book| book.of_version(openclaw, is_own));
        if let Err(why) = &book {
            tracing::error!(why, "the memory of tools can't be read: calls ask until `creel tools forget`");
        }
        let (news, told) = mpsc::channel(NEWS);
        let inner = Mutex::new(Inner { book, waiting: BTreeMap::new() });
        (Arc::new(Self { path, own, inner, news }), told)
    }

    /// Every definition that is known, those that wait first; or why none is.
    pub(crate) fn rows(&self) -> Result<Vec<Row>, String> {
        let inner = self.lock();
        let book = inner.book.as_ref().map_err(String::clone)?;
        let waits = |((source, name), waiting): (&(String, String), &Waiting)| Row {
            source: source.clone(),
            name: name.clone(),
            digest: waiting.pin.digest.clone(),
            drift: Some(waiting.drift.kind),
            rule: waiting.drift.rule.clone(),
            diff: waiting.diff.clone(),
        };
        let accepted = |(source, name, pin): (&str, &str, &Pin)| Row {
            source: source.to_owned(),
            name: name.to_owned(),
            digest: pin.digest.clone(),
            drift: None,
            rule: None,
            diff: String::new(),
        };
        Ok(inner.waiting.iter().map(waits).chain(book.all().map(accepted)).collect())
    }

    /// Accepts the definition that waits, if it still is the one of this digest.
    ///
    /// # Errors
    /// When it is not, or that can't be kept.
    pub(crate) fn accept(&self, source: &str, name: &str, digest: &str) -> Result<(), String> {
        let mut inner = self.lock();
        let place = (source.to_owned(), name.to_owned());
        let waits = inner.waiting.get(&place).filter(|waiting| waiting.pin.digest == digest);
        let pin = waits.map(|waiting| waiting.pin.clone());
        let pin = pin.ok_or("no such definition waits any more; look again with `creel tools`")?;
        let mut book = inner.book.clone()?;
        if !book.accept(source, name, pin) {
            return Err("there is no room for more tools; `creel tools forget` begins anew".to_owned());
        }
        self.keep(&book)?;
        inner.book = Ok(book);
        inner.waiting.remove(&place);
        Ok(())
    }

    /// Forgets all: what is offered next is the baseline.
    ///
    /// # Errors
    /// When that can't be kept.
    pub(crate) fn forget(&self, openclaw: &str) -> Result<(), String> {
        let mut inner = self.lock();
        let book = Book::default().of_version(openclaw, |_| true);
        self.keep(&book)?;
        *inner = Inner { book: Ok(book), waiting: BTreeMap::new() };
        Ok(())
    }

    fn keep(&self, book: &Book) -> Result<(), String> {
        let text = serde_json::to_vec(book).map_err(|error| error.to_string())?;
        crate::private_file::write(&self.path, &text)
            .map_err(|error| format!("the memory of tools can't be kept: {error}"))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes definitions as they come. What there is no room for waits, and where it can't be kept nobody can tell.
    fn take(
        &self,
        inner: &mut Inner,
        (source, closes): (&str, bool),
        first: Vec<(&Definition<'_>, String)>,
        drifts: &mut HashMap<String, Drift>,
    ) {
        let Ok(mut next) = inner.book.clone() else { return };
        let (mut taken, mut others) = (Vec::new(), Vec::new());
        for (one, digest) in first {
            if next.accept(source, one.name, Pin { digest: digest.clone(), text: one.text() }) {
                taken.push(one.name);
            } else {
                others.push((one, digest));
            }
        }
        let closed = closes && next.close(source);
        if closed || !taken.is_empty() {
            match self.keep(&next) {
                Ok(()) => inner.book = Ok(next),
                Err(why) => {
                    tracing::error!(why, "tools that are offered for the first time are not taken");
                    drifts.extend(taken.into_iter().map(|name| (name.to_owned(), Drift::default())));
                }
            }
        }
        for (one, digest) in others {
            drifts.insert(one.name.to_owned(), self.waits(inner, source, one, DriftKind::New, digest));
        }
    }

    /// What speaks against a definition that was not accepted, which waits from now on.
    fn waits(&self, inner: &mut Inner, source: &str, one: &Definition<'_>, kind: DriftKind, digest: String) -> Drift {
        let place = (source.to_owned(), one.name.to_owned());
        if let Some(known) = inner.waiting.get(&place).filter(|known| known.pin.digest == digest) {
            return known.drift.clone();
        }
        let rule = one.sign();
        let kind = if rule.is_some() { DriftKind::Poisoned } else { kind };
        let text = one.text();
        let was = inner.book.as_ref().ok().and_then(|book| book.last(source, one.name));
        let diff = diff::lines(was.map_or("", |pin| &pin.text), &text);
        let drift = Drift { kind, digest: digest.clone(), diff: cut(&diff, MOST_DIFF), rule };
        let diff = cut(&diff, MOST_SHOWN);
        if inner.waiting.len() < MOST_WAITING || inner.waiting.contains_key(&place) {
            let named = format!("{} of {source} {} (sha256 {digest})", one.name, kind.word());
            let _ = self.news.try_send(named);
            inner.waiting.insert(place, Waiting { pin: Pin { digest, text }, drift: drift.clone(), diff });
        }
        drift
    }
}

impl Definitions for Tools {
    fn look(&self, source: &str, offered: &[Definition<'_>], whole: bool) -> HashMap<String, Drift> {
        let mut inner = self.lock();
        let Ok(book) = &inner.book else {
            return offered.iter().map(|one| (one.name.to_owned(), Drift::default())).collect();
        };
        let own = |one: &Definition<'_>| self.own.iter().any(|name| name == one.name);
        let judged: Vec<(String, Standing)> = offered
            .iter()
            .map(|one| (one.digest(), one))
            .map(|(digest, one)| (digest.clone(), book.standing(source, one.name, &digest, own(one))))
            .collect();
        let closes = whole && !book.is_whole(source);
        let (mut drifts, mut first) = (HashMap::new(), Vec::new());
        for (one, (digest, standing)) in offered.iter().zip(judged) {
            let kind = match standing {
                Standing::Accepted => {
                    // What a request offers counts for that request; what was read elsewhere may still be in force.
                    if whole {
                        inner.waiting.remove(&(source.to_owned(), one.name.to_owned()));
                    }
                    continue;
                }
                Standing::First if one.sign().is_none() => {
                    first.push((one, digest));
                    continue;
                }
                Standing::First | Standing::New => DriftKind::New,
                Standing::Changed => DriftKind::Changed,
            };
            drifts.insert(one.name.to_owned(), self.waits(&mut inner, source, one, kind, digest));
        }
        if closes || !first.is_empty() {
            self.take(&mut inner, (source, closes), first, &mut drifts);
        }
        drifts
    }

    fn standing(&self, tool: &str) -> Option<Drift> {
        let inner = self.lock();
        if inner.book.is_err() {
            return Some(Drift::default());
        }
        let waits = inner.waiting.iter().find(|((_, name), _)| name == tool);
        waits.map(|(_, waiting)| waiting.drift.clone())
    }
}

/// Records what waits for a person.
pub(super) async fn record(mut news: mpsc::Receiver<String>, guard: Guard, tenant: Tenant) {
    while let Some(text) = news.recv().await {
        let act = super::administer(&tenant, creel_guard::Actor::Creel, "tool-definition", &text);
        if let Ok(permit) = guard.admit(act, Facts::default()).await {
            permit.redeem().1.settle(Outcome::done());
        }
    }
}

fn read(path: &Path) -> Result<Book, String> {
    let named = |why: String| format!("`{}`: {why}", path.display());
    let mut text = Vec::new();
    match std::fs::OpenOptions::new().read(true).open(path) {
        Ok(file) => file.take(LONGEST_BOOK).read_to_end(&mut text).map_err(|error| named(error.to_string()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Book::default()),
        Err(error) => return Err(named(error.to_string())),
    };
    serde_json::from_slice(&text).map_err(|error| named(error.to_string()))
}

fn cut(diff: &str, most: usize) -> String {
    if diff.len() <= most {
        return diff.to_owned();
    }
    let end = diff.floor_char_boundary(most);
    format!("{}…\n({} more bytes: `creel tools show NAME`)\n", diff.get(..end).unwrap_or_default(), diff.len() - end)
}

#[cfg(test)]
mod tests;
