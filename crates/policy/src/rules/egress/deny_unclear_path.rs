//! A path that two servers could read in two ways passes no path condition.

use creel_guard::{Action, Facts};

use super::entries_for_method;
use crate::canonical::canonical_path;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};

rule! {
    /// The entries for this host list `paths`, and the request's path is one that servers read in different ways: dot
    /// segments, `//`, `;`, a backslash, an encoded slash, dot, percent sign or control character. What was judged
    /// might not be what the server serves, so it is refused. Without `paths` any path may leave.
    "egress/deny-unclear-path",
    to_agent: "this path can be read in two ways; write it plainly",
    how_to_allow: "the client must send the path in its plain form, or the entry must do without `paths`",
    examples: [
        ("send GET https://api.test/v1/../admin", "deny egress/deny-unclear-path"),
        ("send GET https://api.test/v1/..%2fadmin", "deny egress/deny-unclear-path"),
        ("send GET https://api.test/v1/%252e%252e/admin", "deny egress/deny-unclear-path"),
        ("send GET https://api.test/v1/a;b=1", "deny egress/deny-unclear-path"),
        ("send GET https://api.test/v1//a", "deny egress/deny-unclear-path"),
        ("send GET https://api.test/v1/\\\\admin", "deny egress/deny-unclear-path"),
        ("send GET https://a.test/@scope%2fname", "allow egress/allow-approved"),
    ],
    judge: deny_unclear_path,
}

fn deny_unclear_path(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    if entries_for_method(policy, send).any(|entry| entry.paths.is_none()) {
        return None;
    }
    let unclear = canonical_path(&send.path).err()?;
    Some(Finding::deny(format!("the path can't be judged: {unclear}")))
}
