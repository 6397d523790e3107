//! A WebSocket is opened only where the entry says so.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::stage::Stage;

rule! {
    /// A WebSocket stays open for hours, and what goes over it is no request that a rule could judge by itself, so it is
    /// opened only where an entry says `websocket = true`.
    "egress/deny-websocket",
    to_agent: "no WebSocket may be opened here; ask your operator to allow it",
    how_to_allow: "add `websocket = true` to the host's entry",
    examples: [
        ("send GET wss://a.test/chat body ?", "deny egress/deny-websocket"),
        ("send GET wss://tunnel.test/chat body ?", "deny egress/deny-websocket"),
        ("send GET wss://ws.test/chat body ?", "allow egress/allow-approved"),
        ("send GET https://ws.test/chat", "allow egress/allow-approved"),
        ("send GET ws://ws.test:443/chat body ?", "deny egress/deny-plain-http"),
        ("send GET wss://evil.test/chat body ?", "deny egress/not-approved"),
    ],
    ends_at: Stage::Mode,
    judge: deny_websocket,
}

fn deny_websocket(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    let opens = matches!(send.scheme.as_str(), "ws" | "wss") && ends_at(policy, send, facts, Stage::Mode);
    opens.then(|| {
        Finding::deny(format!("the entry for `{}` port `{}` does not say `websocket = true`", send.to, send.port))
    })
}
