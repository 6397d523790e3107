//! A flaw that the egress door finds in the bytes: `host-mismatch`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The request names another host or port than the one that the connection was made to: domain fronting, or an
    /// absolute-form target that differs from the Host field (RFC 9112, section 3.2).
    "egress/host-mismatch",
    to_agent: "the host of the request does not match the connection",
    how_to_allow: "nothing allows it: a client must send requests for a host over a connection to that host",
    examples: [("send GET https://a.test/ flaw host-mismatch", "deny egress/host-mismatch")],
    judge: host_mismatch,
}

fn host_mismatch(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "host-mismatch", "the request's host or port is not the connection's")
}
