//! Where an entry limits the body, no longer one leaves.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::stage::Stage;

rule! {
    /// The entries for this host say `max_body`, and the request says that its body is longer. One that does not say how
    /// long it is gets cut off at the limit, and the request fails.
    "egress/deny-body-size",
    to_agent: "this body is longer than what may go there",
    how_to_allow: "raise `max_body` in the host's entry",
    examples: [
        ("send POST https://strict.test/items body 1024 with content-type=application/json", "allow egress/allow-approved"),
        ("send POST https://strict.test/items body 1025 with content-type=application/json", "deny egress/deny-body-size"),
        ("send POST https://strict.test/items body ? with content-type=application/json", "allow egress/allow-approved"),
    ],
    ends_at: Stage::BodySize,
    judge: deny_body_size,
}

fn deny_body_size(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    ends_at(policy, send, facts, Stage::BodySize)
        .then(|| Finding::deny(format!("the body is longer than what the entry for `{}` allows", send.to)))
}
