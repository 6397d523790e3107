//! A reply as OpenAI Responses.
//!
//! Owns the wire form of answers, streamed and whole. Decides nothing about their content. `service` calls it.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::body::Chunk;
use crate::conversation::Conversation;
use crate::openai::Stamp;
use crate::reply::{Part, Reply, ToolCall, cut, text_deltas};

/// The answer around its items. A script's own reason for stopping makes it an incomplete one.
fn response(stamp: &Stamp, talk: &Conversation, reply: &Reply, output: Option<&[Value]>) -> Value {
    let status = match (output, &reply.finish) {
        (None, _) => "in_progress",
        (Some(_), None) => "completed",
        (Some(_), Some(_)) => "incomplete",
    };
    let why = reply.finish.as_ref().filter(|_| output.is_some()).map(|reason| json!({ "reason": reason }));
    let (input, spoken) = (talk.prompt_tokens, reply.tokens());
    let usage = json!({
        "input_tokens": input, "input_tokens_details": { "cached_tokens": 0 }, "output_tokens": spoken,
        "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": input + spoken,
    });
    json!({
        "id": format!("resp_{}", stamp.number), "object": "response", "created_at": stamp.created, "status": status,
        "model": talk.model, "output": output.unwrap_or_default(), "error": null, "incomplete_details": why,
        "parallel_tool_calls": true, "store": false, "usage": output.map(|_| usage),
    })
}

fn message(stamp: &Stamp, at: usize, status: &str, content: Value) -> Value {
    let id = format!("msg_{}_{at}", stamp.number);
    json!({ "id": id, "type": "message", "status": status, "role": "assistant", "content": content })
}

fn said(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [] })
}

fn call(stamp: &Stamp, at: usize, status: &str, call: &ToolCall, arguments: &str) -> Value {
    json!({
        "id": format!("fc_{}_{at}", stamp.number), "type": "function_call", "status": status,
        "call_id": format!("call_{}_{at}", stamp.number), "name": call.tool, "arguments": arguments,
    })
}

fn output(stamp: &Stamp, reply: &Reply) -> Vec<Value> {
    let mut items = Vec::new();
    for part in &reply.parts {
        match part {
            Part::Text(text) => items.push(message(stamp, items.len(), "completed", json!([said(text)]))),
            Part::Call(made) => items.push(call(stamp, items.len(), "completed", made, &made.arguments)),
            Part::Raw(_) | Part::Delay(_) | Part::HangUp => {}
        }
    }
    items
}

/// The whole answer as one JSON object.
pub(crate) fn whole(stamp: &Stamp, talk: &Conversation, reply: &Reply) -> Value {
    response(stamp, talk, reply, Some(&output(stamp, reply)))
}

/// Events with their numbers.
#[derive(Default)]
struct Events {
    chunks: Vec<Chunk>,
    number: u64,
}

impl Events {
    fn say(&mut self, kind: &str, more: Value) {
        let mut event = json!({ "type": format!("response.{kind}"), "sequence_number": self.number });
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        self.number += 1;
        self.chunks.push(Chunk::Data(Bytes::from(format!("event: response.{kind}\ndata: {event}\n\n"))));
    }
}

/// The answer as server-sent events.
pub(crate) fn streamed(stamp: &Stamp, talk: &Conversation, reply: &Reply) -> Vec<Chunk> {
    let mut events = Events::default();
    for kind in ["created", "in_progress"] {
        events.say(kind, json!({ "response": response(stamp, talk, reply, None) }));
    }
    let items = output(stamp, reply);
    let mut places = items.iter().enumerate();
    for part in &reply.parts {
        match part {
            Part::Raw(raw) => events.chunks.push(Chunk::Data(Bytes::from(raw.clone()))),
            Part::Delay(duration) => events.chunks.push(Chunk::Delay(*duration)),
            Part::HangUp => events.chunks.push(Chunk::HangUp),
            Part::Text(_) | Part::Call(_) => {
                let Some((at, item)) = places.next() else { continue };
                let id = item.get("id").cloned().unwrap_or_default();
                match part {
                    Part::Text(text) => tell_text(&mut events, stamp, (at, &id), text),
                    Part::Call(made) => tell_call(&mut events, stamp, (at, &id), made),
                    Part::Raw(_) | Part::Delay(_) | Part::HangUp => {}
                }
                events.say("output_item.done", json!({ "output_index": at, "item": item }));
            }
        }
    }
    let kind = if reply.finish.is_none() { "completed" } else { "incomplete" };
    events.say(kind, json!({ "response": response(stamp, talk, reply, Some(&items)) }));
    events.chunks
}

fn tell_text(events: &mut Events, stamp: &Stamp, (at, id): (usize, &Value), text: &str) {
    let opened = message(stamp, at, "in_progress", json!([]));
    events.say("output_item.added", json!({ "output_index": at, "item": opened }));
    let part = |part: Value| json!({ "item_id": id, "output_index": at, "content_index": 0, "part": part });
    events.say("content_part.added", part(said("")));
    for delta in text_deltas(text) {
        let piece = json!({ "item_id": id, "output_index": at, "content_index": 0, "delta": delta, "logprobs": [] });
        events.say("output_text.delta", piece);
    }
    let whole = json!({ "item_id": id, "output_index": at, "content_index": 0, "text": text, "logprobs": [] });
    events.say("output_text.done", whole);
    events.say("content_part.done", part(said(text)));
}

fn tell_call(events: &mut Events, stamp: &Stamp, (at, id): (usize, &Value), made: &ToolCall) {
    let opened = call(stamp, at, "in_progress", made, "");
    events.say("output_item.added", json!({ "output_index": at, "item": opened }));
    for delta in cut(&made.arguments, made.delta_bytes) {
        let piece = json!({ "item_id": id, "output_index": at, "delta": delta });
        events.say("function_call_arguments.delta", piece);
    }
    let whole = json!({ "item_id": id, "output_index": at, "arguments": made.arguments });
    events.say("function_call_arguments.done", whole);
}
