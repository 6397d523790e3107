//! Tool calls that a person decides.

use creel_guard::{Action, Facts, Obligations, Question};

use super::{called, lists};
use crate::judge::Policy;
use crate::rule::{Finding, rule, shown};

rule! {
    /// The tool stands in `[tools] ask`: a person reads the call and decides. The call waits, and silence is No.
    "model/ask-tool",
    to_agent: "a person would have to approve this",
    how_to_allow: "answer the question, or take the tool out of `[tools] ask`",
    examples: [
        ("call message {\"to\":\"all\"}", "ask model/ask-tool"),
        ("call MESSAGE {}", "ask model/ask-tool"),
    ],
    judge: ask_tool,
}

fn ask_tool(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    let call = called(action)?;
    lists(&policy.config().tools.ask, call).then(|| {
        let why = format!("`{}` stands in `[tools] ask`", shown(&call.tool));
        let text = format!("The model wants to call {} with {}. Asked because {why}.", call.tool, call.arguments);
        Finding::Ask { why, question: Question::new(text, Obligations::default()) }
    })
}
