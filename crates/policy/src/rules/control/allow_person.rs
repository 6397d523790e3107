//! People administer Creel and speak to the agent.

use creel_guard::{Action, Actor, Deed, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// A person who reached the control socket (its owner and mode say who can) may administer Creel and speak to the
    /// agent. Each act is recorded under their name.
    "control/allow-person",
    to_agent: "allowed",
    how_to_allow: "it is allowed; take the person's access to the control socket away to stop it",
    examples: [
        ("administer down", "allow control/allow-person"),
        ("receive say RUN: uname -a", "allow control/allow-person"),
    ],
    judge: allow_person,
}

fn allow_person(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    match (&action.actor, &action.deed) {
        (Actor::Person { .. }, Deed::Administer(_) | Deed::Receive(_)) => {
            Some(Finding::allow("a person's act on Creel"))
        }
        _ => None,
    }
}
