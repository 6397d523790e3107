//! Bytes → [`Prompt`]: what a model request asks for.
//!
//! Owns the reading of every format against allow-lists: known endpoints, keys, content blocks and tool types; all else
//! is a flaw (HARDENING 2). It reads strictly and what is sent is written anew from what was read, so that nobody can
//! read it otherwise, with data kept apart by `separate`. Never decides and never touches the network.

mod anthropic;
mod openai;
mod responses;

use std::collections::BTreeSet;

use bytes::Bytes;
use creel_guard::Prompt;
use http::{HeaderMap, Method, Uri};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::config::Format;
use super::context::Heard;
use super::flaw::{Flaw, FlawKind, quoted};
use super::separate::{Found, Separation};
use super::strict;

/// The endpoints of this door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Generate(Format),
    Models(Format),
}

/// A request that could be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    /// What is sent: the same JSON, written anew.
    pub(super) body: Bytes,
    pub(super) stream: bool,
    /// The names of the tools that it offers.
    pub(super) offered: BTreeSet<String>,
    /// The conversation, as it came.
    pub(super) heard: Heard,
    /// What was found in texts from outside.
    pub(super) found: Found,
}

/// A generating request, seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) prompt: Prompt,
    pub(super) reading: Result<Reading, Flaw>,
}

/// Which endpoint a request is for.
pub(super) fn endpoint(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Endpoint, Flaw> {
    let unknown = |why: String| Err(FlawKind::UnknownEndpoint.at(why));
    let endpoint = match (method, uri.path()) {
        (&Method::POST, "/v1/chat/completions") => Endpoint::Generate(Format::OpenAi),
        (&Method::POST, "/v1/responses") => Endpoint::Generate(Format::Responses),
        (&Method::POST, "/v1/messages") => Endpoint::Generate(Format::Anthropic),
        (&Method::GET, "/v1/models") => Endpoint::Models(guess(uri, headers)),
        (method, path) => return unknown(format!("there is no {} {}", quoted(method.as_str()), quoted(path))),
    };
    match (uri.query(), endpoint) {
        (None, _) | (Some("beta=true"), Endpoint::Generate(Format::Anthropic)) => Ok(endpoint),
        (Some(_), Endpoint::Models(_)) => Ok(endpoint),
        (Some(_), Endpoint::Generate(_)) => unknown("a query does not belong here; leave it out".to_owned()),
    }
}

/// The format to answer in when the endpoint does not say.
pub(super) fn guess(uri: &Uri, headers: &HeaderMap) -> Format {
    if uri.path().starts_with("/v1/messages") || headers.contains_key("anthropic-version") {
        Format::Anthropic
    } else if uri.path().starts_with("/v1/responses") {
        Format::Responses
    } else {
        Format::OpenAi
    }
}

/// Reads a generating request's body. `provider` is who would answer it; `fence` keeps data apart in what is sent.
pub(super) fn body(format: Format, provider: &str, bytes: &[u8], fence: Option<&Separation>) -> Seen {
    let mut prompt = prompt(format, provider, bytes);
    let reading = strict::parse_object(bytes)
        .map_err(|why| FlawKind::BadRequest.at(format!("the body can't be read: {why}")))
        .and_then(|map| {
            // Recorded even when something else is wrong.
            if let Some(Value::String(model)) = map.get("model") {
                prompt.model = model.chars().take(256).collect();
            }
            let reading = read(format, map, fence)?;
            prompt.bytes = reading.body.len() as u64;
            prompt.digest = digest(&reading.body);
            Ok(reading)
        });
    Seen { prompt, reading }
}

/// What is recorded of a request before (or without) a reading.
pub(super) fn prompt(format: Format, provider: &str, bytes: &[u8]) -> Prompt {
    Prompt {
        provider: provider.to_owned(),
        format: format.name().to_owned(),
        model: String::new(),
        bytes: bytes.len() as u64,
        digest: digest(bytes),
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(format: Format, mut map: Map<String, Value>, fence: Option<&Separation>) -> Result<Reading, Flaw> {
    for (key, value) in &map {
        match format {
            Format::OpenAi => openai::key(key, value)?,
            Format::Anthropic => anthropic::key(key, value)?,
            Format::Responses => responses::key(key, value)?,
        }
    }
    match map.get("model") {
        Some(Value::String(model)) if (1..=256).contains(&model.len()) => {}
        _ => return Err(FlawKind::BadRequest.at("`model` must be a text of 1 to 256 bytes")),
    }
    let stream = match map.get("stream") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(stream)) => *stream,
        Some(_) => return Err(FlawKind::BadRequest.at("`stream` must be true or false")),
    };
    let each = |check: fn(&Map<String, Value>) -> Result<(), Flaw>| {
        list(map.get("messages"), "messages")?.iter().try_for_each(|message| check(object(message, "a message")?))
    };
    match format {
        Format::OpenAi => each(openai::message)?,
        Format::Anthropic => each(anthropic::message)?,
        Format::Responses => responses::input(map.get("input"))?,
    }
    let mut offered = BTreeSet::new();
    if let Some(tools) = map.get("tools").filter(|tools| !tools.is_null()) {
        for tool in list(Some(tools), "tools")? {
            let tool = object(tool, "a tool")?;
            let name = match format {
                Format::OpenAi => openai::tool(tool)?,
                Format::Anthropic => anthropic::tool(tool)?,
                Format::Responses => responses::tool(tool)?,
            };
            if !offered.insert(name.to_owned()) {
                return Err(FlawKind::BadRequest.at(format!("the tool {} is offered twice", quoted(name))));
            }
        }
    }
    if format == Format::Responses {
        responses::prepare(&mut map);
    }
    let heard = Heard::of(format, &map);
    let found = fence.map(|fence| fence.apply(format, &mut map)).unwrap_or_default();
    let body = serde_json::to_vec(&map).map_err(|error| FlawKind::BadRequest.at(error.to_string()))?;
    Ok(Reading { body: body.into(), stream, offered, heard, found })
}

fn list<'a>(value: Option<&'a Value>, what: &str) -> Result<&'a Vec<Value>, Flaw> {
    value.and_then(Value::as_array).ok_or_else(|| FlawKind::BadRequest.at(format!("`{what}` must be a list")))
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, Flaw> {
    value.as_object().ok_or_else(|| FlawKind::BadRequest.at(format!("{what} must be an object")))
}

/// The text under `key`; another reader may take a missing one for empty.
fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Refuses any key of `map` that is not among `known`: a reader that ignores case or knows more would see more.
fn only(map: &Map<String, Value>, known: &[&str], what: &str) -> Result<(), Flaw> {
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(FlawKind::UnknownContent.at(format!("{} in {what}; leave it out", quoted(key)))),
    }
}

/// Data, not an address for the provider to fetch.
fn inline(url: &str) -> Result<(), Flaw> {
    if url.starts_with("data:") {
        return Ok(());
    }
    Err(FlawKind::UrlSource.at("the provider would fetch a URL; send the data itself as a `data:` URL"))
}

/// A tool's name, as its own format allows it (OpenAI and Anthropic: letters, digits, `_` and `-`; others add `.`, `:`
/// and `/`).
fn tool_name(map: &Map<String, Value>) -> Result<&str, Flaw> {
    let name = text(map, "name");
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':' | b'/');
    if (1..=128).contains(&name.len()) && name.bytes().all(legal) {
        Ok(name)
    } else {
        Err(FlawKind::BadRequest.at(format!("{} is no name of a tool", quoted(name))))
    }
}

#[cfg(test)]
mod tests;
