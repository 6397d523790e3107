//! A refusal is a value, not an error.
//!
//! Owns [`Refusal`]. Doors render it once per protocol, in their `refuse.rs`.

use serde::{Deserialize, Serialize};

use crate::verdict::RuleId;

/// Why something may not be done, in two texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The rule that refused.
    pub rule: RuleId,
    /// What the agent may read: names the rule and what to do next, and nothing that helps an attacker.
    pub to_agent: String,
    /// What the ledger keeps.
    pub to_ledger: String,
    /// The record of the refusal, so that `creel why` can explain it; 0 when nothing could be recorded.
    pub record: u64,
}

impl Refusal {
    /// A refusal by `rule`, not yet recorded.
    #[must_use]
    pub fn new(rule: RuleId, to_agent: impl Into<String>, to_ledger: impl Into<String>) -> Self {
        Self { rule, to_agent: to_agent.into(), to_ledger: to_ledger.into(), record: 0 }
    }
}
