//! The book of questions: what waits for a person, and what a late Yes still allows once.
//!
//! Owns [`Book`] and its rules: how many questions may be open, how long, and what an answer is worth when nobody waits for
//! it any more. It knows no clock and no file; times are milliseconds since 1970, handed in. `approvals` keeps it on disk.

use serde::{Deserialize, Serialize};

/// Open questions of a tenant (HARDENING 13).
const MOST_OPEN: usize = 8;
/// Open questions about one tool or one host (HARDENING 13).
const MOST_OF_ORIGIN: usize = 2;
/// How long a No stands for the same act, so that nobody is asked until he gives in.
const NO_STANDS_MS: u64 = 600_000;
/// Late answers and refusals that are kept.
const MOST_KEPT: usize = 256;

/// An act that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Act {
    /// SHA-256 of its canonical form, lower-case hex.
    pub(super) key: String,
    /// What is counted together: a tool, a host.
    pub(super) origin: String,
    /// Door and verb.
    pub(super) what: String,
    /// The question, as a person reads it.
    pub(super) text: String,
    /// Whether `key` holds all that would be done; else only who waits can be answered.
    pub(super) pinned: bool,
}

/// One open question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Open {
    /// Its number, never used again.
    pub(crate) id: u64,
    /// Door and verb.
    pub(crate) what: String,
    /// The question. It holds the agent's text: escape it.
    pub(crate) text: String,
    /// When it was asked, ms since 1970.
    pub(crate) asked_ms: u64,
    /// When it lapses, ms since 1970.
    pub(crate) until_ms: u64,
    origin: String,
    key: String,
    pinned: bool,
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
    /// It is not asked, under this rule, because of this.
    No { rule: &'static str, why: String },
    /// It waits under this number; `true` when the question is new.
    Waits(u64, bool),
}

/// What an answer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Effect {
    /// The act that waited goes on, or is refused.
    Released,
    /// Nobody waits any more: the very same act passes once, until then (ms since 1970).
    Granted(u64),
    /// It stays refused.
    Refused,
}

/// How long questions and late answers are worth something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// A question lapses after so many ms.
    pub(super) keep_ms: u64,
    /// A late Yes is worth so many ms.
    pub(super) grant_ms: u64,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Book {
    last: u64,
    open: Vec<Open>,
    grants: Vec<Kept>,
    refused: Vec<Kept>,
}

impl Book {
    /// Enters a question, unless it is answered already or there are too many.
    pub(super) fn ask(&mut self, act: &Act, terms: Terms, now: u64) -> Asked {
        self.sweep(now);
        if let Some(at) = self.grants.iter().position(|grant| grant.key == act.key) {
            let Kept { id, by, .. } = self.grants.remove(at);
            return Asked::Granted { id, by };
        }
        if let Some(Kept { id, by, .. }) = self.refused.iter().find(|kept| kept.key == act.key) {
            return Asked::No { rule: "approval/refused-before", why: format!("{by} said No to question {id}") };
        }
        if let Some(open) = self.open.iter().find(|open| open.key == act.key) {
            return Asked::Waits(open.id, false);
        }
        let alike = self.open.iter().filter(|open| open.origin == act.origin).count();
        if self.open.len() >= MOST_OPEN || alike >= MOST_OF_ORIGIN {
            let why = format!(
                "{} questions are open, {alike} of them about `{}`; at most {MOST_OPEN} and {MOST_OF_ORIGIN} may be",
                self.open.len(),
                act.origin
            );
            return Asked::No { rule: "approval/too-many", why };
        }
        self.last = self.last.saturating_add(1);
        let Act { key, origin, what, text, pinned } = act.clone();
        let until_ms = now.saturating_add(terms.keep_ms);
        self.open.push(Open { id: self.last, what, text, asked_ms: now, until_ms, origin, key, pinned });
        Asked::Waits(self.last, true)
    }

    /// A person answers; `waited_for` says whether somebody still holds the act.
    ///
    /// # Errors
    /// A text when there is no such question, or when a Yes would be worth nothing.
    pub(super) fn answer(
        &mut self,
        (id, yes): (u64, bool),
        by: &str,
        waited_for: bool,
        terms: Terms,
        now: u64,
    ) -> Result<Effect, String> {
        self.sweep(now);
        let at = self.open.iter().position(|open| open.id == id);
        let at = at.ok_or_else(|| format!("no question {id} is open; `creel approvals` lists them"))?;
        let pinned = self.open.get(at).is_some_and(|open| open.pinned);
        if yes && !waited_for && !pinned {
            return Err(format!(
                "the act of question {id} is gone, and not all of it was seen, so it can't be allowed for later"
            ));
        }
        let Open { key, .. } = self.open.remove(at);
        let kept = |ms: u64| Kept { key, id, by: by.to_owned(), from_ms: now, until_ms: now.saturating_add(ms) };
        match (yes, waited_for) {
            (true, true) => Ok(Effect::Released),
            (true, false) => {
                let grant = kept(terms.grant_ms);
                let until = grant.until_ms;
                push(&mut self.grants, grant);
                Ok(Effect::Granted(until))
            }
            (false, _) => {
                push(&mut self.refused, kept(NO_STANDS_MS));
                Ok(Effect::Refused)
            }
        }
    }

    /// What is open now, oldest first.
    pub(super) fn open(&mut self, now: u64) -> &[Open] {
        self.sweep(now);
        &self.open
    }

    /// Forgets what lapsed.
    fn sweep(&mut self, now: u64) {
        self.open.retain(|open| (open.asked_ms..open.until_ms).contains(&now));
        self.grants.retain(|kept| kept.holds(now));
        self.refused.retain(|kept| kept.holds(now));
    }
}

fn push(list: &mut Vec<Kept>, kept: Kept) {
    if list.len() >= MOST_KEPT {
        list.remove(0);
    }
    list.push(kept);
}

#[cfg(test)]
mod tests;
