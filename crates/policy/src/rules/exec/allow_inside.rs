//! What runs in the jail.

use creel_guard::{Action, Facts};

use super::run;
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// Nothing speaks against it, so it runs: the jail holds whatever it is, and its bytes, names and requests pass doors of
    /// their own.
    "exec/allow-inside",
    to_agent: "it may run",
    how_to_allow: "it is allowed; `[exec] deny`, `ask` and `allow` narrow it",
    examples: [("run ls -l", "allow exec/allow-inside"), ("as person run ls -l", "deny exec/default-deny")],
    judge: allow_inside,
}

fn allow_inside(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    run(action).map(|_| Finding::allow("it runs inside the jail"))
}
