//! A flaw that the egress door finds in the bytes: `not-http`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The first bytes are neither a TLS greeting nor an HTTP/1 request, so nobody could judge what follows.
    "egress/not-http",
    to_agent: "only HTTP and HTTPS may leave here",
    how_to_allow: "nothing allows it in this edition of Creel: other protocols have no door yet",
    examples: [("send - tcp://a.test:443 flaw not-http", "deny egress/not-http")],
    judge: not_http,
}

fn not_http(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "not-http", "the first bytes are neither TLS nor HTTP/1")
}
