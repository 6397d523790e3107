//! A flaw that the dns door finds in the bytes: `names-full`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// This jail has been given as many names as its address book holds; a synthetic address is never used for a second
    /// name. Only names below a wildcard can be that many: it looks like a tunnel.
    "dns/names-full",
    to_agent: "no more names can be looked up in this jail",
    how_to_allow: "restart the jail, and replace the wildcard by the hosts that are meant",
    examples: [("resolve A x.wild.test flaw names-full", "deny dns/names-full")],
    judge: names_full,
}

fn names_full(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "names-full", "the jail's address book is full")
}
