//! Only so many names may be reached below one wildcard.

use creel_guard::{Action, Facts, Target};

use crate::judge::Policy;
use crate::rule::{Finding, rule, sent};
use crate::rules::tunnel;

rule! {
    /// The same budget as at the DNS door (`dns/deny-name-budget`), for names that did not come through it: a client that
    /// speaks to the proxy names its host there, and Creel's own look-up would carry the name out.
    "egress/deny-name-budget",
    to_agent: "too many names were reached below this wildcard; ask your operator to allow this one",
    how_to_allow: "add an `[[egress.allow]]` entry that names this very host, or restart the jail",
    examples: [
        ("send GET https://x.wild.test/ siblings 255", "allow egress/allow-approved"),
        ("send GET https://x.wild.test/ siblings 256", "deny egress/deny-name-budget"),
        ("send GET https://a.test/ siblings 256", "allow egress/allow-approved"),
    ],
    judge: deny_name_budget,
}

fn deny_name_budget(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    match &sent(action)?.to {
        Target::Host(host) => tunnel::over_budget(policy, host, facts),
        Target::Address(_) => None,
    }
}
