//! Work inside the jail.

use creel_guard::{Action, CallClass, Facts};

use super::known;
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// The call runs a command or changes files inside the jail, nothing in it comes from content alone, and no content
    /// speaks to the agent unless the user ordered work. What the command then does meets the exec door, the egress door
    /// and the walls.
    "model/allow-contained",
    to_agent: "allowed",
    how_to_allow: "it is allowed; name the tool in `[tools] deny` or `[tools] ask` to stop it",
    examples: [
        ("call exec {} knows {\"class\":\"contained\"}", "allow model/allow-contained"),
        ("call exec {} knows {\"class\":\"contained\",\"steered\":true,\"intent\":\"ordered\"}", "allow model/allow-contained"),
    ],
    judge: allow_contained,
}

fn allow_contained(action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    let (_, known) = known(action, facts)?;
    (known.class == CallClass::Contained).then(|| Finding::allow("it works inside the jail"))
}
