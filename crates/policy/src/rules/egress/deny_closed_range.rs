//! Private, local and metadata addresses stay closed, whatever name leads there.

use std::net::IpAddr;

use creel_guard::{Action, Facts, Target};

use super::entries;
use crate::judge::Policy;
use crate::ranges::{closed, never};
use crate::rule::{Finding, rule, sent};

rule! {
    /// One of the addresses lies in a closed range: private, loopback, link-local, carrier-grade NAT, multicast,
    /// reserved, a cloud's metadata service, or the host's own, in whatever form (mapped, NAT64, 6to4, Teredo, ISATAP).
    /// One closed address among open ones is enough. Only the exact `address` of an entry, or an entry whose host is
    /// that very address, opens one; nothing opens link-local and metadata addresses.
    "egress/deny-closed-range",
    to_agent: "this destination lies in a closed range; ask your operator to allow it",
    how_to_allow: "pin the exact address with `address = \"…\"` in the host's entry; nothing opens link-local and \
                   metadata addresses",
    examples: [
        ("send GET https://a.test/ at 127.0.0.1", "deny egress/deny-closed-range"),
        ("send GET https://a.test/ at 1.1.1.1,10.0.0.1", "deny egress/deny-closed-range"),
        ("send GET https://a.test/ at ::ffff:169.254.169.254", "deny egress/deny-closed-range"),
        ("send GET https://a.test/ at 64:ff9b::a9fe:a9fe", "deny egress/deny-closed-range"),
        ("send GET https://a.test/ at 2002:a9fe:a9fe::", "deny egress/deny-closed-range"),
        ("send GET https://a.test/ at fd00:ec2::254", "deny egress/deny-closed-range"),
        ("send GET https://a.test/ at 93.184.215.99", "deny egress/deny-closed-range"),
        ("send GET https://pinned.test/ at 127.0.0.1", "allow egress/allow-approved"),
        ("send GET https://pinned.test/ at 127.0.0.2", "deny egress/deny-closed-range"),
        ("send GET https://metadata.test/ at 169.254.169.254", "deny egress/deny-closed-range"),
        ("send GET https://10.1.2.3/", "allow egress/allow-approved"),
    ],
    judge: deny_closed_range,
}

fn deny_closed_range(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    let literal = match &send.to {
        Target::Address(address) => Some(*address),
        Target::Host(_) => None,
    };
    let pinned = |address: IpAddr| {
        literal.is_some() || entries(policy, send).any(|entry| entry.address.is_some_and(|pin| same(pin, address)))
    };
    facts.addresses.iter().copied().chain(literal).find_map(|address| {
        if let Some(why) = never(address) {
            return Some(Finding::deny(format!("`{address}` is {why}, which no entry opens")));
        }
        let own = policy.config().own_addresses.iter().any(|own| same(*own, address));
        let why = if own { Some("an address of this host") } else { closed(address) }?;
        (!pinned(address)).then(|| {
            let to_allow = format!("to allow it, add `address = \"{address}\"` to the entry for `{}`", send.to);
            Finding::deny_unless(format!("`{}` leads to `{address}`, which is {why}", send.to), to_allow)
        })
    })
}

fn same(one: IpAddr, other: IpAddr) -> bool {
    one.to_canonical() == other.to_canonical()
}
