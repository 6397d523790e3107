//! A whole answer of Anthropic Messages.
//!
//! Owns where its calls and its texts stand. Called by [`super`].

use serde_json::{Map, Value, json};

use crate::model::call::Proposed;
use crate::model::stream::cut_off;

/// All that is said.
pub(super) fn texts(answer: &Map<String, Value>) -> String {
    let blocks = answer.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    blocks.iter().filter_map(|block| block.get("text")).filter_map(Value::as_str).collect()
}

/// The calls and their places.
pub(super) fn calls(answer: &Map<String, Value>) -> Result<Vec<(usize, Proposed)>, String> {
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

/// Puts `refusal` in the place of what follows the first `keep` bytes of text.
pub(super) fn cut(answer: &mut Map<String, Value>, mut keep: usize, refusal: &str) {
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

/// Puts texts in the place of refused calls; `none_left` when no call stays.
pub(super) fn without(answer: &mut Map<String, Value>, refused: &[(usize, String)], none_left: bool) {
    for (place, text) in refused {
        if let Some(block) = answer.get_mut("content").and_then(|content| content.get_mut(*place)) {
            *block = json!({ "type": "text", "text": text });
        }
    }
    if none_left && answer.get("stop_reason").and_then(Value::as_str) == Some("tool_use") {
        answer.insert("stop_reason".to_owned(), "end_turn".into());
    }
}
