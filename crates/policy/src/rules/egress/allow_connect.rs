//! A way to an approved place may be opened; what comes on it is judged.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};

rule! {
    /// A `CONNECT` to the proxy names a host and port that an `[[egress.allow]]` entry speaks of. It sends nothing and
    /// resolves nothing: TLS is terminated and each request on it is judged, as if it had come without a proxy.
    "egress/allow-connect",
    to_agent: "allowed",
    how_to_allow: "it is allowed; take the entry out of `creel.toml` to stop it",
    examples: [
        ("send CONNECT tcp://a.test:443 at nowhere", "allow egress/allow-connect"),
        ("send CONNECT tcp://api.test:443 at nowhere", "allow egress/allow-connect"),
        ("send CONNECT tcp://a.test:22 at nowhere", "deny egress/not-approved"),
        ("send CONNECT tcp://1.1.1.1:443", "deny egress/not-approved"),
        ("send CONNECT tcp://model.test:443 at nowhere", "deny egress/deny-provider-host"),
        ("send CONNECT https://a.test:443/", "allow egress/allow-approved"),
    ],
    judge: allow_connect,
}

fn allow_connect(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    let send = sent(action)?;
    let connects = send.scheme == "tcp" && send.method.as_deref() == Some("CONNECT");
    connects.then(|| Finding::allow(format!("an entry names `{}` with port `{}`", send.to, send.port)))
}
