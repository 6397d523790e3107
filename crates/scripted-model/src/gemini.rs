//! A reply as Gemini's generateContent.
//!
//! Owns the wire form of answers, streamed and whole, and of the path that asks for them. Decides nothing about their
//! content. `service` calls it.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::body::Chunk;
use crate::conversation::Conversation;
use crate::openai::Stamp;
use crate::reply::{Part, Reply, ToolCall, text_deltas};

/// What a path asks for: the model, and whether its answer is streamed.
pub(crate) fn asked(path: &str) -> Option<(&str, bool)> {
    match path.strip_prefix("/v1beta/models/")?.split_once(':')? {
        (model, "generateContent") => Some((model, false)),
        (model, "streamGenerateContent") => Some((model, true)),
        _ => None,
    }
}

fn answer(stamp: &Stamp, talk: &Conversation, reply: &Reply, parts: &[Value], is_over: bool) -> Value {
    let reason = is_over.then(|| reply.finish.as_deref().unwrap_or("STOP"));
    let spoken = if is_over { reply.tokens() } else { 0 };
    let candidate = match reason {
        Some(reason) => json!({ "content": { "role": "model", "parts": parts }, "finishReason": reason, "index": 0 }),
        None => json!({ "content": { "role": "model", "parts": parts }, "index": 0 }),
    };
    let usage = json!({
        "promptTokenCount": talk.prompt_tokens, "candidatesTokenCount": spoken,
        "totalTokenCount": talk.prompt_tokens + spoken,
    });
    let id = format!("gen_{}", stamp.number);
    json!({ "candidates": [candidate], "usageMetadata": usage, "modelVersion": talk.model, "responseId": id })
}

/// Malformed arguments become a text: no object could hold them.
fn call(stamp: &Stamp, at: usize, call: &ToolCall) -> Value {
    let args = serde_json::from_str(&call.arguments).unwrap_or_else(|_| Value::from(call.arguments.as_str()));
    json!({ "functionCall": { "id": format!("call_{}_{at}", stamp.number), "name": call.tool, "args": args } })
}

/// The whole answer as one JSON object.
pub(crate) fn whole(stamp: &Stamp, talk: &Conversation, reply: &Reply) -> Value {
    let mut parts = Vec::new();
    for part in &reply.parts {
        match part {
            Part::Text(text) => parts.push(json!({ "text": text })),
            Part::Call(made) => parts.push(call(stamp, parts.len(), made)),
            Part::Raw(_) | Part::Delay(_) | Part::HangUp => {}
        }
    }
    answer(stamp, talk, reply, &parts, true)
}

/// The answer as server-sent events.
pub(crate) fn streamed(stamp: &Stamp, talk: &Conversation, reply: &Reply) -> Vec<Chunk> {
    let event = |parts: &[Value], is_over: bool| {
        Chunk::Data(Bytes::from(format!("data: {}\r\n\r\n", answer(stamp, talk, reply, parts, is_over))))
    };
    let mut chunks = Vec::new();
    for (at, part) in reply.parts.iter().enumerate() {
        match part {
            Part::Text(text) => chunks.extend(text_deltas(text).map(|piece| event(&[json!({ "text": piece })], false))),
            Part::Call(made) => chunks.push(event(&[call(stamp, at, made)], false)),
            Part::Raw(raw) => chunks.push(Chunk::Data(Bytes::from(raw.clone()))),
            Part::Delay(duration) => chunks.push(Chunk::Delay(*duration)),
            Part::HangUp => chunks.push(Chunk::HangUp),
        }
    }
    chunks.push(event(&[json!({ "text": "" })], true));
    chunks
}
