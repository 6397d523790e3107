//! A flaw that the model door finds in the bytes: `unknown-endpoint`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The request is for no endpoint of the model door. Only chat completions, responses, messages, Gemini's
    /// generateContent and the list of models are; files, batches and the like could carry anything out.
    "model/unknown-endpoint",
    to_agent: "there is no such endpoint here",
    how_to_allow: "nothing allows it in this edition of Creel",
    examples: [("at model send POST http://127.0.0.1:983/v1/files flaw unknown-endpoint", "deny model/unknown-endpoint")],
    judge: unknown_endpoint,
}

fn unknown_endpoint(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "unknown-endpoint", "the request is for no endpoint of this door")
}
