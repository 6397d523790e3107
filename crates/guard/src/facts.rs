//! What a decision may use, gathered before it and recorded with it.
//!
//! Owns [`Facts`]. Never gathers them itself: doors and the guard process do.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::call_facts::CallFacts;
use crate::host::HostName;
use crate::slot::Inject;

/// Gathered first, recorded with the action, so that a decision can be replayed under another policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Every address that the target's name resolved to, or the literal one; empty before a name is resolved and for
    /// deeds that go nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Whether untrusted content has reached this jail.
    #[serde(default)]
    pub taint: Taint,
    /// The turn that this act belongs to: an id of Creel's own, given when a message came in ([`crate::Turn`]). A process
    /// stays in the turn that it was started in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The record that this act comes from: the tool call that named the command, or the program that started this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<u64>,
    /// The trace id that the agent sent along (W3C trace context). Its word alone: it joins records for people to read, and
    /// no rule reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_trace: Option<String>,
    /// What a door found wrong with the bytes before judging (a stable word such as `sni-mismatch`); policy refuses it
    /// under the rule of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<String>,
    /// What is known of a proposed tool call; `None` for every other deed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Box<CallFacts>>,
    /// A sign that text from outside gives orders to the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<Sign>,
    /// What was changed in texts from outside before the model reads them; each text once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewrites: Vec<Rewrite>,
    /// The state of the breakers, read by the guard before anything else.
    #[serde(default)]
    pub breakers: BreakerState,
    /// How much of each rate that the policy asked for was used up before this act.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spent: Vec<Spent>,
    /// Placeholders of secrets that stood in the request, each with its place. In what is judged a mark stands there instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placeholders: Vec<Inject>,
    /// Bytes of the request's URL and headers that stood in no text that Creel saw arrive; `None` when nobody counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<u64>,
    /// How many other names below the wildcard that the policy asked about were given to this jail before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub siblings: Option<u64>,
    /// Whether the upstream's resolver vouched for the addresses (the AD bit, RFC 4035, section 3.2.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dnssec: Option<bool>,
    /// When the act came, in seconds since 1970; `None` where no rule wanted to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// Who resolved the name, as the operator wrote it; `None` when nobody had to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<String>,
}

/// A sign of an order in a text from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sign {
    /// The detector's rule.
    pub rule: String,
    /// Whether that rule is enough alone.
    #[serde(default)]
    pub sure: bool,
}

/// One change of a text, with what it takes to undo it: a text's changes are undone pass by pass, the last pass first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    /// The start of the SHA-256 of the text as it came, in hex.
    pub text: String,
    /// The pass that made it.
    pub pass: u8,
    /// Where it stands in the text that its pass left, in bytes.
    pub at: u64,
    /// What stood there before.
    pub took: String,
    /// What stands there now.
    pub put: String,
    /// The detector's rule.
    pub rule: String,
}

/// What a door must find out before this act can be judged. Said by the policy, gathered by the door, never guessed: what
/// is missing when the act is judged is a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Read the body whole, in this form.
    pub form: Option<crate::send::Form>,
    /// Count the act under these rates.
    pub rates: Vec<RateKey>,
    /// Count the other names below this one that the jail was given.
    pub below: Option<HostName>,
    /// Say when it came.
    pub clock: bool,
}

/// A rate of the policy: so many acts in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateKey {
    /// Which entry's: the same across reloads that leave the entry as it is.
    pub key: u64,
    /// The window in seconds.
    pub seconds: u32,
}

/// How many acts were counted under a rate within its window, before this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The rate's key.
    pub key: u64,
    /// How many.
    pub count: u64,
}

/// Whether untrusted content has reached the jail. Unknown counts as tainted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Taint {
    /// Nothing but what a person or the operator said.
    Clean,
    /// Not known, so taken for tainted.
    #[default]
    Unknown,
    /// Something from outside was read.
    Tainted,
}

/// What the breakers say. Unknown is a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BreakerState {
    /// All closed: acts may pass.
    Closed,
    /// Not known, so nothing passes.
    #[default]
    Unknown,
    /// The named breaker has tripped.
    Open(String),
}
