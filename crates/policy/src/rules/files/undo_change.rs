//! A protected file that changes by no person's hand.

use creel_guard::{Action, Facts};

use super::touched;
use crate::config::Protect;
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// With `[files] protect = "undo"` a change to a file that OpenClaw takes orders from is undone: the last version that a
    /// person accepted is put back, and what was written is kept for people to look at.
    "files/undo-change",
    to_agent: "this file is your operator's",
    how_to_allow: "accept it with `creel files restore PATH VERSION`, or set `[files] protect = \"keep\"`",
    examples: [
        ("touch write /workspace/AGENTS.md changed", "deny files/undo-change"),
        ("touch write /workspace/AGENTS.md accepted", "allow files/allow-inside"),
    ],
    judge: undo_change,
}

fn undo_change(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    let protected = touched(action).filter(|touch| touch.writes)?.protected.as_ref()?;
    (policy.config().protect == Protect::Undo && !protected.accepted)
        .then(|| Finding::deny(format!("version {} is nobody's but the agent's, and is undone", protected.version)))
}
