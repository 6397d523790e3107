//! Messages in the form of OpenAI's Chat Completions, read into turns.
//!
//! Owns [`turns`] and [`arguments`]. It takes roles as they are written: whether a `user` message is the user's is the
//! caller's business. What it can't read is an error, never skipped. `creel judge` and the model door call it.

use serde_json::{Map, Value};

use crate::turns::Turn;

/// Reads a list of messages.
///
/// # Errors
/// What can't be read, and in which message.
pub fn turns(messages: &[Value]) -> Result<Vec<Turn>, String> {
    let mut found = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        read(message, &mut found).map_err(|why| format!("message {at}: {why}"))?;
    }
    Ok(found)
}

/// A call's arguments: an object, or the text of one.
///
/// # Errors
/// What can't be read.
pub fn arguments(value: Option<&Value>) -> Result<Map<String, Value>, String> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(Map::new()),
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Ok(map),
            Ok(_) => Err("the arguments are no object".to_owned()),
            Err(error) => Err(format!("the arguments can't be read: {error}")),
        },
        Some(_) => Err("the arguments are no object".to_owned()),
    }
}

fn read(message: &Value, found: &mut Vec<Turn>) -> Result<(), String> {
    let message = message.as_object().ok_or("it is no object")?;
    let role = message.get("role").and_then(Value::as_str).ok_or("it has no role")?;
    let content = text(message.get("content"))?;
    match role {
        "system" | "developer" => found.push(Turn::Operator(content)),
        "user" => found.push(Turn::User(content)),
        // What the model said before is its own: no order, no source.
        "assistant" => calls(message, found)?,
        "tool" | "function" => {
            let name = |key: &str| message.get(key).and_then(Value::as_str).map(str::to_owned);
            found.push(Turn::Result {
                id: name("tool_call_id").unwrap_or_default(),
                tool: name("name"),
                text: content,
            });
        }
        _ => found.push(Turn::Untrusted(content)),
    }
    Ok(())
}

fn calls(message: &Map<String, Value>, found: &mut Vec<Turn>) -> Result<(), String> {
    let list = match message.get("tool_calls") {
        None | Some(Value::Null) => return Ok(()),
        Some(list) => list.as_array().ok_or("`tool_calls` is no list")?,
    };
    for call in list {
        let function = call.get("function").unwrap_or(call);
        let tool = function.get("name").and_then(Value::as_str).ok_or("a call names no tool")?.to_owned();
        let id = call.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        // What was made before is history: it is followed as far as it can be read.
        let arguments = arguments(function.get("arguments")).unwrap_or_default();
        found.push(Turn::Call { id, tool, arguments });
    }
    Ok(())
}

/// The text of a message: a string, or the text parts of a list.
fn text(content: Option<&Value>) -> Result<String, String> {
    match content {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => {
            let text = |part: &Value| match part {
                Value::String(text) => Some(text.clone()),
                part => part.get("text").and_then(Value::as_str).map(str::to_owned),
            };
            Ok(parts.iter().filter_map(text).collect::<Vec<_>>().join("\n"))
        }
        Some(_) => Err("`content` is neither a text nor a list".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> Result<Vec<Turn>, String> {
        turns(&serde_json::from_str::<Vec<Value>>(text).unwrap())
    }

    #[test]
    fn each_role_becomes_a_turn() {
        let found = read_all(
            r#"[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
                {"role":"assistant","content":null,"tool_calls":[{"id":"1","function":{"name":"look","arguments":"{\"q\":1}"}}]},
                {"role":"tool","tool_call_id":"1","name":"look","content":"r"},{"role":"critic","content":"x"}]"#,
        )
        .unwrap();
        let arguments = serde_json::json!({"q": 1}).as_object().unwrap().clone();
        let expected = [
            Turn::Operator("s".to_owned()),
            Turn::User("a\nb".to_owned()),
            Turn::Call { id: "1".to_owned(), tool: "look".to_owned(), arguments },
            Turn::Result { id: "1".to_owned(), tool: Some("look".to_owned()), text: "r".to_owned() },
            Turn::Untrusted("x".to_owned()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for bad in [
            "[1]",
            r#"[{"content":"x"}]"#,
            r#"[{"role":"user","content":1}]"#,
            r#"[{"role":"assistant","tool_calls":{}}]"#,
            r#"[{"role":"assistant","tool_calls":[{}]}]"#,
        ] {
            assert!(read_all(bad).is_err(), "{bad}");
        }
        for bad in ["[1]", "3", "{"] {
            assert!(arguments(Some(&Value::from(bad))).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(role in "system|user|assistant|tool|x", content in "\\PC{0,20}", calls in "\\PC{0,20}") {
            let message = serde_json::json!({"role": role, "content": content, "tool_calls": [{"name": "x", "arguments": calls}]});
            let _read = turns(&[message]);
        }
    }
}
