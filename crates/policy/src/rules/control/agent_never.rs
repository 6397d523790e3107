//! The agent never passes the control door.

use creel_guard::{Action, Actor, Facts};

use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// The agent never passes the control door, whatever it holds or claims: who proposes can't approve, and nothing
    /// inside the jail administers the jail.
    "control/agent-never",
    to_agent: "the control door is closed to the agent",
    how_to_allow: "nothing allows it",
    examples: [
        ("as agent administer down", "deny control/agent-never"),
        ("as agent receive say hello", "deny control/agent-never"),
        ("at control as agent send GET https://a.test/", "deny control/agent-never"),
    ],
    judge: agent_never,
}

fn agent_never(action: &Action, _facts: &Facts, _policy: &Policy) -> Option<Finding> {
    (action.actor == Actor::Agent).then(|| Finding::deny("the agent came to the control door"))
}
