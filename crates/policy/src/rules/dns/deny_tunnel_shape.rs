//! Names below a wildcard may not be long enough to carry data.

use creel_guard::{Action, Facts};

use super::resolved;
use crate::judge::Policy;
use crate::rule::{Finding, rule};
use crate::rules::tunnel;

rule! {
    /// Below a wildcard the agent chooses the labels, and whoever resolves the name upstream reads them. So at most
    /// four labels may stand in front of the suffix, of at most 40 bytes each, and none that is long and of random letters. A name with an entry of its own is
    /// free of this.
    "dns/deny-tunnel-shape",
    to_agent: "this name is too long to be looked up below a wildcard; ask your operator to allow it",
    how_to_allow: "add an `[[egress.allow]]` entry that names this very host",
    examples: [
        ("resolve A a.b.c.d.wild.test", "allow dns/allow-approved"),
        ("resolve A a.b.c.d.e.wild.test", "deny dns/deny-tunnel-shape"),
        ("resolve A aaaaaaaaaabbbbbbbbbbccccccccccddddddddddx.wild.test", "deny dns/deny-tunnel-shape"),
        ("resolve A mzxw6ytboi4dk3tqovzg64tlnfxgo2lo.wild.test", "deny dns/deny-tunnel-shape"),
        ("resolve A 550e8400-e29b-41d4-a716-446655440000.wild.test", "allow dns/allow-approved"),
    ],
    judge: deny_tunnel_shape,
}

fn deny_tunnel_shape(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    tunnel::found(policy, resolved(action)?.host.as_ref()?)
}
