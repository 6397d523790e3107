//! What the guard needs of others, turned round so that doors can name neither `policy` nor `ledger`.
//!
//! Owns the traits [`Judge`], [`Ledger`], [`Asker`], [`Keeper`], [`Breakers`] and [`Timer`]. Implemented elsewhere, called by
//! [`crate::Guard`] alone.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::facts::{BreakerState, Facts, Needs};
use crate::record::{Entry, Outcome, RecordId};
use crate::verdict::{Judgement, Question, RuleId};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Judges an action. Pure: same action, same facts, same judgement. A panic in it is a Deny.
pub trait Judge: Send + Sync {
    /// Decides.
    fn judge(&self, action: &Action, facts: &Facts) -> Judgement;

    /// What must be found out before this act can be judged.
    fn needs(&self, action: &Action) -> Needs {
        let _ = action;
        Needs::default()
    }
}

/// Append-only, out of the agent's reach.
pub trait Ledger: Send + Sync {
    /// Records a decision; returns when the record is as durable as [`Entry::durability`] asks.
    ///
    /// # Errors
    /// [`LedgerClosed`] when it can't be recorded: the act is then refused.
    fn admitted(&self, entry: Entry) -> BoxFuture<'_, Result<RecordId, LedgerClosed>>;

    /// Records how an admitted act ended. Never blocks: it is called in `Drop`. When it can't be kept, the ledger
    /// closes and the next `admitted` says so.
    fn settled(&self, record: RecordId, outcome: Outcome);
}

/// The ledger can't be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerClosed {
    /// Why, for people.
    pub why: String,
}

impl fmt::Display for LedgerClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ledger can't be written: {}", self.why)
    }
}

impl std::error::Error for LedgerClosed {}

/// Puts a question to a person and waits for the answer. Silence is No.
pub trait Asker: Send + Sync {
    /// Asks; the facts are those that the question came of.
    fn ask<'a>(&'a self, action: &'a Action, facts: &'a Facts, question: &'a Question) -> BoxFuture<'a, Answer>;
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Yes or No.
    pub yes: bool,
    /// Who or what answered: a rule id such as `approval/no-one-to-ask` or `approval/by-person`.
    pub rule: RuleId,
    /// Who said it, or why nobody could.
    pub by: String,
}

/// Where nobody can be asked (benches, tests): every question is answered No at once, under `approval/no-one-to-ask`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOneToAsk;

impl Asker for NoOneToAsk {
    fn ask<'a>(&'a self, _action: &'a Action, _facts: &'a Facts, _question: &'a Question) -> BoxFuture<'a, Answer> {
        let answer = Answer {
            yes: false,
            rule: RuleId::new("approval/no-one-to-ask"),
            by: "there is nobody to ask here, so the answer is No".to_owned(),
        };
        Box::pin(std::future::ready(answer))
    }
}

/// Keeps what an act may destroy, before it is asked about or happens.
pub trait Keeper: Send + Sync {
    /// Keeps it; none when this act destroys nothing. Why it can't be kept is why the act is refused.
    fn keep(&self, action: &Action, facts: &Facts) -> Option<BoxFuture<'static, Result<(), String>>>;
}

/// Where nothing is kept (benches, tests, jails of their own).
#[derive(Clone, Copy, Debug, Default)]
pub struct NothingToKeep;

impl Keeper for NothingToKeep {
    fn keep(&self, _action: &Action, _facts: &Facts) -> Option<BoxFuture<'static, Result<(), String>>> {
        None
    }
}

/// Read by the guard before anything else; doors can't see them.
pub trait Breakers: Send + Sync {
    /// Where they stand for this action.
    fn state(&self, action: &Action) -> BreakerState;
}

/// The guard has no clock: whoever runs it lends one.
pub trait Timer: Send + Sync {
    /// Completes after `duration`.
    fn after(&self, duration: Duration) -> BoxFuture<'static, ()>;
}
