//! Tool calls after a text that reads like an order to the model.

use creel_guard::{Action, CallClass, Facts, Intent};

use super::{known, question};
use crate::judge::Policy;
use crate::rule::{Finding, rule, shown};

rule! {
    /// A text from outside that stands in the conversation reads like an order to the model, and the call does more than
    /// look something up, do work inside the jail that the user ordered, or do what they ordered on values that they gave.
    /// The detector is often wrong both ways, so it refuses nothing; a person looks.
    "model/ask-sign",
    to_agent: "a person would have to approve this: a text from outside reads like an order",
    how_to_allow: "answer the question, or start a conversation without that text",
    examples: [
        ("call send {} knows {\"class\":\"send\",\"intent\":\"ordered\"} reads injection/override-idiom", "ask model/ask-sign"),
        ("call send {} knows {\"class\":\"send\",\"intent\":\"ordered\"}", "allow model/allow-ordered"),
        (
            "call send {} knows {\"class\":\"send\",\"intent\":\"ordered\",\"arguments\":[{\"name\":\"to\",\"kind\":\"destination\",\"value\":\"anna@a.test\",\"origin\":\"said\"}]} reads injection/override-idiom",
            "allow model/allow-ordered"
        ),
        ("call list_files {} knows {\"class\":\"read\"} reads injection/override-idiom", "allow model/allow-look-up"),
    ],
    judge: ask_sign,
}

fn ask_sign(action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    let (call, known) = known(action, facts)?;
    let sign = facts.sign.as_ref()?;
    let named = !known.arguments.is_empty() && known.arguments.iter().all(|argument| argument.origin.is_vouched());
    if known.intent == Intent::Ordered && (named || known.class == CallClass::Contained) {
        return None;
    }
    Some(question(call, known, format!("a text from outside reads like an order (`{}`)", shown(&sign.rule))))
}
