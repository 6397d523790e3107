//! A flaw that the model door finds in the bytes: `bad-arguments`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The arguments of a tool call are no JSON object with one meaning (broken text, a key that stands twice): what was
    /// judged here might not be what the agent reads.
    "model/bad-arguments",
    to_agent: "the arguments of this tool call can't be read",
    how_to_allow: "nothing allows it: the model must propose a well-formed call",
    examples: [("call exec {} flaw bad-arguments", "deny model/bad-arguments")],
    judge: bad_arguments,
}

fn bad_arguments(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "bad-arguments", "the arguments are no JSON object with one meaning")
}
