//! Arguments against a tool's JSON schema.
//!
//! Owns [`flaw`]: the part of JSON Schema that tools are described in (types, choices, required and unknown members, lists,
//! alternatives). What it doesn't know it leaves alone; it never resolves a reference. Called for each proposed call.

use serde_json::{Map, Value};

/// How deep a schema is followed.
const MOST_DEPTH: usize = 12;

/// What is wrong with the arguments; `None` when nothing is, and when there is no schema.
pub(crate) fn flaw(schema: &Value, arguments: &Map<String, Value>) -> Option<String> {
    object(schema, arguments, "", 0)
}

fn object(schema: &Value, given: &Map<String, Value>, at: &str, depth: usize) -> Option<String> {
    let properties = schema.get("properties").and_then(Value::as_object)?;
    // Some tools are described with blanks around their names.
    let property = |name: &str| properties.iter().find(|(property, _)| property.trim() == name.trim());
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    for (name, value) in given {
        match property(name) {
            Some((_, schema)) => {
                let flaw = value_flaw(schema, value, &format!("{at}{name}"), depth + 1);
                if flaw.is_some() {
                    return flaw;
                }
            }
            None if closed => return Some(format!("the tool takes no `{at}{}`", shown(name))),
            None => {}
        }
    }
    let required = schema.get("required").and_then(Value::as_array)?;
    let has = |name: &str| given.keys().any(|given| given.trim() == name.trim());
    let missing = required.iter().filter_map(Value::as_str).find(|name| !has(name))?;
    Some(format!("`{at}{}` is missing", shown(missing)))
}

fn value_flaw(schema: &Value, value: &Value, at: &str, depth: usize) -> Option<String> {
    if depth > MOST_DEPTH {
        return None;
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(choices) = schema.get(key).and_then(Value::as_array) {
            let mut flaws = choices.iter().map(|choice| value_flaw(choice, value, at, depth + 1));
            return if flaws.any(|flaw| flaw.is_none()) { None } else { Some(format!("`{}` fits no form", shown(at))) };
        }
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        return Some(format!("`{}` is none of its choices", shown(at)));
    }
    let wrong = match schema.get("type") {
        Some(Value::String(kind)) => !is_a(value, kind),
        Some(Value::Array(kinds)) => !kinds.iter().filter_map(Value::as_str).any(|kind| is_a(value, kind)),
        _ => false,
    };
    if wrong {
        return Some(format!("`{}` has the wrong type", shown(at)));
    }
    match value {
        Value::Array(items) => {
            let schema = schema.get("items")?;
            items.iter().find_map(|item| value_flaw(schema, item, at, depth + 1))
        }
        Value::Object(map) => object(schema, map, &format!("{at}."), depth),
        _ => None,
    }
}

/// Whether a value is of a type, or a text or number that tools take for one.
fn is_a(value: &Value, kind: &str) -> bool {
    let text = value.as_str().map(str::trim);
    match kind {
        "string" => value.is_string() || value.is_number(),
        "integer" | "number" => value.is_number() || text.is_some_and(|text| text.parse::<f64>().is_ok()),
        "boolean" => value.is_boolean() || text.is_some_and(|text| matches!(text, "true" | "false")),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    }
}

fn shown(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &str, expected: Option<&str>) {
        let schema = serde_json::json!({
            "type": "object",
            "properties": {
                "to": {"type": "array", "items": {"type": "string"}},
                "n": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                "how": {"enum": ["r", "rw"]},
                "more": {"type": "object", "properties": {"x": {"type": "boolean"}}, "additionalProperties": false},
            },
            "required": ["to"],
            "additionalProperties": false,
        });
        let arguments: Map<String, Value> = serde_json::from_str(arguments).unwrap();
        assert_eq!(flaw(&schema, &arguments).as_deref(), expected, "{arguments:?}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        check(r#"{"to": ["a"], "n": null, "how": "r", "more": {"x": true}}"#, None);
        check(r#"{"to": ["a"], "n": "13"}"#, None);
        check("{}", Some("`to` is missing"));
        check(r#"{"to": "a"}"#, Some("`to` has the wrong type"));
        check(r#"{"to": [["a"]]}"#, Some("`to` has the wrong type"));
        check(r#"{"to": [], "n": "x"}"#, Some("`n` fits no form"));
        check(r#"{"to": [], "how": "all"}"#, Some("`how` is none of its choices"));
        check(r#"{"to": [], "more": {"y": 1}}"#, Some("the tool takes no `more.y`"));
        check(r#"{"to": [], "z": 1}"#, Some("the tool takes no `z`"));
        assert_eq!(flaw(&Value::Null, &Map::new()), None);
    }

    #[test]
    fn a_schema_without_end_is_left_alone() {
        let mut schema = serde_json::json!({"type": "string"});
        let mut value = Value::from("x");
        for _ in 0..100 {
            schema = serde_json::json!({"type": "array", "items": schema});
            value = Value::Array(vec![value]);
        }
        let schema = serde_json::json!({"properties": {"x": schema}});
        let arguments = serde_json::json!({"x": value}).as_object().unwrap().clone();
        assert_eq!(flaw(&schema, &arguments), None);
    }
}
