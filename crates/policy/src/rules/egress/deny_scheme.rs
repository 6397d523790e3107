//! HTTP and HTTPS leave; other protocols have no door yet.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, rule, sent, shown};

rule! {
    /// Only HTTP and HTTPS may leave: what nobody can read, nobody can judge.
    "egress/deny-scheme",
    to_agent: "only HTTP and HTTPS may leave here",
    how_to_allow: "nothing allows it in this edition of Creel: other protocols have no door yet",
    examples: [
        ("send - tcp://a.test:443", "deny egress/deny-scheme"),
        ("send GET ftp://a.test:443/x", "deny egress/deny-scheme"),
    ],
    judge: deny_scheme,
}

fn deny_scheme(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    let known = matches!(send.scheme.as_str(), "http" | "https");
    (!known).then(|| Finding::deny(format!("`{}` is neither `http` nor `https`", shown(&send.scheme))))
}
