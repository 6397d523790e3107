//! What an answer of Gemini's generateContent is made of: parts.
//!
//! Owns [`Part`], read strictly, and what is put in the place of refused ones. A part that this door does not know (what ran
//! at the provider among them) is an error. `stream` and `whole` read answers with it.

use serde_json::{Map, Value, json};

use super::call::Proposed;
use super::stream::cut_off;

/// What else may stand in a part; a reader that takes other spellings would see more.
const BESIDE: [&str; 3] = ["thought", "thoughtSignature", "partMetadata"];

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What is said.
    Text(String),
    /// What the model thought, or its signature alone.
    Thought,
    /// A call that the agent would make.
    Call(Proposed),
}

impl Part {
    /// Reads a part.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(part: &Value) -> Result<Self, String> {
        let part = part.as_object().ok_or("a part is no object")?;
        let mut data = part.iter().filter(|(key, _)| !BESIDE.contains(&key.as_str()));
        let is_thought = match part.get("thought") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(is_thought)) => *is_thought,
            Some(_) => return Err("`thought` of a part is neither true nor false".to_owned()),
        };
        match (data.next(), data.next()) {
            (None, _) => Ok(Self::Thought),
            (Some((key, Value::String(text))), None) if key == "text" => {
                Ok(if is_thought { Self::Thought } else { Self::Text(text.clone()) })
            }
            (Some((key, Value::Object(call))), None) if key == "functionCall" => proposed(call).map(Self::Call),
            (Some(_), None) => Err("it holds a part of a kind that is not known here".to_owned()),
            (Some(_), Some(_)) => Err("a part is of two kinds".to_owned()),
        }
    }
}

fn proposed(call: &Map<String, Value>) -> Result<Proposed, String> {
    if call.iter().any(|(key, value)| !matches!(key.as_str(), "id" | "name" | "args") && !value.is_null()) {
        return Err("a call comes in pieces, or holds what is not known here".to_owned());
    }
    let text = |key: &str| match call.get(key) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(format!("`{key}` of a call is no text")),
    };
    let arguments = match call.get("args") {
        None | Some(Value::Null) => String::new(),
        Some(args @ Value::Object(_)) => args.to_string(),
        Some(_) => return Err("a call's arguments are no object".to_owned()),
    };
    let call = Proposed { id: text("id")?, name: text("name")?, arguments, ..Proposed::default() };
    if call.name.is_empty() { Err("a call lacks its name".to_owned()) } else { Ok(call) }
}

/// The parts of the one candidate of an answer or a chunk; none when it has none.
///
/// # Errors
/// What is wrong with it.
pub(super) fn list(answer: &Map<String, Value>) -> Result<&[Value], String> {
    let candidate = match answer.get("candidates") {
        None | Some(Value::Null) => return Ok(&[]),
        Some(Value::Array(candidates)) => match candidates.as_slice() {
            [] => return Ok(&[]),
            [Value::Object(one)] if matches!(one.get("index").map(Value::as_u64), None | Some(Some(0))) => one,
            _ => return Err("it holds more than one candidate".to_owned()),
        },
        Some(_) => return Err("`candidates` is no list".to_owned()),
    };
    let content = match candidate.get("content") {
        None | Some(Value::Null) => return Ok(&[]),
        Some(content) => content.as_object().ok_or("a candidate's content is no object")?,
    };
    if !matches!(content.get("role").map(Value::as_str), None | Some(Some("model"))) {
        return Err("a candidate's content is not the model's".to_owned());
    }
    match content.get("parts") {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(parts)) => Ok(parts),
        Some(_) => Err("`parts` is no list".to_owned()),
    }
}

/// The same, to be changed.
pub(super) fn list_mut(answer: &mut Map<String, Value>) -> Option<&mut Vec<Value>> {
    answer.get_mut("candidates")?.get_mut(0)?.get_mut("content")?.get_mut("parts")?.as_array_mut()
}

/// All that is said in parts.
pub(super) fn said(parts: &[Value]) -> String {
    let text = |part: &Value| match Part::read(part) {
        Ok(Part::Text(text)) => Some(text),
        _ => None,
    };
    parts.iter().filter_map(text).collect()
}

/// The calls in parts and their places.
///
/// # Errors
/// What is wrong with a part.
pub(super) fn calls(parts: &[Value]) -> Result<Vec<(usize, Proposed)>, String> {
    let mut calls = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        if let Part::Call(call) = Part::read(part)? {
            calls.push((at, call));
        }
    }
    Ok(calls)
}

/// Takes what is said after the first `keep` bytes out of parts, with `refusal` in its place, once.
pub(super) fn cut(parts: &mut [Value], keep: &mut usize, refusal: &mut Option<&str>) {
    for part in parts {
        let Ok(Part::Text(text)) = Part::read(part) else { continue };
        if text.len() <= *keep {
            *keep -= text.len();
            continue;
        }
        *part = text_part(&refusal.take().map(|refusal| cut_off(&text, *keep, refusal)).unwrap_or_default());
        *keep = 0;
    }
}

/// Puts texts in the places of refused calls.
pub(super) fn without(parts: &mut [Value], refused: &[(usize, String)]) {
    for (place, text) in refused {
        if let Some(part) = parts.get_mut(*place) {
            *part = text_part(text);
        }
    }
}

fn text_part(text: &str) -> Value {
    json!({ "text": text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_an_error() {
        for bad in [
            json!("x"),
            json!({ "text": 1 }),
            json!({ "text": "x", "functionCall": { "name": "exec" } }),
            json!({ "function_call": { "name": "exec" } }),
            json!({ "functionCall": { "name": "exec" }, "function_call": { "name": "write" } }),
            json!({ "functionCall": "exec" }),
            json!({ "functionCall": { "args": {} } }),
            json!({ "functionCall": { "name": "exec", "args": "{}" } }),
            json!({ "functionCall": { "name": "exec", "partialArgs": [{ "jsonPath": "$.command", "stringValue": "i" }] } }),
            json!({ "functionCall": { "name": "exec", "willContinue": true } }),
            json!({ "executableCode": { "language": "PYTHON", "code": "x" } }),
            json!({ "codeExecutionResult": { "output": "x" } }),
            json!({ "toolCall": { "toolType": "GOOGLE_SEARCH" } }),
            json!({ "inlineData": { "mimeType": "image/png", "data": "AA" } }),
            json!({ "text": "x", "thought": "yes" }),
        ] {
            assert!(Part::read(&bad).is_err(), "{bad}");
        }
        assert_eq!(Part::read(&json!({ "text": "x", "thought": true })), Ok(Part::Thought));
        assert_eq!(Part::read(&json!({ "thoughtSignature": "x" })), Ok(Part::Thought));
        let call = Part::read(&json!({ "functionCall": { "name": "exec" }, "thoughtSignature": "x" }));
        assert!(matches!(call, Ok(Part::Call(call)) if call.arguments.is_empty()));
        for bad in [
            json!({ "candidates": {} }),
            json!({ "candidates": [{}, {}] }),
            json!({ "candidates": [{ "index": 1 }] }),
            json!({ "candidates": [{ "content": [] }] }),
            json!({ "candidates": [{ "content": { "role": "user" } }] }),
            json!({ "candidates": [{ "content": { "parts": {} } }] }),
        ] {
            assert!(list(bad.as_object().unwrap()).is_err(), "{bad}");
        }
    }
}
