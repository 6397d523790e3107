//! An answer that is not streamed.
//!
//! Owns [`Whole`]: the calls in it, and its form without the refused ones. Unchanged answers keep their bytes. Like
//! `stream`, it lets nothing by that it can't read. `enforce` calls it.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::call::Proposed;
use super::config::{Format, MAX_CALLS};
use super::lookout::{Lookout, Sighting, VISIBLE, visible};
use super::stream::{UNANSWERED, cut_off};
use super::strict;

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
            Format::OpenAi => openai_calls(&answer)?,
            Format::Anthropic => anthropic_calls(&answer)?,
        };
        if calls.len() > MAX_CALLS {
            return Err(format!("it proposes more than {MAX_CALLS} calls at once"));
        }
        let text = texts(format, &answer);
        let written = match Lookout::default().push(&text) {
            Sighting::Found(bytes, name) => Some((text.len() - bytes, super::stream::written(name, text))),
            Sighting::Clear | Sighting::Undecided(_) => None,
        };
        Ok(Self { format, raw, answer, calls, written })
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
                Format::OpenAi => openai_cut(&mut self.answer, *keep, refusal),
                Format::Anthropic => anthropic_cut(&mut self.answer, *keep, refusal),
            }
        } else if texts.is_empty() {
            return self.raw;
        }
        let none_left = !texts.is_empty() && texts.len() == self.calls.len();
        match self.format {
            Format::OpenAi => openai_without(&mut self.answer, &texts, none_left),
            Format::Anthropic => anthropic_without(&mut self.answer, &texts, none_left),
        }
        Bytes::from(Value::Object(self.answer).to_string())
    }
}

fn texts(format: Format, answer: &Map<String, Value>) -> String {
    match format {
        Format::OpenAi => answer.get("choices").and_then(|choices| choices.pointer("/0/message")).map(visible),
        Format::Anthropic => answer.get("content").map(|content| {
            let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
            blocks.iter().filter_map(|block| block.get("text")).filter_map(Value::as_str).collect()
        }),
    }
    .unwrap_or_default()
}

fn openai_cut(answer: &mut Map<String, Value>, keep: usize, refusal: &str) {
    let message = answer.get_mut("choices").and_then(|choices| choices.pointer_mut("/0/message"));
    let Some(message) = message.and_then(Value::as_object_mut) else { return };
    let said = cut_off(message.get("content").and_then(Value::as_str).unwrap_or_default(), keep, refusal);
    for key in VISIBLE {
        message.shift_remove(key);
    }
    message.insert("content".to_owned(), said.into());
}

fn anthropic_cut(answer: &mut Map<String, Value>, mut keep: usize, refusal: &str) {
    let mut refusal = Some(refusal);
    let Some(blocks) = answer.get_mut("content").and_then(Value::as_array_mut) else { return };
    for block in blocks {
        let Some(text) = block.get("text").and_then(Value::as_str) else { continue };
        if !text.is_empty() && keep >= text.len() {
            keep -= text.len();
            continue;
        }
        // Later texts stay as blocks, so that the places of the calls do.
        let said = refusal.take().map_or_else(|| "(cut)".to_owned(), |refusal| cut_off(text, keep, refusal));
        keep = 0;
        *block = json!({ "type": "text", "text": said });
    }
}

fn openai_calls(answer: &Map<String, Value>) -> Result<Vec<(usize, Proposed)>, String> {
    let choices = match answer.get("choices").and_then(Value::as_array).map(Vec::as_slice) {
        Some([choice]) => choice.as_object().ok_or("its choice is no object")?,
        _ => return Err("it holds not exactly one choice".to_owned()),
    };
    if choices.contains_key("delta") {
        return Err("it holds a piece of a stream".to_owned());
    }
    let message = choices.get("message").and_then(Value::as_object).ok_or("it holds no message")?;
    if message.get("function_call").is_some_and(|call| !call.is_null()) {
        return Err("a call comes in a form that was given up long ago".to_owned());
    }
    match message.get("tool_calls") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(calls)) => {
            calls.iter().map(openai_call).enumerate().map(|(at, call)| Ok((at, call?))).collect()
        }
        Some(_) => Err("`tool_calls` is no list".to_owned()),
    }
}

fn openai_call(call: &Value) -> Result<Proposed, String> {
    let text = |map: &Value, key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
    let (body, tail) = match (call.get("function"), call.get("custom")) {
        (Some(body), None) => (body, "arguments"),
        (None, Some(body)) => (body, "input"),
        _ => return Err("a call is of an unknown type".to_owned()),
    };
    match (text(call, "id"), text(body, "name"), text(body, tail)) {
        (Some(id), Some(name), Some(arguments)) => {
            Ok(Proposed { id, name, arguments, free_text: tail == "input", as_text: false })
        }
        _ => Err("a call lacks id, name or arguments".to_owned()),
    }
}

fn anthropic_calls(answer: &Map<String, Value>) -> Result<Vec<(usize, Proposed)>, String> {
    let blocks = answer.get("content").and_then(Value::as_array).ok_or("it holds no content")?;
    let mut calls = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        let text = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        match text("type").as_str() {
            "text" | "thinking" | "redacted_thinking" => {}
            "tool_use" => {
                let input =
                    block.get("input").filter(|input| input.is_object()).ok_or("a call's input is no object")?;
                let call = Proposed {
                    id: text("id"),
                    name: text("name"),
                    arguments: input.to_string(),
                    ..Proposed::default()
                };
                calls.push((at, call));
            }
            _ => return Err("it holds a block of a kind that is not known here".to_owned()),
        }
    }
    Ok(calls)
}

fn openai_without(answer: &mut Map<String, Value>, refused: &[(usize, String)], none_left: bool) {
    let choice = answer.get_mut("choices").and_then(|choices| choices.get_mut(0)).and_then(Value::as_object_mut);
    let Some(choice) = choice else { return };
    if none_left && choice.get("finish_reason").and_then(Value::as_str) == Some("tool_calls") {
        choice.insert("finish_reason".to_owned(), "stop".into());
    }
    let Some(message) = choice.get_mut("message").and_then(Value::as_object_mut) else { return };
    let mut at = 0;
    if let Some(calls) = message.get_mut("tool_calls").and_then(Value::as_array_mut) {
        calls.retain(|_| {
            at += 1;
            !refused.iter().any(|(place, _)| *place == at - 1)
        });
    }
    if none_left {
        message.shift_remove("tool_calls");
    }
    let said = message.get("content").and_then(Value::as_str).unwrap_or_default();
    let lines =
        std::iter::once(said).filter(|said| !said.is_empty()).chain(refused.iter().map(|(_, text)| text.as_str()));
    let content = lines.collect::<Vec<_>>().join("\n");
    message.insert("content".to_owned(), content.into());
}

fn anthropic_without(answer: &mut Map<String, Value>, refused: &[(usize, String)], none_left: bool) {
    for (place, text) in refused {
        if let Some(block) = answer.get_mut("content").and_then(|content| content.get_mut(*place)) {
            *block = json!({ "type": "text", "text": text });
        }
    }
    if none_left && answer.get("stop_reason").and_then(Value::as_str) == Some("tool_use") {
        answer.insert("stop_reason".to_owned(), "end_turn".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
