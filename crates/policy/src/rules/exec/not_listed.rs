//! Programs outside the places that the operator listed.

use creel_guard::{Action, Facts};

use super::run;
use crate::judge::Policy;
use crate::rule::{Finding, rule, shown};

rule! {
    /// `[exec] allow` lists where programs may lie, and this one lies elsewhere: what the agent wrote or fetched itself does
    /// not run then. Creel's own launcher and OpenClaw's runtime always may. An interpreter that is listed runs any script.
    "exec/not-listed",
    to_agent: "programs from this place may not run",
    how_to_allow: "add its path to `[exec] allow`",
    examples: [
        ("run /tmp/x", "deny exec/not-listed"),
        ("run /workspace/build/x --help", "allow exec/allow-inside"),
        ("run /creel/launch", "allow exec/allow-inside"),
    ],
    judge: not_listed,
}

/// Creel's own programs and OpenClaw's, which are read-only in the jail.
const OWN: [&str; 2] = ["/creel/", "/opt/openclaw/"];

fn not_listed(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    let run = run(action)?;
    let places = policy.config().exec.allow.as_ref()?;
    let listed =
        OWN.iter().any(|own| run.program.starts_with(own)) || places.iter().any(|place| place.covers(&run.program));
    (!listed).then(|| Finding::deny(format!("`{}` is in no place of `[exec] allow`", shown(&run.program))))
}
