//! Which tool call an act comes from.
//!
//! Owns [`Calls`]: the last calls that were let pass. A process whose own arguments hold a text of one can be told to come from
//! it, which joins records for people to read; and a call that leaves for a server of tools, equal to one that the model
//! proposed, is covered by that one, once.

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

/// The last calls, the newest first.
type Last = VecDeque<Noted>;

#[derive(Debug)]
struct Noted {
    cause: Cause,
    texts: Vec<String>,
    /// The tool and its arguments, until an equal call was covered by it.
    covers: Option<(String, Value)>,
}

impl Calls {
    /// Remembers a call that was let pass; `covers` when the model proposed it.
    pub(crate) fn note(&self, cause: Cause, tool: &str, arguments: &str, covers: bool) {
        let value: Option<Value> = serde_json::from_str(arguments).ok();
        let mut texts = Vec::new();
        value.iter().for_each(|value| gather(value, &mut texts));
        let covers = value.filter(|_| covers).map(|value| (tool.to_owned(), value));
        let mut calls = self.list();
        calls.push_front(Noted { cause, texts, covers });
        calls.truncate(MOST);
    }

    /// The last call that is equal to this one of a server's tool; it covers no other.
    pub(crate) fn that_covers(&self, tool: &str, arguments: &str) -> Option<Cause> {
        let arguments: Value = serde_json::from_str(arguments).ok()?;
        let mut calls = self.list();
        let equal = |noted: &&mut Noted| {
            noted.covers.as_ref().is_some_and(|(named, given)| names(named, tool) && *given == arguments)
        };
        let noted = calls.iter_mut().find(equal)?;
        noted.covers = None;
        Some(noted.cause.clone())
    }

    /// The last call that holds a text of these arguments.
    pub(crate) fn that_named(&self, argv: &[String]) -> Option<Cause> {
        let named =
            |text: &String| argv.iter().any(|word| word == text || (text.len() >= TELLING && word.contains(text)));
        self.list().iter().find(|noted| noted.texts.iter().any(named)).map(|noted| noted.cause.clone())
    }

    fn list(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the agent's name of a tool is this one of a server: the same, or behind the server's own name (`shop__search`,
/// `mcp:shop:search`).
fn names(named: &str, tool: &str) -> bool {
    let before = named.strip_suffix(tool);
    before.is_some_and(|before| before.is_empty() || ["__", ":", "/", "."].iter().any(|mark| before.ends_with(mark)))
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
        let note = |number, arguments: &str| calls.note(cause(number), "exec", arguments, true);
        note(1, r#"{"command":"ls -l /workspace","opts":{"env":["ls"]}}"#);
        note(2, r#"{"command":"git status"}"#);
        note(3, "no json");
        check(&["sh", "-c", "ls -l /workspace"], Some(1));
        check(&["sh", "-c", "cd /workspace; git status"], Some(2));
        check(&["ls"], Some(1));
        check(&["lsof"], None);
        note(4, r#"{"command":"git status"}"#);
        check(&["git status"], Some(4));
        for record in 5..80 {
            note(record, "{}");
        }
        check(&["git status"], None);
    }

    #[test]
    fn a_call_covers_the_one_that_is_equal_to_it_once() {
        let calls = Calls::default();
        let cause = |record| Cause { record: RecordId(record), trace: None };
        let covered = |tool: &str, arguments: &str| calls.that_covers(tool, arguments).map(|cause| cause.record.0);
        calls.note(cause(1), "shop__send", r#"{"to":"anna","text":"a"}"#, true);
        calls.note(cause(2), "mcp:shop:list", "{}", true);
        calls.note(cause(3), "shop__pay", r#"{"amount":1}"#, false);
        for (tool, arguments) in [
            ("send", r#"{"to":"eve","text":"a"}"#),
            ("end", r#"{"to":"anna","text":"a"}"#),
            ("send", r#"{"to":"anna","text":"a","cc":"eve"}"#),
            ("send", "no json"),
            ("pay", r#"{"amount":1}"#),
        ] {
            assert_eq!(covered(tool, arguments), None, "{tool} {arguments}");
        }
        assert_eq!(covered("send", r#"{"text":"a","to":"anna"}"#), Some(1), "the order of keys says nothing");
        assert_eq!(covered("send", r#"{"text":"a","to":"anna"}"#), None, "once");
        assert_eq!((covered("list", "{}"), covered("list", "{}")), (Some(2), None));
    }
}
