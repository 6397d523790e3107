//! What an answer of OpenAI Responses is made of: output items.
//!
//! Owns [`Item`], read strictly, and the message that stands in a refused call's place. An item that this door does not
//! know (the provider's own tools among them) is an error. `stream` and `whole` read answers with it.

use serde_json::{Map, Value, json};

use super::call::Proposed;

/// One output item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// What is said.
    Message(Vec<Part>),
    /// What the model thought.
    Reasoning,
    /// A call that the agent would make.
    Call(Proposed),
}

/// A text of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// The model says that it won't.
    pub(super) is_refusal: bool,
    pub(super) text: String,
}

impl Item {
    /// Reads an item.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(item: &Value) -> Result<Self, String> {
        let item = item.as_object().ok_or("an item is no object")?;
        let (kind, tail) = match text(item, "type")? {
            "message" => return Self::message(item),
            "reasoning" => return Ok(Self::Reasoning),
            "function_call" => ("function_call", "arguments"),
            "custom_tool_call" => ("custom_tool_call", "input"),
            _ => return Err("it holds an item of a kind that is not known here".to_owned()),
        };
        // A client may look for the tool in there.
        if item.get("namespace").is_some_and(|space| !space.is_null()) {
            return Err("a call names a namespace".to_owned());
        }
        let call = Proposed {
            id: text(item, "call_id")?.to_owned(),
            name: text(item, "name")?.to_owned(),
            arguments: text(item, tail)?.to_owned(),
            free_text: kind == "custom_tool_call",
            as_text: false,
        };
        if call.id.is_empty() || call.name.is_empty() {
            return Err("a call lacks id or name".to_owned());
        }
        Ok(Self::Call(call))
    }

    fn message(item: &Map<String, Value>) -> Result<Self, String> {
        if !matches!(text(item, "role")?, "" | "assistant") {
            return Err("a message is not the model's".to_owned());
        }
        match item.get("content") {
            None | Some(Value::Null) => Ok(Self::Message(Vec::new())),
            Some(Value::Array(parts)) => parts.iter().map(Part::read).collect::<Result<_, _>>().map(Self::Message),
            Some(_) => Err("a message's content is no list".to_owned()),
        }
    }
}

impl Part {
    /// Reads a part of a message.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(part: &Value) -> Result<Self, String> {
        let part = part.as_object().ok_or("a part of a message is no object")?;
        match text(part, "type")? {
            "output_text" => Ok(Self { is_refusal: false, text: text(part, "text")?.to_owned() }),
            "refusal" => Ok(Self { is_refusal: true, text: text(part, "refusal")?.to_owned() }),
            _ => Err("a message holds a part of a kind that is not known here".to_owned()),
        }
    }

    /// The part as it is sent.
    pub(super) fn json(&self) -> Value {
        if self.is_refusal {
            json!({ "type": "refusal", "refusal": self.text })
        } else {
            json!({ "type": "output_text", "text": self.text, "annotations": [] })
        }
    }
}

/// A message that says `content`, in the place of an item of this id.
pub(super) fn message(id: &str, status: &str, content: Value) -> Value {
    json!({ "id": message_id(id), "type": "message", "status": status, "role": "assistant", "content": content })
}

/// The id of the message in a call's place: the provider tells kinds of items by their ids' beginnings.
pub(super) fn message_id(id: &str) -> String {
    format!("msg_{}", id.split_once('_').map_or(id, |(_, rest)| rest))
}

/// A text that may be missing or null.
pub(super) fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Result<&'a str, String> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("`{key}` of an answer's part is no text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_an_error() {
        for bad in [
            json!("x"),
            json!({}),
            json!({ "type": "web_search_call", "id": "w" }),
            json!({ "type": "mcp_call", "id": "m", "name": "x", "arguments": "{}" }),
            json!({ "type": "local_shell_call", "call_id": "c", "action": {} }),
            json!({ "type": "function_call", "name": "exec", "arguments": "{}" }),
            json!({ "type": "function_call", "call_id": "c", "arguments": "{}" }),
            json!({ "type": "function_call", "call_id": "c", "name": "exec", "arguments": {} }),
            json!({ "type": "function_call", "call_id": "c", "name": "exec", "namespace": "n" }),
            json!({ "type": "message", "role": "user", "content": [] }),
            json!({ "type": "message", "content": "x" }),
            json!({ "type": "message", "content": [{ "type": "input_text", "text": "x" }] }),
            json!({ "type": "message", "content": [{ "type": "output_text", "text": 1 }] }),
        ] {
            assert!(Item::read(&bad).is_err(), "{bad}");
        }
        let custom = Item::read(&json!({ "type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "x" }));
        assert!(matches!(custom, Ok(Item::Call(call)) if call.free_text && call.arguments == "x"));
        assert_eq!(message_id("fc_68a"), "msg_68a");
    }
}
