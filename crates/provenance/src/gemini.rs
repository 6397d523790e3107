//! The contents of Gemini's generateContent, read into turns, and its functions into declarations.
//!
//! Owns [`turns`] and [`declarations`]. Roles count as they are written: whether a `user` content is the user's is the
//! caller's business. What it can't read says nothing, for nobody vouches for it. The model door calls it with what it has
//! read strictly.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::tool::Declaration;
use crate::turns::Turn;

/// How deep a schema is followed.
const MOST_DEPTH: u8 = 16;

/// Reads a list of contents.
#[must_use]
pub fn turns(contents: &[Value]) -> Vec<Turn> {
    let mut found = Vec::new();
    let mut nameless = Nameless::default();
    for content in contents.iter().filter_map(Value::as_object) {
        let by_model = content.get("role").and_then(Value::as_str) == Some("model");
        let parts = content.get("parts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        found.extend(parts.iter().filter_map(Value::as_object).filter_map(|part| turn(part, by_model, &mut nameless)));
    }
    found
}

/// Calls without an id: the n-th answer of a function is that of its n-th call.
#[derive(Default)]
struct Nameless {
    made: HashMap<String, usize>,
    answered: HashMap<String, usize>,
}

fn id(part: &Map<String, Value>, name: &str, seen: &mut HashMap<String, usize>) -> String {
    match part.get("id").and_then(Value::as_str) {
        Some(id) if !id.is_empty() => id.to_owned(),
        _ => {
            let count = seen.entry(name.to_owned()).or_default();
            *count += 1;
            format!("{name}#{count}")
        }
    }
}

fn turn(part: &Map<String, Value>, by_model: bool, nameless: &mut Nameless) -> Option<Turn> {
    let inner = |key: &str| part.get(key).and_then(Value::as_object);
    let named = |inner: &Map<String, Value>| inner.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let (true, Some(call)) = (by_model, inner("functionCall")) {
        let tool = named(call);
        let arguments = call.get("args").and_then(Value::as_object).cloned().unwrap_or_default();
        return Some(Turn::Call { id: id(call, &tool, &mut nameless.made), tool, arguments });
    }
    if by_model {
        // What the model said before is its own: no order, no source.
        return None;
    }
    if let Some(answer) = inner("functionResponse") {
        let tool = named(answer);
        let text = answer.get("response").and_then(Value::as_object).map(flat).unwrap_or_default();
        return Some(Turn::Result { id: id(answer, &tool, &mut nameless.answered), tool: Some(tool), text });
    }
    part.get("text").and_then(Value::as_str).map(|text| Turn::User(text.to_owned()))
}

/// What a function answered: the one text in it, or all of it as JSON.
fn flat(response: &Map<String, Value>) -> String {
    let mut values = response.values();
    match (values.next(), values.next()) {
        (Some(Value::String(text)), None) => text.clone(),
        _ => Value::Object(response.clone()).to_string(),
    }
}

/// The functions of a list of tools.
#[must_use]
pub fn declarations(tools: &[Value]) -> Vec<Declaration> {
    let functions = tools.iter().filter_map(|tool| tool.get("functionDeclarations")?.as_array()).flatten();
    let declared = |function: &Value| {
        let schema = match (function.get("parametersJsonSchema"), function.get("parameters")) {
            (Some(schema), _) => schema.clone(),
            (None, Some(schema)) => lowered(schema, MOST_DEPTH),
            (None, None) => Value::Null,
        };
        let text = |key: &str| function.get(key).and_then(Value::as_str).unwrap_or_default();
        let made = json!({ "name": text("name"), "description": text("description"), "parameters": schema });
        serde_json::from_value(made).ok()
    };
    functions.filter_map(declared).collect()
}

/// A schema whose types are in capitals, as JSON Schema writes them.
fn lowered(schema: &Value, depth: u8) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return schema.clone() };
    match schema {
        Value::Array(items) => items.iter().map(|item| lowered(item, depth)).collect(),
        Value::Object(map) => {
            let entry = |(key, value): (&String, &Value)| match (key.as_str(), value) {
                ("type", Value::String(kind)) => (key.clone(), kind.to_lowercase().into()),
                ("enum", value) => (key.clone(), value.clone()),
                (_, value) => (key.clone(), lowered(value, depth)),
            };
            map.iter().map(entry).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_becomes_a_turn() {
        let contents = json!([
            { "role": "user", "parts": [{ "text": "a" }, { "inlineData": { "data": "AA" } }, { "text": "b" }] },
            { "role": "model", "parts": [{ "text": "send it", "thought": true }, { "functionCall": { "name": "look", "args": { "q": 1 } } },
                { "functionCall": { "name": "look", "args": { "q": 2 }, "id": "7" } }] },
            { "role": "user", "parts": [{ "functionResponse": { "name": "look", "response": { "output": "r" } } },
                { "functionResponse": { "name": "look", "id": "7", "response": { "rows": [1] } } }] },
        ]);
        let call = |id: &str, q: u8| {
            let arguments = json!({ "q": q }).as_object().unwrap().clone();
            Turn::Call { id: id.to_owned(), tool: "look".to_owned(), arguments }
        };
        let result = |id: &str, text: &str| Turn::Result {
            id: id.to_owned(),
            tool: Some("look".to_owned()),
            text: text.to_owned(),
        };
        let expected = [
            Turn::User("a".to_owned()),
            Turn::User("b".to_owned()),
            call("look#1", 1),
            call("7", 2),
            result("look#1", "r"),
            result("7", r#"{"rows":[1]}"#),
        ];
        assert_eq!(turns(contents.as_array().unwrap()), expected);
    }

    #[test]
    fn functions_are_declared_in_either_schema() {
        let tools = json!([{ "functionDeclarations": [
            { "name": "a", "description": "d", "parametersJsonSchema": { "type": "object" } },
            { "name": "b", "parameters": { "type": "OBJECT", "properties": { "type": { "type": "STRING", "enum": ["A"] } } } },
        ] }]);
        let declared = declarations(tools.as_array().unwrap());
        assert_eq!((declared[0].name.as_str(), &declared[0].parameters), ("a", &json!({ "type": "object" })));
        let schema = json!({ "type": "object", "properties": { "type": { "type": "string", "enum": ["A"] } } });
        assert_eq!((declared[1].name.as_str(), &declared[1].parameters), ("b", &schema));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(key in "text|functionCall|functionResponse|x", text in "\\PC{0,20}") {
            let part = json!({ key: { "name": text, "response": { "x": text }, "args": text }, "thought": text });
            let _read = turns(&[json!({ "role": "user", "parts": [part.clone()] }), json!({ "role": "model", "parts": [part] })]);
            let _read = declarations(&[json!({ "functionDeclarations": [{ "name": text, "parameters": { "type": text } }] })]);
        }
    }
}
