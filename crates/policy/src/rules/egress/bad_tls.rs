//! A flaw that the egress door finds in the bytes: `bad-tls`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The TLS greeting can't be read or asks for what the door doesn't speak.
    "egress/bad-tls",
    to_agent: "the TLS greeting can't be accepted",
    how_to_allow: "nothing allows it: the client must speak TLS 1.2 or 1.3",
    examples: [("send - https://a.test flaw bad-tls", "deny egress/bad-tls")],
    judge: bad_tls,
}

fn bad_tls(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "bad-tls", "the TLS greeting can't be accepted")
}
