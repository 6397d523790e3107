//! What the exec door says when no rule of it has anything to say.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// Programs of the agent alone pass here; nothing else is understood, so it is refused.
    "exec/default-deny",
    to_agent: "nothing allows this; ask your operator",
    how_to_allow: "nothing allows it in this edition of Creel",
    examples: [("as person run ls -l", "deny exec/default-deny"), ("at exec resolve A a.test", "deny exec/default-deny")],
    judge: default_deny,
}

/// Runs last, by way of the door's list, when no other rule spoke.
fn default_deny(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    Some(Finding::deny(format!("no rule of this door allows a `{}`", action.deed.verb())))
}
