//! A flaw that the exec door finds: `argv-changed`.

use creel_guard::{Action, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, flawed, rule};

rule! {
    /// The kernel started the program with other arguments than those that were judged, or started another file: memory was
    /// changed, or a file exchanged, between the check and the act. The program is killed before its own first instruction.
    "exec/argv-changed",
    to_agent: "the arguments changed while they were looked at",
    how_to_allow: "nothing allows it: no honest program does that",
    examples: [("run ls -l flaw argv-changed", "deny exec/argv-changed")],
    judge: argv_changed,
}

fn argv_changed(_action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    flawed(facts, "argv-changed", "the kernel started something else than what was judged")
}
