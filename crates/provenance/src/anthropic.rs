//! Messages in the form of Anthropic's Messages, read into turns.
//!
//! Owns [`turns`]. Roles count as they are written: whether a `user` message is the user's is the caller's business. What
//! it can't read says nothing, for nobody vouches for it. The model door calls it with what it has read strictly.

use serde_json::{Map, Value};

use crate::turns::Turn;

/// Blocks inside blocks: no deeper.
const MOST_DEPTH: u8 = 6;

/// Reads a list of messages.
#[must_use]
pub fn turns(messages: &[Value]) -> Vec<Turn> {
    let mut found = Vec::new();
    for message in messages.iter().filter_map(Value::as_object) {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        match message.get("content") {
            Some(Value::String(text)) if role == "user" => found.push(Turn::User(text.clone())),
            Some(Value::Array(blocks)) => {
                found.extend(blocks.iter().filter_map(Value::as_object).filter_map(|block| turn(role, block)));
            }
            _ => {}
        }
    }
    found
}

fn turn(role: &str, block: &Map<String, Value>) -> Option<Turn> {
    let text = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    match (role, text("type").as_str()) {
        ("user", "text") => Some(Turn::User(text("text"))),
        ("user", "tool_result") => {
            Some(Turn::Result { id: text("tool_use_id"), tool: None, text: flat(block.get("content"), MOST_DEPTH) })
        }
        ("user", "document" | "search_result") => {
            let parts = [text("title"), text("context"), flat(block.get("content"), MOST_DEPTH), source(block)];
            Some(Turn::Untrusted(parts.join("\n")))
        }
        ("assistant", "tool_use") => {
            let arguments = block.get("input").and_then(Value::as_object).cloned().unwrap_or_default();
            Some(Turn::Call { id: text("id"), tool: text("name"), arguments })
        }
        // What the model said before is its own: no order, no source.
        _ => None,
    }
}

fn source(block: &Map<String, Value>) -> String {
    let Some(source) = block.get("source").and_then(Value::as_object) else { return String::new() };
    match source.get("type").and_then(Value::as_str) {
        Some("text") => source.get("data").and_then(Value::as_str).unwrap_or_default().to_owned(),
        _ => flat(source.get("content"), MOST_DEPTH),
    }
}

/// All text of a block's content.
fn flat(content: Option<&Value>, depth: u8) -> String {
    let Some(depth) = depth.checked_sub(1) else { return String::new() };
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let part = |part: &Value| match part.get("text") {
                Some(Value::String(text)) => text.clone(),
                _ => flat(part.get("content"), depth),
            };
            parts.iter().map(part).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_becomes_a_turn() {
        let messages: Vec<Value> = serde_json::from_str(
            r#"[{"role":"user","content":"a"},
                {"role":"assistant","content":[{"type":"text","text":"x"},{"type":"tool_use","id":"1","name":"look","input":{"q":1}}]},
                {"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"r"}]},
                    {"type":"text","text":"b"},{"type":"document","title":"t","source":{"type":"text","data":"d"}}]}]"#,
        )
        .unwrap();
        let arguments = serde_json::json!({"q": 1}).as_object().unwrap().clone();
        let expected = [
            Turn::User("a".to_owned()),
            Turn::Call { id: "1".to_owned(), tool: "look".to_owned(), arguments },
            Turn::Result { id: "1".to_owned(), tool: None, text: "r".to_owned() },
            Turn::User("b".to_owned()),
            Turn::Untrusted("t\n\n\nd".to_owned()),
        ];
        assert_eq!(turns(&messages), expected);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(kind in "text|tool_result|document|tool_use|x", content in "\\PC{0,20}") {
            let block = serde_json::json!({"type": kind, "content": [{"content": content}], "text": content, "source": {}});
            let _read = turns(&[serde_json::json!({"role": "user", "content": [block]})]);
        }
    }
}
