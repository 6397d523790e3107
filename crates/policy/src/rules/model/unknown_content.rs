//! A flaw that the model door finds in the bytes: `unknown-content`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The conversation holds a kind of content that the door does not know, and what it does not know it can't judge.
    "model/unknown-content",
    to_agent: "this kind of content is not known here",
    how_to_allow: "nothing allows it in this edition of Creel",
    examples: [("prompt scripted scripted-1 flaw unknown-content", "deny model/unknown-content")],
    judge: unknown_content,
}

fn unknown_content(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "unknown-content", "the conversation holds content of an unknown kind")
}
