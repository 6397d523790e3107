//! Where an entry lists headers, they stand there as listed.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::stage::Stage;

rule! {
    /// The entries for this host list `headers`, and the request lacks one of them, has it twice or with another value, or
    /// has one that must be missing (`!name`).
    "egress/deny-header",
    to_agent: "this destination takes requests with certain headers alone; ask your operator",
    how_to_allow: "change `headers` in the host's entry",
    examples: [
        ("send GET https://headed.test/ with x-version=2026-01", "allow egress/allow-approved"),
        ("send GET https://headed.test/ with x-version=2025-01", "deny egress/deny-header"),
        ("send GET https://headed.test/ with x-version=2026-01 with x-debug=1", "deny egress/deny-header"),
    ],
    ends_at: Stage::Header,
    judge: deny_header,
}

fn deny_header(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    ends_at(policy, send, facts, Stage::Header)
        .then(|| Finding::deny(format!("no entry for `{}` allows these headers", send.to)))
}
