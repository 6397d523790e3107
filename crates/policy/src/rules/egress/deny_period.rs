//! Where an entry is there to learn in, nothing leaves by it when that time is over.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::stage::Stage;

rule! {
    /// The entries for this host say `learn_until`, and that time is over, or nobody knows what time it is. What was learnt
    /// is on record: `creel policy suggest --learnt` makes entries of it.
    "egress/deny-period",
    to_agent: "this destination is not approved any more; ask your operator",
    how_to_allow: "take what `creel policy suggest --learnt` prints into `creel.toml`, or put `learn_until` off",
    examples: [
        ("send GET https://x.learn.test/ now 1799971200", "deny egress/deny-period"),
        ("send GET https://x.learn.test/", "deny egress/deny-period"),
        ("send GET https://x.learn.test/ now 1", "allow egress/allow-learning"),
    ],
    ends_at: Stage::Period,
    judge: deny_period,
}

fn deny_period(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    ends_at(policy, send, facts, Stage::Period)
        .then(|| Finding::deny(format!("the time to learn in of the entry for `{}` is over", send.to)))
}
