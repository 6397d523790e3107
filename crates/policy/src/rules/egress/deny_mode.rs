//! An entry's connections speak what the entry says.

use creel_guard::{Action, Facts};

use super::ends_at;
use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::stage::Stage;

rule! {
    /// The entry for this host and port says what is spoken there (`mode`), and this is something else: HTTP where a tunnel
    /// or another protocol is approved, or the other way round.
    "egress/deny-mode",
    to_agent: "this destination is approved for another protocol; ask your operator to allow it",
    how_to_allow: "set `mode` in the host's entry to what is spoken there",
    examples: [
        ("send - tcp://a.test:443", "deny egress/deny-mode"),
        ("send - tunnel://a.test:443 body ?", "deny egress/deny-mode"),
        ("send GET https://tunnel.test/", "deny egress/deny-mode"),
        ("send - tcp://tunnel.test:443 body ?", "deny egress/deny-mode"),
        ("send - tunnel://tunnel.test:443 body ?", "allow egress/allow-approved"),
        ("send - smtp://mail.test:587 body ?", "allow egress/allow-approved"),
        ("send - smtp://mail.test:25 body ?", "deny egress/not-approved"),
        ("send - tcp://mail.test:587 body ?", "deny egress/deny-mode"),
        ("send - tunnel://tunnel.test:443 body ? at 10.0.0.1", "deny egress/deny-closed-range"),
        ("send CONNECT tcp://tunnel.test:443 at nowhere", "allow egress/allow-connect"),
    ],
    ends_at: Stage::Mode,
    judge: deny_mode,
}

fn deny_mode(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    let found = ends_at(policy, send, facts, Stage::Mode);
    found.then(|| {
        Finding::deny(format!("the entry for `{}` port `{}` is not for `{}`", send.to, send.port, send.scheme))
    })
}
