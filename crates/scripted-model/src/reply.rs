//! What the scripted model says, before it is put into a wire format.
//!
//! Owns [`Reply`] and its cutting into deltas. Knows no JSON of any provider. Made by `helpful` and `script`, rendered by
//! `openai` and `anthropic`.

use std::time::Duration;

use serde_json::{Value, json};

/// Providers count about four bytes of English to a token.
const BYTES_A_TOKEN: usize = 4;

/// Length of a text delta, about what real providers send at once.
const TEXT_DELTA_BYTES: usize = 24;

/// Length of an argument delta when a script does not say.
pub(crate) const ARGUMENT_DELTA_BYTES: usize = 48;

/// One answer of the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reply {
    pub(crate) parts: Vec<Part>,
    /// Overrides the reason for stopping.
    pub(crate) finish: Option<String>,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Text(String),
    Call(ToolCall),
    /// Bytes put into the stream as they stand; the whole body when nothing is streamed.
    Raw(String),
    Delay(Duration),
    /// The connection breaks here.
    HangUp,
}

/// A proposed tool call; the arguments are text, since a script may make them malformed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolCall {
    pub(crate) tool: String,
    pub(crate) arguments: String,
    pub(crate) delta_bytes: usize,
}

impl ToolCall {
    /// A call of `tool`, through OpenClaw's meta-tool `tool_call` when the request offers that and not `tool` itself.
    pub(crate) fn new(tool: &str, arguments: Value, offered: &[String]) -> Self {
        let has = |name: &str| offered.iter().any(|offer| offer == name);
        let (tool, arguments) = if !has(tool) && has("tool_call") {
            ("tool_call", json!({ "id": tool, "args": arguments }))
        } else {
            (tool, arguments)
        };
        Self { tool: tool.to_owned(), arguments: arguments.to_string(), delta_bytes: ARGUMENT_DELTA_BYTES }
    }
}

impl Reply {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::Text(text.into())], finish: None }
    }

    pub(crate) fn calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.parts.iter().filter_map(|part| match part {
            Part::Call(call) => Some(call),
            Part::Text(_) | Part::Raw(_) | Part::Delay(_) | Part::HangUp => None,
        })
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Call(_) | Part::Raw(_) | Part::Delay(_) | Part::HangUp => None,
        })
    }

    /// What a provider would bill for the answer.
    pub(crate) fn tokens(&self) -> usize {
        let texts: usize = self.texts().map(str::len).sum();
        let calls: usize = self.calls().map(|call| call.tool.len() + call.arguments.len()).sum();
        tokens(texts + calls)
    }
}

/// About how many tokens so many bytes make.
pub(crate) fn tokens(bytes: usize) -> usize {
    bytes.div_ceil(BYTES_A_TOKEN)
}

/// `text` in deltas of about the length that providers send.
pub(crate) fn text_deltas(text: &str) -> impl Iterator<Item = &str> {
    cut(text, TEXT_DELTA_BYTES)
}

/// `text` in pieces of at most `bytes` bytes, or of one character where that is longer.
pub(crate) fn cut(text: &str, bytes: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut at = bytes.max(1).min(rest.len());
        while !rest.is_char_boundary(at) {
            at += 1;
        }
        let (piece, tail) = rest.split_at(at);
        rest = tail;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_loses_nothing() {
        for bytes in [0, 1, 2, 3, 24] {
            let text = "aé😀 and more";
            assert_eq!(cut(text, bytes).collect::<String>(), text);
        }
        assert_eq!(cut("", 3).count(), 0);
    }

    #[test]
    fn goes_through_the_meta_tool_only_when_it_must() {
        let offered = vec!["exec".to_owned(), "tool_call".to_owned()];
        assert_eq!(ToolCall::new("exec", json!({}), &offered).tool, "exec");
        let wrapped = ToolCall::new("web_fetch", json!({"url": "u"}), &offered);
        assert_eq!(
            (wrapped.tool.as_str(), wrapped.arguments.as_str()),
            ("tool_call", r#"{"id":"web_fetch","args":{"url":"u"}}"#)
        );
        assert_eq!(ToolCall::new("web_fetch", json!({}), &[]).tool, "web_fetch");
    }
}
