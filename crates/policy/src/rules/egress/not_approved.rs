//! Nothing leaves for a destination that no entry names.

use creel_guard::{Action, Facts};

use super::entries;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};

rule! {
    /// No `[[egress.allow]]` entry names this host or address with this port, so nothing leaves for it. A literal
    /// address is approved only by an entry whose host is that very address: what a name resolves to never is.
    "egress/not-approved",
    to_agent: "nobody approved this destination; ask your operator to allow it",
    how_to_allow: "add an `[[egress.allow]]` entry with this host and port to `creel.toml`",
    examples: [
        ("send GET https://evil.test/", "deny egress/not-approved"),
        ("send GET https://a.test:8443/", "deny egress/not-approved"),
        ("send GET http://a.test/", "deny egress/not-approved"),
        ("send GET https://wild.test/", "deny egress/not-approved"),
        ("send GET https://93.184.215.14/", "deny egress/not-approved"),
        ("send GET http://169.254.169.254/latest/meta-data/", "deny egress/not-approved"),
        ("send - tcp://1.1.1.1:22", "deny egress/not-approved"),
    ],
    judge: not_approved,
}

fn not_approved(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    if entries(policy, send).next().is_some() {
        return None;
    }
    let (to, port) = (&send.to, send.port);
    let http = if send.scheme == "http" && port != 80 { "\nhttp = true" } else { "" };
    let to_allow =
        format!("to allow it, add to `creel.toml`:\n[[egress.allow]]\nhost = \"{to}\"\nports = [{port}]{http}");
    Some(Finding::deny_unless(format!("no entry names `{to}` with port `{port}`"), to_allow))
}
