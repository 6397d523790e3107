//! A streamed answer, event by event, without IO.
//!
//! Owns [`Machine`]: which events pass at once, which are held until the calls in them are judged, and what stands in
//! the place of a refused call. It never lets an event by that it can't read. `relay` feeds it and carries out its steps.

mod anthropic;
mod gemini;
mod openai;
mod responses;

use std::fmt;

use super::call::Proposed;
use super::config::{Format, MAX_CALLS, MAX_HELD_BYTES};
use super::sse::Event;
use super::usage::Usage;
use bytes::Bytes;

/// What to do with an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send these bytes on.
    Pass(Bytes),
    /// Nothing yet: it is held, or left out.
    Wait,
    /// Have these calls judged, then [`Machine::resolve`].
    Judge(Vec<Proposed>),
    /// The provider reports an error: send it scrubbed, then end.
    Error(Bytes),
}

/// Reads one answer.
#[derive(Debug)]
pub(super) struct Machine(Box<dyn Answer>);

/// A streamed answer of one wire format.
trait Answer: fmt::Debug + Send + Sync {
    /// Takes the next event.
    fn feed(&mut self, event: Event) -> Result<Step, String>;

    /// Takes the answers to [`Step::Judge`].
    fn resolve(&mut self, refused: &[Option<String>]) -> Bytes;

    /// Takes the end of the stream.
    fn finish(&mut self) -> Result<Bytes, String>;

    /// Whether something is held.
    fn is_holding(&self) -> bool;

    /// Whether the format's own end was seen.
    fn is_done(&self) -> bool;

    /// What the provider counted so far.
    fn usage(&self) -> Usage;
}

impl Machine {
    pub(super) fn new(format: Format) -> Self {
        Self(match format {
            Format::OpenAi => Box::new(openai::Stream::default()),
            Format::Anthropic => Box::new(anthropic::Stream::default()),
            Format::Responses => Box::new(responses::Stream::default()),
            Format::Gemini => Box::new(gemini::Stream::default()),
        })
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// What is wrong with the stream, which then ends.
    pub(super) fn feed(&mut self, event: Event) -> Result<Step, String> {
        self.0.feed(event)
    }

    /// Takes the answers to [`Step::Judge`], in order: `None` for a call that may pass, else the text in its place.
    /// Returns the bytes to send.
    pub(super) fn resolve(&mut self, refused: &[Option<String>]) -> Bytes {
        self.0.resolve(refused)
    }

    /// Takes the end of the stream: what still waited is no call any more, and may go.
    ///
    /// # Errors
    /// When it ended in the middle of a call.
    pub(super) fn finish(&mut self) -> Result<Bytes, String> {
        self.0.finish()
    }

    /// Whether something is held.
    pub(super) fn is_holding(&self) -> bool {
        self.0.is_holding()
    }

    /// Whether the format's own end was seen: nothing after it is read.
    pub(super) fn is_done(&self) -> bool {
        self.0.is_done()
    }

    /// What the provider counted so far.
    pub(super) fn usage(&self) -> Usage {
        self.0.usage()
    }
}

/// Bytes that wait for a judgement.
#[derive(Debug)]
struct Held<T> {
    events: Vec<T>,
    bytes: usize,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self { events: Vec::new(), bytes: 0 }
    }
}

impl<T> Held<T> {
    fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    fn push(&mut self, event: T, bytes: usize) -> Result<(), String> {
        self.bytes += bytes;
        if self.bytes > MAX_HELD_BYTES {
            return Err("a tool call is too long to be judged".to_owned());
        }
        self.events.push(event);
        Ok(())
    }

    fn take(&mut self) -> Vec<T> {
        self.bytes = 0;
        std::mem::take(&mut self.events)
    }
}

/// The text in the place of a call that nobody answered for: it is refused.
pub(super) const UNANSWERED: &str = "(Creel refused a call. The call was not made.)";

/// Why call number `at` is refused, if it is.
fn text_of(refused: &[Option<String>], at: usize) -> Option<&str> {
    match refused.get(at) {
        Some(text) => text.as_deref(),
        None => Some(UNANSWERED),
    }
}

/// A call written as text, which is never made.
pub(super) fn written(name: String, text: String) -> Proposed {
    Proposed { id: String::new(), name, arguments: text, free_text: true, as_text: true }
}

/// The first `bytes` bytes of `text` and then the refusal.
pub(super) fn cut_off(text: &str, bytes: usize, refusal: &str) -> String {
    let kept = text.get(..bytes).unwrap_or_default();
    if kept.trim().is_empty() { format!("{kept}{refusal}") } else { format!("{kept}\n{refusal}") }
}

/// Counts one more call of an answer.
fn count_call(calls: &mut usize) -> Result<(), String> {
    *calls += 1;
    if *calls > MAX_CALLS { Err(format!("it proposes more than {MAX_CALLS} calls at once")) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
