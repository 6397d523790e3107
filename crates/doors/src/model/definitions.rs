//! What a request says of its tools, compared with what was accepted.
//!
//! Owns where definitions stand: in each wire format's own list, and in what OpenClaw's catalogue of deferred tools answered,
//! which is where the tools of MCP servers turn up. Never decides and keeps nothing: [`Definitions`] remembers. Called by
//! [`super::see`] once a request.

use std::collections::HashMap;

use creel_guard::{Drift, DriftKind, Sign};
use creel_provenance::Turn;
use serde_json::{Map, Value};

use super::config::Format;
use super::context::Heard;
use super::separate::Found;
use crate::definition::{Definition, Definitions};

/// OpenClaw's ways to look into its catalogue: the second one tells schemas as well, so that each has a form of its own.
const CATALOGUE: [&str; 2] = ["tool_search", "tool_describe"];
/// A longer answer is no catalogue's.
const LONGEST_ANSWER: usize = 1 << 20;
/// A tool of a longer name can't be called.
const LONGEST_NAME: usize = 160;
/// Entries of one answer, and how deep they lie.
const MOST_ENTRIES: usize = 256;
const MOST_DEPTH: u8 = 8;

/// Looks at every definition of a request; by name what speaks against each that it offers. Words that read like an order
/// are a sign, as in any text from outside.
pub(super) fn look(
    format: Format,
    request: &Map<String, Value>,
    heard: &Heard,
    memory: &dyn Definitions,
    found: &mut Found,
) -> HashMap<String, Drift> {
    let offered = offered(format, request);
    let mut drifts = HashMap::new();
    if !offered.is_empty() {
        drifts = memory.look(format.name(), &offered, true);
    }
    let told = catalogue(&heard.turns);
    let mut others = Vec::new();
    for (source, entries) in &told {
        let described: Vec<_> = entries.iter().flat_map(described).collect();
        others.extend(memory.look(source, &described, false).into_values());
    }
    let poisoned = |drift: &&Drift| drift.kind == DriftKind::Poisoned;
    if found.sign.is_none()
        && let Some(drift) = drifts.values().chain(&others).find(poisoned)
    {
        found.sign = drift.rule.clone().map(|rule| Sign { rule, sure: false });
    }
    drifts
}

/// The definitions that a request offers.
pub(super) fn offered(format: Format, request: &Map<String, Value>) -> Vec<Definition<'_>> {
    let list = request.get("tools").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let inner: Vec<&Value> = match format {
        Format::OpenAi => list.iter().filter_map(|tool| tool.get("function").or_else(|| tool.get("custom"))).collect(),
        Format::Anthropic | Format::Responses => list.iter().collect(),
        Format::Gemini => {
            list.iter().filter_map(|tool| tool.get("functionDeclarations")?.as_array()).flatten().collect()
        }
    };
    inner.into_iter().filter_map(one).collect()
}

fn one(tool: &Value) -> Option<Definition<'_>> {
    let said = tool.as_object()?;
    Some(Definition::new(said.get("name")?.as_str()?, said))
}

/// An entry of the catalogue under both of its names: a call may use either.
fn described(entry: &Map<String, Value>) -> Vec<Definition<'_>> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let id = text("id");
    let name = text("name").filter(|name| Some(*name) != id);
    let callable = |name: &&str| name.len() <= LONGEST_NAME;
    [id, name].into_iter().flatten().filter(callable).map(|name| Definition::new(name, entry)).collect()
}

/// What the catalogue said of tools that are not OpenClaw's own, by the way in which it was asked.
fn catalogue(turns: &[Turn]) -> Vec<(&'static str, Vec<Map<String, Value>>)> {
    let mut asked: HashMap<&str, &'static str> = HashMap::new();
    let mut told: Vec<(&'static str, Vec<Map<String, Value>>)> = CATALOGUE.map(|way| (way, Vec::new())).into();
    for turn in turns {
        let way = |name: &str| CATALOGUE.into_iter().find(|way| *way == name);
        match turn {
            Turn::Call { id, tool, .. } => {
                if let Some(way) = way(tool) {
                    asked.insert(id, way);
                }
            }
            Turn::Result { id, tool, text } if text.len() <= LONGEST_ANSWER => {
                let by_name = tool.as_deref().and_then(way);
                let Some(way) = by_name.or_else(|| asked.get(id.as_str()).copied()) else { continue };
                let Some(answer) = json(text) else { continue };
                if let Some((_, entries)) = told.iter_mut().find(|(known, _)| *known == way) {
                    gather(answer, MOST_DEPTH, entries);
                }
            }
            _ => {}
        }
    }
    told.retain(|(_, entries)| !entries.is_empty());
    told
}

/// The answer's JSON; OpenClaw may put words around it.
fn json(text: &str) -> Option<Value> {
    let whole = serde_json::from_str(text).ok();
    whole.or_else(|| {
        let start = text.find(['{', '['])?;
        let end = text.rfind(['}', ']'])?;
        serde_json::from_str(text.get(start..=end)?).ok()
    })
}

fn gather(value: Value, depth: u8, entries: &mut Vec<Map<String, Value>>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::Array(items) => items.into_iter().for_each(|item| gather(item, depth, entries)),
        Value::Object(map) => {
            let is = |key: &str| map.get(key).and_then(Value::as_str);
            match (is("id"), is("source"), is("description")) {
                (Some(_), Some(source), Some(_)) if source != "openclaw" => {
                    // What was said last counts: the history goes on saying what was said before.
                    entries.retain(|known| known.get("id") != map.get("id"));
                    if entries.len() < MOST_ENTRIES {
                        entries.push(map);
                    }
                }
                (Some(_), Some(_), Some(_)) => {}
                _ => map.into_iter().for_each(|(_, inner)| gather(inner, depth, entries)),
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;

    /// Notes what it is shown, and calls all of it poisoned.
    #[derive(Default)]
    struct Noted(Mutex<Vec<String>>);

    impl Definitions for Noted {
        fn look(&self, source: &str, offered: &[Definition<'_>], whole: bool) -> HashMap<String, Drift> {
            let mut noted = self.0.lock().unwrap();
            let drift = Drift { kind: DriftKind::Poisoned, rule: Some("r".to_owned()), ..Drift::default() };
            let note = |one: &Definition<'_>| {
                noted.push(format!("{source} {} {whole}", one.name));
                (one.name.to_owned(), drift.clone())
            };
            offered.iter().map(note).collect()
        }

        fn standing(&self, _tool: &str) -> Option<Drift> {
            None
        }
    }

    fn noted(format: Format, request: Value) -> (Vec<String>, Option<Sign>) {
        let Value::Object(request) = request else { panic!("{request}") };
        let (memory, mut found) = (Noted::default(), Found::default());
        look(format, &request, &Heard::of(format, &request), &memory, &mut found);
        (memory.0.into_inner().unwrap(), found.sign)
    }

    #[test]
    fn every_tool_of_every_format_is_looked_at() {
        for (format, tools) in [
            (
                Format::OpenAi,
                json!([{ "type": "function", "function": { "name": "a" } }, { "type": "custom", "custom": { "name": "b" } }]),
            ),
            (Format::Anthropic, json!([{ "name": "a", "input_schema": {} }, { "type": "custom", "name": "b" }])),
            (Format::Responses, json!([{ "type": "function", "name": "a" }, { "type": "custom", "name": "b" }])),
            (
                Format::Gemini,
                json!([{ "functionDeclarations": [{ "name": "a" }] }, { "functionDeclarations": [{ "name": "b" }] }]),
            ),
        ] {
            let (seen, sign) = noted(format, json!({ "tools": tools }));
            assert_eq!(seen, ["a", "b"].map(|name| format!("{} {name} true", format.name())));
            assert_eq!(sign.map(|sign| sign.rule).as_deref(), Some("r"), "a poisoned description is a sign");
        }
        assert_eq!(noted(Format::OpenAi, json!({ "messages": [] })).0, [] as [&str; 0]);
    }

    #[test]
    fn tools_of_servers_are_looked_at_where_the_catalogue_tells_of_them() {
        let entry =
            json!({ "id": "mcp:shop:search", "source": "mcp", "name": "shop__search", "description": "Searches." });
        let own = json!({ "id": "openclaw:core:message", "source": "openclaw", "name": "message", "description": "x" });
        let mut before = entry.clone();
        before["description"] = json!("Found.");
        let found = json!({ "results": [before, own, entry] }).to_string();
        let request = json!({ "messages": [
            { "role": "assistant", "tool_calls": [
                { "id": "1", "type": "function", "function": { "name": "tool_search", "arguments": "{}" } },
                { "id": "2", "type": "function", "function": { "name": "tool_describe", "arguments": "{}" } },
                { "id": "3", "type": "function", "function": { "name": "read", "arguments": "{}" } },
            ] },
            { "role": "tool", "tool_call_id": "1", "content": format!("Found:\n{found}\n") },
            { "role": "tool", "tool_call_id": "2", "content": entry.to_string() },
            { "role": "tool", "tool_call_id": "3", "content": found },
        ] });
        let expected = [
            "tool_search mcp:shop:search false",
            "tool_search shop__search false",
            "tool_describe mcp:shop:search false",
            "tool_describe shop__search false",
        ];
        assert_eq!(noted(Format::OpenAi, request).0, expected);
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_read_within_bounds(text in "([\\[\\]{}\",:]|id|source|description|mcp|\\PC){0,60}") {
            let turns = [Turn::Result { id: String::new(), tool: Some("tool_search".to_owned()), text }];
            let _told = catalogue(&turns);
        }
    }
}
