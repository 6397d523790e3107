//! Links in a message lead to approved hosts alone.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent, shown};
use crate::stage::{Stage, foreign_link};

rule! {
    /// The entries for this host say `links = \"approved\"`, and the body holds a link to a host that no entry names, or to
    /// one whose host can't be read. Whoever reads the message might follow it, and a client might fetch it for a preview.
    "egress/deny-link",
    to_agent: "this message links to a host that nobody approved",
    how_to_allow: "add an `[[egress.allow]]` entry for the linked host, or take `links` out of this one",
    examples: [
        (r#"send POST https://chat.test/post says {"channel":"C1","unfurl_links":false,"text":"https://a.test/x"}"#, "allow egress/allow-approved"),
        (r#"send POST https://chat.test/post says {"channel":"C1","unfurl_links":false,"text":"https://evil.test/?d=1"}"#, "deny egress/deny-link"),
        (r#"send POST https://chat.test/post says {"channel":"C1","unfurl_links":false,"blocks":[{"image_url":"http://10.0.0.9/x"}]}"#, "deny egress/deny-link"),
        (r#"send POST https://chat.test/post says {"channel":"C1","unfurl_links":false,"text":"https://a.test@evil.test"}"#, "deny egress/deny-link"),
    ],
    ends_at: Stage::Link,
    judge: deny_link,
}

fn deny_link(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    if !ends_at(policy, send, facts, Stage::Link) {
        return None;
    }
    let link = foreign_link(send, policy).unwrap_or_default();
    Some(Finding::deny(format!("the body links to `{}`, which no entry names", shown(&link))))
}
