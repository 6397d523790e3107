//! What may stand in an Anthropic Messages request.
//!
//! Owns the allow-lists of that format (Anthropic's API reference, `messages`). Called by [`super`].

use serde_json::{Map, Value};

use super::{list, object, only, quoted, text, tool_name};
use crate::model::flaw::{Flaw, FlawKind};

/// Blocks stand in results, and texts in documents: no deeper.
const MAX_DEPTH: u8 = 4;

/// A top-level key and its value.
pub(super) fn key(key: &str, value: &Value) -> Result<(), Flaw> {
    match key {
        "model" | "messages" | "max_tokens" | "stream" | "tools" | "tool_choice" | "temperature" | "top_p"
        | "top_k" | "stop_sequences" | "metadata" | "thinking" | "service_tier" | "output_config" | "output_format"
        | "cache_control" | "context_management" => Ok(()),
        "system" => content(value, MAX_DEPTH),
        "mcp_servers" => Err(FlawKind::ServerTool.at("`mcp_servers` lets the provider reach out by itself")),
        "container" | "store" | "background" | "previous_response_id" => {
            Err(FlawKind::StoredState.at(format!("{} lets the provider keep or look up data", quoted(key))))
        }
        _ => Err(FlawKind::UnknownKey.at(format!("the key {} is not known here", quoted(key)))),
    }
}

/// One of `messages`.
pub(super) fn message(message: &Map<String, Value>) -> Result<(), Flaw> {
    match text(message, "role") {
        "user" | "assistant" => {}
        role => return Err(FlawKind::UnknownContent.at(format!("the role {} is not known here", quoted(role)))),
    }
    only(message, &["role", "content"], "a message")?;
    content(message.get("content").unwrap_or(&Value::Null), MAX_DEPTH)
}

fn content(content: &Value, depth: u8) -> Result<(), Flaw> {
    if content.is_string() {
        return Ok(());
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Err(FlawKind::UnknownContent.at("content is nested too deep"));
    };
    list(Some(content), "content")?.iter().try_for_each(|block| self::block(block, depth))
}

fn block(block: &Value, depth: u8) -> Result<(), Flaw> {
    let block = object(block, "a content block")?;
    let kind = text(block, "type");
    let known: &[&str] = match kind {
        "text" => &["type", "text", "citations", "cache_control"],
        "image" => &["type", "source", "cache_control"],
        "document" => &["type", "source", "title", "context", "citations", "cache_control"],
        "tool_use" => &["type", "id", "name", "input", "cache_control"],
        "tool_result" => &["type", "tool_use_id", "content", "is_error", "cache_control"],
        "search_result" => &["type", "source", "title", "content", "citations", "cache_control"],
        "thinking" => &["type", "thinking", "signature"],
        "redacted_thinking" => &["type", "data"],
        "container_upload" => return Err(FlawKind::StoredState.at("`container_upload` names a file at the provider")),
        kind if kind.starts_with("server_tool") || kind.starts_with("mcp_tool") => {
            return Err(FlawKind::ServerTool.at(format!("{} belongs to a tool at the provider", quoted(kind))));
        }
        _ => return Err(FlawKind::UnknownContent.at(format!("content of type {} is not known here", quoted(kind)))),
    };
    only(block, known, &format!("a block of type `{kind}`"))?;
    match (kind, block.get("source"), block.get("content")) {
        ("image" | "document", Some(from), _) => source(object(from, "a source")?, depth),
        ("tool_result" | "search_result", _, Some(inner)) if !inner.is_null() => content(inner, depth),
        _ => Ok(()),
    }
}

fn source(source: &Map<String, Value>, depth: u8) -> Result<(), Flaw> {
    match text(source, "type") {
        "base64" | "text" => only(source, &["type", "media_type", "data"], "a source"),
        "content" => {
            only(source, &["type", "content"], "a source")?;
            content(source.get("content").unwrap_or(&Value::Null), depth)
        }
        "url" => Err(FlawKind::UrlSource.at("the provider would fetch a URL; send the data itself")),
        "file" => Err(FlawKind::StoredState.at("a `file` source is kept by the provider")),
        kind => Err(FlawKind::UnknownContent.at(format!("a source of type {} is not known here", quoted(kind)))),
    }
}

/// One of `tools`: its name.
pub(super) fn tool(tool: &Map<String, Value>) -> Result<&str, Flaw> {
    match tool.get("type") {
        None | Some(Value::Null) => {}
        Some(Value::String(kind)) if kind == "custom" => {}
        Some(kind) => {
            let kind = kind.as_str().unwrap_or("?");
            return Err(FlawKind::ServerTool.at(format!("a tool of type {} is not run by the agent", quoted(kind))));
        }
    }
    const KEYS: [&str; 8] = [
        "type",
        "name",
        "description",
        "input_schema",
        "cache_control",
        "strict",
        "eager_input_streaming",
        "input_examples",
    ];
    only(tool, &KEYS, "a tool")?;
    tool_name(tool)
}
