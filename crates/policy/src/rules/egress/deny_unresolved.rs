//! Nothing is sent to a name whose addresses were not judged.

use creel_guard::{Action, Facts, Target};

use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};

rule! {
    /// The name resolved to nothing, or the door judged no address: then there is none that may be connected to. A
    /// literal address is judged itself, and may come with no other.
    "egress/deny-unresolved",
    to_agent: "this name has no address at the moment; try again later",
    how_to_allow: "see that the host's own resolver knows the name, or pin it with `address` in its entry",
    examples: [
        ("send GET https://a.test/ at nowhere", "deny egress/deny-unresolved"),
        ("send GET https://10.1.2.3/ at 1.1.1.1", "deny egress/deny-unresolved"),
        ("send GET https://10.1.2.3/ at nowhere", "allow egress/allow-approved"),
    ],
    judge: deny_unresolved,
}

fn deny_unresolved(action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    match &sent(action)?.to {
        Target::Host(host) => {
            facts.addresses.is_empty().then(|| Finding::deny(format!("no address of `{host}` was judged")))
        }
        Target::Address(address) => {
            let other = facts.addresses.iter().find(|other| other.to_canonical() != address.to_canonical())?;
            Some(Finding::deny(format!("the literal address `{address}` came with another one, `{other}`")))
        }
    }
}
