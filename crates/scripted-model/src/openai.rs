//! A reply as OpenAI Chat Completions.
//!
//! Owns the wire form of answers, streamed and whole. Decides nothing about their content. `service` calls it.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::body::Chunk;
use crate::conversation::Conversation;
use crate::reply::{Part, Reply, ToolCall, cut, text_deltas};

/// Who answers when: the same for every piece of one answer.
pub(crate) struct Stamp {
    pub(crate) number: u64,
    /// Seconds since 1970.
    pub(crate) created: u64,
}

pub(crate) fn finish(reply: &Reply) -> &str {
    let natural = if reply.calls().next().is_some() { "tool_calls" } else { "stop" };
    reply.finish.as_deref().unwrap_or(natural)
}

fn usage(talk: &Conversation, reply: &Reply) -> Value {
    let (prompt, completion) = (talk.prompt_tokens, reply.tokens());
    json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion })
}

/// The whole answer as one JSON object.
pub(crate) fn whole(stamp: &Stamp, talk: &Conversation, reply: &Reply) -> Value {
    let text: String = reply.texts().collect();
    let mut message =
        json!({ "role": "assistant", "content": if text.is_empty() { Value::Null } else { text.into() } });
    let calls: Vec<Value> =
        reply.calls().enumerate().map(|(at, call)| opening(stamp, at, call, &call.arguments)).collect();
    if let (Some(message), false) = (message.as_object_mut(), calls.is_empty()) {
        message.insert("tool_calls".to_owned(), calls.into());
    }
    json!({
        "id": format!("chatcmpl-{}", stamp.number), "object": "chat.completion", "created": stamp.created,
        "model": talk.model, "choices": [{ "index": 0, "message": message, "finish_reason": finish(reply) }],
        "usage": usage(talk, reply),
    })
}

fn opening(stamp: &Stamp, at: usize, call: &ToolCall, arguments: &str) -> Value {
    json!({
        "index": at, "id": format!("call_{}_{at}", stamp.number), "type": "function",
        "function": { "name": call.tool, "arguments": arguments },
    })
}

/// The answer as server-sent events.
pub(crate) fn streamed(stamp: &Stamp, talk: &Conversation, reply: &Reply) -> Vec<Chunk> {
    let event = |choices: Value, usage: Option<Value>| {
        let mut chunk = json!({
            "id": format!("chatcmpl-{}", stamp.number), "object": "chat.completion.chunk", "created": stamp.created,
            "model": talk.model, "choices": choices,
        });
        if let (Some(chunk), Some(usage)) = (chunk.as_object_mut(), usage) {
            chunk.insert("usage".to_owned(), usage);
        }
        Chunk::Data(Bytes::from(format!("data: {chunk}\n\n")))
    };
    let delta = |delta: Value| event(json!([{ "index": 0, "delta": delta, "finish_reason": null }]), None);
    let mut chunks = vec![delta(json!({ "role": "assistant", "content": "" }))];
    let mut at = 0;
    for part in &reply.parts {
        match part {
            Part::Text(text) => chunks.extend(text_deltas(text).map(|piece| delta(json!({ "content": piece })))),
            Part::Call(call) => {
                chunks.push(delta(json!({ "tool_calls": [opening(stamp, at, call, "")] })));
                chunks.extend(cut(&call.arguments, call.delta_bytes).map(|piece| {
                    delta(json!({ "tool_calls": [{ "index": at, "function": { "arguments": piece } }] }))
                }));
                at += 1;
            }
            Part::Raw(raw) => chunks.push(Chunk::Data(Bytes::from(raw.clone()))),
            Part::Delay(duration) => chunks.push(Chunk::Delay(*duration)),
            Part::HangUp => chunks.push(Chunk::HangUp),
        }
    }
    chunks.push(event(json!([{ "index": 0, "delta": {}, "finish_reason": finish(reply) }]), None));
    if talk.include_usage {
        chunks.push(event(json!([]), Some(usage(talk, reply))));
    }
    chunks.push(Chunk::Data(Bytes::from_static(b"data: [DONE]\n\n")));
    chunks
}
