//! Where an entry pins an address, no other one will do.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::stage::Stage;

rule! {
    /// Every entry for this host and port pins an address, and the name came with another one. A pin is there to make
    /// sure that bytes go to that machine alone.
    "egress/deny-unpinned",
    to_agent: "this destination is pinned to another address; ask your operator",
    how_to_allow: "correct `address` in the host's entry, or take it out",
    examples: [("send GET https://pinned.test/", "deny egress/deny-unpinned")],
    ends_at: Stage::Address,
    judge: deny_unpinned,
}

fn deny_unpinned(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    if !ends_at(policy, send, facts, Stage::Address) {
        return None;
    }
    Some(Finding::deny(format!("`{}` came with an address that its entry does not pin", send.to)))
}
