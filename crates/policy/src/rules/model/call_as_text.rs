//! A flaw that the model door finds in the bytes: `call-as-text`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The model writes a tool call as plain text. OpenClaw would carry it out, and nobody would have judged it.
    "model/call-as-text",
    to_agent: "a tool call can't stand in plain text",
    how_to_allow: "nothing allows it: a model calls tools in its wire format's own way, or not at all",
    examples: [("call exec {} flaw call-as-text", "deny model/call-as-text")],
    judge: call_as_text,
}

fn call_as_text(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "call-as-text", "the text holds what OpenClaw takes for a tool call")
}
