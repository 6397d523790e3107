//! Where an entry lists methods, no other one leaves.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent, shown};
use crate::stage::Stage;

rule! {
    /// The entries for this host list `methods`, and the request's is not among them. Methods are compared as they
    /// are: `get` is another method than `GET` (RFC 9110, section 9.1).
    "egress/deny-method",
    to_agent: "this destination takes other methods alone; ask your operator to allow it",
    how_to_allow: "add the method to `methods` in the host's entry",
    examples: [
        ("send POST https://api.test/v1/x body 9", "deny egress/deny-method"),
        ("send get https://api.test/v1/x", "deny egress/deny-method"),
        ("send - https://api.test", "deny egress/deny-method"),
        ("send GET https://api.test/v1/x", "allow egress/allow-approved"),
    ],
    ends_at: Stage::Method,
    judge: deny_method,
}

fn deny_method(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    if !ends_at(policy, send, facts, Stage::Method) {
        return None;
    }
    let method = send.method.as_deref().unwrap_or("no request");
    Some(Finding::deny(format!("`{}` is not among the methods of the entry for `{}`", shown(method), send.to)))
}
