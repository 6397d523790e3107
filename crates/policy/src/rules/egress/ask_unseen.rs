//! Text that nobody saw arrive is asked about where an entry says so.

use creel_guard::{Action, Facts};

use super::{asked, deciding, owed};
use crate::config::EgressAllow;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};

rule! {
    /// The entries for this host say `max_unseen`, and more bytes of the request's URL and headers than that stand in no text
    /// that Creel saw arrive, from a person or from a page that was fetched. A made-up URL carries data out; a link that was
    /// read does not. While nobody counts, every byte of path and query counts as unseen.
    "egress/ask-unseen",
    to_agent: "a person must approve a URL that stands in no text that was read",
    how_to_allow: "raise `max_unseen` in the host's entry, or take it out",
    examples: [
        ("send GET https://web.test/short", "allow egress/allow-approved"),
        ("send GET https://web.test/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ask egress/ask-unseen"),
        ("send GET https://web.test/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa unseen 0", "allow egress/allow-approved"),
        ("send GET https://web.test/short unseen 65", "ask egress/ask-unseen"),
    ],
    judge: ask_unseen,
}

fn ask_unseen(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    let unseen = facts.unseen.unwrap_or(send.path.len() as u64);
    let bounded = |entry: &EgressAllow| entry.when.max_unseen.is_none_or(|most| unseen <= most);
    let entry = deciding(policy, send, facts).next()?;
    if deciding(policy, send, facts).any(bounded) {
        return None;
    }
    let why = format!("`{unseen}` bytes of the URL and headers for `{}` stand in no text that was read", send.to);
    Some(asked(why, send, owed(entry, send, facts, policy)))
}
