//! Tool calls that do not fit the tool's own schema.

use creel_guard::{Action, Facts};

use super::known;
use crate::judge::Policy;
use crate::rule::{Finding, rule, shown};

rule! {
    /// The arguments do not fit the schema that the tool was declared or offered with: one is missing, unknown or of
    /// another type. What such a call would do is anybody's guess.
    "model/bad-schema",
    to_agent: "the arguments do not fit the tool's schema",
    how_to_allow: "nothing allows it: the model must propose a call that fits the schema",
    examples: [
        ("call send {} knows {\"class\":\"send\",\"schema\":\"`to` is missing\"}", "deny model/bad-schema"),
        ("call look {} knows {\"class\":\"read\",\"schema\":\"`q` is missing\"}", "deny model/bad-schema"),
    ],
    judge: bad_schema,
}

fn bad_schema(action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    let (_, known) = known(action, facts)?;
    known.schema.as_ref().map(|why| Finding::deny(shown(why)))
}
