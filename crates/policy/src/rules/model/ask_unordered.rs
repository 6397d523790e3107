//! Acts that nobody ordered.

use creel_guard::{Action, CallClass, Facts, Intent};

use super::{known, question};
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// The call has an effect, and the user's own words order no act of this kind: what a page, a mail or a file says
    /// orders nothing. A tool that nobody can class has an effect.
    "model/ask-unordered",
    to_agent: "a person would have to approve this: the user did not ask for such an act",
    how_to_allow: "answer the question, or tell the agent to do it",
    examples: [
        ("call unlock_door {} knows {\"class\":\"operate\"}", "ask model/ask-unordered"),
        ("call frobnicate {} knows {\"class\":\"unknown\"}", "ask model/ask-unordered"),
        ("call unlock_door {} knows {\"class\":\"operate\",\"intent\":\"ordered\"}", "allow model/allow-ordered"),
        ("call exec {} knows {\"class\":\"contained\",\"steered\":true}", "ask model/ask-unordered"),
    ],
    judge: ask_unordered,
}

fn ask_unordered(action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    let (call, known) = known(action, facts)?;
    let why = || format!("nobody ordered the agent to {}", known.class.word());
    // Work inside the jail is the agent's to choose, until content speaks to it.
    let free = known.class == CallClass::Contained && !known.steered;
    (known.intent == Intent::None && !free).then(|| question(call, known, why()))
}
