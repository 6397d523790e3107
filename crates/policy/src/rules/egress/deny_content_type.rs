//! Where an entry lists media types, no other body leaves.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::stage::Stage;

rule! {
    /// The entries for this host list `content_types`, and the request's body is of another one, or of two. Parameters such
    /// as `charset` do not count. Multipart bodies are one media type among others: list it, or they are refused.
    "egress/deny-content-type",
    to_agent: "this destination takes bodies of other types alone; ask your operator to allow it",
    how_to_allow: "add the media type to `content_types` in the host's entry",
    examples: [
        ("send POST https://strict.test/items body 9 with content-type=application/json", "allow egress/allow-approved"),
        ("send POST https://strict.test/items body 9 with content-type=multipart/form-data", "deny egress/deny-content-type"),
        ("send POST https://strict.test/items body 9", "deny egress/deny-content-type"),
    ],
    ends_at: Stage::ContentType,
    judge: deny_content_type,
}

fn deny_content_type(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    ends_at(policy, send, facts, Stage::ContentType)
        .then(|| Finding::deny(format!("no entry for `{}` allows a body of this type", send.to)))
}
