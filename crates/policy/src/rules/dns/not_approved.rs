//! A name that no entry speaks of does not exist for the agent.

use creel_guard::{Action, Facts, Target};

use super::resolved;
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// No `[[egress.allow]]` entry speaks of this name, so it does not exist for the agent: NXDOMAIN, and the question
    /// never travels upstream. That is why there is no DNS tunnel.
    "dns/not-approved",
    to_agent: "nobody approved this name; ask your operator to allow it",
    how_to_allow: "add an `[[egress.allow]]` entry with this host to `creel.toml`",
    examples: [
        ("resolve A evil.test", "deny dns/not-approved"),
        ("resolve A wild.test", "deny dns/not-approved"),
        ("resolve A xa.test", "deny dns/not-approved"),
        ("resolve A a.test.evil.test", "deny dns/not-approved"),
        ("resolve A metadata.google.internal", "deny dns/not-approved"),
    ],
    judge: not_approved,
}

fn not_approved(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    let host = resolved(action)?.host.as_ref()?;
    if policy.entries(&Target::Host(host.clone())).next().is_some() {
        return None;
    }
    let to_allow = format!("to allow it, add to `creel.toml`:\n[[egress.allow]]\nhost = \"{host}\"");
    Some(Finding::deny_unless(format!("no entry speaks of `{host}`"), to_allow))
}
