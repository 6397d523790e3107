//! Tool calls that change nothing.

use creel_guard::{Action, CallClass, Facts};

use super::known;
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// The call looks something up in the user's own world: it changes nothing and asks no place outside. What it
    /// brings back is untrusted, and what follows from it is judged.
    "model/allow-look-up",
    to_agent: "allowed",
    how_to_allow: "it is allowed; name the tool in `[tools] deny` or `[tools] ask` to stop it",
    examples: [
        ("call list_files {} knows {\"class\":\"read\",\"untrusted\":true}", "allow model/allow-look-up"),
    ],
    judge: allow_look_up,
}

fn allow_look_up(action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    let (_, known) = known(action, facts)?;
    (known.class == CallClass::Read).then(|| Finding::allow("it looks something up and changes nothing"))
}
