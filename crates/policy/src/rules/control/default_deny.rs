//! What the control door says when no rule of it has anything to say.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// No rule allows this act at the control door, so it may not be done.
    "control/default-deny",
    to_agent: "nothing allows this; ask your operator",
    how_to_allow: "nothing allows it: the control door is for people's acts on Creel",
    examples: [("at control as person send GET https://a.test/", "deny control/default-deny"), ("at control as creel call exec {}", "deny control/default-deny")],
    judge: default_deny,
}

/// Runs last, by way of the door's list, when no other rule spoke.
fn default_deny(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    Some(Finding::deny(format!("no rule of this door allows a `{}`", action.deed.verb())))
}
