//! A person decides where an entry says so.

use creel_guard::{Action, Facts};

use super::{asked, deciding, owed};
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};

rule! {
    /// Every entry that allows this request says `ask = true`: a person decides about each one.
    "egress/ask-entry",
    to_agent: "a person must approve this request",
    how_to_allow: "answer the question, or take `ask` out of the host's entry",
    examples: [
        ("send POST https://ask.test/charges body 9", "ask egress/ask-entry"),
        ("send GET https://ask.test/charges", "allow egress/allow-approved"),
        ("send GET https://pay.learn.test/v1 now 1799971199", "ask egress/ask-entry"),
    ],
    judge: ask_entry,
}

fn ask_entry(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    let entry = deciding(policy, send, facts).next()?;
    if deciding(policy, send, facts).any(|entry| !entry.when.ask) {
        return None;
    }
    let why = format!("the entry for `{}` says `ask`", entry.host);
    Some(asked(why, send, owed(entry, send, facts, policy)))
}
