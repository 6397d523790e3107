//! What the egress door says when no rule of it has anything to say.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// No rule allows this act at the egress door, so it may not be done. Only bytes leaving belong there.
    "egress/default-deny",
    to_agent: "nothing allows this; ask your operator",
    how_to_allow: "nothing allows it: the egress door takes bytes alone",
    examples: [("at egress call exec {}", "deny egress/default-deny"), ("at egress as person administer down", "deny egress/default-deny")],
    judge: default_deny,
}

/// Runs last, by way of the door's list, when no other rule spoke.
fn default_deny(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    Some(Finding::deny(format!("no rule of this door allows a `{}`", action.deed.verb())))
}
