//! Names below a wildcard may not be long enough to carry data.

use creel_guard::{Action, Facts, Target};

use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::rules::tunnel;

rule! {
    /// Below a wildcard the agent chooses the labels, and the upstream resolver and server read them. The same measure
    /// holds as at the DNS door (`dns/deny-tunnel-shape`), for names that did not come through it.
    "egress/deny-tunnel-shape",
    to_agent: "this name is too long to be reached below a wildcard; ask your operator to allow it",
    how_to_allow: "add an `[[egress.allow]]` entry that names this very host",
    examples: [
        ("send GET https://a.b.c.d.wild.test/", "allow egress/allow-approved"),
        ("send GET https://a.b.c.d.e.wild.test/", "deny egress/deny-tunnel-shape"),
    ],
    judge: deny_tunnel_shape,
}

fn deny_tunnel_shape(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    match &sent(action)?.to {
        Target::Host(host) => tunnel::found(policy, host),
        Target::Address(_) => None,
    }
}
