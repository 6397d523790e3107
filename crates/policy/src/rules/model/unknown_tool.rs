//! A flaw that the model door finds in the bytes: `unknown-tool`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The model proposes a call of a tool that the request did not offer.
    "model/unknown-tool",
    to_agent: "this tool was not offered",
    how_to_allow: "nothing allows it: the agent must offer a tool before the model calls it",
    examples: [("call exec {} flaw unknown-tool", "deny model/unknown-tool")],
    judge: unknown_tool,
}

fn unknown_tool(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "unknown-tool", "the tool was not offered by the request")
}
