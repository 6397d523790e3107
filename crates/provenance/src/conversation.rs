//! The conversation before a call: what was said, what was done, what came back.
//!
//! Owns [`Conversation`]. It takes the caller's word for who said what: off-line that is the file's, at the model door it
//! is what Creel saw arrive. Results are untrusted unless their tool is a declared directory.

use std::collections::HashMap;

use creel_scan::injection::Channel;
use serde_json::{Map, Value};

use crate::intent::Request;
use crate::records::{self, Records};
use crate::tool::Tools;
use crate::values::{Atom, atoms, spelt};
use crate::words::{Word, fold, stem, words};

/// Everything that a call is judged by.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// What the user asked.
    pub(crate) request: Request,
    /// What the user and the operator said: texts, their words and values.
    pub(crate) said: Vec<String>,
    pub(crate) said_words: Vec<Word>,
    pub(crate) said_atoms: Vec<Atom>,
    pub(crate) results: Vec<Answer>,
    /// Calls made: tool and arguments in one form, whether they have an effect.
    calls: HashMap<String, u32>,
    pub(crate) burst: u32,
    pub(crate) after_refusal: bool,
    /// Untrusted text besides results: other roles, other sources.
    pub(crate) foreign: Vec<Passage>,
    pub(crate) tainted: bool,
}

/// A tool's result.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) tool: String,
    /// What kind of thing it tells of: stems of the tool's nouns.
    pub(crate) nouns: Vec<String>,
    pub(crate) arguments: Map<String, Value>,
    /// The call's address or argument was the user's own.
    pub(crate) directory: bool,
    pub(crate) structured: bool,
    pub(crate) records: Records,
    pub(crate) passages: Vec<Passage>,
}

/// Untrusted text.
#[derive(Clone, Debug)]
pub(crate) struct Passage {
    pub(crate) text: String,
    pub(crate) words: Vec<String>,
    pub(crate) atoms: Vec<Atom>,
    /// It speaks to the agent.
    pub(crate) steers: bool,
}

/// How much untrusted text is searched; what is beyond counts as holding anything.
const MOST_BYTES: usize = 4 * 1024 * 1024;

impl Conversation {
    /// What the operator says: trusted for values, orders no act.
    pub fn operator(&mut self, text: &str) {
        self.trust(text);
    }

    /// What the user says.
    pub fn user(&mut self, text: &str) {
        self.trust(text);
        self.request.hear(text);
        self.burst = 0;
        self.after_refusal = false;
    }

    fn trust(&mut self, text: &str) {
        let own = words(text);
        self.said_atoms.extend(own.iter().filter_map(|word| spelt(&word.text)).map(Atom::Number));
        self.said_words.extend(own);
        self.said_atoms.extend(atoms(text));
        self.said.push(fold(text));
    }

    /// Text that nobody vouches for.
    pub fn untrusted(&mut self, text: &str, tools: &Tools) {
        self.tainted = true;
        self.foreign.push(passage(text, tools));
    }

    /// The jail has read untrusted content before this conversation.
    pub fn taint(&mut self) {
        self.tainted = true;
    }

    /// A call that was made.
    pub fn call(&mut self, tool: &str, arguments: &Map<String, Value>, tools: &Tools) {
        *self.calls.entry(key(tool, arguments)).or_default() += 1;
        if tools.get(tool).class != creel_guard::CallClass::Read {
            self.burst = self.burst.saturating_add(1);
        }
    }

    /// A call with an effect that was refused.
    pub fn refused(&mut self) {
        self.after_refusal = true;
    }

    /// What a call brought back.
    pub fn result(&mut self, tool: &str, arguments: &Map<String, Value>, text: &str, tools: &Tools) {
        let known = tools.get(tool);
        let used: usize = self.results.iter().flat_map(|r| &r.passages).map(|passage| passage.text.len()).sum();
        if text.trim().is_empty() || used > MOST_BYTES {
            self.tainted |= used > MOST_BYTES;
            return;
        }
        let records = records::read(text, known.structured);
        let passages = records.prose.iter().map(|text| passage(text, tools)).collect();
        if !known.directory {
            self.tainted = true;
        }
        self.results.push(Answer {
            tool: known.name.clone(),
            nouns: known.nouns.clone(),
            arguments: arguments.clone(),
            directory: known.directory,
            structured: known.structured,
            records,
            passages,
        });
    }

    /// How often this very call was made.
    pub(crate) fn made(&self, tool: &str, arguments: &Map<String, Value>) -> u32 {
        self.calls.get(&key(tool, arguments)).copied().unwrap_or_default()
    }

    /// All untrusted passages.
    pub(crate) fn passages(&self) -> impl Iterator<Item = &Passage> {
        let results = self.results.iter().filter(|answer| !answer.directory);
        results.flat_map(|answer| &answer.passages).chain(&self.foreign)
    }
}

/// One text for a call: keys in order, so that the same call has the same text.
fn key(tool: &str, arguments: &Map<String, Value>) -> String {
    let mut pairs: Vec<String> = arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.sort();
    format!("{} {}", tool.to_lowercase(), pairs.join("\u{1f}"))
}

pub(crate) fn passage(text: &str, tools: &Tools) -> Passage {
    let plain = text.replace("\\n", "\n").replace("\\t", " ");
    Passage {
        words: words(&plain).into_iter().map(|word| word.text).collect(),
        atoms: atoms(text),
        steers: steers(&plain, tools),
        text: plain,
    }
}

/// Whether a text speaks to the agent instead of telling something. Broad: it only makes the rules stricter.
fn steers(text: &str, tools: &Tools) -> bool {
    let lower = fold(text).to_lowercase();
    let phrase = STEERING.iter().any(|phrase| lower.contains(phrase));
    phrase
        || creel_scan::injection::scan(text, Channel::ToolResult).flagged
        || tools.names().any(|name| name.len() > 6 && name.contains('_') && lower.contains(&name.to_lowercase()))
        || (IGNORING.iter().any(|word| lower.contains(word))
            && words(&lower).iter().any(|word| word.stem == stem("instruction") || word.stem == stem("previous")))
}

const IGNORING: [&str; 6] = ["ignore", "disregard", "forget", "override", "bypass", "instead of"];
const STEERING: [&str; 27] = [
    "<information>",
    "todo:",
    "ai assistant",
    "ai agent",
    "ai model",
    "language model",
    "as an ai",
    "system prompt",
    "new instruction",
    "following instruction",
    "before you can solve",
    "please do the following",
    "important message",
    "important!!!",
    "your task is",
    "you must now",
    "<|im_",
    "[inst]",
    "### system",
    "system:",
    "assistant:",
    "</system",
    "<system",
    "use the tool",
    "call the tool",
    "attention agent",
    "dear assistant",
];
