//! The only decision type there is.
//!
//! Owns [`Verdict`] and what an allowed act owes ([`Obligations`]). Made by `policy`, read by [`crate::Guard`].

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

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
    /// At most so many body bytes may go out; `None` means the door's own limit.
    pub max_bytes: Option<u64>,
    /// The act must be over after so many milliseconds; `None` means the door's own limit.
    pub deadline_ms: Option<u64>,
}

/// A secret's place in a request, by name: the value is known to the `secrets` crate alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Inject {
    /// The secret's name.
    pub secret: String,
    /// The one header that it may fill; `None` means the door's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
}

/// Where in a request a secret goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// `authorization: Bearer`, then the secret (RFC 6750, section 2.1).
    Bearer,
    /// `authorization: Basic`, this user with the secret for a password (RFC 7617, section 2).
    Basic(String),
    /// The whole value of the header of this name, in lower case.
    Header(String),
}

impl Slot {
    /// Reads `bearer`, `basic USER` or `header NAME`.
    ///
    /// # Errors
    /// Says what is wrong, in a few words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        match text.split_once(' ') {
            None if text == "bearer" => Ok(Self::Bearer),
            Some(("basic", user)) if user.bytes().all(|b| matches!(b, 0x20..=0x7e) && b != b':') => {
                Ok(Self::Basic(user.to_owned()))
            }
            Some(("basic", _)) => Err("a user has no `:` and no character outside of ASCII"),
            Some(("header", name)) if !name.is_empty() && name.bytes().all(token) => {
                let name = name.to_ascii_lowercase();
                if Self::FRAMING.contains(&name.as_str()) || name.starts_with("proxy-") || name.starts_with("sec-") {
                    return Err("that header says where a request goes or where it ends");
                }
                Ok(Self::Header(name))
            }
            _ => Err("legal is `bearer`, `basic USER` and `header NAME`"),
        }
    }

    /// The header that it fills.
    #[must_use]
    pub fn header(&self) -> &str {
        match self {
            Self::Bearer | Self::Basic(_) => "authorization",
            Self::Header(name) => name,
        }
    }

    /// Headers that are the door's own.
    const FRAMING: [&'static str; 11] = [
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "if-range",
        "range",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bearer => f.write_str("bearer"),
            Self::Basic(user) => write!(f, "basic {user}"),
            Self::Header(name) => write!(f, "header {name}"),
        }
    }
}

/// What a person is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The exact act and why it is asked about, one paragraph of plain text.
    pub text: String,
    /// What must be done if the answer is Yes.
    pub obligations: Obligations,
}
