//! What a provider says that an answer cost.
//!
//! Owns [`Usage`], read of each format's own figures, streamed or not. It believes the provider and counts nothing itself:
//! `meter` does. `stream` and `whole` read it.

use serde_json::{Map, Value};

use super::config::Format;

/// Tokens as the provider counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Read, and written into the provider's cache.
    pub(super) input: u64,
    /// Read from the provider's cache, where it is not among `input`: Anthropic counts it apart, at a lower price.
    pub(super) cached: u64,
    pub(super) output: u64,
}

impl Usage {
    /// Takes the figures of an answer, or of a piece of one; what it does not say stays.
    pub(super) fn take(&mut self, format: Format, answer: &Map<String, Value>) {
        let (key, input, output): (_, &[&str], &[&str]) = match format {
            Format::OpenAi => ("usage", &["prompt_tokens"], &["completion_tokens"]),
            Format::Responses => ("usage", &["input_tokens"], &["output_tokens"]),
            Format::Anthropic => ("usage", &["input_tokens", "cache_creation_input_tokens"], &["output_tokens"]),
            Format::Gemini => (
                "usageMetadata",
                &["promptTokenCount", "toolUsePromptTokenCount"],
                &["candidatesTokenCount", "thoughtsTokenCount"],
            ),
        };
        let sum = |keys: &[&str]| {
            let tokens = keys.iter().filter_map(|token| answer.get(key)?.get(*token)?.as_u64());
            tokens.reduce(u64::saturating_add)
        };
        self.input = sum(input).unwrap_or(self.input);
        self.output = sum(output).unwrap_or(self.output);
        if format == Format::Anthropic {
            self.cached = sum(&["cache_read_input_tokens"]).unwrap_or(self.cached);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_format_has_its_own_figures() {
        for (format, answer) in [
            (Format::OpenAi, json!({ "usage": { "prompt_tokens": 3, "completion_tokens": 4 } })),
            (Format::Anthropic, json!({ "usage": { "input_tokens": 3, "output_tokens": 4 } })),
            (Format::Responses, json!({ "usage": { "input_tokens": 3, "output_tokens": 4 } })),
            (
                Format::Gemini,
                json!({ "usageMetadata": { "promptTokenCount": 3, "candidatesTokenCount": 1, "thoughtsTokenCount": 3 } }),
            ),
        ] {
            let mut usage = Usage::default();
            usage.take(format, answer.as_object().unwrap());
            assert_eq!(usage, Usage { input: 3, cached: 0, output: 4 }, "{answer}");
            for lie in
                [json!({}), json!({ "usage": "all", "usageMetadata": [] }), json!({ "usage": { "input_tokens": -1 } })]
            {
                usage.take(format, lie.as_object().unwrap());
            }
            assert_eq!(usage, Usage { input: 3, cached: 0, output: 4 }, "what is no figure changes nothing");
        }
        let mut usage = Usage::default();
        let cached =
            json!({ "usage": { "input_tokens": 1, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 9 } });
        usage.take(Format::Anthropic, cached.as_object().unwrap());
        assert_eq!(usage, Usage { input: 3, cached: 9, output: 0 });
        let all = json!({ "usageMetadata": { "candidatesTokenCount": u64::MAX, "thoughtsTokenCount": u64::MAX } });
        usage.take(Format::Gemini, all.as_object().unwrap());
        assert_eq!(usage.output, u64::MAX);
    }
}
