//! Where an entry lists paths, no other one leaves.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent, shown};
use crate::stage::Stage;

rule! {
    /// The entries for this host list `paths`, and none covers the request's path (decoded once, without its query).
    "egress/deny-path",
    to_agent: "nobody approved this path; ask your operator to allow it",
    how_to_allow: "add the path to `paths` in the host's entry",
    examples: [
        ("send GET https://api.test/v2/x", "deny egress/deny-path"),
        ("send GET https://api.test/V1/x", "deny egress/deny-path"),
        ("send GET https://api.test/v1/x?next=/../", "allow egress/allow-approved"),
    ],
    ends_at: Stage::Path,
    judge: deny_path,
}

fn deny_path(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    if !ends_at(policy, send, facts, Stage::Path) {
        return None;
    }
    let path = send.path.split('?').next().unwrap_or_default();
    Some(Finding::deny(format!("no entry for `{}` covers the path `{}`", send.to, shown(path))))
}
