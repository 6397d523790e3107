//! The only decision type there is.
//!
//! Owns [`Verdict`] and what an allowed act owes ([`Obligations`]). Made by `policy`, read by [`crate::Guard`].

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;
use crate::slot::Inject;

/// A rule's public name, `door/rule-in-kebab-case`: found in the log, the file, the function, the examples and the docs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleId(Cow<'static, str>);

impl RuleId {
    /// Names a rule.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Names a rule of the operator's own.
    #[must_use]
    pub fn own(name: String) -> Self {
        Self(Cow::Owned(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be done, under these obligations.
    Allow(Obligations),
    /// A person decides.
    Ask(Question),
    /// It may not be done.
    Deny(Refusal),
}

impl Verdict {
    /// `allow`, `ask` or `deny`, as records and `--json` say it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Ask(_) => "ask",
            Self::Deny(_) => "deny",
        }
    }
}

/// A verdict and the reason for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What was decided.
    pub verdict: Verdict,
    /// The rule that decided.
    pub rule: RuleId,
    /// Why, for the ledger and for people: one line, may name addresses and configuration.
    pub why: String,
    /// Which edition of the policy decided; counts up with each reload.
    pub generation: u64,
}

/// What must be done when an allowed act is carried out. Doors destructure it without `..`, so that a new obligation
/// does not compile until every door has dealt with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obligations {
    /// Put this secret into the request.
    pub inject: Option<Inject>,
    /// Put the secret that each placeholder stands for into its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub swaps: Vec<Inject>,
    /// Secrets go to this place: none of them may come back in the answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scrub: bool,
    /// At most so many body bytes may go out; `None` means the door's own limit.
    pub max_bytes: Option<u64>,
    /// The act must be over after so many milliseconds; `None` means the door's own limit.
    pub deadline_ms: Option<u64>,
}

impl Obligations {
    /// Whether a secret must go out with the act: what has no place for one can't carry it out.
    #[must_use]
    pub fn carries_secret(&self) -> bool {
        self.inject.is_some() || !self.swaps.is_empty()
    }
}

/// What a person is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The exact act and why it is asked about, one paragraph of plain text.
    pub text: String,
    /// What must be done if the answer is Yes.
    pub obligations: Obligations,
    /// How many people must say Yes; one No is a No.
    #[serde(default, skip_serializing_if = "Persons::is_one")]
    pub persons: Persons,
}

impl Question {
    /// A question that one person answers.
    #[must_use]
    pub fn new(text: String, obligations: Obligations) -> Self {
        Self { text, obligations, persons: Persons::One }
    }
}

/// How many people must say Yes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Persons {
    /// Whoever answers first.
    #[default]
    One,
    /// Two different ones.
    Two,
}

impl Persons {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_one(&self) -> bool {
        *self == Self::One
    }
}
