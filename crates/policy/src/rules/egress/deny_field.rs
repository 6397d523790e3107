//! What an entry asks of a declared body stands in it.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::stage::Stage;

rule! {
    /// The entries for this host list `fields`, and the JSON body lacks one of them or has it with another value. That keeps
    /// a message in one chat, and previews off: a client that unfurls a link fetches it for the agent.
    "egress/deny-field",
    to_agent: "this destination takes bodies with certain members alone; ask your operator",
    how_to_allow: "change `fields` in the host's entry",
    examples: [
        (r#"send POST https://chat.test/post says {"channel":"C1","unfurl_links":false,"text":"hi"}"#, "allow egress/allow-approved"),
        (r#"send POST https://chat.test/post says {"channel":"C1","text":"hi"}"#, "deny egress/deny-field"),
        (r#"send POST https://chat.test/post says {"channel":"C1","unfurl_links":true,"text":"hi"}"#, "deny egress/deny-field"),
        (r#"send POST https://chat.test/post says {"channel":"C2","unfurl_links":false,"text":"hi"}"#, "deny egress/deny-field"),
    ],
    ends_at: Stage::Field,
    judge: deny_field,
}

fn deny_field(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    ends_at(policy, send, facts, Stage::Field)
        .then(|| Finding::deny(format!("no entry for `{}` allows these members of the body", send.to)))
}
