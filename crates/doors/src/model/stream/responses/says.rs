//! What events of OpenAI Responses repeat, and how they are written anew.
//!
//! Owns the comparison of an item's or an answer's end with what came before, and the events in the place of what was
//! refused. Decides nothing. Called by [`super`].

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};

use super::{Entry, Item, Kind, Part, Step, Text, message, text};
use crate::model::items::message_id;

/// An item's id; some servers give none.
pub(super) fn id(item: &Value) -> Result<&str, String> {
    item.as_object().map_or(Ok(""), |item| text(item, "id"))
}

/// Whether a part belongs to what the model thinks.
pub(super) fn in_thought(message: &Map<String, Value>) -> bool {
    let part = message.get("part").and_then(|part| part.get("type"));
    part.and_then(Value::as_str).is_some_and(|kind| kind == "reasoning_text")
}

/// An answer that begins holds nothing yet.
pub(super) fn unseen(message: &Map<String, Value>) -> Result<(), String> {
    match message.get("response").and_then(|response| response.get("output")) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(items)) if items.is_empty() => Ok(()),
        Some(_) => Err("an answer begins with content in it".to_owned()),
    }
}

/// Whether an item at its end is what came before.
pub(super) fn is_same(entry: &Entry, item: &Item) -> bool {
    match (&entry.kind, item) {
        (Kind::Message(texts), Item::Message(parts)) => {
            let same = |(text, part): (&Text, &Part)| text.is_refusal == part.is_refusal && text.came == part.text;
            texts.len() == parts.len() && texts.iter().zip(parts).all(same)
        }
        (Kind::Reasoning, Item::Reasoning) => true,
        (Kind::Call(call), Item::Call(whole)) => call.proposed == *whole,
        _ => false,
    }
}

/// Refuses an answer that repeats at its end what did not come before, in its place.
pub(super) fn known(response: &Map<String, Value>, items: &[Entry]) -> Result<(), String> {
    let output = match response.get("output") {
        None | Some(Value::Null) => &[],
        Some(Value::Array(output)) => output.as_slice(),
        Some(_) => return Err("`output` is no list".to_owned()),
    };
    for (index, item) in (0..).zip(output) {
        let read = Item::read(item)?;
        let known = items.iter().find(|entry| entry.index == index);
        // Some servers give other ids here than before: what counts is what is said and called.
        if !known.is_some_and(|entry| is_same(entry, &read)) {
            return Err("an answer's end holds what did not come before".to_owned());
        }
    }
    let all: String = items.iter().flat_map(texts_of).filter(|text| !text.is_refusal).map(|text| &*text.came).collect();
    match response.get("output_text") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(said)) if *said == all => Ok(()),
        Some(_) => Err("an answer's end says what did not come before".to_owned()),
    }
}

fn texts_of(entry: &Entry) -> &[Text] {
    if let Kind::Message(texts) = &entry.kind { texts } else { &[] }
}

impl Text {
    fn is_changed(&self) -> bool {
        self.came != self.sent
    }

    fn json(&self) -> Value {
        Part { is_refusal: self.is_refusal, text: self.sent.clone() }.json()
    }
}

/// Puts what was sent in the place of what came; whether that is a change. `at` is the text that the event repeats; without
/// it the event repeats the item.
pub(super) fn repeat(message: &mut Map<String, Value>, texts: &[Text], at: Option<usize>) -> bool {
    let Some(at) = at else {
        if !texts.iter().any(Text::is_changed) {
            return false;
        }
        if let Some(Value::Object(item)) = message.get_mut("item") {
            item.insert("content".to_owned(), texts.iter().map(Text::json).collect());
        }
        return true;
    };
    let Some(text) = texts.get(at).filter(|text| text.is_changed()) else { return false };
    if message.contains_key("part") {
        message.insert("part".to_owned(), text.json());
    } else {
        let key = if text.is_refusal { "refusal" } else { "text" };
        message.insert(key.to_owned(), text.sent.as_str().into());
        forget(message);
    }
    true
}

/// The same for an answer's end.
pub(super) fn end(message: &mut Map<String, Value>, items: &[Entry]) -> bool {
    let Some(Value::Object(response)) = message.get_mut("response") else { return false };
    let mut is_changed = false;
    for entry in items {
        let (content, is_call) = match &entry.kind {
            Kind::Message(texts) if texts.iter().any(Text::is_changed) => {
                (texts.iter().map(Text::json).collect(), false)
            }
            Kind::Call(call) => match &call.refused {
                Some(said) => (json!([Part { is_refusal: false, text: said.clone() }.json()]), true),
                None => continue,
            },
            Kind::Message(_) | Kind::Reasoning => continue,
        };
        is_changed = true;
        let place = usize::try_from(entry.index).ok();
        match response.get_mut("output").and_then(|output| output.get_mut(place?)) {
            Some(Value::Object(item)) if !is_call => {
                item.insert("content".to_owned(), content);
            }
            Some(item) => *item = self::message(&entry.id, "completed", content),
            None => {}
        }
    }
    if is_changed {
        response.shift_remove("output_text");
    }
    is_changed
}

/// A piece of text with another text; what its tokens were is no more true.
pub(super) fn piece(mut message: Map<String, Value>, said: &str) -> Bytes {
    message.insert("delta".to_owned(), said.into());
    forget(&mut message);
    let mut out = BytesMut::new();
    event(&mut out, &Value::Object(message));
    out.freeze()
}

fn forget(message: &mut Map<String, Value>) {
    message.shift_remove("obfuscation");
    if let Some(tokens) = message.get_mut("logprobs") {
        *tokens = json!([]);
    }
}

/// The events of a message in the place of a call: its index, the number of its first event and how many it had.
pub(super) fn in_place_of(out: &mut BytesMut, place: (u64, u64, usize), id: &str, said: &str) {
    let (index, first, many) = place;
    let last = first.saturating_add((many as u64).saturating_sub(1));
    let id_now = message_id(id);
    let part = |text: &str| Part { is_refusal: false, text: text.to_owned() }.json();
    let all = [
        ("output_item.added", json!({ "item": message(id, "in_progress", json!([])) })),
        ("content_part.added", json!({ "item_id": id_now, "content_index": 0, "part": part("") })),
        ("output_text.delta", json!({ "item_id": id_now, "content_index": 0, "delta": said, "logprobs": [] })),
        ("output_text.done", json!({ "item_id": id_now, "content_index": 0, "text": said, "logprobs": [] })),
        ("content_part.done", json!({ "item_id": id_now, "content_index": 0, "part": part(said) })),
        ("output_item.done", json!({ "item": message(id, "completed", json!([part(said)])) })),
    ];
    for (at, (kind, more)) in (0..).zip(all) {
        // Numbers only ever grow, and the next event keeps its own.
        let number = first.saturating_add(at).min(last);
        let mut message =
            json!({ "type": format!("response.{kind}"), "sequence_number": number, "output_index": index });
        if let (Some(message), Value::Object(more)) = (message.as_object_mut(), more) {
            message.extend(more);
        }
        event(out, &message);
    }
}

/// The provider's error, written anew: what stood beside it was not judged and goes no further.
pub(super) fn reported(message: &Map<String, Value>) -> Step {
    let only = |from: &Map<String, Value>, keys: &[&str]| -> Map<String, Value> {
        keys.iter().filter_map(|key| Some(((*key).to_owned(), from.get(*key)?.clone()))).collect()
    };
    let mut kept = only(message, &["type", "sequence_number", "code", "message", "param", "error"]);
    if let Some(Value::Object(response)) = message.get("response") {
        let keys = ["id", "object", "created_at", "status", "error", "incomplete_details", "model", "usage"];
        let mut response = only(response, &keys);
        response.insert("output".to_owned(), json!([]));
        kept.insert("response".to_owned(), response.into());
    }
    let mut out = BytesMut::new();
    event(&mut out, &Value::Object(kept));
    Step::Error(out.freeze())
}

/// Writes an event.
pub(super) fn event(out: &mut BytesMut, event: &Value) {
    match event.get("type").and_then(Value::as_str) {
        Some(kind) => out.extend_from_slice(format!("event: {kind}\ndata: {event}\n\n").as_bytes()),
        None => out.extend_from_slice(format!("data: {event}\n\n").as_bytes()),
    }
}
