//! The same call again and again, and calls without end.

use creel_guard::{Action, CallClass, Facts};

use super::{known, question};
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// The very same call was made before, three times for one with an effect and twenty times for a look-up, or fifty
    /// calls with an effect were made since the user last spoke: a loop, or somebody who tries.
    "model/ask-repetition",
    to_agent: "this was tried too often; a person would have to approve more of it",
    how_to_allow: "answer the question; a new message of the user's starts the count anew",
    examples: [
        ("call send {} knows {\"class\":\"send\",\"intent\":\"ordered\",\"repeated\":3}", "ask model/ask-repetition"),
        ("call look {} knows {\"class\":\"read\",\"repeated\":3}", "allow model/allow-look-up"),
        ("call look {} knows {\"class\":\"read\",\"repeated\":20}", "ask model/ask-repetition"),
        ("call send {} knows {\"class\":\"send\",\"intent\":\"ordered\",\"burst\":50}", "ask model/ask-repetition"),
    ],
    judge: ask_repetition,
}

/// How often the same call may be made.
const SAME: u32 = 3;
/// The same of a look-up.
const SAME_LOOK_UP: u32 = 20;
/// Calls with an effect since the user last spoke.
const BURST: u32 = 50;

fn ask_repetition(action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    let (call, known) = known(action, facts)?;
    let looks = known.class == CallClass::Read;
    let most = if looks { SAME_LOOK_UP } else { SAME };
    if known.repeated >= most {
        return Some(question(call, known, format!("the same call was made {} times before", known.repeated)));
    }
    let many = !looks && known.burst >= BURST;
    many.then(|| question(call, known, format!("{} calls with an effect were made for one message", known.burst)))
}
