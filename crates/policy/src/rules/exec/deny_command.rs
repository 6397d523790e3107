//! Commands that the operator refuses.

use creel_guard::{Action, Facts};

use super::run;
use crate::judge::Policy;
use crate::rule::{Finding, rule, shown};

rule! {
    /// The command stands in `[exec] deny`. What counts is the program that the kernel is asked to run and its real
    /// arguments, whoever asks: a shell, `env`, `xargs` or a program's own option. A copy under another name is another
    /// program: `[exec] allow` keeps those out.
    "exec/deny-command",
    to_agent: "your operator does not allow this command",
    how_to_allow: "take the pattern out of `[exec] deny`",
    examples: [
        ("run nc -l 9", "deny exec/deny-command"),
        ("run git push origin", "deny exec/deny-command"),
        ("run git -c x=y push", "deny exec/deny-command"),
        ("run git pull", "allow exec/allow-inside"),
    ],
    judge: deny_command,
}

fn deny_command(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    let run = run(action)?;
    let pattern = policy.config().exec.deny.iter().find(|pattern| pattern.covers(run))?;
    Some(Finding::deny(format!("`{}` stands in `[exec] deny`", shown(&pattern.to_string()))))
}
