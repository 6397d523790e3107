//! What may happen, and the one door.
//!
//! This crate owns the vocabulary ([`Action`], [`Facts`], [`Verdict`], [`Permit`], [`Refusal`]) and the one place to
//! pass, [`Guard::admit`]. It never does IO, knows no async runtime and no clock, and depends on nothing of ours.
//! Every door calls it; `policy` and `ledger` implement its traits.

#![forbid(unsafe_code)]

mod action;
mod admit;
mod call_facts;
mod calls;
mod facts;
mod host;
mod path;
mod permit;
mod record;
mod refusal;
mod send;
mod slot;
mod traits;
mod turns;
mod urlencoded;
mod verdict;

pub use action::{
    Action, Actor, Administer, Attempt, Call, Deed, Door, Prompt, Protected, Receive, Resolve, Run, Target, Tenant,
    Touch,
};
pub use admit::Guard;
pub use call_facts::{ArgumentFact, ArgumentKind, CallClass, CallFacts, Drift, DriftKind, Intent, Origin};
pub use calls::Cause;
pub use facts::{BreakerState, Facts, Needs, RateKey, Rewrite, Sign, Spent, Taint};
pub use host::{HostName, InvalidHostName};
pub use path::{CleanPath, Oddities, UnclearPath};
pub use permit::{Permit, Receipt};
pub use record::{Durability, Entry, Outcome, RecordId};
pub use refusal::Refusal;
pub use send::{Content, Form, Headers, Mode, Send};
pub use traits::{
    Answer, Asker, BoxFuture, Breakers, Judge, Keeper, Ledger, LedgerClosed, NoOneToAsk, NothingToKeep, Timer,
};
pub use turns::Turn;
pub use urlencoded::{form_decoded, pairs as urlencoded_pairs};

pub use slot::{Inject, Slot};
pub use verdict::{Judgement, Obligations, Persons, Question, RuleId, Verdict};
