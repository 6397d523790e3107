//! A streamed answer of OpenAI Responses.
//!
//! Owns [`Stream`]. Items come one after the other; each call is held and judged by itself, and a refused one becomes a
//! message of the same index. The format says everything several times (a text's end, a part's, an item's, the answer's
//! own): each must say what came before, and is written anew where that was changed. Events and items that it does not
//! know never pass. Called by [`super`].

mod says;

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value};

use super::{Answer, Held, Step, UNANSWERED, count_call, cut_off, text_of, written};
use crate::model::call::Proposed;
use crate::model::config::{Format, MAX_HELD_BYTES};
use crate::model::items::{Item, Part, message, text};
use crate::model::lookout::{Lookout, Sighting};
use crate::model::sse::Event;
use crate::model::strict;
use crate::model::usage::Usage;
use says::{event, in_place_of, reported, unseen};

/// One answer being read.
#[derive(Debug, Default)]
pub(in crate::model) struct Stream {
    items: Vec<Entry>,
    /// The last of the items is not over.
    open: bool,
    done: bool,
    /// The events of the open call.
    held: Held<Bytes>,
    lookout: Lookout,
    /// Events since the text that may be the beginning of a call.
    waiting: Held<Waiting>,
    /// So many bytes at the end of the waiting text are a call.
    found: Option<usize>,
    /// A call was written as text: no more text passes.
    cut: bool,
    calls: usize,
    /// Bytes of text so far.
    said: usize,
    usage: Usage,
}

/// An item of the answer.
#[derive(Debug)]
struct Entry {
    index: u64,
    id: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Message(Vec<Text>),
    Reasoning,
    Call(Call),
}

/// A text of a message.
#[derive(Debug, Default)]
struct Text {
    is_refusal: bool,
    /// What the provider said.
    came: String,
    /// What the agent got.
    sent: String,
    over: bool,
}

#[derive(Debug)]
struct Call {
    proposed: Proposed,
    /// Its arguments came whole.
    whole: bool,
    /// The place of its first event.
    first: u64,
    /// The text in its place.
    refused: Option<String>,
}

/// An event that waits, and what of it is text.
#[derive(Debug)]
struct Waiting {
    raw: Bytes,
    event: Map<String, Value>,
    role: Role,
}

#[derive(Debug)]
enum Role {
    /// It says nothing.
    Other,
    /// A piece of the last message's text of this place.
    Piece(usize, String),
    /// It repeats what was said: in a part of this place, or in the whole item.
    Repeat(Option<usize>),
    /// It repeats the whole answer.
    End,
}

impl Answer for Stream {
    fn feed(&mut self, event: Event) -> Result<Step, String> {
        let Some(data) = &event.data else { return self.keep(event.raw, Map::new(), Role::Other) };
        if data.trim() == "[DONE]" {
            // No part of this format, but compatible servers send it.
            self.close_answer()?;
            return Ok(self.flush_with(event.raw, Map::new(), Role::Other));
        }
        let message = strict::parse_object(data.as_bytes()).map_err(|why| format!("an event can't be read: {why}"))?;
        let kind = text(&message, "type")?.to_owned();
        // Some clients go by the field, some by the data.
        if event.name.as_ref().is_some_and(|name| *name != kind) {
            return Err("an event's name and type differ".to_owned());
        }
        if self.done {
            return Ok(Step::Wait);
        }
        let kind = kind.strip_prefix("response.").unwrap_or(&kind);
        match kind {
            "error" | "failed" => Ok(reported(&message)),
            "" if message.contains_key("error") => Ok(reported(&message)),
            "created" | "in_progress" | "queued" => {
                unseen(&message)?;
                self.keep(event.raw, message, Role::Other)
            }
            "output_item.added" => self.open_item(event.raw, message),
            "output_item.done" => self.close_item(event.raw, message),
            "content_part.added" => self.open_part(event.raw, message),
            "output_text.delta" | "refusal.delta" => self.piece(event.raw, message, kind == "refusal.delta"),
            "output_text.done" | "refusal.done" | "content_part.done" => self.close_part(event.raw, message, kind),
            "output_text.annotation.added" => {
                self.entry(&message)?;
                if self.cut { Ok(Step::Wait) } else { self.keep(event.raw, message, Role::Other) }
            }
            "function_call_arguments.delta" | "custom_tool_call_input.delta" => {
                self.argument(event.raw, &message, kind)
            }
            "function_call_arguments.done" | "custom_tool_call_input.done" => self.arguments(event.raw, &message, kind),
            "reasoning_summary_part.added"
            | "reasoning_summary_part.done"
            | "reasoning_summary_text.delta"
            | "reasoning_summary_text.done"
            | "reasoning_text.delta"
            | "reasoning_text.done" => match self.entry(&message)?.kind {
                Kind::Reasoning => self.keep(event.raw, message, Role::Other),
                Kind::Message(_) | Kind::Call(_) => Err("a piece does not fit its item".to_owned()),
            },
            "completed" | "incomplete" => self.end(event.raw, message),
            // A sign of life, which every client leaves alone.
            "keepalive" => self.keep(event.raw, message, Role::Other),
            // Whatever else there may be: clients leave out what they don't know, and so nobody misses it.
            _ => Ok(Step::Wait),
        }
    }

    fn resolve(&mut self, refused: &[Option<String>]) -> Bytes {
        if let Some(bytes) = self.found.take() {
            return self.without_text(bytes, text_of(refused, 0).unwrap_or(UNANSWERED));
        }
        self.open = false;
        let held = self.held.take();
        let mut out = BytesMut::new();
        match (text_of(refused, 0), self.items.last_mut()) {
            (Some(said), Some(Entry { index, id, kind: Kind::Call(call) })) => {
                call.refused = Some(said.to_owned());
                in_place_of(&mut out, (*index, call.first, held.len()), id, said);
            }
            _ => held.iter().for_each(|raw| out.extend_from_slice(raw)),
        }
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
        self.open && matches!(self.items.last(), Some(Entry { kind: Kind::Call(_), .. }))
    }

    /// An event passes, waits behind what is not decided, or is held with its call.
    fn keep(&mut self, raw: Bytes, event: Map<String, Value>, role: Role) -> Result<Step, String> {
        let bytes = raw.len();
        if self.in_call() {
            self.held.push(raw, bytes)?;
            return Ok(Step::Wait);
        }
        if self.waiting.is_empty() {
            return Ok(self.flush_with(raw, event, role));
        }
        self.waiting.push(Waiting { raw, event, role }, bytes)?;
        Ok(Step::Wait)
    }

    /// What waited, since it is no call.
    fn flush(&mut self) -> Bytes {
        let mut out = BytesMut::new();
        for waited in self.waiting.take() {
            self.say(waited, &mut out);
        }
        out.freeze()
    }

    /// What waited, and this event after it.
    fn flush_with(&mut self, raw: Bytes, event: Map<String, Value>, role: Role) -> Step {
        if self.waiting.is_empty() && matches!(role, Role::Other) {
            return Step::Pass(raw);
        }
        let mut out = BytesMut::from(&*self.flush());
        self.say(Waiting { raw, event, role }, &mut out);
        Step::Pass(out.freeze())
    }

    /// Sends an event, with what it repeats as it was sent.
    fn say(&mut self, waiting: Waiting, out: &mut BytesMut) {
        let Waiting { raw, event: mut message, role } = waiting;
        let index = message.get("output_index").and_then(Value::as_u64);
        let is_changed = match role {
            Role::Other => false,
            Role::Piece(at, piece) => {
                if let Some(text) = self.text(index, at) {
                    text.sent.push_str(&piece);
                }
                false
            }
            Role::Repeat(at) => match self.items.iter().find(|entry| Some(entry.index) == index) {
                Some(Entry { kind: Kind::Message(texts), .. }) => says::repeat(&mut message, texts, at),
                _ => false,
            },
            Role::End => says::end(&mut message, &self.items),
        };
        if is_changed {
            event(out, &Value::Object(message));
        } else {
            out.extend_from_slice(&raw);
        }
    }

    fn text(&mut self, index: Option<u64>, at: usize) -> Option<&mut Text> {
        match self.items.iter_mut().find(|entry| Some(entry.index) == index) {
            Some(Entry { kind: Kind::Message(texts), .. }) => texts.get_mut(at),
            _ => None,
        }
    }

    /// The open item, which is the one that an event belongs to.
    fn entry(&mut self, message: &Map<String, Value>) -> Result<&mut Entry, String> {
        let index = message.get("output_index").and_then(Value::as_u64);
        let id = message.get("item").map_or_else(|| text(message, "item_id"), says::id)?;
        let entry = self.items.last_mut().filter(|entry| self.open && Some(entry.index) == index && entry.id == id);
        entry.ok_or_else(|| "a piece belongs to no open item".to_owned())
    }

    fn open_item(&mut self, raw: Bytes, message: Map<String, Value>) -> Result<Step, String> {
        let index = message.get("output_index").and_then(Value::as_u64).ok_or("an item has no index")?;
        if self.open || self.items.last().is_some_and(|last| index <= last.index) {
            return Err("items are mixed".to_owned());
        }
        let item = message.get("item").unwrap_or(&Value::Null);
        let first = message.get("sequence_number").and_then(Value::as_u64).unwrap_or_default();
        let kind = match Item::read(item)? {
            Item::Message(parts) if parts.is_empty() => Kind::Message(Vec::new()),
            Item::Message(_) => return Err("a message begins with text in it".to_owned()),
            Item::Reasoning => Kind::Reasoning,
            Item::Call(call) if !call.arguments.is_empty() => {
                return Err("a call begins with arguments in it".to_owned());
            }
            Item::Call(proposed) => {
                count_call(&mut self.calls)?;
                Kind::Call(Call { proposed, whole: false, first, refused: None })
            }
        };
        // An answer with a call in it is not taken for one that is written as text.
        let ready = if matches!(kind, Kind::Call(_)) { self.flush() } else { Bytes::new() };
        self.items.push(Entry { index, id: says::id(item)?.to_owned(), kind });
        self.open = true;
        let step = self.keep(raw, message, Role::Other)?;
        Ok(if ready.is_empty() { step } else { Step::Pass(ready) })
    }

    fn close_item(&mut self, raw: Bytes, message: Map<String, Value>) -> Result<Step, String> {
        let item = Item::read(message.get("item").unwrap_or(&Value::Null))?;
        let entry = self.entry(&message)?;
        if let (Kind::Call(call), Item::Call(whole)) = (&mut entry.kind, &item)
            && call.proposed.arguments.is_empty()
            && !call.whole
        {
            // Some servers send the arguments here alone.
            call.proposed.arguments.clone_from(&whole.arguments);
        }
        if !says::is_same(entry, &item) {
            return Err("an item's end differs from what came before".to_owned());
        }
        if let (Kind::Call(_), Item::Call(call)) = (&entry.kind, item) {
            // The item stays open until it is judged.
            self.keep(raw, message, Role::Other)?;
            return Ok(Step::Judge(vec![call]));
        }
        self.open = false;
        self.keep(raw, message, Role::Repeat(None))
    }

    /// The text that an event is about.
    fn part(&mut self, message: &Map<String, Value>, is_refusal: bool) -> Result<(usize, &mut Text), String> {
        let at = message.get("content_index").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
        let at = at.ok_or("a piece of text has no place")?;
        let Kind::Message(texts) = &mut self.entry(message)?.kind else {
            return Err("a piece does not fit its item".to_owned());
        };
        if at == texts.len() && texts.last().is_none_or(|last| last.over) {
            texts.push(Text { is_refusal, ..Text::default() });
        }
        let is_last = at + 1 == texts.len();
        let open = texts.get_mut(at).filter(|text| is_last && text.is_refusal == is_refusal);
        open.map(|text| (at, text)).ok_or_else(|| "pieces of several texts are mixed".to_owned())
    }

    fn open_part(&mut self, raw: Bytes, message: Map<String, Value>) -> Result<Step, String> {
        if !says::in_thought(&message) {
            let part = Part::read(message.get("part").unwrap_or(&Value::Null))?;
            let (_, text) = self.part(&message, part.is_refusal)?;
            if !part.text.is_empty() || !text.came.is_empty() {
                return Err("a text begins with words in it".to_owned());
            }
        } else if !matches!(self.entry(&message)?.kind, Kind::Reasoning) {
            return Err("a piece does not fit its item".to_owned());
        }
        self.keep(raw, message, Role::Other)
    }

    /// A piece of text: it passes, waits, or turns out to be a call.
    fn piece(&mut self, raw: Bytes, message: Map<String, Value>, is_refusal: bool) -> Result<Step, String> {
        let Some(Value::String(piece)) = message.get("delta").cloned() else {
            return Err("a piece of text is no text".to_owned());
        };
        let (at, text) = self.part(&message, is_refusal)?;
        if text.over {
            return Err("a text goes on after its end".to_owned());
        }
        text.came.push_str(&piece);
        self.said += piece.len();
        if self.said > MAX_HELD_BYTES {
            return Err("it says too much".to_owned());
        }
        if self.cut {
            return Ok(Step::Wait);
        }
        let sighting = self.lookout.push(&piece);
        let length = piece.len();
        let role = Role::Piece(at, piece);
        if sighting == Sighting::Clear {
            return Ok(self.flush_with(raw, message, role));
        }
        // All that came before this piece is decided.
        let ready = matches!(sighting, Sighting::Undecided(bytes) if bytes <= length).then(|| self.flush());
        let bytes = raw.len();
        self.waiting.push(Waiting { raw, event: message, role }, bytes)?;
        if let Sighting::Found(bytes, name) = sighting {
            (self.found, self.cut) = (Some(bytes), true);
            let text = self.waiting.events.iter().map(|waiting| waiting.role.piece()).collect();
            return Ok(Step::Judge(vec![written(name, text)]));
        }
        Ok(ready.filter(|ready| !ready.is_empty()).map_or(Step::Wait, Step::Pass))
    }

    fn close_part(&mut self, raw: Bytes, message: Map<String, Value>, kind: &str) -> Result<Step, String> {
        if says::in_thought(&message) {
            return match self.entry(&message)?.kind {
                Kind::Reasoning => self.keep(raw, message, Role::Other),
                Kind::Message(_) | Kind::Call(_) => Err("a piece does not fit its item".to_owned()),
            };
        }
        let said = match kind {
            "output_text.done" => Part { is_refusal: false, text: text(&message, "text")?.to_owned() },
            "refusal.done" => Part { is_refusal: true, text: text(&message, "refusal")?.to_owned() },
            _ => Part::read(message.get("part").unwrap_or(&Value::Null))?,
        };
        let (at, text) = self.part(&message, said.is_refusal)?;
        if text.came != said.text {
            return Err("a text's end differs from what came before".to_owned());
        }
        text.over = true;
        self.keep(raw, message, Role::Repeat(Some(at)))
    }

    fn call(&mut self, message: &Map<String, Value>, kind: &str) -> Result<&mut Call, String> {
        let is_text = kind.starts_with("custom");
        match &mut self.entry(message)?.kind {
            Kind::Call(call) if call.proposed.free_text == is_text && !call.whole => Ok(call),
            _ => Err("a piece does not fit its item".to_owned()),
        }
    }

    fn argument(&mut self, raw: Bytes, message: &Map<String, Value>, kind: &str) -> Result<Step, String> {
        let Some(Value::String(piece)) = message.get("delta") else {
            return Err("a piece of a call is no text".to_owned());
        };
        self.call(message, kind)?.proposed.arguments.push_str(piece);
        self.keep(raw, Map::new(), Role::Other)
    }

    fn arguments(&mut self, raw: Bytes, message: &Map<String, Value>, kind: &str) -> Result<Step, String> {
        let call = self.call(message, kind)?;
        let all = text(message, if call.proposed.free_text { "input" } else { "arguments" })?;
        if call.proposed.arguments.is_empty() {
            all.clone_into(&mut call.proposed.arguments);
        }
        call.whole = true;
        if call.proposed.arguments == all {
            self.keep(raw, Map::new(), Role::Other)
        } else {
            Err("a call's arguments differ from what came before".to_owned())
        }
    }

    fn close_answer(&mut self) -> Result<(), String> {
        if self.in_call() {
            return Err("an answer ends within a call".to_owned());
        }
        (self.open, self.done) = (false, true);
        Ok(())
    }

    fn end(&mut self, raw: Bytes, message: Map<String, Value>) -> Result<Step, String> {
        self.close_answer()?;
        let response = message.get("response").and_then(Value::as_object).ok_or("an answer's end is empty")?;
        self.usage.take(Format::Responses, response);
        says::known(response, &self.items)?;
        Ok(self.flush_with(raw, message, Role::End))
    }

    /// What waited, with `refusal` in the place of the last `bytes` bytes of text.
    fn without_text(&mut self, bytes: usize, refusal: &str) -> Bytes {
        let waiting = self.waiting.take();
        let mut keep = waiting.iter().map(|waiting| waiting.role.piece().len()).sum::<usize>().saturating_sub(bytes);
        let mut refusal = Some(refusal);
        let mut out = BytesMut::new();
        for mut waited in waiting {
            if let Role::Piece(_, piece) = &mut waited.role
                && !piece.is_empty()
            {
                if keep < piece.len() {
                    let Some(refusal) = refusal.take() else { continue };
                    *piece = cut_off(piece, keep, refusal);
                    keep = 0;
                    waited.raw = says::piece(waited.event.clone(), piece);
                } else {
                    keep -= piece.len();
                }
            }
            self.say(waited, &mut out);
        }
        out.freeze()
    }
}

impl Role {
    fn piece(&self) -> &str {
        if let Self::Piece(_, piece) = self { piece } else { "" }
    }
}
