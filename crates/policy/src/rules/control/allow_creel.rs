//! Creel administers itself.

use creel_guard::{Action, Actor, Deed, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// Creel's own acts on a jail (a restart after a crash, a sweep at start) pass, and are recorded like a person's.
    "control/allow-creel",
    to_agent: "allowed",
    how_to_allow: "it is allowed: these acts keep the jail in the state that the operator asked for",
    examples: [
        ("as creel administer restart", "allow control/allow-creel"),
        ("as creel receive say hello", "deny control/default-deny"),
    ],
    judge: allow_creel,
}

fn allow_creel(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    match (&action.actor, &action.deed) {
        (Actor::Creel, Deed::Administer(_)) => Some(Finding::allow("Creel's own act")),
        _ => None,
    }
}
