//! Attack scripts as TOML.
//!
//! Owns the file form. It reads nothing that it does not understand: unknown keys, two things in one line of a reply, a
//! step that can never answer are errors with line and column. [`super::Script::parse`] calls it.

use std::ops::Range;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Number, Value};
use toml::Spanned;

use super::{Arguments, Line, Script, ScriptError, Source, Step};

/// Far above any script that a person reads.
const MAX_SCRIPT_BYTES: usize = 1 << 20;

/// Longer than the model door holds an answer (DESIGN.md: 4 minutes).
const MAX_DELAY_MS: u64 = 600_000;

const OTHERWISE: &str = "Understood.";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScript {
    name: String,
    #[serde(default)]
    #[expect(dead_code, reason = "for the people who read the file")]
    about: String,
    otherwise: Option<String>,
    step: Vec<Spanned<RawStep>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    name: Option<String>,
    when: Option<String>,
    #[serde(default)]
    from: Source,
    after: Option<Spanned<String>>,
    times: Option<u32>,
    finish: Option<String>,
    reply: Vec<Spanned<RawLine>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLine {
    text: Option<String>,
    call: Option<String>,
    args: Option<toml::Table>,
    raw_args: Option<String>,
    direct: Option<bool>,
    split: Option<usize>,
    raw: Option<String>,
    delay_ms: Option<u64>,
    hang_up: Option<bool>,
}

/// A fault and where it stands in the text.
struct Fault(Range<usize>, String);

pub(super) fn parse(text: &str) -> Result<Script, ScriptError> {
    if text.len() > MAX_SCRIPT_BYTES {
        return Err(ScriptError {
            line: 1,
            column: 1,
            why: "the script is longer than 1 MiB; make it shorter".to_owned(),
        });
    }
    let raw: RawScript = toml::from_str(text)
        .map_err(|error| place(text, Fault(error.span().unwrap_or(0..0), error.message().replace('\n', ", "))))?;
    build(raw).map_err(|fault| place(text, fault))
}

fn place(text: &str, Fault(span, why): Fault) -> ScriptError {
    let mut at = span.start.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = text.split_at(at).0;
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    ScriptError { line, column, why }
}

fn build(raw: RawScript) -> Result<Script, Fault> {
    let RawScript { name, about: _, otherwise, step } = raw;
    if step.is_empty() {
        return Err(Fault(0..0, "there is no step; write at least one `[[step]]`".to_owned()));
    }
    let mut names: Vec<Option<String>> = Vec::new();
    let mut steps = Vec::new();
    for raw in step {
        let span = raw.span();
        let RawStep { name, when, from, after, times, finish, reply } = raw.into_inner();
        if let Some(taken) = name.as_ref().filter(|name| names.iter().flatten().any(|other| other == *name)) {
            return Err(Fault(span, format!("step `{taken}` is named twice; choose another name")));
        }
        if reply.is_empty() {
            return Err(Fault(span, "the step says nothing; write at least one `[[step.reply]]`".to_owned()));
        }
        let after = after.map(|after| earlier(&names, &after)).transpose()?;
        let reply = reply.into_iter().map(line).collect::<Result<_, _>>()?;
        let times = times.unwrap_or(1);
        steps.push(Step { when, source: from, after, times, finish, reply, answered: AtomicU32::new(0) });
        names.push(name);
    }
    Ok(Script { name, otherwise: otherwise.unwrap_or_else(|| OTHERWISE.to_owned()), steps })
}

fn earlier(names: &[Option<String>], wanted: &Spanned<String>) -> Result<usize, Fault> {
    let found = names.iter().position(|name| name.as_deref() == Some(wanted.get_ref()));
    found.ok_or_else(|| Fault(wanted.span(), format!("no step before this one is named `{}`", wanted.get_ref())))
}

fn line(raw: Spanned<RawLine>) -> Result<Line, Fault> {
    let span = raw.span();
    let RawLine { text, call, args, raw_args, direct, split, raw, delay_ms, hang_up } = raw.into_inner();
    let for_calls = args.is_some() || raw_args.is_some() || direct.is_some() || split.is_some();
    let fault = |why: &str| Err(Fault(span.clone(), why.to_owned()));
    if for_calls && call.is_none() {
        return fault("`args`, `raw_args`, `direct` and `split` belong to a `call`");
    }
    match (text, call, raw, delay_ms, hang_up) {
        (Some(text), None, None, None, None) => Ok(Line::Text(text)),
        (None, None, Some(raw), None, None) => Ok(Line::Raw(raw)),
        (None, None, None, Some(ms), None) if ms <= MAX_DELAY_MS => Ok(Line::Delay(Duration::from_millis(ms))),
        (None, None, None, Some(_), None) => fault("`delay_ms` is more than 600000"),
        (None, None, None, None, Some(true)) => Ok(Line::HangUp),
        (None, Some(tool), None, None, None) => {
            if split == Some(0) {
                return fault("`split` is 0; write 1 or more bytes a piece");
            }
            let arguments = match (args, raw_args) {
                (Some(_), Some(_)) => return fault("write `args` or `raw_args`, not both"),
                (None, Some(raw)) => Arguments::Raw(raw),
                (args, None) => Arguments::Whole(json(toml::Value::Table(args.unwrap_or_default()))),
            };
            Ok(Line::Call { tool, arguments, direct: direct.unwrap_or(false), delta_bytes: split })
        }
        _ => fault("write exactly one of `text`, `call`, `raw`, `delay_ms` and `hang_up = true`"),
    }
}

fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, json(value))).collect(),
    }
}
