//! What is handed to the ledger.
//!
//! Owns [`Entry`] and [`Outcome`]. Knows nothing of how they are kept: `ledger` does.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::facts::Facts;
use crate::verdict::Judgement;

/// A record's place in its tenant's ledger, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordId(pub u64);

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// When a record must be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Before the act is released (fdatasync has returned).
    BeforeRelease,
    /// Written before the act is released, on disk at most 50 ms later (DESIGN.md, invariant 4).
    Soon,
}

/// A decision, to be recorded before the act.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What someone is about to do.
    pub action: Action,
    /// What the decision used.
    pub facts: Facts,
    /// What was decided, before anybody was asked.
    pub judgement: Judgement,
    /// The person's answer to an `Ask`, with the name of who or what answered.
    pub answer: Option<crate::traits::Answer>,
    /// When it must be on disk.
    pub durability: Durability,
}

/// How an admitted act ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "lowercase")]
pub enum Outcome {
    /// Nobody said how it ended: the permit or receipt was dropped.
    Abandoned,
    /// Carried out.
    Done {
        /// Bytes that left.
        sent: u64,
        /// Bytes that came back.
        received: u64,
        /// The protocol's own status (HTTP status, exit code), when there is one.
        status: Option<i64>,
    },
    /// Tried and failed.
    Failed {
        /// Why.
        why: String,
    },
}

impl Outcome {
    /// Carried out, with nothing to count.
    #[must_use]
    pub fn done() -> Self {
        Self::Done { sent: 0, received: 0, status: None }
    }

    /// Tried and failed.
    #[must_use]
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into() }
    }

    /// `abandoned`, `done` or `failed`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
        }
    }
}
