//! A streamed answer of Gemini's generateContent.
//!
//! Owns [`Stream`]. Each event is an answer of its own shape with the next parts, and each call comes whole: it is held
//! with its event alone, and a refused one becomes a text part in its place. Text waits only while it may be the beginning
//! of a call. Nothing says that an answer is over but the end of the stream. Called by [`super`].

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};

use super::{Answer, Held, Step, UNANSWERED, count_call, text_of, written};
use crate::model::call::Proposed;
use crate::model::config::Format;
use crate::model::lookout::{Lookout, Sighting};
use crate::model::parts;
use crate::model::sse::Event;
use crate::model::strict;
use crate::model::usage::Usage;

/// One answer being read.
#[derive(Debug, Default)]
pub(in crate::model) struct Stream {
    lookout: Lookout,
    /// Events since the text that may be the beginning of a call, or up to one with calls.
    waiting: Held<Chunk>,
    /// The places of the calls in the last of them.
    calls: Vec<usize>,
    /// So many bytes at the end of the waiting text are a call.
    found: Option<usize>,
    /// A call was written as text: no more text passes.
    cut: bool,
    total: usize,
    usage: Usage,
}

#[derive(Debug)]
struct Chunk {
    raw: Bytes,
    /// `None` for what is no answer (a comment).
    answer: Option<Map<String, Value>>,
    /// What is said in it.
    text: String,
}

impl Answer for Stream {
    fn feed(&mut self, event: Event) -> Result<Step, String> {
        let bare = |raw| Chunk { raw, answer: None, text: String::new() };
        let Some(data) = &event.data else { return self.keep(bare(event.raw), false) };
        if data.trim() == "[DONE]" {
            return self.keep(bare(event.raw), true);
        }
        let answer = strict::parse_object(data.as_bytes()).map_err(|why| format!("a chunk can't be read: {why}"))?;
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            // Written anew: what stood beside it, a call perhaps, was not judged and goes no further.
            return Ok(Step::Error(format!("data: {}\n\n", json!({ "error": error })).into()));
        }
        self.usage.take(Format::Gemini, &answer);
        let list = parts::list(&answer)?;
        let calls = parts::calls(list)?;
        let text = parts::said(list);
        let is_over =
            answer.get("candidates").and_then(|all| all.pointer("/0/finishReason")).is_some_and(|why| !why.is_null());
        let chunk = Chunk { raw: event.raw, answer: Some(answer), text };
        if !calls.is_empty() {
            return self.call(chunk, calls);
        }
        if self.cut && !chunk.text.is_empty() {
            return Ok(Step::Pass(cut(chunk, &mut 0, &mut None)));
        }
        self.keep(chunk, is_over)
    }

    fn resolve(&mut self, refused: &[Option<String>]) -> Bytes {
        if let Some(bytes) = self.found.take() {
            return self.without_text(bytes, text_of(refused, 0).unwrap_or(UNANSWERED));
        }
        let calls = std::mem::take(&mut self.calls);
        let mut waiting = self.waiting.take();
        let last = waiting.pop();
        let mut out = BytesMut::from(&*joined(&waiting));
        let texts: Vec<(usize, String)> = calls
            .iter()
            .enumerate()
            .filter_map(|(at, place)| Some((*place, text_of(refused, at)?.to_owned())))
            .collect();
        match last {
            Some(Chunk { answer: Some(mut answer), .. }) if !texts.is_empty() => {
                if let Some(list) = parts::list_mut(&mut answer) {
                    parts::without(list, &texts);
                }
                out.extend_from_slice(&written_out(answer));
            }
            Some(chunk) => out.extend_from_slice(&chunk.raw),
            None => {}
        }
        out.freeze()
    }

    fn finish(&mut self) -> Result<Bytes, String> {
        Ok(joined(&self.waiting.take()))
    }

    fn is_holding(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn is_done(&self) -> bool {
        false
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}

impl Stream {
    /// A chunk with calls in it.
    fn call(&mut self, chunk: Chunk, calls: Vec<(usize, Proposed)>) -> Result<Step, String> {
        calls.iter().try_for_each(|_| count_call(&mut self.total))?;
        // An answer with a call in it is not taken for one that is written as text.
        if matches!(self.lookout.push(&chunk.text), Sighting::Found(..)) || (self.cut && !chunk.text.is_empty()) {
            return Err("a call comes as text beside another".to_owned());
        }
        self.wait(chunk)?;
        let (places, calls) = calls.into_iter().unzip();
        self.calls = places;
        Ok(Step::Judge(calls))
    }

    fn keep(&mut self, chunk: Chunk, is_over: bool) -> Result<Step, String> {
        let sighting = if chunk.text.is_empty() { None } else { Some(self.lookout.push(&chunk.text)) };
        let (waits, decided) = match sighting {
            Some(Sighting::Found(bytes, name)) => {
                self.wait(chunk)?;
                (self.found, self.cut) = (Some(bytes), true);
                let text = self.waiting.events.iter().map(|chunk| chunk.text.as_str()).collect();
                return Ok(Step::Judge(vec![written(name, text)]));
            }
            Some(Sighting::Undecided(bytes)) => (true, bytes <= chunk.text.len()),
            Some(Sighting::Clear) => (false, true),
            None => (!self.waiting.is_empty(), false),
        };
        if waits && !is_over {
            let ready = if decided { self.waiting.take() } else { Vec::new() };
            self.wait(chunk)?;
            return Ok(if ready.is_empty() { Step::Wait } else { Step::Pass(joined(&ready)) });
        }
        let mut ready = self.waiting.take();
        ready.push(chunk);
        Ok(Step::Pass(joined(&ready)))
    }

    fn wait(&mut self, chunk: Chunk) -> Result<(), String> {
        let bytes = chunk.raw.len();
        self.waiting.push(chunk, bytes)
    }

    /// What waited, with `refusal` in the place of the last `bytes` bytes of text.
    fn without_text(&mut self, bytes: usize, refusal: &str) -> Bytes {
        let waiting = self.waiting.take();
        let mut keep = waiting.iter().map(|chunk| chunk.text.len()).sum::<usize>().saturating_sub(bytes);
        let mut refusal = Some(refusal);
        let mut out = BytesMut::new();
        for chunk in waiting {
            if chunk.text.len() <= keep {
                keep -= chunk.text.len();
                out.extend_from_slice(&chunk.raw);
            } else {
                out.extend_from_slice(&cut(chunk, &mut keep, &mut refusal));
            }
        }
        out.freeze()
    }
}

/// A chunk without what is said in it after the first `keep` bytes.
fn cut(chunk: Chunk, keep: &mut usize, refusal: &mut Option<&str>) -> Bytes {
    let Some(mut answer) = chunk.answer else { return chunk.raw };
    if let Some(list) = parts::list_mut(&mut answer) {
        parts::cut(list, keep, refusal);
    }
    written_out(answer)
}

fn written_out(answer: Map<String, Value>) -> Bytes {
    Bytes::from(format!("data: {}\n\n", Value::Object(answer)))
}

fn joined(chunks: &[Chunk]) -> Bytes {
    let mut out = BytesMut::new();
    chunks.iter().for_each(|chunk| out.extend_from_slice(&chunk.raw));
    out.freeze()
}
