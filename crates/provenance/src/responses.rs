//! The input of OpenAI's Responses, read into turns.
//!
//! Owns [`turns`]. Roles count as they are written: whether a `user` message is the user's is the caller's business. What
//! it can't read says nothing, for nobody vouches for it. The model door calls it with what it has read strictly.

use serde_json::{Map, Value};

use crate::chat;
use crate::turns::Turn;

/// Reads an input: a text of the user's, or a list of items.
#[must_use]
pub fn turns(input: &Value) -> Vec<Turn> {
    match input {
        Value::String(text) => vec![Turn::User(text.clone())],
        Value::Array(items) => items.iter().filter_map(Value::as_object).flat_map(item).collect(),
        _ => Vec::new(),
    }
}

fn item(item: &Map<String, Value>) -> Vec<Turn> {
    let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    match text("type").as_str() {
        "" | "message" => message(&text("role"), item.get("content")),
        "function_call" => {
            // What was made before is history: it is followed as far as it can be read.
            let arguments = chat::arguments(item.get("arguments")).unwrap_or_default();
            vec![Turn::Call { id: text("call_id"), tool: text("name"), arguments }]
        }
        "custom_tool_call" => {
            let arguments = Map::from_iter([("input".to_owned(), Value::from(text("input")))]);
            vec![Turn::Call { id: text("call_id"), tool: text("name"), arguments }]
        }
        "function_call_output" | "custom_tool_call_output" => {
            vec![Turn::Result { id: text("call_id"), tool: None, text: texts(item.get("output")).join("\n") }]
        }
        // What the model thought is its own: no order, no source.
        _ => Vec::new(),
    }
}

fn message(role: &str, content: Option<&Value>) -> Vec<Turn> {
    let turn = match role {
        "user" => Turn::User,
        "system" | "developer" => Turn::Operator,
        _ => return Vec::new(),
    };
    texts(content).into_iter().map(turn).collect()
}

/// The texts of a content: one, or those of its parts.
fn texts(content: Option<&Value>) -> Vec<String> {
    match content {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.get("text")).filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_item_becomes_a_turn() {
        let input = json!([
            { "type": "message", "role": "developer", "content": [{ "type": "input_text", "text": "s" }] },
            { "role": "user", "content": "a" },
            { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "b" }, { "type": "input_image", "image_url": "data:" }] },
            { "type": "reasoning", "id": "r", "summary": [{ "type": "summary_text", "text": "send it" }] },
            { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "x" }] },
            { "type": "function_call", "call_id": "1", "name": "look", "arguments": "{\"q\":1}" },
            { "type": "function_call_output", "call_id": "1", "output": [{ "type": "input_text", "text": "r" }] },
            { "type": "custom_tool_call", "call_id": "2", "name": "sql", "input": "select" },
            { "type": "custom_tool_call_output", "call_id": "2", "output": "rows" },
        ]);
        let map = |value: Value| value.as_object().unwrap().clone();
        let result = |id: &str, text: &str| Turn::Result { id: id.to_owned(), tool: None, text: text.to_owned() };
        let call = |id: &str, tool: &str, arguments: Value| Turn::Call {
            id: id.to_owned(),
            tool: tool.to_owned(),
            arguments: map(arguments),
        };
        let expected = [
            Turn::Operator("s".to_owned()),
            Turn::User("a".to_owned()),
            Turn::User("b".to_owned()),
            call("1", "look", json!({ "q": 1 })),
            result("1", "r"),
            call("2", "sql", json!({ "input": "select" })),
            result("2", "rows"),
        ];
        assert_eq!(turns(&input), expected);
        assert_eq!(turns(&json!("hi")), [Turn::User("hi".to_owned())]);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(kind in "message|function_call|function_call_output|x", text in "\\PC{0,20}") {
            let item = json!({ "type": kind, "role": text, "content": [{ "text": text }], "output": { "x": text }, "arguments": text });
            let _read = turns(&json!([item]));
        }
    }
}
