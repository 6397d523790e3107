//! What may stand in an OpenAI Chat Completions request.
//!
//! Owns the allow-lists of that format (OpenAI's API reference, `chat/create`, and the additions of compatible
//! servers that OpenClaw sends). Called by [`super`].

use serde_json::{Map, Value};

use super::{inline, list, object, only, quoted, text, tool_name};
use crate::model::flaw::{Flaw, FlawKind};

/// A top-level key and its value.
pub(super) fn key(key: &str, value: &Value) -> Result<(), Flaw> {
    match key {
        "model"
        | "messages"
        | "stream"
        | "stream_options"
        | "tools"
        | "tool_choice"
        | "parallel_tool_calls"
        | "max_tokens"
        | "max_completion_tokens"
        | "temperature"
        | "top_p"
        | "top_k"
        | "stop"
        | "presence_penalty"
        | "frequency_penalty"
        | "logit_bias"
        | "logprobs"
        | "top_logprobs"
        | "seed"
        | "response_format"
        | "reasoning_effort"
        | "reasoning"
        | "thinking"
        | "verbosity"
        | "user"
        | "metadata"
        | "service_tier"
        | "prompt_cache_key"
        | "prompt_cache_retention"
        | "safety_identifier"
        | "prediction" => Ok(()),
        "n" if matches!(value.as_u64(), Some(1)) || value.is_null() => Ok(()),
        "n" => Err(FlawKind::BadRequest.at("`n` must be 1: one answer at a time is judged")),
        "store" | "background" if matches!(value, Value::Bool(false) | Value::Null) => Ok(()),
        "store" | "background" | "previous_response_id" | "conversation" | "container" => {
            Err(FlawKind::StoredState.at(format!("{} lets the provider keep or look up data", quoted(key))))
        }
        "web_search_options" | "mcp_servers" | "plugins" | "search_parameters" => {
            Err(FlawKind::ServerTool.at(format!("{} lets the provider reach out by itself", quoted(key))))
        }
        "modalities" if *value == Value::from(vec!["text"]) => Ok(()),
        _ => Err(FlawKind::UnknownKey.at(format!("the key {} is not known here", quoted(key)))),
    }
}

/// One of `messages`.
pub(super) fn message(message: &Map<String, Value>) -> Result<(), Flaw> {
    match text(message, "role") {
        "system" | "developer" | "user" | "assistant" | "tool" => {}
        role => return Err(FlawKind::UnknownContent.at(format!("the role {} is not known here", quoted(role)))),
    }
    const KEYS: [&str; 10] = [
        "role",
        "content",
        "name",
        "tool_calls",
        "tool_call_id",
        "refusal",
        "reasoning_content",
        "reasoning",
        "reasoning_details",
        "cache_control",
    ];
    only(message, &KEYS, "a message")?;
    match message.get("content") {
        None | Some(Value::Null | Value::String(_)) => Ok(()),
        parts => list(parts, "content")?.iter().try_for_each(part),
    }
}

fn part(part: &Value) -> Result<(), Flaw> {
    let part = object(part, "a content part")?;
    let inner = |key: &str| object(part.get(key).unwrap_or(&Value::Null), "what a content part holds");
    match text(part, "type") {
        "text" => only(part, &["type", "text", "cache_control"], "a text part"),
        "refusal" => only(part, &["type", "refusal"], "a refusal part"),
        "image_url" => {
            only(part, &["type", "image_url", "cache_control"], "an image part")?;
            let image = inner("image_url")?;
            only(image, &["url", "detail"], "an image part")?;
            inline(text(image, "url"))
        }
        "input_audio" => {
            only(part, &["type", "input_audio"], "an audio part")?;
            only(inner("input_audio")?, &["data", "format"], "an audio part")
        }
        "file" => {
            only(part, &["type", "file", "cache_control"], "a file part")?;
            let file = inner("file")?;
            if file.contains_key("file_id") {
                return Err(FlawKind::StoredState.at("`file_id` names a file kept by the provider"));
            }
            only(file, &["file_data", "filename"], "a file part")?;
            inline(text(file, "file_data"))
        }
        kind => Err(FlawKind::UnknownContent.at(format!("content of type {} is not known here", quoted(kind)))),
    }
}

/// One of `tools`: its name.
pub(super) fn tool(tool: &Map<String, Value>) -> Result<&str, Flaw> {
    let kind = text(tool, "type");
    let (known, inside): (&[&str], _) = match kind {
        "function" => (&["name", "description", "parameters", "strict"], "function"),
        "custom" => (&["name", "description", "format"], "custom"),
        _ => return Err(FlawKind::ServerTool.at(format!("a tool of type {} runs at the provider", quoted(kind)))),
    };
    only(tool, &["type", inside, "cache_control"], "a tool")?;
    let described = object(tool.get(inside).unwrap_or(&Value::Null), "a tool's description")?;
    only(described, known, "a tool")?;
    tool_name(described)
}
