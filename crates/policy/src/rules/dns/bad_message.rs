//! A flaw that the dns door finds in the bytes: `bad-message`.

use creel_guard::{Action, Facts};

use super::resolved;
use crate::judge::Policy;
use crate::rule::{Finding, rule, shown};

rule! {
    /// The message is not one question of the internet class: a zone transfer, a dynamic update, a notification, two
    /// questions, a response, or bytes that can't be read. It gets an error or no answer, whatever name stands in it.
    /// A few of each kind are recorded in a second; beyond that they are dropped.
    "dns/bad-message",
    to_agent: "this is no look-up",
    how_to_allow: "nothing allows it: the DNS door takes plain look-ups alone",
    examples: [
        ("resolve AXFR a.test flaw bad-message", "deny dns/bad-message"),
        ("resolve unreadable \\x00 flaw bad-message", "deny dns/bad-message"),
    ],
    judge: bad_message,
}

fn bad_message(action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    if facts.flaw.as_deref() != Some("bad-message") {
        return None;
    }
    let kind = resolved(action).map_or("not a look-up", |resolve| &resolve.kind);
    Some(Finding::deny(format!("the message is no question that is answered: `{}`", shown(kind))))
}
