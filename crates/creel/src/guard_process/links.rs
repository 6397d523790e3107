//! Links that answer a question.
//!
//! Owns [`Links`]: each link is a token of this guard's life that is bound to one question and one person, worth one answer,
//! and lapses with its question. All tokens begin with the same random stem, which is looked for like a secret in everything
//! that the agent does (HARDENING.md 13). It answers nothing itself: `page` does. Places of `[[alerts]]` get the links.

use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Links at once: 8 open questions, a few people each, and some that nobody used.
const MOST: usize = 256;
/// Random bytes of the stem, and of what follows it.
const BYTES: usize = 16;
/// What the stem goes by where it is looked for.
pub(super) const NAME: &str = "approval-link";

/// The links of a tenant.
pub(super) struct Links {
    /// Where the page is, without a slash at the end.
    base: String,
    stem: Zeroizing<String>,
    tickets: Mutex<Vec<Ticket>>,
}

struct Ticket {
    token: Zeroizing<String>,
    bound: Bound,
    until_ms: u64,
    used: bool,
}

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    /// The question.
    pub(super) question: u64,
    /// The person, by user id.
    pub(super) user: u32,
}

impl Links {
    /// None yet; the page is at `base`.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(super) fn new(base: &str) -> Result<Self, String> {
        Ok(Self { base: base.to_owned(), stem: random()?, tickets: Mutex::default() })
    }

    /// What every token begins with.
    pub(super) fn stem(&self) -> &str {
        &self.stem
    }

    /// The URL by which this person answers this question; the same until it was used.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(super) fn url(&self, bound: Bound, until_ms: u64, now: u64) -> Result<String, String> {
        let mut tickets = self.lock();
        tickets.retain(|ticket| now < ticket.until_ms);
        let known = tickets.iter().find(|ticket| ticket.bound == bound && !ticket.used);
        if let Some(ticket) = known {
            return Ok(self.at(&ticket.token));
        }
        if tickets.len() >= MOST {
            tickets.remove(0);
        }
        let token = Zeroizing::new(format!("{}{}", self.stem.as_str(), random()?.as_str()));
        let url = self.at(&token);
        tickets.push(Ticket { token, bound, until_ms, used: false });
        Ok(url)
    }

    /// What a token is for, while it is worth something.
    pub(super) fn look(&self, token: &str, now: u64) -> Option<Bound> {
        let mut tickets = self.lock();
        find(&mut tickets, token, now).map(|ticket| ticket.bound)
    }

    /// Takes a token for an answer: nobody else can from now on, until [`Links::give_back`].
    pub(super) fn take(&self, token: &str, now: u64) -> Option<Bound> {
        let mut tickets = self.lock();
        let ticket = find(&mut tickets, token, now)?;
        ticket.used = true;
        Some(ticket.bound)
    }

    /// The answer did not count: the token is worth it again.
    pub(super) fn give_back(&self, token: &str) {
        if let Some(ticket) = self.lock().iter_mut().find(|ticket| same(&ticket.token, token)) {
            ticket.used = false;
        }
    }

    fn at(&self, token: &str) -> String {
        format!("{}/q/{token}", self.base)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Ticket>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find<'a>(tickets: &'a mut [Ticket], token: &str, now: u64) -> Option<&'a mut Ticket> {
    tickets.iter_mut().find(|ticket| same(&ticket.token, token)).filter(|ticket| now < ticket.until_ms && !ticket.used)
}

/// By digest: how long it takes tells nothing of the token.
fn same(one: &str, other: &str) -> bool {
    Sha256::digest(one) == Sha256::digest(other)
}

fn random() -> Result<Zeroizing<String>, String> {
    let mut bytes = Zeroizing::new([0u8; BYTES]);
    getrandom::fill(&mut *bytes).map_err(|error| format!("the system gave no random bytes: {error}"))?;
    let mut text = Zeroizing::new(String::with_capacity(2 * BYTES));
    for byte in bytes.iter() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: Bound = Bound { question: 7, user: 1001 };

    fn token(url: &str) -> &str {
        url.rsplit('/').next().unwrap()
    }

    #[test]
    fn a_link_is_worth_one_answer_of_one_person_to_one_question() {
        let links = Links::new("https://a.test").unwrap();
        let url = links.url(ANNA, 100, 0).unwrap();
        assert!(url.starts_with("https://a.test/q/") && token(&url).starts_with(links.stem()), "{url}");
        assert_eq!(token(&url).len(), 4 * BYTES);
        // told again, it is the same; another's and another question's is not
        assert_eq!(links.url(ANNA, 100, 1).unwrap(), url);
        assert_ne!(links.url(Bound { user: 0, ..ANNA }, 100, 1).unwrap(), url);
        assert_ne!(links.url(Bound { question: 8, ..ANNA }, 100, 1).unwrap(), url);
        assert_eq!((links.look(token(&url), 2), links.look(token(&url), 2)), (Some(ANNA), Some(ANNA)));
        assert_eq!((links.take(token(&url), 3), links.take(token(&url), 3)), (Some(ANNA), None));
        assert_eq!(links.look(token(&url), 3), None);
        links.give_back(token(&url));
        assert_eq!(links.take(token(&url), 3), Some(ANNA));
        assert_ne!(links.url(ANNA, 100, 4).unwrap(), url);
    }

    #[test]
    fn what_lapsed_and_what_is_made_up_is_worth_nothing() {
        let links = Links::new("https://a.test").unwrap();
        let url = links.url(ANNA, 100, 0).unwrap();
        assert_eq!((links.look(token(&url), 100), links.take(token(&url), 100)), (None, None));
        let zeros = format!("{}{}", links.stem(), "0".repeat(2 * BYTES));
        for made_up in ["", links.stem(), "x", zeros.as_str()] {
            assert_eq!(links.take(made_up, 1), None, "{made_up}");
        }
        let other = Links::new("https://a.test").unwrap();
        assert_eq!(other.take(token(&url), 1), None);
        assert_ne!(other.stem(), links.stem());
    }

    #[test]
    fn however_many_are_asked_for_some_are_kept() {
        let links = Links::new("https://a.test").unwrap();
        for question in 0..10 * MOST as u64 {
            links.url(Bound { question, user: 0 }, 100, 0).unwrap();
        }
        assert_eq!(links.lock().len(), MOST);
    }
}
