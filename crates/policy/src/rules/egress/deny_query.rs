//! Where an entry lists query parameters, no other one leaves.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::stage::Stage;

rule! {
    /// The entries for this host list `query`, and the request has a parameter that is not among them, twice, or written so
    /// that servers could read it in two ways.
    "egress/deny-query",
    to_agent: "this destination takes other query parameters alone; ask your operator to allow it",
    how_to_allow: "add the parameter to `query` in the host's entry",
    examples: [
        ("send GET https://strict.test/items?page=2&state=open", "allow egress/allow-approved"),
        ("send GET https://strict.test/items?page=2&debug=1", "deny egress/deny-query"),
        ("send GET https://strict.test/items?state=all", "deny egress/deny-query"),
        ("send GET https://strict.test/items?page=1&page=2", "deny egress/deny-query"),
        ("send GET https://strict.test/items?page=1;x=2", "deny egress/deny-query"),
    ],
    ends_at: Stage::Query,
    judge: deny_query,
}

fn deny_query(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    ends_at(policy, send, facts, Stage::Query)
        .then(|| Finding::deny(format!("no entry for `{}` allows this query", send.to)))
}
