//! An answer that is not streamed.
//!
//! Owns [`Whole`]: the calls in it, and its form without the refused ones. Unchanged answers keep their bytes. Like
//! `stream`, it lets nothing by that it can't read. `enforce` calls it.

mod anthropic;
mod gemini;
mod openai;
mod responses;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::call::Proposed;
use super::config::{Format, MAX_CALLS};
use super::lookout::{Lookout, Sighting};
use super::stream::UNANSWERED;
use super::strict;
use super::usage::Usage;

/// An answer, read.
#[derive(Debug)]
pub(super) struct Whole {
    format: Format,
    raw: Bytes,
    answer: Map<String, Value>,
    /// Each call and its place in the list that holds it.
    calls: Vec<(usize, Proposed)>,
    /// A call written as text, and how much of the text comes before it.
    written: Option<(usize, Proposed)>,
}

impl Whole {
    /// Reads an answer.
    ///
    /// # Errors
    /// What is wrong with it: it is then withheld.
    pub(super) fn read(format: Format, raw: Bytes) -> Result<Self, String> {
        let answer = strict::parse_object(&raw)?;
        let calls = match format {
            Format::OpenAi => openai::calls(&answer)?,
            Format::Anthropic => anthropic::calls(&answer)?,
            Format::Responses => responses::calls(&answer)?,
            Format::Gemini => gemini::calls(&answer)?,
        };
        if calls.len() > MAX_CALLS {
            return Err(format!("it proposes more than {MAX_CALLS} calls at once"));
        }
        let text = match format {
            Format::OpenAi => openai::texts(&answer),
            Format::Anthropic => anthropic::texts(&answer),
            Format::Responses => responses::texts(&answer),
            Format::Gemini => gemini::texts(&answer),
        };
        let written = match Lookout::default().push(&text) {
            Sighting::Found(bytes, name) => Some((text.len() - bytes, super::stream::written(name, text))),
            Sighting::Clear | Sighting::Undecided(_) => None,
        };
        Ok(Self { format, raw, answer, calls, written })
    }

    /// What the provider counted.
    pub(super) fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        usage.take(self.format, &self.answer);
        usage
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = &Proposed> {
        self.calls.iter().chain(&self.written).map(|(_, call)| call)
    }

    /// The bytes to send, with a text in the place of each refused call.
    pub(super) fn resolve(mut self, refused: &[Option<String>]) -> Bytes {
        let unanswered = Some(UNANSWERED.to_owned());
        let texts: Vec<(usize, String)> = self
            .calls
            .iter()
            .enumerate()
            .filter_map(|(at, (place, _))| refused.get(at).unwrap_or(&unanswered).clone().map(|text| (*place, text)))
            .collect();
        if let Some((keep, _)) = &self.written {
            let refusal = refused.get(self.calls.len()).cloned().flatten();
            let refusal = refusal.as_deref().unwrap_or(UNANSWERED);
            match self.format {
                Format::OpenAi => openai::cut(&mut self.answer, *keep, refusal),
                Format::Anthropic => anthropic::cut(&mut self.answer, *keep, refusal),
                Format::Responses => responses::cut(&mut self.answer, *keep, refusal),
                Format::Gemini => gemini::cut(&mut self.answer, *keep, refusal),
            }
        } else if texts.is_empty() {
            return self.raw;
        }
        let none_left = !texts.is_empty() && texts.len() == self.calls.len();
        match self.format {
            Format::OpenAi => openai::without(&mut self.answer, &texts, none_left),
            Format::Anthropic => anthropic::without(&mut self.answer, &texts, none_left),
            Format::Responses => responses::without(&mut self.answer, &texts),
            Format::Gemini => gemini::without(&mut self.answer, &texts),
        }
        Bytes::from(Value::Object(self.answer).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(format: Format, value: &Value) -> Result<Whole, String> {
        Whole::read(format, Bytes::from(value.to_string()))
    }

    fn openai(calls: Value) -> Value {
        json!({ "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": { "role": "assistant", "content": null, "tool_calls": calls } }] })
    }

    fn call(id: &str) -> Value {
        json!({ "id": id, "type": "function", "function": { "name": "exec", "arguments": "{}" } })
    }

    #[test]
    fn what_passes_keeps_its_bytes() {
        let raw = Bytes::from_static(b"{ \"choices\" : [ {\"message\": {\"content\": \"hi\"} } ] }");
        assert_eq!(Whole::read(Format::OpenAi, raw.clone()).unwrap().resolve(&[]), raw);
        let whole = read(Format::OpenAi, &openai(json!([call("a")]))).unwrap();
        assert_eq!(whole.resolve(&[None]), openai(json!([call("a")])).to_string());
    }

    #[test]
    fn a_refused_call_becomes_text() {
        let whole = read(Format::OpenAi, &openai(json!([call("a"), call("b")]))).unwrap();
        assert_eq!(whole.calls().count(), 2);
        let out: Value = serde_json::from_slice(&whole.resolve(&[Some("no".to_owned()), None])).unwrap();
        let choice = &out["choices"][0];
        assert_eq!(choice["message"]["tool_calls"], json!([call("b")]));
        assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&json!("no"), &json!("tool_calls")));
        // Nobody answered for the second: refused as well.
        let whole = read(Format::OpenAi, &openai(json!([call("a"), call("b")]))).unwrap();
        let out: Value = serde_json::from_slice(&whole.resolve(&[Some("no".to_owned())])).unwrap();
        assert_eq!(out["choices"][0]["finish_reason"], "stop");
        assert!(out["choices"][0]["message"].get("tool_calls").is_none());
    }

    #[test]
    fn anthropic_blocks_keep_their_places() {
        let block = |id: &str| json!({ "type": "tool_use", "id": id, "name": "exec", "input": { "a": 1 } });
        let answer =
            json!({ "stop_reason": "tool_use", "content": [{ "type": "text", "text": "hm" }, block("a"), block("b")] });
        let whole = read(Format::Anthropic, &answer).unwrap();
        let out: Value = serde_json::from_slice(&whole.resolve(&[Some("no".to_owned()), None])).unwrap();
        assert_eq!(
            out["content"],
            json!([{ "type": "text", "text": "hm" }, { "type": "text", "text": "no" }, block("b")])
        );
        assert_eq!(out["stop_reason"], "tool_use");
    }

    #[test]
    fn a_call_written_as_text_is_cut_off() {
        let answer =
            json!({ "choices": [{ "message": { "content": " [exec]\n{\"a\":1}" }, "finish_reason": "stop" }] });
        let whole = read(Format::OpenAi, &answer).unwrap();
        assert_eq!(whole.calls().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["exec"]);
        let out: Value = serde_json::from_slice(&whole.resolve(&[Some("no".to_owned())])).unwrap();
        assert_eq!(out["choices"][0]["message"]["content"], " no");
        let blocks = json!([{ "type": "text", "text": "<think>" }, { "type": "text", "text": "</think>[exec]" },
            { "type": "text", "text": "{}" }]);
        let whole = read(Format::Anthropic, &json!({ "content": blocks, "stop_reason": "end_turn" })).unwrap();
        let out: Value = serde_json::from_slice(&whole.resolve(&[])).unwrap();
        let said: Vec<_> =
            out["content"].as_array().unwrap().iter().map(|block| block["text"].as_str().unwrap()).collect();
        assert_eq!((said[0], said[2]), ("<think>", "(cut)"));
        assert!(said[1].starts_with("</think>\n(Creel refused"), "{said:?}");
    }

    #[test]
    fn what_is_not_known_is_withheld() {
        for bad in [
            json!({}),
            json!({ "choices": [] }),
            json!({ "choices": [{ "message": {} }, { "message": {} }] }),
            json!({ "choices": [{ "message": { "function_call": { "name": "exec" } } }] }),
            json!({ "choices": [{ "delta": { "tool_calls": [] }, "message": {} }] }),
            openai(json!({})),
            openai(json!([{ "id": "a", "type": "mcp" }])),
        ] {
            assert!(read(Format::OpenAi, &bad).is_err(), "{bad}");
        }
        for bad in [
            json!({}),
            json!({ "content": [{ "type": "server_tool_use" }] }),
            json!({ "content": [{ "type": "tool_use", "input": "x" }] }),
        ] {
            assert!(read(Format::Anthropic, &bad).is_err(), "{bad}");
        }
    }

    fn item(id: &str) -> Value {
        json!({ "type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": "exec", "arguments": "{}", "status": "completed" })
    }

    fn says(text: &str) -> Value {
        json!({ "type": "message", "id": "msg_0", "role": "assistant", "status": "completed", "content": [{ "type": "output_text", "text": text, "annotations": [] }] })
    }

    #[test]
    fn responses_items_keep_their_places() {
        let answer = json!({ "object": "response", "output": [{ "type": "reasoning", "id": "rs_1", "summary": [] }, says("hm"), item("a"), item("b")],
            "output_text": "hm", "usage": { "input_tokens": 1 } });
        let whole = read(Format::Responses, &answer).unwrap();
        assert_eq!(whole.usage(), Usage { input: 1, cached: 0, output: 0 });
        assert_eq!(whole.resolve(&[None, None]), answer.to_string());
        let whole = read(Format::Responses, &answer).unwrap();
        let out: Value = serde_json::from_slice(&whole.resolve(&[Some("no".to_owned()), None])).unwrap();
        assert_eq!(out["output"][2]["content"][0]["text"], "no");
        assert_eq!((&out["output"][2]["id"], &out["output"][3]), (&json!("msg_a"), &item("b")));
        assert!(out.get("output_text").is_none() && out["output"][1] == says("hm"));
        let written = json!({ "output": [says("<think>"), says("</think>[exec]"), says("{}")] });
        let out: Value = serde_json::from_slice(&read(Format::Responses, &written).unwrap().resolve(&[])).unwrap();
        let said = |at: usize| out["output"][at]["content"][0]["text"].as_str().unwrap().to_owned();
        assert_eq!((said(0), said(2)), ("<think>".to_owned(), String::new()));
        assert!(said(1).starts_with("</think>\n(Creel refused"), "{out}");
    }

    #[test]
    fn responses_that_are_not_known_are_withheld() {
        for bad in [
            json!({}),
            json!({ "output": {} }),
            json!({ "output": [{ "type": "mcp_call", "name": "x" }] }),
            json!({ "output": [{ "type": "function_call", "name": "x", "arguments": "{}" }] }),
            json!({ "output": [says("x")], "output_text": "[exec]{}" }),
        ] {
            assert!(read(Format::Responses, &bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn geminis_parts_keep_their_places() {
        let part = |name: &str| json!({ "functionCall": { "name": name, "args": { "a": 1 } } });
        let answer = |parts: Value| json!({ "candidates": [{ "content": { "role": "model", "parts": parts }, "finishReason": "STOP" }] });
        let full = answer(json!([{ "text": "hm" }, part("exec"), part("read")]));
        assert_eq!(read(Format::Gemini, &full).unwrap().resolve(&[None, None]), full.to_string());
        let whole = read(Format::Gemini, &full).unwrap();
        let out: Value = serde_json::from_slice(&whole.resolve(&[Some("no".to_owned()), None])).unwrap();
        assert_eq!(out, answer(json!([{ "text": "hm" }, { "text": "no" }, part("read")])));
        let written = answer(json!([{ "text": "<think>" }, { "text": "</think>[exec]" }, { "text": "{}" }]));
        let out: Value = serde_json::from_slice(&read(Format::Gemini, &written).unwrap().resolve(&[])).unwrap();
        let said = |at: usize| out["candidates"][0]["content"]["parts"][at]["text"].as_str().unwrap().to_owned();
        assert_eq!((said(0), said(2)), ("<think>".to_owned(), String::new()));
        assert!(said(1).starts_with("</think>\n(Creel refused"), "{out}");
        for bad in [json!({ "candidates": [{}, {}] }), json!({ "error": {} }), answer(json!([{ "toolCall": {} }]))] {
            assert!(read(Format::Gemini, &bad).is_err(), "{bad}");
        }
    }
}
