//! A flaw that the egress door finds in the bytes: `bad-body`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// An entry declares the form of the body, and this one can't be read in that form in one way: another media type, an
    /// encoding, a key that stands twice, bytes behind the value, more than 1 MiB, or slower than 30 seconds.
    "egress/bad-body",
    to_agent: "this body can't be read in one way; send plain JSON, each key once",
    how_to_allow: "the client must send such a body, or the entry must do without `body`",
    examples: [
        ("send POST https://graph.test/graphql body 9 flaw bad-body", "deny egress/bad-body"),
    ],
    judge: bad_body,
}

fn bad_body(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "bad-body", "the body can't be read in the form that the entry declares")
}
