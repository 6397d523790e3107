//! Only so many names may be looked up below one wildcard.

use creel_guard::{Action, Facts};

use super::resolved;
use crate::judge::Policy;
use crate::rule::{Finding, rule};
use crate::rules::tunnel;

rule! {
    /// Below a wildcard each new name is a message to whoever serves the zone. So at most 256 distinct ones are given to a
    /// jail in its life, below each wildcard; the ones it has stay good. A name with an entry of its own is free of this.
    "dns/deny-name-budget",
    to_agent: "too many names were looked up below this wildcard; ask your operator to allow this one",
    how_to_allow: "add an `[[egress.allow]]` entry that names this very host, or restart the jail",
    examples: [
        ("resolve A x.wild.test siblings 255", "allow dns/allow-approved"),
        ("resolve A x.wild.test siblings 256", "deny dns/deny-name-budget"),
        ("resolve A x.wild.test siblings ?", "deny dns/deny-name-budget"),
    ],
    judge: deny_name_budget,
}

fn deny_name_budget(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    tunnel::over_budget(policy, resolved(action)?.host.as_ref()?, facts)
}
