//! A whole answer of OpenAI Chat Completions.
//!
//! Owns where its calls and its texts stand. Called by [`super`].

use serde_json::{Map, Value};

use crate::model::call::Proposed;
use crate::model::lookout::{VISIBLE, visible};
use crate::model::stream::cut_off;

/// All that is said.
pub(super) fn texts(answer: &Map<String, Value>) -> String {
    answer.get("choices").and_then(|choices| choices.pointer("/0/message")).map(visible).unwrap_or_default()
}

/// The calls and their places.
pub(super) fn calls(answer: &Map<String, Value>) -> Result<Vec<(usize, Proposed)>, String> {
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
        Some(Value::Array(calls)) => calls.iter().map(call).enumerate().map(|(at, call)| Ok((at, call?))).collect(),
        Some(_) => Err("`tool_calls` is no list".to_owned()),
    }
}

fn call(call: &Value) -> Result<Proposed, String> {
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

/// Puts `refusal` in the place of what follows the first `keep` bytes of text.
pub(super) fn cut(answer: &mut Map<String, Value>, keep: usize, refusal: &str) {
    let message = answer.get_mut("choices").and_then(|choices| choices.pointer_mut("/0/message"));
    let Some(message) = message.and_then(Value::as_object_mut) else { return };
    let said = cut_off(message.get("content").and_then(Value::as_str).unwrap_or_default(), keep, refusal);
    for key in VISIBLE {
        message.shift_remove(key);
    }
    message.insert("content".to_owned(), said.into());
}

/// Puts texts in the place of refused calls; `none_left` when no call stays.
pub(super) fn without(answer: &mut Map<String, Value>, refused: &[(usize, String)], none_left: bool) {
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
