//! Bytes leave where one entry allows all of it.

use creel_guard::{Action, Facts};

use super::{owed, passing};
use crate::config::EgressAllow;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::stage::Stage;

rule! {
    /// One `[[egress.allow]]` entry names this host and port, and the request meets every condition of it; nothing is
    /// wrong with the bytes and no address of the host is closed.
    "egress/allow-approved",
    to_agent: "allowed",
    how_to_allow: "it is allowed; take the entry out of `creel.toml` to stop it",
    examples: [
        ("send GET https://a.test/", "allow egress/allow-approved"),
        ("send POST https://a.test/upload body ?", "allow egress/allow-approved"),
        ("send GET https://x.wild.test:8443/", "allow egress/allow-approved"),
        ("send GET https://a.test/ at 2606:4700:4700::1111,1.1.1.1", "allow egress/allow-approved"),
    ],
    judge: allow_approved,
}

fn allow_approved(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    let unseen = facts.unseen.unwrap_or(send.path.len() as u64);
    let content = |entry: &&EgressAllow| {
        !entry.when.ask && entry.when.learn_until.is_none() && entry.when.max_unseen.is_none_or(|most| unseen <= most)
    };
    let entry = passing(policy, send, facts, Stage::Period).find(content)?;
    Some(Finding::Allow {
        why: format!("the entry for `{}` allows it", entry.host),
        obligations: owed(entry, send, facts, policy),
    })
}
