//! A flaw that the model door finds in the bytes: `known-value`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// A secret or a canary that stands whole in a text of a prompt gets its name in its place, and the prompt goes on. This one
    /// holds one in pieces over several texts, or as a key, where nothing can be put in its place.
    "model/known-value",
    to_agent: "this request holds what must not leave",
    how_to_allow: "nothing allows it: begin a new conversation, for this one has the value in it",
    examples: [("prompt scripted scripted-1 flaw known-value", "deny model/known-value")],
    judge: known_value,
}

fn known_value(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "known-value", "the prompt holds a known value that can't be taken out")
}
