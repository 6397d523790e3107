//! Acts that can't be taken back.

use creel_guard::{Action, ArgumentKind, CallClass, Facts, Intent, Origin};

use super::{known, question};
use crate::config::HighRisk;
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// Money moves, data is destroyed, something is published, access changes, a device moves, code runs, something is
    /// installed, or what the agent is told is written. It passes when the user's own message orders exactly this act
    /// on exactly these values; with `high_risk = "always"` a person looks at each.
    "model/ask-high-risk",
    to_agent: "a person would have to approve this: it can't be taken back",
    how_to_allow: "answer the question, or tell the agent exactly what to do and to whom",
    examples: [
        (
            "call pay {} knows {\"class\":\"pay\",\"intent\":\"ordered\",\"arguments\":[{\"name\":\"hotel\",\"kind\":\"name\",\"value\":\"Ritz\",\"origin\":\"field\"}]}",
            "ask model/ask-high-risk"
        ),
        (
            "call pay {} knows {\"class\":\"pay\",\"intent\":\"ordered\",\"arguments\":[{\"name\":\"to\",\"kind\":\"destination\",\"value\":\"DE1\",\"origin\":\"said\"}]}",
            "allow model/allow-ordered"
        ),
        ("call pay {} knows {\"class\":\"install\",\"intent\":\"ordered\"}", "ask model/ask-high-risk"),
    ],
    judge: ask_high_risk,
}

fn ask_high_risk(action: &Action, facts: &Facts, policy: &Policy) -> Option<Finding> {
    use CallClass::{Access, Delete, Execute, Install, Instruct, Operate, Pay, Publish};
    let (call, known) = known(action, facts)?;
    if !matches!(known.class, Access | Delete | Execute | Install | Instruct | Operate | Pay | Publish) {
        return None;
    }
    if policy.config().tools.high_risk == HighRisk::Always {
        return Some(question(call, known, format!("`high_risk = \"always\"`: it would {}", known.class.word())));
    }
    let exact = known.arguments.iter().all(|argument| {
        argument.origin <= Origin::Directory || argument.kind == ArgumentKind::Name && known.class != Pay
    });
    // What the user says themselves may be remembered.
    let own_words = known.class == Instruct && known.intent == Intent::Ordered && !known.private;
    // Code is installed and instructions are written by what they hold: without a value to hold on to, nothing is exact.
    let grasped = !matches!(known.class, Install | Execute) || !known.arguments.is_empty();
    (!(own_words || exact && grasped)).then(|| question(call, known, format!("it would {}", known.class.word())))
}
