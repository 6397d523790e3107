//! A flaw that the egress door finds in the bytes: `unassigned-address`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The connection goes to one of Creel's synthetic addresses that stands for no name in this jail: a guess, or an
    /// address kept from another jail.
    "egress/unassigned-address",
    to_agent: "this address stands for no name",
    how_to_allow: "nothing allows it: a client must look the name up first",
    examples: [("send - tcp://198.18.0.9:443 flaw unassigned-address", "deny egress/unassigned-address")],
    judge: unassigned_address,
}

fn unassigned_address(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "unassigned-address", "the synthetic address stands for no name")
}
