//! What the files door says when no rule of it has anything to say.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// The door sees what the agent does to its own files, and hands nobody others.
    "files/default-deny",
    to_agent: "nothing allows this; ask your operator",
    how_to_allow: "nothing allows it: people reach the agent's files with `creel ws` and `creel files`",
    examples: [("as person touch write /workspace/x", "deny files/default-deny")],
    judge: default_deny,
}

/// Runs last, by way of the door's list, when no other rule spoke.
fn default_deny(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    Some(Finding::deny(format!("no rule of this door allows a `{}`", action.deed.verb())))
}
