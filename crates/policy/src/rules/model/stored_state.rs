//! A flaw that the model door finds in the bytes: `stored-state`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The request has the provider keep or look up something: stored answers, files, containers, background work. With
    /// somebody else's key that would be a dead drop.
    "model/stored-state",
    to_agent: "what the model provider keeps is out of reach here",
    how_to_allow: "nothing allows it in this edition of Creel",
    examples: [("prompt scripted scripted-1 flaw stored-state", "deny model/stored-state")],
    judge: stored_state,
}

fn stored_state(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "stored-state", "the provider would keep or look up something")
}
