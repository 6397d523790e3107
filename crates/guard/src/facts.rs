//! What a decision may use, gathered before it and recorded with it.
//!
//! Owns [`Facts`]. Never gathers them itself: doors and the guard process do.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

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
    /// What a door found wrong with the bytes before judging (a stable word such as `sni-mismatch`); policy refuses it
    /// under the rule of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<String>,
    /// The state of the breakers, read by the guard before anything else.
    #[serde(default)]
    pub breakers: BreakerState,
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
