//! The book of questions: what waits for a person, and what a late Yes still allows once.
//!
//! Owns [`Book`] and its rules: which acts are one question, how many may be open, how long, and what an answer is worth when
//! nobody waits for it any more. It knows no clock and no file; times are milliseconds since 1970, handed in. `approvals`
//! keeps it on disk.

mod limits;

use creel_guard::Persons;
use serde::{Deserialize, Serialize};

use crate::clock::utc;
use limits::Asks;

/// How long a No stands for the same act, so that nobody is asked until he gives in.
const NO_STANDS_MS: u64 = 600_000;
/// Late answers and refusals that are kept.
const MOST_KEPT: usize = 256;
/// Acts of one question.
const MOST_TOGETHER: usize = 16;
/// Bytes of text of a question with several acts: a person reads all of it, and it fits into one packet of the control socket.
const LONGEST_TOGETHER: usize = 8192;

/// An act that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Act {
    /// SHA-256 of its canonical form, lower-case hex.
    pub(super) key: String,
    /// The same over what is consequential in it: acts that are equal in all of that may be one question.
    pub(super) alike: String,
    /// What is counted together: a tool, a host.
    pub(super) origin: String,
    /// The turn that it came of; empty when nobody knows.
    pub(super) session: String,
    /// Door and verb.
    pub(super) what: String,
    /// The question, as a person reads it.
    pub(super) text: String,
    /// Whether `key` holds all that would be done; else only who waits can be answered.
    pub(super) pinned: bool,
    /// How many people must say Yes.
    pub(super) persons: Persons,
}

/// One open question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Open {
    /// Its number, never used again.
    pub(crate) id: u64,
    /// Door and verb.
    pub(crate) what: String,
    /// The question, about the first of its acts. It holds the agent's text: escape it.
    pub(crate) text: String,
    /// When it was asked, ms since 1970.
    pub(crate) asked_ms: u64,
    /// When it lapses, ms since 1970.
    pub(crate) until_ms: u64,
    /// The other acts that it is about.
    #[serde(default)]
    pub(crate) more: Vec<One>,
    /// How many people must say Yes.
    #[serde(default)]
    pub(crate) persons: Persons,
    /// Who has, if that is not enough yet.
    #[serde(default)]
    pub(crate) yes: Vec<String>,
    origin: String,
    #[serde(default)]
    session: String,
    key: String,
    pinned: bool,
    #[serde(default)]
    alike: String,
    /// Nobody was shown it yet, and acts that are alike may still join. What is read from disk takes none.
    #[serde(skip)]
    gathers: bool,
}

/// One act of a question with several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct One {
    /// The question about it. It holds the agent's text: escape it.
    pub(crate) text: String,
    key: String,
    pinned: bool,
}

impl Open {
    /// One that is about acts with these texts.
    #[cfg(test)]
    pub(crate) fn about(texts: &[&str], persons: Persons, yes: &[&str]) -> Self {
        let mut book = Book::default();
        for text in texts {
            let act = Act {
                key: (*text).to_owned(),
                alike: String::new(),
                origin: String::new(),
                session: String::new(),
                what: "model call".to_owned(),
                text: (*text).to_owned(),
                pinned: true,
                persons,
            };
            book.ask(&act, Terms { keep_ms: 1000, grant_ms: 1000, per_hour: 1 }, 0);
        }
        let open = book.open.remove(0);
        Self { yes: yes.iter().map(ToString::to_string).collect(), gathers: false, ..open }
    }

    /// The text of each act, one a paragraph, each one in full.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.text.as_str()).chain(self.more.iter().map(|one| one.text.as_str()))
    }

    /// The key of each act, and whether it holds all that would be done.
    fn acts(&self) -> impl Iterator<Item = (&str, bool)> {
        let more = self.more.iter().map(|one| (one.key.as_str(), one.pinned));
        std::iter::once((self.key.as_str(), self.pinned)).chain(more)
    }

    fn takes(&self, act: &Act) -> bool {
        let length: usize = self.texts().map(str::len).sum();
        self.gathers
            && (&self.origin, &self.alike, self.persons) == (&act.origin, &act.alike, act.persons)
            && self.session == act.session
            && self.more.len() + 1 < MOST_TOGETHER
            && length + act.text.len() <= LONGEST_TOGETHER
    }
}

/// A Yes that came when nobody waited any more, or a No that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    key: String,
    id: u64,
    by: String,
    from_ms: u64,
    until_ms: u64,
}

impl Kept {
    /// A clock that was put back makes it void, not longer.
    fn holds(&self, now: u64) -> bool {
        (self.from_ms..self.until_ms).contains(&now)
    }
}

/// What becomes of an act that is to be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A person said Yes to the very act before; that Yes is used up now.
    Granted { id: u64, by: String },
    /// It is not asked, under this rule, because of this; a person is to be told, the first time.
    No { rule: &'static str, why: String, tell: bool },
    /// It waits under this number.
    Waits(u64, Entered),
}

/// What entering an act did to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// A question of its own.
    New,
    /// One act more of a question that nobody was shown yet.
    Joined,
    /// Nothing: that very act is asked about already.
    Again,
}

/// What an answer did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Effect {
    /// Yes.
    Yes {
        /// So many acts that waited go on.
        released: usize,
        /// So many may pass once each, though nobody waits any more.
        granted: usize,
        /// So many are gone, and not all of them was seen: they stay refused.
        gone: usize,
        /// How long the granted ones may, ms since 1970.
        until_ms: u64,
    },
    /// The first Yes of two.
    Half,
    /// They stay refused.
    Refused,
}

impl Effect {
    /// For the person who answered question `id`.
    pub(crate) fn told(&self, id: u64) -> String {
        match self {
            Self::Yes { released: 1, granted: 0, gone: 0, .. } => {
                format!("question {id}: Yes; the act that waited goes on")
            }
            Self::Yes { released: 0, granted: 1, gone: 0, until_ms } => format!(
                "question {id}: Yes; nobody waits any more, so the very same act may pass once until {}",
                utc(*until_ms)
            ),
            Self::Yes { released, granted, gone, until_ms } => format!(
                "question {id}: Yes; acts that waited and go on: {released}; that may pass once until {}: {granted}; \
                 that are gone: {gone}",
                utc(*until_ms)
            ),
            Self::Half => format!("question {id}: your Yes counts; another person's is needed"),
            Self::Refused => format!("question {id}: No"),
        }
    }
}

/// How long questions and late answers are worth something, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// A question lapses after so many ms.
    pub(super) keep_ms: u64,
    /// A late Yes is worth so many ms.
    pub(super) grant_ms: u64,
    /// So many questions of one origin an hour.
    pub(super) per_hour: usize,
}

/// A person's answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    pub(super) id: u64,
    pub(super) yes: bool,
    pub(super) by: &'a str,
}

/// What an answer comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) effect: Effect,
    /// Everybody whose answer it is.
    pub(super) by: String,
    /// The keys of the acts that go on now, each as often as it does.
    pub(super) released: Vec<String>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Book {
    last: u64,
    open: Vec<Open>,
    grants: Vec<Kept>,
    refused: Vec<Kept>,
    asks: Asks,
}

impl Book {
    /// Enters an act, unless it is answered already or there are too many.
    pub(super) fn ask(&mut self, act: &Act, terms: Terms, now: u64) -> Asked {
        self.sweep(now);
        if let Some(at) = self.grants.iter().position(|grant| grant.key == act.key) {
            let Kept { id, by, .. } = self.grants.remove(at);
            return Asked::Granted { id, by };
        }
        if let Some(Kept { id, by, .. }) = self.refused.iter().find(|kept| kept.key == act.key) {
            let why = format!("{by} said No to question {id}");
            return Asked::No { rule: "approval/refused-before", why, tell: false };
        }
        if let Some(open) = self.open.iter_mut().find(|open| open.takes(act)) {
            open.more.push(One { text: act.text.clone(), key: act.key.clone(), pinned: act.pinned });
            return Asked::Waits(open.id, Entered::Joined);
        }
        if let Some(open) = self.open.iter().find(|open| open.acts().any(|(key, _)| key == act.key)) {
            return Asked::Waits(open.id, Entered::Again);
        }
        if let Err(why) = limits::room(&self.open, &self.asks, act, terms.per_hour) {
            let tell = self.asks.tell(&act.origin, now);
            return Asked::No { rule: "approval/too-many", why, tell };
        }
        self.last = self.last.saturating_add(1);
        self.asks.note(&act.origin, now);
        let Act { key, alike, origin, session, what, text, pinned, persons } = act.clone();
        let until_ms = now.saturating_add(terms.keep_ms);
        self.open.push(Open {
            id: self.last,
            what,
            text,
            asked_ms: now,
            until_ms,
            more: Vec::new(),
            persons,
            yes: Vec::new(),
            origin,
            session,
            key,
            pinned,
            alike,
            gathers: true,
        });
        Asked::Waits(self.last, Entered::New)
    }

    /// A person answers. `waiting` holds the key of each act that somebody still holds.
    ///
    /// # Errors
    /// A text when there is no such question, when nobody was shown it, when the same person said Yes already, or when a
    /// Yes would be worth nothing.
    pub(super) fn answer(
        &mut self,
        said: Said<'_>,
        waiting: &[String],
        terms: Terms,
        now: u64,
    ) -> Result<Counted, String> {
        self.sweep(now);
        let Said { id, yes, by } = said;
        let none = || format!("no question {id} is open; `creel approvals` lists them");
        let open = self.open.iter_mut().find(|open| open.id == id).ok_or_else(none)?;
        if open.gathers {
            return Err(format!("question {id} is still coming in; look at it first, with `creel approvals`"));
        }
        if yes && open.persons == Persons::Two && open.yes.is_empty() {
            worth_something(open, waiting)?;
            open.yes.push(by.to_owned());
            return Ok(Counted { effect: Effect::Half, by: by.to_owned(), released: Vec::new() });
        }
        if yes && open.yes.iter().any(|who| who == by) {
            return Err(format!("you said Yes to question {id} already; it takes another person's"));
        }
        if yes {
            worth_something(open, waiting)?;
        }
        let at = self.open.iter().position(|open| open.id == id).ok_or_else(none)?;
        let open = self.open.remove(at);
        let all: Vec<&str> = open.yes.iter().map(String::as_str).filter(|_| yes).chain([by]).collect();
        let by = all.join(" and ");
        let end = |ms: u64| now.saturating_add(ms);
        let kept = |key: &str, until_ms| Kept { key: key.to_owned(), id, by: by.clone(), from_ms: now, until_ms };
        if !yes {
            for (key, _) in open.acts() {
                push(&mut self.refused, kept(key, end(NO_STANDS_MS)));
            }
            return Ok(Counted { effect: Effect::Refused, by, released: Vec::new() });
        }
        let until_ms = end(terms.grant_ms);
        let (mut released, mut waiting, mut granted, mut gone) = (Vec::new(), waiting.to_vec(), 0, 0);
        for (key, pinned) in open.acts() {
            if let Some(at) = waiting.iter().position(|held| held == key) {
                released.push(waiting.swap_remove(at));
            } else if pinned {
                granted += 1;
                push(&mut self.grants, kept(key, until_ms));
            } else {
                gone += 1;
            }
        }
        let effect = Effect::Yes { released: released.len(), granted, gone, until_ms };
        Ok(Counted { effect, by, released })
    }

    /// What is open now, oldest first. Whoever is shown a question gets it from [`Book::shown`].
    pub(super) fn open(&mut self, now: u64) -> &[Open] {
        self.sweep(now);
        &self.open
    }

    /// What is open now, oldest first. From here on no act joins any of them: what people are shown is what they answer. The
    /// second list has those that nobody was shown before.
    pub(super) fn shown(&mut self, now: u64) -> (Vec<Open>, Vec<Open>) {
        self.sweep(now);
        let fresh: Vec<u64> = self.open.iter().filter(|open| open.gathers).map(|open| open.id).collect();
        self.open.iter_mut().for_each(|open| open.gathers = false);
        let first = self.open.iter().filter(|open| fresh.contains(&open.id)).cloned().collect();
        (self.open.clone(), first)
    }

    /// The question, once nothing joins it any more; none when somebody was shown it before.
    pub(super) fn close(&mut self, id: u64, now: u64) -> Option<Open> {
        self.sweep(now);
        let open = self.open.iter_mut().find(|open| open.id == id && open.gathers)?;
        open.gathers = false;
        Some(open.clone())
    }

    /// Forgets what lapsed.
    fn sweep(&mut self, now: u64) {
        self.open.retain(|open| (open.asked_ms..open.until_ms).contains(&now));
        self.grants.retain(|kept| kept.holds(now));
        self.refused.retain(|kept| kept.holds(now));
        self.asks.sweep(now);
    }
}

/// Whether a Yes would let anything happen.
fn worth_something(open: &Open, waiting: &[String]) -> Result<(), String> {
    let held = |key: &str| waiting.iter().any(|waits| waits == key);
    if open.acts().any(|(key, pinned)| pinned || held(key)) {
        return Ok(());
    }
    Err(format!(
        "the act of question {} is gone, and not all of it was seen, so it can't be allowed for later",
        open.id
    ))
}

fn push(list: &mut Vec<Kept>, kept: Kept) {
    if list.len() >= MOST_KEPT {
        list.remove(0);
    }
    list.push(kept);
}

#[cfg(test)]
mod tests;
