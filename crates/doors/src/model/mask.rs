//! Known values in a prompt, exchanged for their names.
//!
//! Owns [`Masks`], whom this door asks about each text of a request, and the walk over all of them, wherever they stand. What is
//! spread over several texts, so that none of them holds it, can't be exchanged: such a prompt is flawed. Never decides which
//! values matter. Called by [`super::see`].

use creel_guard::BoxFuture;
use serde_json::{Map, Value};

use super::flaw::{Flaw, FlawKind};

/// Knows the values that no provider may see.
pub trait Masks: Send + Sync {
    /// `text` with a name in the place of each known value, the same for the same text; none when it holds none.
    fn masked(&self, text: &str) -> Option<String>;

    /// Whether texts hold a value that is whole in none of them, read one behind the other.
    fn is_spread(&self, texts: &[&str]) -> bool;

    /// Completes when no alarm keeps the doors shut. A prompt waits for that: agents take a refusal for a broken provider and do
    /// not come back to it for minutes, and who is released should go on.
    fn calm(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What stands between the texts of one message in every format, and would hide that they belong together.
const FRAME: [&str; 12] = [
    "type",
    "role",
    "id",
    "call_id",
    "tool_call_id",
    "tool_use_id",
    "name",
    "model",
    "status",
    "media_type",
    "mimeType",
    "detail",
];

/// Shorter texts hold no value.
const LEAST: usize = 5;

/// Takes every known value out of a request.
pub(super) fn apply(masks: &dyn Masks, request: &mut Map<String, Value>) -> Result<(), Flaw> {
    object(masks, request)?;
    let mut texts = Vec::new();
    gather_all(request, &mut texts);
    if masks.is_spread(&texts) {
        return Err(FlawKind::KnownValue.at("it holds what must not leave, in pieces"));
    }
    Ok(())
}

fn object(masks: &dyn Masks, map: &mut Map<String, Value>) -> Result<(), Flaw> {
    map.values_mut().try_for_each(|value| exchange(masks, value))?;
    let held = |key: &String| key.len() >= LEAST && masks.masked(key).is_some();
    // A name in a key's place could be another key's.
    if map.keys().any(held) {
        return Err(FlawKind::KnownValue.at("it holds what must not leave, as a key"));
    }
    Ok(())
}

fn exchange(masks: &dyn Masks, value: &mut Value) -> Result<(), Flaw> {
    match value {
        Value::String(text) if text.len() >= LEAST => {
            if let Some(masked) = masks.masked(text) {
                *text = masked;
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| exchange(masks, item)),
        Value::Object(map) => object(masks, map),
        _ => Ok(()),
    }
}

fn gather<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| gather(item, texts)),
        Value::Object(map) => gather_all(map, texts),
        _ => {}
    }
}

fn gather_all<'a>(map: &'a Map<String, Value>, texts: &mut Vec<&'a str>) {
    let is_frame = |key: &str, value: &Value| FRAME.contains(&key) && value.is_string();
    map.iter().filter(|(key, value)| !is_frame(key, value)).for_each(|(_, value)| gather(value, texts));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Knows one word.
    struct Word;
    impl Masks for Word {
        fn masked(&self, text: &str) -> Option<String> {
            text.contains("s3cr3t").then(|| text.replace("s3cr3t", "[secret KEY]"))
        }

        fn is_spread(&self, texts: &[&str]) -> bool {
            texts.concat().contains("s3cr3t")
        }
    }

    fn masked(request: Value) -> Result<Value, Flaw> {
        let Value::Object(mut map) = request else { panic!("an object") };
        apply(&Word, &mut map).map(|()| Value::Object(map))
    }

    #[test]
    fn every_text_is_looked_at_and_what_is_whole_gets_its_name() {
        let request = json!({
            "model": "m",
            "system": [{ "type": "text", "text": "the key is s3cr3t, and s3cr3t again" }],
            "messages": [
                { "role": "assistant", "content": [{ "type": "tool_use", "input": { "q": ["s3cr3t"] } }] },
                { "role": "tool", "content": "{\"k\":\"s3cr3t\"}" },
            ],
            "tools": [{ "name": "t", "description": "s3cr3t" }],
        });
        let once = masked(request).unwrap();
        assert!(!once.to_string().contains("s3cr3t"));
        assert_eq!(once.to_string().matches("[secret KEY]").count(), 5);
        assert_eq!(once["messages"][1]["content"], "{\"k\":\"[secret KEY]\"}");
        assert_eq!(masked(once.clone()).unwrap(), once, "caches keep working");
    }

    #[test]
    fn what_can_not_be_exchanged_is_flawed() {
        for request in [
            json!({ "messages": [{ "type": "a", "content": "s3c", "role": "b" }, { "content": ["r3t"] }] }),
            json!({ "input": { "a": "s3c", "b": { "c": "r3t" } } }),
            json!({ "input": { "s3cr3t": "a" } }),
        ] {
            assert_eq!(masked(request).unwrap_err().kind, FlawKind::KnownValue);
        }
        let clean = json!({ "messages": [{ "content": "s3c" }, { "content": "x" }, { "content": "r3t" }] });
        assert_eq!(masked(clean.clone()).unwrap(), clean);
    }
}
