//! Tool calls that the operator refuses.

use creel_guard::{Action, Facts};

use super::{called, lists};
use crate::judge::Policy;
use crate::rule::{Finding, rule, shown};

rule! {
    /// The tool stands in `[tools] deny`. The call is taken out of the model's answer before the agent sees it. Names
    /// are compared without regard to case.
    "model/deny-tool",
    to_agent: "your operator does not allow this tool",
    how_to_allow: "take the tool out of `[tools] deny`",
    examples: [
        ("call gateway {\"action\":\"restart\"}", "deny model/deny-tool"),
        ("call Gateway {}", "deny model/deny-tool"),
        ("call message {\"to\":\"all\"}", "ask model/ask-tool"),
    ],
    judge: deny_tool,
}

fn deny_tool(action: &Action, _facts: &Facts, policy: &Policy) -> Option<Finding> {
    let call = called(action)?;
    let listed = lists(&policy.config().tools.deny, call);
    listed.then(|| Finding::deny(format!("`{}` stands in `[tools] deny`", shown(&call.tool))))
}
