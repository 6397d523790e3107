//! Which tool call named a command.
//!
//! Owns [`Calls`]: the texts in the arguments of the last calls that were let pass, so that a process whose own arguments
//! hold one of them can be told to come from that call. It joins records for people to read; no rule reads it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::record::RecordId;

/// Calls that are remembered.
const MOST: usize = 64;
/// Texts of one call, and the longest that is remembered.
const MOST_TEXTS: usize = 32;
const LONGEST: usize = 64 * 1024;
/// A shorter text names a command only if it is the whole argument.
const TELLING: usize = 6;

/// What an act comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Its record.
    pub record: RecordId,
    /// The turn that it belongs to.
    pub trace: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(Arc<Mutex<Last>>);

/// The last calls and the texts of each, the newest first.
type Last = VecDeque<(Cause, Vec<String>)>;

impl Calls {
    /// Remembers a call that was let pass.
    pub(crate) fn note(&self, cause: Cause, arguments: &str) {
        let mut texts = Vec::new();
        if let Ok(value) = serde_json::from_str(arguments) {
            gather(&value, &mut texts);
        }
        let mut calls = self.list();
        calls.push_front((cause, texts));
        calls.truncate(MOST);
    }

    /// The last call that holds a text of these arguments.
    pub(crate) fn that_named(&self, argv: &[String]) -> Option<Cause> {
        let named =
            |text: &String| argv.iter().any(|word| word == text || (text.len() >= TELLING && word.contains(text)));
        self.list().iter().find(|(_, texts)| texts.iter().any(named)).map(|(cause, _)| cause.clone())
    }

    fn list(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gather(value: &Value, texts: &mut Vec<String>) {
    match value {
        _ if texts.len() >= MOST_TEXTS => {}
        Value::String(text) if !text.trim().is_empty() && text.len() <= LONGEST => texts.push(text.trim().to_owned()),
        Value::Array(list) => list.iter().for_each(|value| gather(value, texts)),
        Value::Object(fields) => fields.values().for_each(|value| gather(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_comes_from_the_last_call_that_names_it() {
        let calls = Calls::default();
        let cause = |record| Cause { record: RecordId(record), trace: None };
        let check = |argv: &[&str], record: Option<u64>| {
            let argv: Vec<String> = argv.iter().map(ToString::to_string).collect();
            assert_eq!(calls.that_named(&argv).map(|cause| cause.record.0), record, "{argv:?}");
        };
        calls.note(cause(1), r#"{"command":"ls -l /workspace","opts":{"env":["ls"]}}"#);
        calls.note(cause(2), r#"{"command":"git status"}"#);
        calls.note(cause(3), "no json");
        check(&["sh", "-c", "ls -l /workspace"], Some(1));
        check(&["sh", "-c", "cd /workspace; git status"], Some(2));
        check(&["ls"], Some(1));
        check(&["lsof"], None);
        calls.note(cause(4), r#"{"command":"git status"}"#);
        check(&["git status"], Some(4));
        for record in 5..80 {
            calls.note(cause(record), "{}");
        }
        check(&["git status"], None);
    }
}
