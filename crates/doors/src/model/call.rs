//! A proposed tool call, put together and opened.
//!
//! Owns [`Proposed`] and its way to a [`Call`]: the meta-tool is opened so that the record and the decision name the
//! tool that would run. What the agent could read otherwise than we do is a flaw. Never decides.

use std::collections::BTreeSet;

use creel_guard::Call;
use serde_json::{Map, Value};

use super::config::MAX_ARGUMENT_BYTES;
use super::flaw::{Flaw, FlawKind, quoted};
use super::strict;

/// OpenClaw's way to its deferred tools: `tool_call {"id": …, "args": …}`.
const META_TOOL: &str = "tool_call";

/// The prefix of OpenClaw's own tools in a search result's ids (`openclaw:core:web_fetch`).
const OWN_PREFIX: &str = "openclaw:core:";

/// How often the meta-tool may call itself.
const MAX_OPENINGS: usize = 4;

/// How much of flawed arguments is recorded.
const MAX_FLAWED_CHARS: usize = 4096;

/// A call as the model proposed it, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Proposed {
    pub(super) id: String,
    pub(super) name: String,
    /// The arguments as they came.
    pub(super) arguments: String,
    /// An OpenAI custom tool: the arguments are free text.
    pub(super) free_text: bool,
    /// It came as text: [`super::lookout`].
    pub(super) as_text: bool,
}

/// What would be called, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) call: Call,
    pub(super) flaw: Option<Flaw>,
}

impl Proposed {
    /// Reads the call; `offered` are the tools of the request.
    pub(super) fn see(&self, offered: &BTreeSet<String>) -> Seen {
        match self.open(offered) {
            Ok((tool, arguments)) if arguments.len() > MAX_ARGUMENT_BYTES => {
                let why = format!("its arguments are longer than {} KiB", MAX_ARGUMENT_BYTES >> 10);
                self.flawed(tool, arguments, FlawKind::CallTooLarge.at(why))
            }
            Ok((tool, arguments)) => Seen { call: self.call(tool, arguments), flaw: None },
            Err(flaw) => {
                // Markup names its tool where this door does not look.
                let name = if self.name.is_empty() { "unnamed" } else { &self.name };
                self.flawed(name.chars().take(128).collect(), self.arguments.clone(), flaw)
            }
        }
    }

    fn call(&self, tool: String, arguments: String) -> Call {
        Call { tool, arguments, call_id: self.id.chars().take(128).collect() }
    }

    fn flawed(&self, tool: String, arguments: String, flaw: Flaw) -> Seen {
        let arguments = arguments.chars().take(MAX_FLAWED_CHARS).collect();
        Seen { call: self.call(tool, arguments), flaw: Some(flaw) }
    }

    fn open(&self, offered: &BTreeSet<String>) -> Result<(String, String), Flaw> {
        if self.as_text {
            return Err(FlawKind::CallAsText.at("a call written as text is not made; use the tools of the request"));
        }
        // The agent may match names loosely (case, prefixes): only a name exactly as it was offered has one meaning.
        if !offered.contains(&self.name) {
            return Err(FlawKind::UnknownTool.at(format!("the request offers no tool {}", quoted(&self.name))));
        }
        if self.free_text {
            return Ok((self.name.clone(), Value::from(self.arguments.as_str()).to_string()));
        }
        // Without arguments some providers send an empty text.
        let text = if self.arguments.trim().is_empty() { "{}" } else { &self.arguments };
        let mut arguments = strict::parse_object(text.as_bytes())
            .map_err(|why| FlawKind::BadArguments.at(format!("its arguments can't be read: {why}")))?;
        let mut tool = self.name.clone();
        for _ in 0..=MAX_OPENINGS {
            if tool != META_TOOL {
                return Ok((tool, Value::Object(arguments).to_string()));
            }
            (tool, arguments) = inner(arguments)?;
        }
        Err(FlawKind::BadArguments.at(format!("`{META_TOOL}` calls itself too often")))
    }
}

/// What the meta-tool would call. OpenClaw takes more spellings (`toolId`, `name`, `input`, `args.x`, arguments beside the
/// id); of those only the last one has one meaning, and only when nothing else says where the arguments are.
fn inner(mut outer: Map<String, Value>) -> Result<(String, Map<String, Value>), Flaw> {
    let fault = |why: &str| Err(FlawKind::BadArguments.at(format!("`{META_TOOL}` {why}")));
    let mut arguments = match outer.shift_remove("args") {
        None => Map::new(),
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return fault("needs an object as `args`"),
    };
    let Some(Value::String(id)) = outer.shift_remove("id") else { return fault("needs a text as `id`") };
    if !outer.is_empty() {
        let unclear = |key: &String| matches!(key.as_str(), "toolId" | "name" | "input") || key.starts_with("args.");
        if !arguments.is_empty() || outer.keys().any(unclear) {
            return fault("takes `id` and `args` alone");
        }
        arguments = outer;
    }
    let name = id.strip_prefix(OWN_PREFIX).unwrap_or(&id);
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':' | b'/');
    if !(1..=128).contains(&name.len()) || !name.bytes().all(legal) {
        return fault("names no tool");
    }
    Ok((name.to_owned(), arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn see(name: &str, arguments: &str) -> Seen {
        let offered = ["exec", META_TOOL].map(str::to_owned).into();
        let (id, name, arguments) = ("c".to_owned(), name.to_owned(), arguments.to_owned());
        Proposed { id, name, arguments, free_text: false, as_text: false }.see(&offered)
    }

    fn check(name: &str, arguments: &str, tool: &str, compact: &str) {
        let seen = see(name, arguments);
        assert_eq!((seen.call.tool.as_str(), seen.call.arguments.as_str(), seen.flaw), (tool, compact, None));
    }

    #[test]
    fn opens_the_meta_tool() {
        check("exec", " {\"command\": \"id\"} ", "exec", r#"{"command":"id"}"#);
        check("exec", "", "exec", "{}");
        check(META_TOOL, r#"{"id":"web_fetch","args":{"url":"u"}}"#, "web_fetch", r#"{"url":"u"}"#);
        check(META_TOOL, r#"{"id":"openclaw:core:web_fetch"}"#, "web_fetch", "{}");
        check(META_TOOL, r#"{"id":"web_fetch","args":{},"url":"u"}"#, "web_fetch", r#"{"url":"u"}"#);
        check(META_TOOL, r#"{"id":"tool_call","args":{"id":"gateway","args":{"a":1}}}"#, "gateway", r#"{"a":1}"#);
    }

    #[test]
    fn what_could_be_read_otherwise_is_a_flaw() {
        let mut deep = r#"{"id":"exec"}"#.to_owned();
        for _ in 0..6 {
            deep = format!(r#"{{"id":"tool_call","args":{deep}}}"#);
        }
        for (name, arguments, kind) in [
            ("Exec", "{}", FlawKind::UnknownTool),
            (" exec", "{}", FlawKind::UnknownTool),
            ("web_fetch", "{}", FlawKind::UnknownTool),
            ("exec", "{\"command\":\"a\",\"command\":\"b\"}", FlawKind::BadArguments),
            ("exec", "{\"command\":", FlawKind::BadArguments),
            ("exec", "[]", FlawKind::BadArguments),
            (META_TOOL, "{}", FlawKind::BadArguments),
            (META_TOOL, r#"{"id":7}"#, FlawKind::BadArguments),
            (META_TOOL, r#"{"id":"x","args":"{}"}"#, FlawKind::BadArguments),
            (META_TOOL, r#"{"id":"x","args":{"a":1},"b":2}"#, FlawKind::BadArguments),
            (META_TOOL, r#"{"id":"x","name":"y"}"#, FlawKind::BadArguments),
            (META_TOOL, r#"{"id":"x","args.a":1}"#, FlawKind::BadArguments),
            (META_TOOL, r#"{"id":"x","input":{"a":1}}"#, FlawKind::BadArguments),
            (META_TOOL, r#"{"id":"a b"}"#, FlawKind::BadArguments),
            (META_TOOL, &deep, FlawKind::BadArguments),
        ] {
            assert_eq!(see(name, arguments).flaw.map(|flaw| flaw.kind), Some(kind), "{name} {arguments}");
        }
    }

    #[test]
    fn a_long_call_is_a_flaw_and_its_record_is_short() {
        let seen = see("exec", &format!(r#"{{"command":"{}"}}"#, "x".repeat(MAX_ARGUMENT_BYTES)));
        assert_eq!(seen.flaw.unwrap().kind, FlawKind::CallTooLarge);
        assert_eq!(seen.call.arguments.len(), MAX_FLAWED_CHARS);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(name in "\\PC{0,20}", arguments in "\\PC{0,80}") {
            see(&name, &arguments);
            see(META_TOOL, &arguments);
        }
    }
}
