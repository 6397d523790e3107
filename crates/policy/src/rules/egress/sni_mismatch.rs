//! A flaw that the egress door finds in the bytes: `sni-mismatch`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The name in the TLS greeting is missing or is not the one that the connection's address stands for: domain
    /// fronting, or a connection made past the resolver.
    "egress/sni-mismatch",
    to_agent: "the TLS server name does not match the host that was looked up",
    how_to_allow: "nothing allows it: a client must look the name up and send that name",
    examples: [("send GET https://a.test/ flaw sni-mismatch", "deny egress/sni-mismatch")],
    judge: sni_mismatch,
}

fn sni_mismatch(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "sni-mismatch", "the TLS server name is not the name behind the address")
}
