//! Untrusted input, private data and an effect outside: any two pass, three ask.

use creel_guard::{Action, ArgumentKind, Facts, Origin};

use super::{known, question};
use crate::judge::Policy;
use crate::rule::{Finding, rule};

rule! {
    /// Untrusted content stands in the conversation, the call carries more than the user's own words, and it reaches
    /// somebody outside. Two of these are everyday; with all three a person looks, unless the user's own words order
    /// this act and name everyone whom it reaches.
    "model/ask-rule-of-two",
    to_agent: "a person would have to approve this: it takes private data outside after untrusted content was read",
    how_to_allow: "answer the question, or name the recipient to the agent yourself",
    examples: [
        (
            "call send {} knows {\"class\":\"send\",\"intent\":\"ordered\",\"untrusted\":true,\"private\":true,\"outside\":true}",
            "ask model/ask-rule-of-two"
        ),
        (
            "call send {} knows {\"class\":\"send\",\"intent\":\"ordered\",\"untrusted\":true,\"private\":true,\"outside\":true,\"arguments\":[{\"name\":\"to\",\"kind\":\"destination\",\"value\":\"anna@a.test\",\"origin\":\"said\"}]}",
            "allow model/allow-ordered"
        ),
        (
            "call send {} knows {\"class\":\"send\",\"intent\":\"ordered\",\"private\":true,\"outside\":true}",
            "allow model/allow-ordered"
        ),
    ],
    judge: ask_rule_of_two,
}

fn ask_rule_of_two(action: &Action, facts: &Facts, _policy: &Policy) -> Option<Finding> {
    let (call, known) = known(action, facts)?;
    if !(known.untrusted && known.private && known.outside) {
        return None;
    }
    let mut towards = known.arguments.iter().filter(|argument| argument.kind == ArgumentKind::Destination).peekable();
    let named = towards.peek().is_some() && towards.all(|argument| argument.origin <= Origin::Directory);
    (!named).then(|| question(call, known, "untrusted content, private data and an effect outside meet".to_owned()))
}
