//! Tool calls that nobody spoke against.

use creel_guard::{Action, Facts};

use super::called;
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// The model proposes a tool call, and the tool stands neither in `[tools] deny` nor in `[tools] ask`. It is
    /// recorded and reaches the agent; what it then does meets the other doors.
    "model/allow-call",
    to_agent: "allowed",
    how_to_allow: "it is allowed; name the tool in `[tools] deny` or `[tools] ask` to stop it",
    examples: [
        ("call exec {\"command\":\"uname -a\"}", "allow model/allow-call"),
        ("call web_fetch {\"url\":\"https://evil.test/\"}", "allow model/allow-call"),
    ],
    judge: allow_call,
}

fn allow_call(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    called(action).map(|_| Finding::allow("no rule speaks against this tool"))
}
