//! A streamed answer in OpenAI's form.
//!
//! Owns [`Stream`]. Every event from the first piece of a call up to the one that says why the model stopped is held;
//! all calls of the answer are judged together, since only their end says that they are whole. Text waits only while it
//! may be the beginning of a call. Called by [`super`].

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};

use super::{Answer, Held, Step, UNANSWERED, count_call, cut_off, text_of, written};
use crate::model::call::Proposed;
use crate::model::config::Format;
use crate::model::lookout::{Lookout, Sighting, VISIBLE, visible};
use crate::model::sse::Event;
use crate::model::strict;
use crate::model::usage::Usage;

/// One answer being read.
#[derive(Debug, Default)]
pub(in crate::model) struct Stream {
    /// The events since the first piece of a call.
    held: Held<HeldEvent>,
    lookout: Lookout,
    /// Events since the text that may be the beginning of a call.
    waiting: Held<HeldEvent>,
    /// So many bytes at the end of the waiting text are a call.
    found: Option<usize>,
    /// A call was written as text: no more text passes.
    cut: bool,
    calls: Vec<Pending>,
    total: usize,
    /// The calls were judged: no more may come.
    judged: bool,
    done: bool,
    usage: Usage,
}

#[derive(Debug)]
struct HeldEvent {
    raw: Bytes,
    /// `None` for what is no chunk (a comment, `[DONE]`).
    chunk: Option<Map<String, Value>>,
    /// What a reader takes for visible text.
    text: String,
}

#[derive(Debug)]
struct Pending {
    index: u64,
    call: Proposed,
}

impl Answer for Stream {
    fn feed(&mut self, event: Event) -> Result<Step, String> {
        let bare = |raw| HeldEvent { raw, chunk: None, text: String::new() };
        let Some(data) = &event.data else { return self.keep(bare(event.raw), false) };
        if data.trim() == "[DONE]" {
            self.done = true;
            return self.keep(bare(event.raw), true);
        }
        let chunk = strict::parse_object(data.as_bytes()).map_err(|why| format!("a chunk can't be read: {why}"))?;
        if chunk.get("error").is_some_and(|error| !error.is_null()) {
            return Ok(reported(&chunk));
        }
        self.usage.take(Format::OpenAi, &chunk);
        let mut finished = false;
        let mut text = String::new();
        if let Some(choice) = only_choice(&chunk)? {
            self.absorb(choice)?;
            finished = choice.get("finish_reason").is_some_and(|reason| !reason.is_null());
            text = choice.get("delta").map(visible).unwrap_or_default();
        }
        if self.cut && !text.is_empty() {
            let raw = with_text(&chunk, "");
            return self.keep(HeldEvent { raw, chunk: Some(chunk), text: String::new() }, finished);
        }
        self.keep(HeldEvent { raw: event.raw, chunk: Some(chunk), text }, finished)
    }

    fn resolve(&mut self, refused: &[Option<String>]) -> Bytes {
        if let Some(bytes) = self.found.take() {
            return self.without_text(bytes, text_of(refused, 0).unwrap_or(UNANSWERED));
        }
        self.judged = true;
        let calls = std::mem::take(&mut self.calls);
        let held = self.held.take();
        // What was not answered is refused.
        let texts: Vec<&str> = (0..calls.len()).filter_map(|at| text_of(refused, at)).collect();
        if texts.is_empty() {
            return joined(&held);
        }
        let kept: Vec<u64> = calls
            .iter()
            .enumerate()
            .filter(|(at, _)| text_of(refused, *at).is_none())
            .map(|(_, call)| call.index)
            .collect();
        let mut edit = Edit { kept, text: Some(texts.join("\n")), out: BytesMut::new() };
        for event in held {
            edit.event(event);
        }
        edit.out.freeze()
    }

    fn finish(&mut self) -> Result<Bytes, String> {
        if !self.calls.is_empty() {
            return Err("it ended in the middle of a call".to_owned());
        }
        Ok(joined(&self.waiting.take()))
    }

    fn is_holding(&self) -> bool {
        !self.calls.is_empty() || !self.waiting.is_empty()
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}

impl Stream {
    fn keep(&mut self, event: HeldEvent, finished: bool) -> Result<Step, String> {
        let calling = !self.calls.is_empty();
        let sighting = if event.text.is_empty() { None } else { Some(self.lookout.push(&event.text)) };
        let (waits, decided) = match sighting {
            Some(Sighting::Found(..)) if calling => return Err("a call comes as text beside another".to_owned()),
            Some(Sighting::Found(bytes, name)) => {
                self.wait(event)?;
                (self.found, self.cut) = (Some(bytes), true);
                let text = self.waiting.events.iter().map(|event| event.text.as_str()).collect();
                return Ok(Step::Judge(vec![written(name, text)]));
            }
            Some(Sighting::Undecided(bytes)) => (true, bytes <= event.text.len()),
            Some(Sighting::Clear) => (false, true),
            None => (!self.waiting.is_empty(), false),
        };
        // An answer that has ended, or has a call in it, is not taken for one that is written as text.
        if waits && !calling && !finished {
            let ready = if decided { self.waiting.take() } else { Vec::new() };
            self.wait(event)?;
            return Ok(if ready.is_empty() { Step::Wait } else { Step::Pass(joined(&ready)) });
        }
        let mut ready = self.waiting.take();
        ready.push(event);
        if !calling {
            return Ok(Step::Pass(joined(&ready)));
        }
        for event in ready {
            let bytes = event.raw.len();
            self.held.push(event, bytes)?;
        }
        let calls = || self.calls.iter().map(|pending| pending.call.clone()).collect();
        Ok(if finished { Step::Judge(calls()) } else { Step::Wait })
    }

    fn wait(&mut self, event: HeldEvent) -> Result<(), String> {
        let bytes = event.raw.len();
        self.waiting.push(event, bytes)
    }

    /// Takes the pieces of calls in a choice.
    fn absorb(&mut self, choice: &Map<String, Value>) -> Result<(), String> {
        if choice.get("message").is_some_and(|message| !message.is_null()) {
            return Err("a chunk holds a whole message".to_owned());
        }
        let delta = match choice.get("delta") {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Object(delta)) => delta,
            Some(_) => return Err("a chunk's delta is no object".to_owned()),
        };
        if delta.get("function_call").is_some_and(|call| !call.is_null()) {
            return Err("a call comes in a form that was given up long ago".to_owned());
        }
        match delta.get("tool_calls") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Array(pieces)) => pieces.iter().try_for_each(|piece| self.piece(piece)),
            Some(_) => Err("`tool_calls` is no list".to_owned()),
        }
    }

    fn piece(&mut self, piece: &Value) -> Result<(), String> {
        if self.judged {
            return Err("a call comes after the answer's end".to_owned());
        }
        let piece = piece.as_object().ok_or("a piece of a call is no object")?;
        let index = piece.get("index").and_then(Value::as_u64).ok_or("a piece of a call has no index")?;
        // Clients put pieces together by index or by "the last one": only in order do both mean the same.
        match self.calls.last().map(|last| last.index) {
            Some(last) if index == last => {}
            Some(last) if index < last => return Err("pieces of several calls are mixed".to_owned()),
            _ => {
                count_call(&mut self.total)?;
                self.calls.push(Pending { index, call: Proposed::default() });
            }
        }
        let Some(Pending { call, .. }) = self.calls.last_mut() else { return Ok(()) };
        let (body, tail) = match optional_text(piece, "type")? {
            "" if piece.contains_key("custom") => (piece.get("custom"), "input"),
            "" | "function" => (piece.get("function"), "arguments"),
            "custom" => (piece.get("custom"), "input"),
            _ => return Err("a call is of an unknown type".to_owned()),
        };
        if piece.contains_key("function") && piece.contains_key("custom") {
            return Err("a call is of two types".to_owned());
        }
        call.free_text |= tail == "input";
        once(&mut call.id, optional_text(piece, "id")?)?;
        if let Some(body) = body.filter(|body| !body.is_null()) {
            let body = body.as_object().ok_or("a call's body is no object")?;
            once(&mut call.name, optional_text(body, "name")?)?;
            call.arguments.push_str(optional_text(body, tail)?);
        }
        if call.name.is_empty() || call.id.is_empty() {
            return Err("a call begins without id and name".to_owned());
        }
        Ok(())
    }

    /// What waited, with `refusal` in the place of the last `bytes` bytes of text.
    fn without_text(&mut self, bytes: usize, refusal: &str) -> Bytes {
        let waiting = self.waiting.take();
        let mut keep = waiting.iter().map(|event| event.text.len()).sum::<usize>().saturating_sub(bytes);
        let mut refusal = Some(refusal);
        let mut out = BytesMut::new();
        for HeldEvent { raw, chunk, text } in waiting {
            if text.is_empty() || keep >= text.len() {
                keep = keep.saturating_sub(text.len());
                out.extend_from_slice(&raw);
                continue;
            }
            let said = refusal.take().map(|refusal| cut_off(&text, keep, refusal)).unwrap_or_default();
            keep = 0;
            out.extend_from_slice(&chunk.map(|chunk| with_text(&chunk, &said)).unwrap_or_default());
        }
        out.freeze()
    }
}

/// Writes held events anew without the refused calls.
struct Edit {
    /// The old indexes of the calls that stay, in order: their places are the new ones.
    kept: Vec<u64>,
    /// The refusals, until they are written.
    text: Option<String>,
    out: BytesMut,
}

impl Edit {
    fn event(&mut self, HeldEvent { raw, chunk, text: _ }: HeldEvent) {
        let Some(mut chunk) = chunk else {
            if raw.starts_with(b"data") {
                self.say(&Map::new());
            }
            return self.out.extend_from_slice(&raw);
        };
        let template: Map<String, Value> = chunk
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "choices" | "usage"))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let choice = chunk.get_mut("choices").and_then(|choices| choices.get_mut(0)).and_then(Value::as_object_mut);
        let Some(choice) = choice else { return self.out.extend_from_slice(&raw) };
        let finished = choice.get("finish_reason").is_some_and(|reason| !reason.is_null());
        if finished {
            self.say(&template);
            if self.kept.is_empty() && choice.get("finish_reason").and_then(Value::as_str) == Some("tool_calls") {
                choice.insert("finish_reason".to_owned(), "stop".into());
            }
        }
        if let Some(delta) = choice.get_mut("delta").and_then(Value::as_object_mut) {
            self.without_refused(delta);
            if delta.is_empty() && !finished {
                return;
            }
        }
        self.write(&chunk);
    }

    fn without_refused(&self, delta: &mut Map<String, Value>) {
        let Some(pieces) = delta.get_mut("tool_calls").and_then(Value::as_array_mut) else { return };
        pieces.retain_mut(|piece| {
            let index = piece.get("index").and_then(Value::as_u64);
            let Some(place) = self.kept.iter().position(|kept| Some(*kept) == index) else { return false };
            if let Some(piece) = piece.as_object_mut() {
                piece.insert("index".to_owned(), place.into());
            }
            true
        });
        if pieces.is_empty() {
            delta.shift_remove("tool_calls");
        }
    }

    /// Writes the refusals as text, once.
    fn say(&mut self, template: &Map<String, Value>) {
        let Some(text) = self.text.take() else { return };
        let mut chunk = template.clone();
        let choice = json!({ "index": 0, "delta": { "content": text }, "finish_reason": null });
        chunk.insert("choices".to_owned(), Value::from(vec![choice]));
        self.write(&chunk);
    }

    fn write(&mut self, chunk: &Map<String, Value>) {
        self.out.extend_from_slice(&written_out(chunk));
    }
}

fn written_out(chunk: &Map<String, Value>) -> Bytes {
    Bytes::from(format!("data: {}\n\n", Value::Object(chunk.clone())))
}

/// The chunk with `text` as all of its visible text; nothing when nothing else is left in it.
fn with_text(chunk: &Map<String, Value>, text: &str) -> Bytes {
    let mut chunk = chunk.clone();
    let choice = chunk.get_mut("choices").and_then(|choices| choices.get_mut(0)).and_then(Value::as_object_mut);
    let Some(choice) = choice else { return Bytes::new() };
    let finished = choice.get("finish_reason").is_some_and(|reason| !reason.is_null());
    if let Some(delta) = choice.get_mut("delta").and_then(Value::as_object_mut) {
        for key in VISIBLE {
            delta.shift_remove(key);
        }
        if !text.is_empty() {
            delta.insert("content".to_owned(), text.into());
        }
        if delta.is_empty() && !finished {
            return Bytes::new();
        }
    }
    written_out(&chunk)
}

/// The one choice of a chunk; a chunk of usage figures has none.
fn only_choice(chunk: &Map<String, Value>) -> Result<Option<&Map<String, Value>>, String> {
    let choices = match chunk.get("choices") {
        None | Some(Value::Null) => return Ok(None),
        Some(choices) => choices.as_array().ok_or("`choices` is no list")?,
    };
    match choices.as_slice() {
        [] => Ok(None),
        [Value::Object(choice)] if matches!(choice.get("index").map(Value::as_u64), None | Some(Some(0))) => {
            Ok(Some(choice))
        }
        _ => Err("it holds more than one choice".to_owned()),
    }
}

/// The provider's error, written anew: what stood beside it, a call perhaps, was not judged and goes no further.
fn reported(chunk: &Map<String, Value>) -> Step {
    let error = chunk.get("error").unwrap_or(&Value::Null);
    Step::Error(format!("data: {}\n\n", json!({ "error": error })).into())
}

/// A text that may be missing or null.
fn optional_text<'a>(map: &'a Map<String, Value>, key: &str) -> Result<&'a str, String> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("`{key}` of a call is no text")),
    }
}

/// Sets what must not change: some clients take the last value, some the first, some join them.
fn once(slot: &mut String, text: &str) -> Result<(), String> {
    if slot.is_empty() {
        text.clone_into(slot);
    } else if !text.is_empty() && slot != text {
        return Err("a call changes its id or name on the way".to_owned());
    }
    Ok(())
}

fn joined(events: &[HeldEvent]) -> Bytes {
    let mut out = BytesMut::new();
    events.iter().for_each(|event| out.extend_from_slice(&event.raw));
    out.freeze()
}
