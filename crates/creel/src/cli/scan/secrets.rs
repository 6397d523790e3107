//! `creel scan secrets`: one line of findings for each line of text.
//!
//! Owns the two forms of CONTRACT.md, texts and known values. A line that is none is answered with an error and the work
//! goes on; the exit code says so at the end. It never prints a value.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use creel_scan::secrets::{Finding, Known, Scanner};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::cli::{FINDING, USAGE, out};

/// A longer line is an error: nothing grows without bound.
const LONGEST_LINE: u64 = 256 * 1024 * 1024;

/// `creel scan secrets`.
#[derive(Debug, Args)]
pub(crate) struct Secrets {
    /// Values to look for in every form, one JSON object `{"id", "value"}` a line.
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
}

#[derive(Deserialize)]
struct KnownLine {
    id: Value,
    value: Zeroizing<String>,
}

#[derive(Deserialize)]
struct TextLine {
    #[serde(default)]
    id: Value,
    text: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a Value,
    findings: Vec<Found<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    kind: &'a str,
    start: usize,
    end: usize,
    confidence: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<&'a str>,
}

#[derive(Serialize)]
struct Fault<'a> {
    id: Value,
    error: &'a str,
}

impl Secrets {
    pub(crate) fn run(self) -> ExitCode {
        let known = match self.known.as_deref().map(read_known).transpose() {
            Ok(known) => known.unwrap_or_default(),
            Err(why) => return out::fail(USAGE, why),
        };
        let names: Vec<Value> = known.iter().map(|(id, _)| id.clone()).collect();
        let scanner = Scanner::new(Known::new(known.iter().map(|(_, value)| ("", value.as_bytes()))));
        let mut input = BufReader::new(std::io::stdin().lock());
        let mut all_read = true;
        loop {
            let mut line = Vec::new();
            match input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => all_read &= answer(&scanner, &names, &line),
                Err(error) => return out::fail(FINDING, format_args!("standard input can't be read: {error}")),
            }
        }
        if all_read { ExitCode::SUCCESS } else { ExitCode::from(FINDING) }
    }
}

/// Prints one line; whether the text could be read.
fn answer(scanner: &Scanner, names: &[Value], line: &[u8]) -> bool {
    let Ok(TextLine { id, text }) = serde_json::from_slice(line) else {
        let id = serde_json::from_slice::<Value>(line).ok().and_then(|line| line.get("id").cloned());
        let error = "the line is no JSON object of an `id` and a `text`";
        out::json(&Fault { id: id.unwrap_or(Value::Null), error });
        return false;
    };
    let findings = scanner.scan(text.as_bytes());
    out::json(&Answer { id: &id, findings: findings.iter().map(|found| shown(found, &text, names)).collect() });
    true
}

/// A finding for people's scripts: spans never cut a character.
fn shown<'a>(found: &Finding, text: &str, names: &'a [Value]) -> Found<'a> {
    let start = text.floor_char_boundary(found.start);
    let end = text.ceil_char_boundary(found.end);
    Found {
        kind: found.kind,
        start,
        end,
        confidence: found.confidence,
        known: found.known.and_then(|(value, _)| names.get(value)),
        form: found.known.map(|(_, form)| form),
    }
}

fn read_known(path: &std::path::Path) -> Result<Vec<(Value, Zeroizing<String>)>, String> {
    let fault = |why: String| format!("`{}`: {why}", path.display());
    let bytes = Zeroizing::new(std::fs::read(path).map_err(|error| fault(error.to_string()))?);
    let mut known = Vec::new();
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        // The parser's own text could quote the value: it is dropped.
        let Ok(KnownLine { id, value }) = serde_json::from_slice(line) else {
            return Err(fault(format!("line {} is no JSON object of an `id` and a `value`", at + 1)));
        };
        known.push((id, value));
    }
    Ok(known)
}
