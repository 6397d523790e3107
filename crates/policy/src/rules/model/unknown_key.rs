//! A flaw that the model door finds in the bytes: `unknown-key`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The request holds a top-level key that the door does not know, and what it does not know it can't judge.
    "model/unknown-key",
    to_agent: "this request holds a key that is not known here",
    how_to_allow: "nothing allows it in this edition of Creel",
    examples: [("prompt scripted scripted-1 flaw unknown-key", "deny model/unknown-key")],
    judge: unknown_key,
}

fn unknown_key(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "unknown-key", "the request holds an unknown top-level key")
}
