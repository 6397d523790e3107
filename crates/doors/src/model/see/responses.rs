//! What may stand in an OpenAI Responses request.
//!
//! Owns the allow-lists of that format (OpenAI's API reference, `responses/create`). The provider keeps answers unless it is
//! told not to: [`prepare`] tells it. Called by [`super`].

use serde_json::{Map, Value};

use super::{inline, list, object, only, quoted, text, tool_name};
use crate::model::flaw::{Flaw, FlawKind};

/// What an answer may hold beyond the usual; all else of the reference belongs to tools at the provider.
const INCLUDED: [&str; 2] = ["reasoning.encrypted_content", "message.output_text.logprobs"];

/// A top-level key and its value.
pub(super) fn key(key: &str, value: &Value) -> Result<(), Flaw> {
    match key {
        "model"
        | "input"
        | "stream"
        | "stream_options"
        | "tools"
        | "tool_choice"
        | "parallel_tool_calls"
        | "max_output_tokens"
        | "max_tool_calls"
        | "temperature"
        | "top_p"
        | "top_logprobs"
        | "reasoning"
        | "text"
        | "truncation"
        | "metadata"
        | "user"
        | "service_tier"
        | "prompt_cache_key"
        | "prompt_cache_options"
        | "prompt_cache_retention"
        | "safety_identifier" => Ok(()),
        "instructions" if value.is_string() || value.is_null() => Ok(()),
        "instructions" => Err(FlawKind::BadRequest.at("`instructions` must be a text")),
        "include" => include(value),
        "store" | "background" if matches!(value, Value::Bool(false) | Value::Null) => Ok(()),
        "previous_response_id" | "conversation" | "prompt" | "context_management" if value.is_null() => Ok(()),
        "store" | "background" | "previous_response_id" | "conversation" | "prompt" => {
            Err(FlawKind::StoredState.at(format!("{} lets the provider keep or look up data", quoted(key))))
        }
        "context_management" => {
            let why = "`context_management` puts what nobody else can read in the conversation's place";
            Err(FlawKind::StoredState.at(why))
        }
        _ => Err(FlawKind::UnknownKey.at(format!("the key {} is not known here", quoted(key)))),
    }
}

fn include(value: &Value) -> Result<(), Flaw> {
    if value.is_null() {
        return Ok(());
    }
    match list(Some(value), "include")?.iter().find(|one| !INCLUDED.iter().any(|known| *one == known)) {
        None => Ok(()),
        Some(other) => {
            let why = format!("{} in `include` belongs to a tool at the provider", quoted(&other.to_string()));
            Err(FlawKind::ServerTool.at(why))
        }
    }
}

/// The provider keeps nothing.
pub(super) fn prepare(request: &mut Map<String, Value>) {
    request.insert("store".to_owned(), false.into());
}

/// `input`.
pub(super) fn input(value: Option<&Value>) -> Result<(), Flaw> {
    match value {
        Some(Value::String(_)) => Ok(()),
        items => list(items, "input")?.iter().try_for_each(item),
    }
}

fn item(item: &Value) -> Result<(), Flaw> {
    let item = object(item, "an item of `input`")?;
    let kind = match text(item, "type") {
        "" if item.contains_key("role") => "message",
        kind => kind,
    };
    let known: &[&str] = match kind {
        "message" => &["type", "id", "role", "content", "status", "phase"],
        "function_call" => &["type", "id", "call_id", "name", "arguments", "status"],
        "custom_tool_call" => &["type", "id", "call_id", "name", "input", "status"],
        "function_call_output" | "custom_tool_call_output" => &["type", "id", "call_id", "output", "status"],
        "reasoning" => &["type", "id", "summary", "content", "encrypted_content", "status"],
        // The reference lets an item that is a bare `id` be one.
        "" | "item_reference" => {
            return Err(FlawKind::StoredState.at("an item is kept by the provider; send the item itself"));
        }
        "compaction" => {
            return Err(FlawKind::StoredState.at("`compaction` stands for what nobody but the provider can read"));
        }
        kind if kind.starts_with("mcp_") || kind.ends_with("_call") || kind.ends_with("_call_output") => {
            return Err(FlawKind::ServerTool.at(format!("{} belongs to a tool at the provider", quoted(kind))));
        }
        _ => return Err(FlawKind::UnknownContent.at(format!("an item of type {} is not known here", quoted(kind)))),
    };
    only(item, known, &format!("an item of type `{kind}`"))?;
    match kind {
        "message" => message(item),
        "function_call_output" | "custom_tool_call_output" => content(item.get("output")),
        // Without its content it would be looked up.
        "reasoning" if item.contains_key("id") && !item.get("encrypted_content").is_some_and(Value::is_string) => {
            Err(FlawKind::StoredState.at("a thought without `encrypted_content` is looked up at the provider"))
        }
        _ => Ok(()),
    }
}

fn message(message: &Map<String, Value>) -> Result<(), Flaw> {
    match text(message, "role") {
        "user" | "assistant" | "system" | "developer" => content(message.get("content")),
        role => Err(FlawKind::UnknownContent.at(format!("the role {} is not known here", quoted(role)))),
    }
}

fn content(content: Option<&Value>) -> Result<(), Flaw> {
    match content {
        Some(Value::String(_)) => Ok(()),
        parts => list(parts, "content")?.iter().try_for_each(part),
    }
}

fn part(part: &Value) -> Result<(), Flaw> {
    let part = object(part, "a content part")?;
    let kind = text(part, "type");
    let known: &[&str] = match kind {
        "input_text" => &["type", "text", "prompt_cache_breakpoint"],
        "output_text" => &["type", "text", "annotations", "logprobs"],
        "refusal" => &["type", "refusal"],
        "input_image" => &["type", "detail", "image_url", "file_id", "prompt_cache_breakpoint"],
        "input_file" => &["type", "detail", "file_data", "file_id", "file_url", "filename", "prompt_cache_breakpoint"],
        _ => return Err(FlawKind::UnknownContent.at(format!("content of type {} is not known here", quoted(kind)))),
    };
    only(part, known, &format!("content of type `{kind}`"))?;
    let given = |key: &str| part.get(key).is_some_and(|value| !value.is_null());
    if given("file_id") {
        return Err(FlawKind::StoredState.at("`file_id` names a file kept by the provider"));
    }
    if given("file_url") {
        return Err(FlawKind::UrlSource.at("the provider would fetch `file_url`; send the data itself"));
    }
    if part.get("annotations").is_some_and(|notes| *notes != Value::Array(Vec::new()) && !notes.is_null()) {
        return Err(FlawKind::UnknownContent.at("`annotations` must be empty"));
    }
    match kind {
        "input_image" => inline(text(part, "image_url")),
        "input_file" if given("file_data") => inline(text(part, "file_data")),
        _ => Ok(()),
    }
}

/// One of `tools`: its name.
pub(super) fn tool(tool: &Map<String, Value>) -> Result<&str, Flaw> {
    let known: &[&str] = match text(tool, "type") {
        "function" => &["type", "name", "description", "parameters", "strict", "output_schema"],
        "custom" => &["type", "name", "description", "format"],
        kind => return Err(FlawKind::ServerTool.at(format!("a tool of type {} runs at the provider", quoted(kind)))),
    };
    only(tool, known, "a tool")?;
    tool_name(tool)
}
