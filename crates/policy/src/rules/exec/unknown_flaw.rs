//! A flaw that no rule of the exec door knows.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, rule, shown};

rule! {
    /// The door found something wrong with the bytes, and no rule knows the word for it. What isn't understood is
    /// refused, whatever else would allow it.
    "exec/unknown-flaw",
    to_agent: "something is wrong with this request; ask your operator",
    how_to_allow: "nothing allows it; report it with the record, since a rule for this flaw is missing",
    examples: [("run ls flaw never-heard-of", "deny exec/unknown-flaw")],
    judge: unknown_flaw,
}

fn unknown_flaw(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    facts.flaw.as_deref().map(|word| Finding::deny(format!("the door found the flaw `{}`", shown(word))))
}
