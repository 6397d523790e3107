//! A flaw that the egress door finds in the bytes: `packed-body`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// What leaves is searched for your secrets and for canaries, and this body is encoded in a way that Creel can't undo:
    /// anything but `gzip` and `deflate`, or more than two encodings.
    "egress/packed-body",
    to_agent: "this body's `Content-Encoding` can't be searched; send it plain, or as gzip",
    how_to_allow: "the client must send such a body plain, as `gzip` or as `deflate`; nothing else allows it",
    examples: [
        ("send POST https://api.test/up body 9 flaw packed-body", "deny egress/packed-body"),
    ],
    judge: packed_body,
}

fn packed_body(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "packed-body", "the body is encoded in a way that can't be undone, and so not searched")
}
