//! A reply as Anthropic Messages.
//!
//! Owns the wire form of answers, streamed and whole. Decides nothing about their content. `service` calls it.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::body::Chunk;
use crate::conversation::Conversation;
use crate::openai::Stamp;
use crate::reply::{Part, Reply, ToolCall, cut, text_deltas};

fn stop_reason(reply: &Reply) -> &str {
    let natural = if reply.calls().next().is_some() { "tool_use" } else { "end_turn" };
    reply.finish.as_deref().unwrap_or(natural)
}

fn opening(stamp: &Stamp, at: usize, call: &ToolCall, input: Value) -> Value {
    json!({ "type": "tool_use", "id": format!("toolu_{}_{at}", stamp.number), "name": call.tool, "input": input })
}

fn message(stamp: &Stamp, talk: &Conversation, content: Value, stop: Value, output_tokens: usize) -> Value {
    json!({
        "id": format!("msg_{}", stamp.number), "type": "message", "role": "assistant", "model": talk.model,
        "content": content, "stop_reason": stop, "stop_sequence": null,
        "usage": { "input_tokens": talk.prompt_tokens, "output_tokens": output_tokens },
    })
}

/// The whole answer as one JSON object. Malformed arguments become a string: no object could hold them.
pub(crate) fn whole(stamp: &Stamp, talk: &Conversation, reply: &Reply) -> Value {
    let mut content = Vec::new();
    for part in &reply.parts {
        match part {
            Part::Text(text) => content.push(json!({ "type": "text", "text": text })),
            Part::Call(call) => {
                let input = serde_json::from_str(&call.arguments).unwrap_or_else(|_| call.arguments.clone().into());
                content.push(opening(stamp, content.len(), call, input));
            }
            Part::Raw(_) | Part::Delay(_) | Part::HangUp => {}
        }
    }
    message(stamp, talk, content.into(), stop_reason(reply).into(), reply.tokens())
}

/// The answer as server-sent events.
pub(crate) fn streamed(stamp: &Stamp, talk: &Conversation, reply: &Reply) -> Vec<Chunk> {
    let mut chunks = vec![event(json!({
        "type": "message_start", "message": message(stamp, talk, json!([]), Value::Null, 1),
    }))];
    let mut at = 0;
    for part in &reply.parts {
        match part {
            Part::Text(text) => {
                let deltas = text_deltas(text).map(|piece| json!({ "type": "text_delta", "text": piece }));
                chunks.extend(block(at, json!({ "type": "text", "text": "" }), deltas));
                at += 1;
            }
            Part::Call(call) => {
                let deltas = cut(&call.arguments, call.delta_bytes)
                    .map(|piece| json!({ "type": "input_json_delta", "partial_json": piece }));
                chunks.extend(block(at, opening(stamp, at, call, json!({})), deltas));
                at += 1;
            }
            Part::Raw(raw) => chunks.push(Chunk::Data(Bytes::from(raw.clone()))),
            Part::Delay(duration) => chunks.push(Chunk::Delay(*duration)),
            Part::HangUp => chunks.push(Chunk::HangUp),
        }
    }
    chunks.push(event(json!({
        "type": "message_delta", "delta": { "stop_reason": stop_reason(reply), "stop_sequence": null },
        "usage": { "output_tokens": reply.tokens() },
    })));
    chunks.push(event(json!({ "type": "message_stop" })));
    chunks
}

fn block(at: usize, opening: Value, deltas: impl Iterator<Item = Value>) -> Vec<Chunk> {
    let mut chunks = vec![event(json!({ "type": "content_block_start", "index": at, "content_block": opening }))];
    chunks.extend(deltas.map(|delta| event(json!({ "type": "content_block_delta", "index": at, "delta": delta }))));
    chunks.push(event(json!({ "type": "content_block_stop", "index": at })));
    chunks
}

fn event(value: Value) -> Chunk {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    Chunk::Data(Bytes::from(format!("event: {kind}\ndata: {value}\n\n")))
}
