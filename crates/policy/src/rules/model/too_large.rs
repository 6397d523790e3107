//! A flaw that the model door finds in the bytes: `too-large`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The body of the request is longer than the door reads, so nobody could judge it.
    "model/too-large",
    to_agent: "this request is too long",
    how_to_allow: "nothing allows it: the conversation must be made shorter",
    examples: [("prompt scripted scripted-1 flaw too-large", "deny model/too-large")],
    judge: too_large,
}

fn too_large(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "too-large", "the body is longer than the door reads")
}
