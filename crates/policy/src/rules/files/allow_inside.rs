//! What the agent does to its own files.

use creel_guard::{Action, Facts};

use super::touched;
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// The agent's places are its own: what it does there is recorded, and leaves the jail by other doors alone.
    "files/allow-inside",
    to_agent: "it is yours",
    how_to_allow: "it is allowed; `[files] protect = \"undo\"` undoes changes to protected files",
    examples: [
        ("touch write /workspace/x", "allow files/allow-inside"),
        ("touch open /workspace/AGENTS.md", "allow files/allow-inside"),
        ("as person touch write /workspace/x", "deny files/default-deny"),
    ],
    judge: allow_inside,
}

fn allow_inside(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    touched(action).map(|_| Finding::allow("it is among the agent's own files"))
}
