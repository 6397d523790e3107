//! Unencrypted HTTP leaves only where the entry says so.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::stage::Stage;

rule! {
    /// Unencrypted HTTP can be read and changed on its way, so it leaves only on port 80 (an entry that lists port 80
    /// means it) and where an entry says `http = true`.
    "egress/deny-plain-http",
    to_agent: "this destination takes encrypted requests alone; use https",
    how_to_allow: "add `http = true` to the host's entry",
    examples: [
        ("send GET http://a.test:443/", "deny egress/deny-plain-http"),
        ("send GET http://plain.test:8080/", "allow egress/allow-approved"),
        ("send GET https://plain.test:8080/", "allow egress/allow-approved"),
    ],
    ends_at: Stage::Scheme,
    judge: deny_plain_http,
}

fn deny_plain_http(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    if !ends_at(policy, send, facts, Stage::Scheme) {
        return None;
    }
    Some(Finding::deny(format!("the entry for `{}` port `{}` does not say `http = true`", send.to, send.port)))
}
