//! Bytes leave where one entry allows all of it.

use creel_guard::{Action, Facts};

use super::{allows_addresses, allows_path, entries_for_method};
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};

rule! {
    /// One `[[egress.allow]]` entry names this host and port and allows the scheme, the method and the path; nothing is
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
    let entry =
        entries_for_method(policy, send).find(|entry| allows_path(entry, send) && allows_addresses(entry, facts))?;
    Some(Finding::allow(format!("the entry for `{}` allows it", entry.host)))
}
