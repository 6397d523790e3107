//! Puts the facts of a proposed call together.
//!
//! Owns [`facts`]. It walks the arguments, field by field, and asks [`crate::trace`] for each value that matters. Never
//! decides: rules read what it found.

use std::collections::HashSet;

use creel_guard::{ArgumentFact, ArgumentKind, CallClass, CallFacts, Intent, Origin};
use serde_json::{Map, Value};

use crate::conversation::Conversation;
use crate::lexicon::same_things;
use crate::shell;
use crate::tool::{Tool, Tools};
use crate::trace::{Wanted, origin};
use crate::values::{Atom, atoms, shape};
use crate::words::{stem, words};

/// More values than this in one call are not followed: the call counts as holding unknown ones.
const MOST_VALUES: usize = 200;
/// How much of a value is recorded.
const MOST_SHOWN: usize = 120;

/// What is known of a call that is proposed after `talk`.
#[must_use]
pub fn facts(talk: &Conversation, tools: &Tools, name: &str, arguments: &Map<String, Value>) -> CallFacts {
    let tool = tools.get(name);
    let mut walk = Walk { talk, tool: &tool, found: Vec::new(), text_is_said: true, values: 0 };
    for (name, value) in arguments {
        walk.value(name.trim(), name.trim(), value);
    }
    if walk.values > MOST_VALUES {
        walk.found.push(fact("…", ArgumentKind::Destination, "more values than are followed", Origin::Nowhere));
    }
    let class = by_arguments(&tool, arguments);
    let outside =
        matches!(class, CallClass::Send | CallClass::Publish | CallClass::Access | CallClass::Pay | CallClass::Unknown)
            || walk.found.iter().any(|fact| fact.kind == ArgumentKind::Destination && class != CallClass::Write);
    let intent = intent(talk, &tool, class, &walk.found);
    CallFacts {
        class,
        declared: tool.declared,
        schema: tool.flaw(arguments),
        intent,
        private: !walk.text_is_said,
        arguments: walk.found,
        untrusted: talk.tainted,
        steered: talk.passages().any(|passage| passage.steers),
        outside,
        repeated: talk.made(name, arguments),
        burst: talk.burst,
        after_refusal: talk.after_refusal,
        definition: None,
    }
}

/// An argument can make a call worse than its tool: `action: delete`, a file that agents read as instructions.
fn by_arguments(tool: &Tool, arguments: &Map<String, Value>) -> CallClass {
    let class = tool.class;
    if class == CallClass::Contained {
        return contained(tool, arguments);
    }
    let choices = arguments
        .iter()
        .filter(|(name, _)| matches!(name.trim(), "action" | "operation" | "method" | "op" | "mode" | "verb"));
    for (_, value) in choices {
        let parts = crate::words::parts(value.as_str().unwrap_or_default());
        let chosen = crate::lexicon::class_of(&parts);
        let worse = [CallClass::Delete, CallClass::Pay, CallClass::Access, CallClass::Execute, CallClass::Install];
        if worse.contains(&chosen) && class != CallClass::Read {
            return chosen;
        }
    }
    let mut written = arguments.values().filter_map(Value::as_str);
    if matches!(class, CallClass::Write | CallClass::Delete | CallClass::Unknown) && written.any(instructs) {
        return CallClass::Instruct;
    }
    class
}

/// Work inside the jail: a command that only looks is a look-up; what writes a file that agents read as instructions is
/// more than work.
fn contained(tool: &Tool, arguments: &Map<String, Value>) -> CallClass {
    let texts = || arguments.iter().filter_map(|(name, value)| Some((name.trim(), value.as_str()?)));
    let commands = || texts().filter(|(name, _)| tool.kind(name) == Some(ArgumentKind::Command)).map(|(_, text)| text);
    if commands().count() > 0 && commands().all(shell::only_looks) {
        return CallClass::Read;
    }
    // A patch names its files in lines of its own.
    let patched = texts().flat_map(|(_, text)| text.lines()).filter_map(|line| line.strip_prefix("*** "));
    let patched = patched.filter_map(|line| line.split_once(": ")).map(|(_, file)| file.trim());
    let written = texts().map(|(_, text)| text).chain(patched).any(instructs);
    if written || commands().flat_map(shell::named_files).any(|file| instructs(&file)) {
        CallClass::Instruct
    } else {
        CallClass::Contained
    }
}

/// Whether a path is that of a file that agents read as instructions.
fn instructs(path: &str) -> bool {
    let path = path.trim().to_lowercase();
    let path = path.strip_prefix("./").unwrap_or(&path);
    path.len() < 300
        && (INSTRUCTIONS.iter().any(|name| path == *name || path.ends_with(&format!("/{name}")))
            || path.contains("/skills/")
            || path.starts_with("skills/")
            || path.contains("/memory/")
            || path.starts_with("memory/"))
}

/// Files that OpenClaw and its like read as instructions.
const INSTRUCTIONS: [&str; 12] = [
    "agents.md",
    "soul.md",
    "identity.md",
    "user.md",
    "tools.md",
    "memory.md",
    "heartbeat.md",
    "bootstrap.md",
    "claude.md",
    "skill.md",
    "openclaw.json",
    ".profile",
];

/// The user's words order the act; for a change also what it changes.
fn intent(talk: &Conversation, tool: &Tool, class: CallClass, found: &[ArgumentFact]) -> Intent {
    if class == CallClass::Fetch {
        // A page to read is ordered by its address.
        let vouched = found.iter().any(|fact| fact.kind == ArgumentKind::Destination && fact.origin.is_vouched());
        return if vouched { Intent::Ordered } else { Intent::None };
    }
    let own = Tool { class, ..tool.clone() };
    if talk.request.orders(&own) == Intent::None {
        return Intent::None;
    }
    let telling = |verb: &&String| !GENERIC.iter().any(|generic| stem(generic) == **verb);
    let about = tool.nouns.is_empty()
        || tool.verbs.iter().filter(telling).any(|verb| talk.request.mentions_verb(verb))
        || tool.nouns.iter().any(|noun| talk.request.mentions_stem(noun))
        || tool.nouns.iter().flat_map(|noun| same_things(noun)).any(|noun| talk.request.mentions_stem(noun))
        || matches!(class, CallClass::Execute | CallClass::Instruct)
        // Where values are traced, they say whether it is the act that was meant.
        || (matches!(class, CallClass::Send | CallClass::Pay | CallClass::Publish) && !found.is_empty())
        || found.iter().any(|fact| fact.origin.is_vouched() && fact.kind != ArgumentKind::When);
    if about { Intent::Ordered } else { Intent::None }
}

/// Verbs that say little without what they act on.
const GENERIC: [&str; 22] = [
    "create", "add", "update", "set", "write", "change", "put", "make", "append", "edit", "get", "insert", "remove",
    "delete", "manage", "open", "close", "start", "stop", "turn", "modify", "save",
];

struct Walk<'a> {
    talk: &'a Conversation,
    tool: &'a Tool,
    found: Vec<ArgumentFact>,
    text_is_said: bool,
    values: usize,
}

impl Walk<'_> {
    /// `top` is the argument, `name` the path to this value.
    fn value(&mut self, top: &str, name: &str, value: &Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Array(items) => items.iter().for_each(|item| self.value(top, name, item)),
            Value::Object(map) => {
                for (key, value) in map {
                    self.value(top, &format!("{name}.{key}"), value);
                }
            }
            Value::String(text) if text.trim().is_empty() => {}
            Value::String(text) => self.text(top, name, text),
            Value::Number(number) => self.text(top, name, &number.to_string()),
        }
    }

    fn text(&mut self, top: &str, name: &str, text: &str) {
        self.values += 1;
        if self.values > MOST_VALUES {
            return;
        }
        let last = name.rsplit('.').next().unwrap_or(name);
        let inner = last != top;
        if (!inner && self.tool.is_text(top)) || (inner && crate::lexicon::is_text(last)) {
            self.words_of(name, text);
            return;
        }
        if !inner && self.tool.is_choice(top) {
            self.choice(name, text);
            return;
        }
        let kind = if inner { crate::lexicon::kind_of(last).or(self.tool.kind(top)) } else { self.tool.kind(top) };
        let Some(kind) = kind else { return };
        // A short word that chooses among a tool's own options carries nothing.
        if inner && kind == ArgumentKind::Name && matches!(last, "type" | "kind" | "format") {
            return;
        }
        let kind = match (kind, shape(text)) {
            (ArgumentKind::Name | ArgumentKind::Path, Some(Atom::Mail(_) | Atom::Url(_) | Atom::Account(_)))
                if kind == ArgumentKind::Name =>
            {
                ArgumentKind::Destination
            }
            (kind, _) => kind,
        };
        if kind == ArgumentKind::When {
            self.when(name, text);
            return;
        }
        self.follow(name, kind, text);
    }

    /// A choice among a tool's own options is the model's, unless content that speaks to the agent holds it.
    fn choice(&mut self, name: &str, text: &str) {
        let wanted = Wanted { talk: self.talk, tool: self.tool, argument: name, kind: ArgumentKind::Name, text };
        let traced = origin(&wanted);
        let steered = self.talk.passages().any(|passage| passage.steers);
        if text.len() > 2 && steered && traced.origin == Origin::Prose {
            self.found
                .push(ArgumentFact { passage: traced.passage, ..fact(name, ArgumentKind::Name, text, traced.origin) });
        }
    }

    fn follow(&mut self, name: &str, kind: ArgumentKind, text: &str) {
        let wanted = Wanted { talk: self.talk, tool: self.tool, argument: name, kind, text };
        let mut traced = origin(&wanted);
        // What a manual says may be run where the user has the work done, unless it speaks to the agent.
        if kind == ArgumentKind::Command && traced.origin == Origin::Prose && self.tool.class == CallClass::Contained {
            let steered = self.talk.passages().any(|passage| passage.steers);
            if !steered && self.talk.request.orders(self.tool) == Intent::Ordered {
                traced.origin = Origin::Field;
            }
        }
        self.found.push(ArgumentFact { passage: traced.passage, ..fact(name, kind, text, traced.origin) });
    }

    /// A text for people: links and accounts in it are destinations for whoever reads it.
    fn words_of(&mut self, name: &str, text: &str) {
        let own = words(text);
        let stems: HashSet<&str> = self.talk.said_words.iter().map(|word| word.stem.as_str()).collect();
        let said = own.iter().filter(|word| stems.contains(word.stem.as_str())).count();
        if said * 5 < own.len() * 4 {
            self.text_is_said = false;
        }
        for atom in atoms(text) {
            let value = match &atom {
                Atom::Url(value) | Atom::Account(value) => value.clone(),
                Atom::Mail(_) | Atom::Number(_) => continue,
            };
            self.follow(name, ArgumentKind::Link, &value);
        }
    }

    /// A date counts when the user gave one and this is another that stands in prose.
    fn when(&mut self, name: &str, text: &str) {
        let date = text.get(..10).filter(|date| is_date(date));
        let given =
            self.talk.said.iter().any(|said| said.split(|c: char| !c.is_ascii_digit() && c != '-').any(is_date));
        let Some(date) = date.filter(|_| given) else { return };
        if self.talk.said.iter().any(|said| said.contains(date)) {
            return;
        }
        if let Some(passage) = self.talk.passages().find(|passage| passage.steers && passage.text.contains(date)) {
            let passage = Some(passage.text.chars().take(MOST_SHOWN).collect());
            self.found.push(ArgumentFact { passage, ..fact(name, ArgumentKind::When, text, Origin::Prose) });
        }
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-")
}

fn fact(name: &str, kind: ArgumentKind, value: &str, origin: Origin) -> ArgumentFact {
    let value: String = value.chars().take(MOST_SHOWN).collect();
    ArgumentFact { name: name.to_owned(), kind, value, origin, passage: None }
}
