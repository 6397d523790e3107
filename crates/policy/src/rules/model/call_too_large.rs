//! A flaw that the model door finds in the bytes: `call-too-large`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The arguments of a tool call are longer than a record holds, so nobody could see all of what was done.
    "model/call-too-large",
    to_agent: "the arguments of this tool call are too long",
    how_to_allow: "nothing allows it: the work must be cut into smaller calls",
    examples: [("call exec {} flaw call-too-large", "deny model/call-too-large")],
    judge: call_too_large,
}

fn call_too_large(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "call-too-large", "the arguments are longer than a record holds")
}
