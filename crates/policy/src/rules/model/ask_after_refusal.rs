//! What comes behind a refused call.

use creel_guard::{Action, CallClass, Facts};

use super::{known, question};
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// A call with an effect was refused or left unanswered since the user last spoke, and this one destroys, pays,
    /// changes access or what the agent is told: it may be the rest of the same plan, such as deleting what would have
    /// been sent.
    "model/ask-after-refusal",
    to_agent: "a person would have to approve this: an earlier call was refused",
    how_to_allow: "answer the question; a new message of the user's starts anew",
    examples: [
        (
            "call delete {} knows {\"class\":\"delete\",\"intent\":\"ordered\",\"after_refusal\":true}",
            "ask model/ask-after-refusal"
        ),
        (
            "call note {} knows {\"class\":\"write\",\"intent\":\"ordered\",\"after_refusal\":true}",
            "allow model/allow-ordered"
        ),
    ],
    judge: ask_after_refusal,
}

fn ask_after_refusal(action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    let (call, known) = known(action, facts)?;
    use CallClass::{Access, Delete, Execute, Install, Instruct, Operate, Pay};
    let grave = matches!(known.class, Access | Delete | Execute | Install | Instruct | Operate | Pay);
    (grave && known.after_refusal).then(|| question(call, known, "an earlier call was refused".to_owned()))
}
