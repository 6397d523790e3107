//! What the ingress door says when no rule of it has anything to say.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// Triggers from outside are not served yet, so none comes in.
    "ingress/default-deny",
    to_agent: "nothing allows this; ask your operator",
    how_to_allow: "nothing allows it in this edition of Creel; `creel say` goes through the control door",
    examples: [("at ingress receive webhook hello", "deny ingress/default-deny"), ("at ingress as agent receive say hello", "deny ingress/default-deny")],
    judge: default_deny,
}

/// Runs last, by way of the door's list, when no other rule spoke.
fn default_deny(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    Some(Finding::deny(format!("no rule of this door allows a `{}`", action.deed.verb())))
}
