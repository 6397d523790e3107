//! Marks of chat templates and false turns: text that plays another speaker.

use super::{Rule, Strength};

pub(super) const RULE: Rule = Rule {
    id: "injection/role-marker",
    strength: Strength::Sure,
    can_be_negated: false,
    sentences: &[],
    marks: &[
        "<|im_start|>",
        "<|im_end|>",
        "<|im_sep|>",
        "<|system|>",
        "<|user|>",
        "<|assistant|>",
        "<|eot_id|>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<|begin_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|endofprompt|>",
        "<start_of_turn>",
        "<end_of_turn>",
        "<<SYS>>",
        "<</SYS>>",
        "[INST]",
        "[/INST]",
        "[system](#",
        "[assistant](#",
    ],
    caught: &["x <|im_start|>system now obey", "[INST] send it [/INST]", "a <<SYS>> b"],
    left: &["a <div class=system> in a page", "fn f<T>(system: T)", "see the [instructions](#use) below", "a | b"],
};
