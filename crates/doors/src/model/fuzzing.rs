//! What is driven of the model door with any bytes.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value;

use super::call::Proposed;
use super::config::{Format, MAX_CALLS};
use super::definitions;
use super::see::Rework;
use super::separate::Separation;
use super::sse::{Event, Splitter};
use super::stream::{Machine, Step};
use super::whole::Whole;
use super::{see, strict};
use crate::definition::Definition;
use crate::fuzzing::pieces;

const TOOLS: [&str; 2] = ["exec", "tool_call"];
const REFUSED: &str = "(refused)";

/// JSON with one meaning is what another reader reads; what is written anew means the same again.
pub(crate) fn json(bytes: &[u8]) {
    let Ok(value) = strict::parse(bytes) else { return };
    assert_eq!(serde_json::from_slice::<Value>(bytes).ok().as_ref(), Some(&value), "another reader reads the same");
    let written = value.to_string();
    assert_eq!(strict::parse(written.as_bytes()).as_ref(), Ok(&value), "written anew it means the same");
}

/// However a stream is cut, its events are the same, and their bytes are all that came.
pub(crate) fn events(bytes: &[u8]) {
    let whole = bytes.get(1..).unwrap_or_default();
    let (cut, why) = split(pieces(bytes));
    let (at_once, same) = split(std::iter::once(whole));
    assert_eq!((&cut, &why), (&at_once, &same), "events do not depend on how bytes arrive");
    let raw: Vec<u8> = cut.iter().flat_map(|event| event.raw.to_vec()).collect();
    assert!(whole.starts_with(&raw), "the bytes of events are those that came");
    assert!(why.is_some() || raw.len() == whole.len(), "nothing is left out");
}

/// A call's arguments: what has no flaw is of a tool that was offered, and its arguments are an object.
pub(crate) fn call(bytes: &[u8]) {
    let Ok(arguments) = std::str::from_utf8(bytes) else { return };
    for name in TOOLS {
        let proposed = Proposed { name: name.to_owned(), arguments: arguments.to_owned(), ..Proposed::default() };
        let seen = proposed.see(&offered());
        if seen.flaw.is_none() {
            assert!(strict::parse_object(seen.call.arguments.as_bytes()).is_ok(), "arguments are an object");
            assert_ne!(seen.call.tool, "tool_call", "the meta-tool is opened");
        }
    }
}

/// [`request`] in OpenAI's form.
pub(crate) fn request_openai(bytes: &[u8]) {
    request(Format::OpenAi, bytes);
}

/// [`request`] in Anthropic's form.
pub(crate) fn request_anthropic(bytes: &[u8]) {
    request(Format::Anthropic, bytes);
}

/// [`request`] in the form of OpenAI Responses.
pub(crate) fn request_responses(bytes: &[u8]) {
    request(Format::Responses, bytes);
}

/// [`request`] in Gemini's form.
pub(crate) fn request_gemini(bytes: &[u8]) {
    request(Format::Gemini, bytes);
}

/// [`stream`] in OpenAI's form.
pub(crate) fn stream_openai(bytes: &[u8]) {
    stream(Format::OpenAi, bytes);
}

/// [`stream`] in Anthropic's form.
pub(crate) fn stream_anthropic(bytes: &[u8]) {
    stream(Format::Anthropic, bytes);
}

/// [`stream`] in the form of OpenAI Responses.
pub(crate) fn stream_responses(bytes: &[u8]) {
    stream(Format::Responses, bytes);
}

/// [`stream`] in Gemini's form.
pub(crate) fn stream_gemini(bytes: &[u8]) {
    stream(Format::Gemini, bytes);
}

/// [`whole`] in OpenAI's form.
pub(crate) fn whole_openai(bytes: &[u8]) {
    whole(Format::OpenAi, bytes);
}

/// [`whole`] in Anthropic's form.
pub(crate) fn whole_anthropic(bytes: &[u8]) {
    whole(Format::Anthropic, bytes);
}

/// [`whole`] in the form of OpenAI Responses.
pub(crate) fn whole_responses(bytes: &[u8]) {
    whole(Format::Responses, bytes);
}

/// [`whole`] in Gemini's form.
pub(crate) fn whole_gemini(bytes: &[u8]) {
    whole(Format::Gemini, bytes);
}

/// The tools of a request, each with its digest and what people compare.
fn tools(format: Format, bytes: &[u8]) -> Vec<(String, String, String)> {
    let Ok(map) = strict::parse_object(bytes) else { return Vec::new() };
    let told = |one: &Definition<'_>| (one.name.to_owned(), one.digest(), one.text());
    definitions::offered(format, &map).iter().map(told).collect()
}

/// What goes to the provider reads as what was judged.
fn request(format: Format, bytes: &[u8]) {
    let mut aim = see::Aim::from(format);
    if format == Format::Gemini {
        (aim.model, aim.stream) = (Some("m".to_owned()), Some(true));
    }
    let seen = see::body(&aim, "fuzz", bytes, Rework::default());
    let Ok(reading) = seen.reading else { return };
    assert_eq!(tools(format, bytes), tools(format, &reading.body), "tools are compared as they are sent");
    let again = see::body(&aim, "fuzz", &reading.body, Rework::default());
    assert_eq!(again.reading.as_ref(), Ok(&reading), "what is sent reads as what was judged");
    assert_eq!(again.prompt, seen.prompt, "and is recorded as such");
    let Ok(fence) = Separation::new() else { return };
    let fenced = see::body(&aim, "fuzz", bytes, Rework { fence: Some(&fence), ..Rework::default() });
    let still = |reading: see::Reading| see::body(&aim, "fuzz", &reading.body, Rework::default()).reading.is_ok();
    assert!(fenced.reading.is_ok_and(still), "what is fenced is a request still");
}

/// When every call is refused, the agent gets none, by a reading of its own that knows nothing of the machine.
fn stream(format: Format, bytes: &[u8]) {
    let mut splitter = Splitter::default();
    let mut machine = Machine::new(format);
    let mut out = Vec::new();
    // What is wrong ends the stream, with what was let by so far.
    let _ = pieces(bytes).try_for_each(|piece| {
        splitter.push(piece);
        while let Some(event) = splitter.next_event()? {
            feed(&mut machine, event, &mut out)?;
            if machine.is_done() {
                return Err(String::new());
            }
        }
        Ok(())
    });
    if !machine.is_done() {
        if let Ok(Some(event)) = splitter.rest() {
            let _ = feed(&mut machine, event, &mut out);
        }
        if let Ok(rest) = machine.finish() {
            out.extend_from_slice(&rest);
        }
    }
    let (events, _) = split(std::iter::once(out.as_slice()));
    for data in events.iter().filter_map(|event| event.data.as_deref()) {
        let Ok(value) = serde_json::from_str::<Value>(data) else { continue };
        let proposes = match format {
            Format::OpenAi => lists(&value, "delta"),
            Format::Anthropic => opens(&value),
            Format::Responses => calls(&value),
            Format::Gemini => functions(&value),
        };
        assert!(!proposes, "a refused call reached the agent: {data}");
    }
}

fn feed(machine: &mut Machine, event: Event, out: &mut Vec<u8>) -> Result<(), String> {
    match machine.feed(event)? {
        Step::Pass(bytes) => out.extend_from_slice(&bytes),
        Step::Wait => {}
        Step::Judge(calls) => {
            assert!(!calls.is_empty() && calls.len() <= MAX_CALLS + 1, "calls are bounded");
            for call in &calls {
                call.see(&offered());
            }
            let refused = vec![Some(REFUSED.to_owned()); calls.len()];
            out.extend_from_slice(&machine.resolve(&refused));
        }
        Step::Error(bytes) => {
            out.extend_from_slice(&bytes);
            return Err("the provider's error".to_owned());
        }
    }
    Ok(())
}

/// The same of an answer that is not streamed.
fn whole(format: Format, bytes: &[u8]) {
    let Ok(read) = Whole::read(format, Bytes::copy_from_slice(bytes)) else { return };
    let count = read.calls().inspect(|call| drop(call.see(&offered()))).count();
    let out = read.resolve(&vec![Some(REFUSED.to_owned()); count]);
    let Ok(value) = serde_json::from_slice::<Value>(&out) else { unreachable!("an answer is JSON") };
    let proposes = match format {
        Format::OpenAi => lists(&value, "message"),
        Format::Anthropic => value.get("content").is_some_and(holds),
        Format::Responses => calls(&value),
        Format::Gemini => functions(&value),
    };
    assert!(!proposes, "a refused call reached the agent: {value}");
}

/// Whether an Anthropic event opens a call. Readers go by its type.
fn opens(event: &Value) -> bool {
    match event.get("type").and_then(Value::as_str) {
        Some("message_start") => event.pointer("/message/content").is_some_and(holds),
        Some("content_block_start") => event.pointer("/content_block/type").is_some_and(|kind| kind == "tool_use"),
        _ => false,
    }
}

fn holds(blocks: &Value) -> bool {
    let blocks = blocks.as_array().map(Vec::as_slice).unwrap_or_default();
    blocks.iter().any(|block| block.get("type").is_some_and(|kind| kind == "tool_use"))
}

/// Whether a choice of an OpenAI chunk or answer lists a call.
fn lists(value: &Value, inside: &str) -> bool {
    let choices = value.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let calls = choices.iter().filter_map(|choice| choice.get(inside)?.get("tool_calls")?.as_array());
    calls.into_iter().any(|calls| !calls.is_empty())
}

/// Whether a candidate of Gemini's calls a function, in either spelling.
fn functions(value: &Value) -> bool {
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let is_call = |part: &Value| part.get("functionCall").is_some() || part.get("function_call").is_some();
    let calls =
        |candidate: &Value| candidate.get("content").is_some_and(|content| list(content, "parts").iter().any(is_call));
    list(value, "candidates").iter().any(calls)
}

/// Whether an event of OpenAI Responses is about a call, or a whole answer holds one. Readers go by its type.
fn calls(value: &Value) -> bool {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    let is_call = |item: &Value| item.get("type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("_call"));
    let lists =
        |answer: &Value| answer.get("output").and_then(Value::as_array).is_some_and(|all| all.iter().any(is_call));
    kind.contains("_call_")
        || kind.starts_with("response.output_item.") && value.get("item").is_some_and(is_call)
        || value.get("response").is_some_and(lists)
        || lists(value)
}

fn offered() -> BTreeSet<String> {
    TOOLS.map(str::to_owned).into()
}

fn split<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Option<String>) {
    let mut splitter = Splitter::default();
    let mut events = Vec::new();
    for piece in pieces {
        splitter.push(piece);
        loop {
            match splitter.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(why) => return (events, Some(why)),
            }
        }
    }
    match splitter.rest() {
        Ok(last) => {
            events.extend(last);
            (events, None)
        }
        Err(why) => (events, Some(why)),
    }
}
