//! No look-up leaves as an HTTP request.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};

rule! {
    /// The request is a DNS message in HTTP (RFC 8484), or asks for one: names that nobody approved would resolve, and the
    /// question itself would carry data out.
    "egress/deny-dns-over-https",
    to_agent: "look names up with the system's resolver",
    how_to_allow: "nothing allows it",
    examples: [
        ("send POST https://a.test/dns-query body 33 with content-type=application/dns-message", "deny egress/deny-dns-over-https"),
        ("send GET https://a.test/dns-query?dns=AAABAAABAAAAAAAA", "deny egress/deny-dns-over-https"),
        ("send GET https://a.test/resolve?name=x with accept=application/dns-json", "deny egress/deny-dns-over-https"),
        ("send GET https://a.test/dns-query", "allow egress/allow-approved"),
    ],
    judge: deny_dns_over_https,
}

fn deny_dns_over_https(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    let kinds = send.headers.iter().filter(|(name, _)| matches!(*name, "accept" | "content-type"));
    let typed = kinds.map(|(_, value)| value.to_ascii_lowercase());
    let by_type = typed
        .into_iter()
        .any(|value| value.contains("application/dns-") || value.contains("application/oblivious-dns"));
    let (path, query) = send.path.split_once('?').unwrap_or((&send.path, ""));
    let by_path = path.ends_with("/dns-query") && query.split('&').any(|pair| pair.starts_with("dns="));
    (by_type || by_path).then(|| Finding::deny("it is a DNS message over HTTP"))
}
