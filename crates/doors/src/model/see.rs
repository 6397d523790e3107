//! Bytes → [`Prompt`]: what a model request asks for.
//!
//! Owns the reading of every format against allow-lists: known endpoints, keys, content blocks and tool types; all else
//! is a flaw (HARDENING 2). It reads strictly and what is sent is written anew from what was read, so that nobody can
//! read it otherwise, with data kept apart by `separate`. Never decides and never touches the network.

mod anthropic;
mod gemini;
mod openai;
mod responses;

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use creel_guard::{Drift, Prompt};
use http::{HeaderMap, Method, Uri};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::config::Format;
use super::context::Heard;
use super::definitions;
use super::flaw::{Flaw, FlawKind, quoted};
use super::mask::{self, Masks};
use super::memories::{self, Memories};
use super::separate::{Found, Separation};
use super::strict;
use crate::definition::Definitions;

/// The endpoints of this door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Generate(Aim),
    Models(Format),
}

/// What a generating request's path says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Aim {
    pub(super) format: Format,
    /// The model, where the path names it and not the body.
    pub(super) model: Option<String>,
    /// Whether the answer is streamed, likewise.
    pub(super) stream: Option<bool>,
}

impl From<Format> for Aim {
    fn from(format: Format) -> Self {
        Self { format, model: None, stream: None }
    }
}

impl Aim {
    /// The path and query at the provider.
    fn path(&self) -> String {
        let path = self.format.path();
        match &self.model {
            None => path.to_owned(),
            Some(model) if self.stream == Some(true) => format!("{path}{model}:streamGenerateContent?alt=sse"),
            Some(model) => format!("{path}{model}:generateContent"),
        }
    }
}

/// A request that could be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    /// Path and query at the provider.
    pub(super) path: String,
    /// What is sent: the same JSON, written anew.
    pub(super) body: Bytes,
    pub(super) stream: bool,
    /// The names of the tools that it offers.
    pub(super) offered: BTreeSet<String>,
    /// What speaks against the definitions of some of them.
    pub(super) drifts: HashMap<String, Drift>,
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
        (&Method::POST, "/v1/chat/completions") => Endpoint::Generate(Format::OpenAi.into()),
        (&Method::POST, "/v1/responses") => Endpoint::Generate(Format::Responses.into()),
        (&Method::POST, "/v1/messages") => Endpoint::Generate(Format::Anthropic.into()),
        (&Method::GET, "/v1/models" | "/v1beta/models") => Endpoint::Models(guess(uri, headers)),
        (&Method::POST, path) if path.starts_with(Format::Gemini.path()) => {
            let aim = gemini::aim(path, uri.query()).map(Endpoint::Generate);
            return aim.ok_or_else(|| {
                let why = format!(
                    "there is no {}; ask MODEL:generateContent or MODEL:streamGenerateContent?alt=sse",
                    quoted(path)
                );
                FlawKind::UnknownEndpoint.at(why)
            });
        }
        (method, path) => return unknown(format!("there is no {} {}", quoted(method.as_str()), quoted(path))),
    };
    match (uri.query(), &endpoint) {
        (None, _) | (Some("beta=true"), Endpoint::Generate(Aim { format: Format::Anthropic, .. })) => Ok(endpoint),
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
    } else if uri.path().starts_with("/v1beta/") {
        Format::Gemini
    } else {
        Format::OpenAi
    }
}

/// What becomes of a request before it is sent.
#[derive(Clone, Copy, Default)]
pub(super) struct Rework<'a> {
    /// Takes known values out.
    pub(super) masks: Option<&'a dyn Masks>,
    /// Keeps data apart.
    pub(super) fence: Option<&'a Separation>,
    /// Remembers how tools are defined.
    pub(super) definitions: Option<&'a dyn Definitions>,
    /// Knows what stands in the agent's memory.
    pub(super) memories: Option<&'a dyn Memories>,
}

/// Reads a generating request's body. `provider` is who would answer it.
pub(super) fn body(aim: &Aim, provider: &str, bytes: &[u8], rework: Rework<'_>) -> Seen {
    let mut prompt = prompt(aim, provider, bytes);
    let reading = strict::parse_object(bytes)
        .map_err(|why| FlawKind::BadRequest.at(format!("the body can't be read: {why}")))
        .and_then(|map| {
            // Recorded even when something else is wrong.
            if let (None, Some(Value::String(model))) = (&aim.model, map.get("model")) {
                prompt.model = model.chars().take(256).collect();
            }
            let reading = read(aim, map, rework)?;
            prompt.bytes = reading.body.len() as u64;
            prompt.digest = digest(&reading.body);
            Ok(reading)
        });
    Seen { prompt, reading }
}

/// What is recorded of a request before (or without) a reading.
pub(super) fn prompt(aim: &Aim, provider: &str, bytes: &[u8]) -> Prompt {
    Prompt {
        provider: provider.to_owned(),
        format: aim.format.name().to_owned(),
        model: aim.model.clone().unwrap_or_default(),
        bytes: bytes.len() as u64,
        digest: digest(bytes),
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(aim: &Aim, mut map: Map<String, Value>, rework: Rework<'_>) -> Result<Reading, Flaw> {
    let format = aim.format;
    for (key, value) in &map {
        match format {
            Format::OpenAi => openai::key(key, value)?,
            Format::Anthropic => anthropic::key(key, value)?,
            Format::Responses => responses::key(key, value)?,
            Format::Gemini => gemini::key(key, value)?,
        }
    }
    match (&aim.model, map.get("model")) {
        (Some(_), _) => {}
        (None, Some(Value::String(model))) if (1..=256).contains(&model.len()) => {}
        _ => return Err(FlawKind::BadRequest.at("`model` must be a text of 1 to 256 bytes")),
    }
    let stream = match (aim.stream, map.get("stream")) {
        (Some(stream), _) => stream,
        (None, None | Some(Value::Null)) => false,
        (None, Some(Value::Bool(stream))) => *stream,
        (None, Some(_)) => return Err(FlawKind::BadRequest.at("`stream` must be true or false")),
    };
    let each = |key: &str, check: fn(&Map<String, Value>) -> Result<(), Flaw>| {
        list(map.get(key), key)?.iter().try_for_each(|message| check(object(message, "a message")?))
    };
    match format {
        Format::OpenAi => each("messages", openai::message)?,
        Format::Anthropic => each("messages", anthropic::message)?,
        Format::Responses => responses::input(map.get("input"))?,
        Format::Gemini => each("contents", gemini::content)?,
    }
    let offered = offered(format, &map)?;
    if format == Format::Responses {
        responses::prepare(&mut map);
    }
    let mut heard = Heard::of(format, &map);
    heard.turns.extend(rework.memories.map(|known| memories::recalled(&map, known)).unwrap_or_default());
    // Behind what was heard: a user's words are known by their digest.
    rework.masks.map_or(Ok(()), |masks| mask::apply(masks, &mut map))?;
    let mut found = rework.fence.map(|fence| fence.apply(format, &mut map)).unwrap_or_default();
    if let Some(memories) = rework.memories.filter(|_| found.is_tainted) {
        memories.taint();
    }
    let look = |memory| definitions::look(format, &map, &heard, memory, &mut found);
    let drifts = rework.definitions.map(look).unwrap_or_default();
    let body = serde_json::to_vec(&map).map_err(|error| FlawKind::BadRequest.at(error.to_string()))?;
    Ok(Reading { path: aim.path(), body: body.into(), stream, offered, drifts, heard, found })
}

/// The names of the tools that a request offers.
fn offered(format: Format, map: &Map<String, Value>) -> Result<BTreeSet<String>, Flaw> {
    let mut offered = BTreeSet::new();
    let mut offer = |name: &str| {
        let is_new = offered.insert(name.to_owned());
        let twice = || FlawKind::BadRequest.at(format!("the tool {} is offered twice", quoted(name)));
        is_new.then_some(()).ok_or_else(twice)
    };
    let tools = match map.get("tools") {
        None | Some(Value::Null) => &Vec::new(),
        tools => list(tools, "tools")?,
    };
    for tool in tools {
        let tool = object(tool, "a tool")?;
        match format {
            Format::OpenAi => offer(openai::tool(tool)?)?,
            Format::Anthropic => offer(anthropic::tool(tool)?)?,
            Format::Responses => offer(responses::tool(tool)?)?,
            Format::Gemini => {
                for function in gemini::functions(tool)? {
                    offer(gemini::function(object(function, "a function")?)?)?;
                }
            }
        }
    }
    Ok(offered)
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
