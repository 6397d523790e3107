//! Nothing in a query makes another method of a request.

use creel_guard::{Action, Facts};

use super::passing;
use crate::condition::query_pairs;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent, shown};
use crate::stage::Stage;

/// Names that frameworks take the method from, `_` and `$` written as `-`.
const OVERRIDES: [&str; 5] = ["method", "httpmethod", "http-method", "x-http-method", "x-http-method-override"];

rule! {
    /// The entries for this host list `methods`, and a query parameter is one that servers take for the method (`_method`,
    /// `$httpMethod`, `X-HTTP-Method-Override`). What was judged would not be what is done. Headers that do the same never
    /// travel at all.
    "egress/deny-method-override",
    to_agent: "this request says its method in two ways",
    how_to_allow: "the client must send the method itself, or the entry must do without `methods`",
    examples: [
        ("send GET https://api.test/v1/x?_method=DELETE", "deny egress/deny-method-override"),
        ("send GET https://api.test/v1/x?a=1&X-HTTP-Method-Override=PUT", "deny egress/deny-method-override"),
        ("send GET https://a.test/?_method=x", "allow egress/allow-approved"),
    ],
    judge: deny_method_override,
}

fn deny_method_override(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    if passing(policy, send, facts, Stage::Method).any(|entry| entry.methods.is_none()) {
        return None;
    }
    let (_, query) = send.path.split_once('?')?;
    let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '$'], "-");
    let (name, _) = query_pairs(query).find(|(name, _)| OVERRIDES.contains(&plain(name).trim_matches('-')))?;
    Some(Finding::deny(format!("the query parameter `{}` is a method to some servers", shown(&name))))
}
