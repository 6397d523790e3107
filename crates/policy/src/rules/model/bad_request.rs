//! A flaw that the model door finds in the bytes: `bad-request`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The request to the model is malformed or can be read in two ways.
    "model/bad-request",
    to_agent: "this request can't be read",
    how_to_allow: "nothing allows it: the client must send a well-formed request",
    examples: [("prompt scripted scripted-1 flaw bad-request", "deny model/bad-request")],
    judge: bad_request,
}

fn bad_request(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "bad-request", "the request is malformed or ambiguous")
}
