//! A flaw that the egress door finds in the bytes: `upgrade`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The request asks to leave HTTP for something else than a WebSocket (`Upgrade`, a `CONNECT` within a connection): no
    /// door could judge what follows.
    "egress/upgrade",
    to_agent: "leaving HTTP on this connection is not possible here",
    how_to_allow: "nothing allows it in this edition of Creel",
    examples: [("send GET https://a.test/ flaw upgrade", "deny egress/upgrade")],
    judge: upgrade,
}

fn upgrade(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "upgrade", "the request asks to leave HTTP")
}
