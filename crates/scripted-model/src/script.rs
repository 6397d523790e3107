//! The hijacked model: an attack script and where it stands.
//!
//! Owns [`Script`]: which step answers, and what it says. Its file form is read by `parse` and described in
//! docs/scripted-model.md. It obeys anything it reads, tool results too: that is what it is for. `service` calls it.

mod parse;

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::conversation::Conversation;
use crate::reply::{ARGUMENT_DELTA_BYTES, Part, Reply, ToolCall};

/// How much of a text `{{said}}` or `{{result}}` stands for.
const MAX_INSERT_CHARS: usize = 4096;

/// An attack script. Its state (which steps have answered, how often) is one for all conversations.
#[derive(Debug)]
pub struct Script {
    name: String,
    otherwise: String,
    steps: Vec<Step>,
}

/// A script that can't be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {why}")]
pub struct ScriptError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong and what to write instead.
    pub why: String,
}

#[derive(Debug)]
struct Step {
    when: Option<String>,
    source: Source,
    /// The step that must have answered before.
    after: Option<usize>,
    /// 0 means any number of times.
    times: u32,
    finish: Option<String>,
    reply: Vec<Line>,
    answered: AtomicU32,
}

/// Where a trigger is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    #[default]
    Any,
    User,
    Tool,
}

#[derive(Debug)]
enum Line {
    Text(String),
    Call { tool: String, arguments: Arguments, direct: bool, delta_bytes: Option<usize> },
    Raw(String),
    Delay(Duration),
    HangUp,
}

#[derive(Debug)]
enum Arguments {
    Whole(Value),
    /// As they stand, malformed or not.
    Raw(String),
}

impl Script {
    /// Reads a script (docs/scripted-model.md says how one is written).
    ///
    /// # Errors
    /// [`ScriptError`] with line and column, for anything that is not exactly of that form.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        parse::parse(text)
    }

    /// The script's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn answer(&self, talk: &Conversation) -> Reply {
        for step in &self.steps {
            if step.fits(talk) && self.is_reached(step) && step.take_turn() {
                let parts = step.reply.iter().map(|line| line.say(talk)).collect();
                return Reply { parts, finish: step.finish.clone() };
            }
        }
        Reply::text(self.otherwise.clone())
    }

    fn is_reached(&self, step: &Step) -> bool {
        let before = step.after.map(|at| self.steps.get(at));
        before.is_none_or(|before| before.is_some_and(|before| before.answered.load(Ordering::Relaxed) > 0))
    }
}

impl Step {
    fn fits(&self, talk: &Conversation) -> bool {
        let heard: Vec<&String> = match self.source {
            Source::Any => talk.said.iter().chain(&talk.results).collect(),
            Source::User => talk.said.iter().collect(),
            Source::Tool => talk.results.iter().collect(),
        };
        match &self.when {
            Some(trigger) => heard.iter().any(|text| text.contains(trigger.as_str())),
            None => self.source == Source::Any || !heard.is_empty(),
        }
    }

    /// Counts this answer; false when the step has answered often enough.
    fn take_turn(&self) -> bool {
        let next = |n: u32| if self.times != 0 && n >= self.times { None } else { Some(n.saturating_add(1)) };
        self.answered.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

impl Line {
    fn say(&self, talk: &Conversation) -> Part {
        match self {
            Self::Text(text) => Part::Text(insert(text, talk)),
            Self::Raw(raw) => Part::Raw(raw.clone()),
            Self::Delay(duration) => Part::Delay(*duration),
            Self::HangUp => Part::HangUp,
            Self::Call { tool, arguments, direct, delta_bytes } => {
                let mut call = match arguments {
                    Arguments::Raw(raw) => {
                        ToolCall { tool: tool.clone(), arguments: raw.clone(), delta_bytes: ARGUMENT_DELTA_BYTES }
                    }
                    Arguments::Whole(value) => {
                        let offered = if *direct { &[][..] } else { &talk.tools };
                        ToolCall::new(tool, insert_all(value, talk), offered)
                    }
                };
                call.delta_bytes = delta_bytes.unwrap_or(call.delta_bytes);
                Part::Call(call)
            }
        }
    }
}

fn insert(text: &str, talk: &Conversation) -> String {
    let last = |texts: &[String]| -> String {
        texts.last().map(|text| text.chars().take(MAX_INSERT_CHARS).collect()).unwrap_or_default()
    };
    // One pass: what is inserted is not looked into again.
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let (head, tail) = rest.split_at(at);
        out.push_str(head);
        if let Some(after) = tail.strip_prefix("{{said}}") {
            out.push_str(&last(&talk.said));
            rest = after;
        } else if let Some(after) = tail.strip_prefix("{{result}}") {
            out.push_str(&last(&talk.results));
            rest = after;
        } else {
            out.push_str("{{");
            rest = tail.strip_prefix("{{").unwrap_or_default();
        }
    }
    out + rest
}

fn insert_all(value: &Value, talk: &Conversation) -> Value {
    match value {
        Value::String(text) => insert(text, talk).into(),
        Value::Array(items) => items.iter().map(|item| insert_all(item, talk)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), insert_all(value, talk))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} steps)", self.name, self.steps.len())
    }
}

#[cfg(test)]
mod tests;
