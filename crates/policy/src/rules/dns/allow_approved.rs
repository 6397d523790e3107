//! A name that an entry speaks of exists for the agent.

use creel_guard::{Action, Facts, Target};

use super::resolved;
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// An `[[egress.allow]]` entry speaks of this name. The agent gets a synthetic address that stands for it, from
    /// Creel itself; nothing is asked upstream. Whether bytes may then go there is for the egress door.
    "dns/allow-approved",
    to_agent: "allowed",
    how_to_allow: "it is allowed; take the entry out of `creel.toml` to stop it",
    examples: [
        ("resolve A a.test", "allow dns/allow-approved"),
        ("resolve AAAA A.TEST.", "allow dns/allow-approved"),
        ("resolve HTTPS x.wild.test", "allow dns/allow-approved"),
    ],
    judge: allow_approved,
}

fn allow_approved(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    let host = resolved(action)?.host.as_ref()?;
    let target = Target::Host(host.clone());
    let entry = policy.entries(&target).next()?;
    Some(Finding::allow(format!("the entry for `{}` speaks of it", entry.host)))
}
