//! Commands that a person decides.

use creel_guard::{Action, Facts, Obligations, Question, Run};

use super::run;
use crate::judge::Policy;
use crate::rule::{Finding, rule, shown};

rule! {
    /// The command stands in `[exec] ask`: a person reads it and decides. The process waits, and silence is No. Creel's own
    /// launcher starts nothing itself: the program behind it is asked about, once.
    "exec/ask-command",
    to_agent: "a person would have to approve this",
    how_to_allow: "answer the question, or take the pattern out of `[exec] ask`",
    examples: [
        ("run npm publish", "ask exec/ask-command"),
        ("run npm --tag next publish .", "ask exec/ask-command"),
        ("run npm install", "allow exec/allow-inside"),
        ("run /creel/launch as npm publish", "allow exec/allow-inside"),
    ],
    judge: ask_command,
}

fn ask_command(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    let run = run(action).filter(|run| run.program != Run::LAUNCHER)?;
    let pattern = policy.config().exec.ask.iter().find(|pattern| pattern.covers(run))?;
    let why = format!("`{}` stands in `[exec] ask`", shown(&pattern.to_string()));
    let text = format!(
        "A process wants to run `{}` with the arguments {:?} in `{}`. Asked because {why}. Which program starts is all that is \
         promised: what it reads later is not covered.",
        run.program, run.argv, run.cwd
    );
    Some(Finding::Ask { why, question: Question::new(text, Obligations::default()) })
}
