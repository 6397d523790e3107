//! What is spoken must be something that a door knows.

use creel_guard::{Action, Facts, Mode};

use crate::judge::Policy;
use crate::rule::{Finding, rule, sent, shown};

rule! {
    /// Only HTTP, HTTPS, WebSockets and the modes of an entry may leave: no door knows anything else.
    "egress/deny-scheme",
    to_agent: "no door here knows this protocol",
    how_to_allow: "nothing allows it: name the host and port in an entry with a `mode` that fits",
    examples: [
        ("send GET ftp://a.test:443/x", "deny egress/deny-scheme"),
    ],
    judge: deny_scheme,
}

fn deny_scheme(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    let known = matches!(send.scheme.as_str(), "http" | "https" | "ws" | "wss") || Mode::named(&send.scheme).is_some();
    (!known).then(|| Finding::deny(format!("no door knows `{}`", shown(&send.scheme))))
}
