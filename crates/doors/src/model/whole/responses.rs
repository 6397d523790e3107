//! A whole answer of OpenAI Responses.
//!
//! Owns where its calls and its texts stand. Called by [`super`].

use serde_json::{Map, Value, json};

use crate::model::call::Proposed;
use crate::model::items::{Item, Part, message};
use crate::model::stream::cut_off;

/// The calls and their places.
pub(super) fn calls(answer: &Map<String, Value>) -> Result<Vec<(usize, Proposed)>, String> {
    let output = answer.get("output").and_then(Value::as_array).ok_or("it holds no output")?;
    let mut calls = Vec::new();
    let mut said = String::new();
    for (at, item) in output.iter().enumerate() {
        match Item::read(item)? {
            Item::Call(call) => calls.push((at, call)),
            Item::Message(parts) => {
                said.extend(parts.iter().filter(|part| !part.is_refusal).map(|part| part.text.as_str()));
            }
            Item::Reasoning => {}
        }
    }
    // A convenience of clients, which some servers send along.
    match answer.get("output_text") {
        None | Some(Value::Null) => Ok(calls),
        Some(Value::String(text)) if *text == said => Ok(calls),
        Some(_) => Err("`output_text` differs from the output".to_owned()),
    }
}

/// All that is said.
pub(super) fn texts(answer: &Map<String, Value>) -> String {
    let output = answer.get("output").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    output.iter().flat_map(parts).map(|part| part.text).collect()
}

fn parts(item: &Value) -> Vec<Part> {
    if let Ok(Item::Message(parts)) = Item::read(item) { parts } else { Vec::new() }
}

/// Puts `refusal` in the place of what follows the first `keep` bytes of text.
pub(super) fn cut(answer: &mut Map<String, Value>, mut keep: usize, refusal: &str) {
    answer.shift_remove("output_text");
    let mut refusal = Some(refusal);
    for item in answer.get_mut("output").and_then(Value::as_array_mut).into_iter().flatten() {
        let mut parts = parts(item);
        let mut is_changed = false;
        for part in &mut parts {
            if part.text.len() <= keep {
                keep -= part.text.len();
                continue;
            }
            part.text = refusal.take().map(|refusal| cut_off(&part.text, keep, refusal)).unwrap_or_default();
            (keep, is_changed) = (0, true);
        }
        if let (true, Some(item)) = (is_changed, item.as_object_mut()) {
            item.insert("content".to_owned(), parts.iter().map(Part::json).collect());
        }
    }
}

/// Puts texts in the place of refused calls.
pub(super) fn without(answer: &mut Map<String, Value>, refused: &[(usize, String)]) {
    answer.shift_remove("output_text");
    for (place, text) in refused {
        if let Some(item) = answer.get_mut("output").and_then(|output| output.get_mut(*place)) {
            let id =
                item.get("id").or_else(|| item.get("call_id")).and_then(Value::as_str).unwrap_or_default().to_owned();
            let part = Part { is_refusal: false, text: text.clone() };
            *item = message(&id, "completed", json!([part.json()]));
        }
    }
}
