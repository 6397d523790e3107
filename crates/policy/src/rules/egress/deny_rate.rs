//! Where an entry limits the rate, no faster one leaves.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::stage::Stage;

rule! {
    /// The entries for this host say `rate`, and it is used up. Every request that meets the entry's other conditions counts,
    /// refused ones too. A rate that nobody counted is used up.
    "egress/deny-rate",
    to_agent: "this destination was asked too often; wait a while",
    how_to_allow: "raise `rate` in the host's entry",
    examples: [
        ("send GET https://slow.test/ spent 2", "allow egress/allow-approved"),
        ("send GET https://slow.test/ spent 3", "deny egress/deny-rate"),
        ("send GET https://slow.test/", "deny egress/deny-rate"),
    ],
    ends_at: Stage::Rate,
    judge: deny_rate,
}

fn deny_rate(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    ends_at(policy, send, facts, Stage::Rate)
        .then(|| Finding::deny(format!("the rate of the entry for `{}` is used up", send.to)))
}
