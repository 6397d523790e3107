//! A flaw that the egress door finds in the bytes: `planted-socket`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The connection goes to one of Creel's own sockets or to the jail's loopback, by way of the proxy.
    "egress/planted-socket",
    to_agent: "this address belongs to the jail itself",
    how_to_allow: "nothing allows it",
    examples: [("send - tcp://127.0.0.1:981 flaw planted-socket", "deny egress/planted-socket")],
    judge: planted_socket,
}

fn planted_socket(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "planted-socket", "the original destination is one of Creel's own sockets or the jail's loopback")
}
