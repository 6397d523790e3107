//! What the model door says when no rule of it has anything to say.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// No rule allows this act at the model door, so it may not be done. Only prompts and tool calls belong there.
    "model/default-deny",
    to_agent: "nothing allows this; ask your operator",
    how_to_allow: "nothing allows it: the model door takes prompts and tool calls alone",
    examples: [("at model send GET https://a.test/", "deny model/default-deny")],
    judge: default_deny,
}

/// Runs last, by way of the door's list, when no other rule spoke.
fn default_deny(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    Some(Finding::deny(format!("no rule of this door allows a `{}`", action.deed.verb())))
}
