//! A streamed answer in Anthropic's form.
//!
//! Owns [`Stream`]. Blocks come one after the other, so each call is held and judged by itself; the text in a refused
//! call's place keeps its block's index. Text waits only while it may be the beginning of a call. Event and block types
//! that it does not know never pass. Called by [`super`].

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};

use super::{Answer, Held, Step, UNANSWERED, count_call, cut_off, text_of, written};
use crate::model::call::Proposed;
use crate::model::config::Format;
use crate::model::lookout::{Lookout, Sighting};
use crate::model::sse::Event;
use crate::model::strict;
use crate::model::usage::Usage;

/// One answer being read.
#[derive(Debug, Default)]
pub(in crate::model) struct Stream {
    begun: bool,
    done: bool,
    block: Option<Block>,
    /// The lowest index that the next block may have.
    next: u64,
    /// The events of the open call.
    held: Held<Bytes>,
    lookout: Lookout,
    /// Events since the text that may be the beginning of a call.
    waiting: Held<Waiting>,
    /// So many bytes at the end of the waiting text are a call.
    found: Option<usize>,
    /// A call was written as text: no more text passes.
    cut: bool,
    total: usize,
    allowed: usize,
    refused: usize,
    usage: Usage,
}

#[derive(Debug)]
struct Waiting {
    raw: Bytes,
    /// The text of a text delta.
    text: String,
    index: u64,
}

#[derive(Debug)]
struct Block {
    index: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text,
    Thinking,
    Redacted,
    Call { call: Proposed, input_given: bool },
}

impl Answer for Stream {
    fn feed(&mut self, event: Event) -> Result<Step, String> {
        let Some(data) = &event.data else { return self.keep(event.raw) };
        let message = strict::parse_object(data.as_bytes()).map_err(|why| format!("an event can't be read: {why}"))?;
        let kind = message.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        // Some clients go by the field, some by the data.
        if event.name.as_ref().is_some_and(|name| *name != kind) {
            return Err("an event's name and type differ".to_owned());
        }
        if self.done {
            return Ok(Step::Wait);
        }
        match kind.as_str() {
            "ping" => Ok(Step::Pass(event.raw)),
            "error" => Ok(reported(&message)),
            "message_start" if !self.begun => self.start(event.raw, &message),
            _ if !self.begun => Err("an answer begins in its middle".to_owned()),
            "content_block_start" => self.open(event.raw, &message),
            "content_block_delta" => self.delta(event.raw, &message),
            "content_block_stop" => self.close(event.raw, &message),
            "message_delta" => self.ending(event.raw, message),
            "message_stop" if self.block.is_none() => {
                self.done = true;
                Ok(self.flush_with(&event.raw))
            }
            "message_start" | "message_stop" => Err("an answer's parts are out of order".to_owned()),
            // Anthropic may add event types: clients must ignore those they don't know, and so nobody misses them.
            _ => Ok(Step::Wait),
        }
    }

    fn resolve(&mut self, refused: &[Option<String>]) -> Bytes {
        if let Some(bytes) = self.found.take() {
            return self.without_text(bytes, text_of(refused, 0).unwrap_or(UNANSWERED));
        }
        let index = self.block.take().map_or(0, |block| block.index);
        let held = self.held.take();
        let mut out = BytesMut::new();
        let Some(text) = text_of(refused, 0) else {
            self.allowed += 1;
            held.iter().for_each(|raw| out.extend_from_slice(raw));
            return out.freeze();
        };
        self.refused += 1;
        let (start, stop) = ("content_block_start", "content_block_stop");
        write(&mut out, &json!({ "type": start, "index": index, "content_block": { "type": "text", "text": "" } }));
        write(&mut out, &text_delta(index, text));
        write(&mut out, &json!({ "type": stop, "index": index }));
        out.freeze()
    }

    fn finish(&mut self) -> Result<Bytes, String> {
        if self.in_call() { Err("it ended in the middle of a call".to_owned()) } else { Ok(self.flush()) }
    }

    fn is_holding(&self) -> bool {
        self.in_call() || !self.waiting.is_empty()
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}

impl Stream {
    fn in_call(&self) -> bool {
        matches!(self.block, Some(Block { kind: Kind::Call { .. }, .. }))
    }

    /// What waited, since it is no call.
    fn flush(&mut self) -> Bytes {
        let mut out = BytesMut::new();
        self.waiting.take().iter().for_each(|event| out.extend_from_slice(&event.raw));
        out.freeze()
    }

    /// What waited, and `raw` after it.
    fn flush_with(&mut self, raw: &[u8]) -> Step {
        let mut out = BytesMut::from(&*self.flush());
        out.extend_from_slice(raw);
        Step::Pass(out.freeze())
    }

    fn keep(&mut self, raw: Bytes) -> Result<Step, String> {
        let bytes = raw.len();
        if self.in_call() {
            self.held.push(raw, bytes)?;
        } else if !self.waiting.is_empty() {
            self.waiting.push(Waiting { raw, text: String::new(), index: 0 }, bytes)?;
        } else {
            return Ok(Step::Pass(raw));
        }
        Ok(Step::Wait)
    }

    /// A text delta: it passes, waits, or turns out to be a call.
    fn text(&mut self, raw: Bytes, index: u64, text: &str) -> Result<Step, String> {
        if self.cut {
            return Ok(Step::Wait);
        }
        let sighting = self.lookout.push(text);
        if sighting == Sighting::Clear {
            return Ok(self.flush_with(&raw));
        }
        // All that came before this delta is decided.
        let ready = matches!(sighting, Sighting::Undecided(bytes) if bytes <= text.len()).then(|| self.flush());
        let bytes = raw.len();
        self.waiting.push(Waiting { raw, text: text.to_owned(), index }, bytes)?;
        match sighting {
            Sighting::Found(bytes, name) => {
                (self.found, self.cut) = (Some(bytes), true);
                let text = self.waiting.events.iter().map(|event| event.text.as_str()).collect();
                Ok(Step::Judge(vec![written(name, text)]))
            }
            Sighting::Clear | Sighting::Undecided(_) => {
                Ok(ready.filter(|ready| !ready.is_empty()).map_or(Step::Wait, Step::Pass))
            }
        }
    }

    fn start(&mut self, raw: Bytes, event: &Map<String, Value>) -> Result<Step, String> {
        let content = event.get("message").and_then(|message| message.get("content"));
        if !matches!(content, None | Some(Value::Null)) && content != Some(&json!([])) {
            return Err("an answer begins with content in it".to_owned());
        }
        self.begun = true;
        if let Some(Value::Object(message)) = event.get("message") {
            self.usage.take(Format::Anthropic, message);
        }
        Ok(Step::Pass(raw))
    }

    fn open(&mut self, raw: Bytes, event: &Map<String, Value>) -> Result<Step, String> {
        let index = event.get("index").and_then(Value::as_u64).ok_or("a block has no index")?;
        if self.block.is_some() || index < self.next {
            return Err("blocks are mixed".to_owned());
        }
        let block = event.get("content_block").and_then(Value::as_object).ok_or("a block has no content")?;
        let text = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = match text("type").as_str() {
            "text" if !text("text").is_empty() => return Err("a block of text begins with text in it".to_owned()),
            "text" => Kind::Text,
            "thinking" => Kind::Thinking,
            "redacted_thinking" => Kind::Redacted,
            "tool_use" => {
                count_call(&mut self.total)?;
                let (arguments, input_given) = match block.get("input") {
                    None | Some(Value::Null) => (String::new(), false),
                    Some(Value::Object(input)) if input.is_empty() => (String::new(), false),
                    Some(input) => (input.to_string(), true),
                };
                let call = Proposed { id: text("id"), name: text("name"), arguments, ..Proposed::default() };
                if call.id.is_empty() || call.name.is_empty() {
                    return Err("a call begins without id and name".to_owned());
                }
                Kind::Call { call, input_given }
            }
            _ => return Err("it holds a block of a kind that is not known here".to_owned()),
        };
        // An answer with a call in it is not taken for one that is written as text.
        let ready = if matches!(kind, Kind::Call { .. }) { self.flush() } else { Bytes::new() };
        self.next = index.saturating_add(1);
        self.block = Some(Block { index, kind });
        let step = self.keep(raw)?;
        Ok(if ready.is_empty() { step } else { Step::Pass(ready) })
    }

    fn delta(&mut self, raw: Bytes, event: &Map<String, Value>) -> Result<Step, String> {
        let block = self.block.as_mut().filter(|block| Some(block.index) == event.get("index").and_then(Value::as_u64));
        let block = block.ok_or("a piece belongs to no open block")?;
        let delta = event.get("delta").and_then(Value::as_object).ok_or("a piece has no content")?;
        let kind = delta.get("type").and_then(Value::as_str).unwrap_or_default();
        match (&mut block.kind, kind) {
            (Kind::Text, "text_delta") => {
                let index = block.index;
                let text = delta.get("text").and_then(Value::as_str).ok_or("a piece of text is no text")?;
                return self.text(raw, index, text);
            }
            (Kind::Text, "citations_delta") | (Kind::Thinking, "thinking_delta" | "signature_delta") => {}
            (Kind::Call { input_given: true, .. }, _) => return Err("a call's input comes twice".to_owned()),
            (Kind::Call { call, .. }, "input_json_delta") => match delta.get("partial_json") {
                Some(Value::String(piece)) => call.arguments.push_str(piece),
                _ => return Err("a piece of a call is no text".to_owned()),
            },
            _ => return Err("a piece does not fit its block".to_owned()),
        }
        self.keep(raw)
    }

    fn close(&mut self, raw: Bytes, event: &Map<String, Value>) -> Result<Step, String> {
        let index = event.get("index").and_then(Value::as_u64);
        match &self.block {
            Some(block) if Some(block.index) == index => {}
            _ => return Err("the end of a block belongs to no open block".to_owned()),
        }
        let step = self.keep(raw)?;
        match &self.block {
            // The block stays open until it is judged.
            Some(Block { kind: Kind::Call { call, .. }, .. }) => Ok(Step::Judge(vec![call.clone()])),
            _ => {
                self.block = None;
                Ok(step)
            }
        }
    }

    fn ending(&mut self, raw: Bytes, mut event: Map<String, Value>) -> Result<Step, String> {
        if self.block.is_some() {
            return Err("an answer ends within a block".to_owned());
        }
        self.usage.take(Format::Anthropic, &event);
        let reason = event.get_mut("delta").and_then(|delta| delta.get_mut("stop_reason"));
        match reason {
            Some(reason) if self.refused > 0 && self.allowed == 0 && reason.as_str() == Some("tool_use") => {
                *reason = "end_turn".into();
                let mut out = BytesMut::new();
                write(&mut out, &Value::Object(event));
                Ok(self.flush_with(&out))
            }
            _ => Ok(self.flush_with(&raw)),
        }
    }

    /// What waited, with `refusal` in the place of the last `bytes` bytes of text.
    fn without_text(&mut self, bytes: usize, refusal: &str) -> Bytes {
        let waiting = self.waiting.take();
        let mut keep = waiting.iter().map(|event| event.text.len()).sum::<usize>().saturating_sub(bytes);
        let mut refusal = Some(refusal);
        let mut out = BytesMut::new();
        for Waiting { raw, text, index } in waiting {
            if text.is_empty() || keep >= text.len() {
                keep = keep.saturating_sub(text.len());
                out.extend_from_slice(&raw);
            } else if let Some(refusal) = refusal.take() {
                write(&mut out, &text_delta(index, &cut_off(&text, keep, refusal)));
                keep = 0;
            }
        }
        out.freeze()
    }
}

/// The provider's error, written anew: what stood beside it, a call perhaps, was not judged and goes no further.
fn reported(event: &Map<String, Value>) -> Step {
    let error = event.get("error").unwrap_or(&Value::Null);
    Step::Error(format!("event: error\ndata: {}\n\n", json!({ "type": "error", "error": error })).into())
}

fn text_delta(index: u64, text: &str) -> Value {
    json!({ "type": "content_block_delta", "index": index, "delta": { "type": "text_delta", "text": text } })
}

fn write(out: &mut BytesMut, event: &Value) {
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    out.extend_from_slice(format!("event: {kind}\ndata: {event}\n\n").as_bytes());
}
