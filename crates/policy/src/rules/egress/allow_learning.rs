//! Bytes leave within an outer bound, while the operator has Creel learn what is needed.

use creel_guard::{Action, Facts};

use super::{owed, passing};
use crate::config::EgressAllow;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::stage::Stage;

rule! {
    /// An entry with `learn_until` names this host and port, the request meets every condition of it, and its time is not
    /// over. No other entry allows the request. `creel policy suggest --learnt` makes entries of what was let pass by this rule.
    "egress/allow-learning",
    to_agent: "allowed",
    how_to_allow: "it is allowed until the entry's time is over; take what `creel policy suggest --learnt` prints into `creel.toml`",
    examples: [
        ("send GET https://x.learn.test/v1 now 1799971199", "allow egress/allow-learning"),
        ("send GET https://x.learn.test/v1 now 1799971200", "deny egress/deny-period"),
    ],
    judge: allow_learning,
}

fn allow_learning(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    let unseen = facts.unseen.unwrap_or(send.path.len() as u64);
    let content = |entry: &&EgressAllow| !entry.when.ask && entry.when.max_unseen.is_none_or(|most| unseen <= most);
    let entry = passing(policy, send, facts, Stage::Period).find(content)?;
    Some(Finding::Allow {
        why: format!("the entry for `{}` allows it while Creel learns", entry.host),
        obligations: owed(entry, send, facts, policy),
    })
}
