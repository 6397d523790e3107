//! How many questions there may be, so that none is buried.
//!
//! Owns the limits of open questions (HARDENING 13) and [`Asks`], what came up within the last hour. It decides nothing about an
//! act but whether a person may be bothered with it.

use serde::{Deserialize, Serialize};

use super::{Act, Open};

/// Open questions of a tenant (HARDENING 13).
pub(super) const MOST_OPEN: usize = 8;
/// Open questions of one turn of the conversation, and of all that comes of none: one that is steered leaves room for the
/// others.
pub(super) const MOST_OF_SESSION: usize = 4;
/// Open questions about one tool or one host (HARDENING 13).
pub(super) const MOST_OF_ORIGIN: usize = 2;
/// The window of the rate.
const HOUR_MS: u64 = 3_600_000;
/// Questions of the last hour that are remembered; what is older than these counts no more.
const MOST_REMEMBERED: usize = 1024;
/// Origins an hour whose refusals are told: whoever makes names up drowns nothing by them.
const MOST_TOLD: usize = 8;

/// What came up within the last hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Asks {
    asked: Vec<(String, u64)>,
    told: Vec<(String, u64)>,
}

impl Asks {
    /// A question came up.
    pub(super) fn note(&mut self, origin: &str, now: u64) {
        push(&mut self.asked, origin, now);
    }

    /// Whether a person is to be told that this origin is not asked about: the first time within the hour.
    pub(super) fn tell(&mut self, origin: &str, now: u64) -> bool {
        let told = self.told.iter().any(|(known, _)| known == origin) || self.told.len() >= MOST_TOLD;
        if !told {
            push(&mut self.told, origin, now);
        }
        !told
    }

    pub(super) fn sweep(&mut self, now: u64) {
        // what lies ahead is of a clock that was put back
        let young = |(_, at): &(String, u64)| *at <= now && now - at < HOUR_MS;
        self.asked.retain(young);
        self.told.retain(young);
    }
}

/// Whether there is room for one more question.
///
/// # Errors
/// Which limit is reached.
pub(super) fn room(open: &[Open], asks: &Asks, act: &Act, per_hour: usize) -> Result<(), String> {
    let alike = open.iter().filter(|open| open.origin == act.origin).count();
    let of_session = open.iter().filter(|open| open.session == act.session).count();
    let asked = asks.asked.iter().filter(|(origin, _)| *origin == act.origin).count();
    let origin = &act.origin;
    if alike >= MOST_OF_ORIGIN {
        return Err(format!("{alike} questions about `{origin}` are open; at most {MOST_OF_ORIGIN} may be"));
    }
    if of_session >= MOST_OF_SESSION {
        return Err(format!("{of_session} questions of this turn are open; at most {MOST_OF_SESSION} may be"));
    }
    if open.len() >= MOST_OPEN {
        return Err(format!("{} questions are open; at most {MOST_OPEN} may be", open.len()));
    }
    if asked >= per_hour {
        return Err(format!(
            "{asked} questions about `{origin}` came up within an hour; `[approvals] per_hour` allows {per_hour}"
        ));
    }
    Ok(())
}

fn push(list: &mut Vec<(String, u64)>, origin: &str, now: u64) {
    if list.len() >= MOST_REMEMBERED {
        list.remove(0);
    }
    list.push((origin.to_owned(), now));
}
