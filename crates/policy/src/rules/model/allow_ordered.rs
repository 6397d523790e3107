//! Tool calls that the user ordered, on values that the user gave.

use creel_guard::{Action, Facts};

use super::known;
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// The user's own words order an act of this kind, and every value that matters stands in them or follows from
    /// them. The call is recorded and reaches the agent; what it then does meets the other doors.
    "model/allow-ordered",
    to_agent: "allowed",
    how_to_allow: "it is allowed; name the tool in `[tools] deny` or `[tools] ask` to stop it",
    examples: [
        (
            "call send {\"to\":\"anna\"} knows {\"class\":\"send\",\"intent\":\"ordered\",\"outside\":true}",
            "allow model/allow-ordered"
        ),
    ],
    judge: allow_ordered,
}

fn allow_ordered(action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    known(action, facts).map(|_| Finding::allow("the user ordered it, and every value that matters is vouched for"))
}
