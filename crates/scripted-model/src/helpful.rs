//! The helpful assistant of the demo.
//!
//! Owns the three commands `RUN:`, `FETCH:` and `WRITE:`. It obeys only what a user says, never a tool's result, nor
//! text that OpenClaw marks as external: a web page can't command it. `service` calls it.

use serde_json::{Value, json};

use crate::conversation::Conversation;
use crate::reply::{Part, Reply, ToolCall};

/// Commands in one message that are obeyed at once; more are left out.
const MAX_COMMANDS: usize = 8;

/// How much of a result is quoted.
const MAX_QUOTE_CHARS: usize = 2000;

const MANUAL: &str = "I am Creel's scripted model: no network, no key, three commands. Start a line with one of them:\n\
    - RUN: <command> runs a shell command\n\
    - FETCH: <url> fetches a web page\n\
    - WRITE: <path> <text> writes a file\n\
    For a model that thinks, set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY and start `creel up` again.";

/// Answers.
pub(crate) fn answer(talk: &Conversation) -> Reply {
    if !talk.results.is_empty() {
        return report(&talk.results);
    }
    let said: Vec<String> = talk.said.iter().map(|text| own_words(text)).collect();
    let mut parts = Vec::new();
    for command in said.iter().flat_map(|text| text.lines()).filter_map(read_command).take(MAX_COMMANDS) {
        match command {
            Ok((tool, arguments)) => parts.push(Part::Call(ToolCall::new(tool, arguments, &talk.tools))),
            Err(hint) => return Reply::text(hint),
        }
    }
    if parts.is_empty() { Reply::text(MANUAL) } else { Reply { parts, finish: None } }
}

/// A line's command: the tool and its arguments, or what is missing.
fn read_command(line: &str) -> Option<Result<(&'static str, Value), &'static str>> {
    let line = without_stamp(line.trim()).trim_start();
    if let Some(command) = line.strip_prefix("RUN:").map(str::trim) {
        return Some(if command.is_empty() {
            Err("RUN: needs a command, for instance RUN: ls -l")
        } else {
            Ok(("exec", json!({ "command": command })))
        });
    }
    if let Some(url) = line.strip_prefix("FETCH:").map(str::trim) {
        return Some(match url.split_whitespace().next() {
            None => Err("FETCH: needs a URL, for instance FETCH: https://example.com/"),
            Some(url) => Ok(("web_fetch", json!({ "url": url }))),
        });
    }
    let rest = line.strip_prefix("WRITE:")?.trim();
    Some(match rest.split_once(char::is_whitespace) {
        None => Err("WRITE: needs a path and a text, for instance WRITE: notes.txt buy milk"),
        Some((path, text)) => Ok(("write", json!({ "path": path, "content": text.trim_start() }))),
    })
}

/// Takes off the time stamp that OpenClaw puts before a user's text: `[Sun 2026-11-22 10:40 UTC] `.
fn without_stamp(line: &str) -> &str {
    match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((stamp, rest)) if stamp.len() <= 40 => rest,
        _ => line,
    }
}

/// The text without the blocks that OpenClaw adds or marks as coming from outside.
fn own_words(text: &str) -> String {
    let text = without_blocks(text, "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>", "<<<END_OPENCLAW_INTERNAL_CONTEXT>>>");
    without_blocks(&text, "<<<EXTERNAL_UNTRUSTED_CONTENT", "<<<END_EXTERNAL_UNTRUSTED_CONTENT")
}

/// An unclosed block reaches to the end.
fn without_blocks(text: &str, open: &str, close: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once(open) {
        out.push_str(before);
        rest = inside.split_once(close).map_or("", |(_, after)| after);
    }
    out + rest
}

/// The final text that shows a person what came back.
fn report(results: &[String]) -> Reply {
    let mut text = String::from("Done. What came back:\n");
    for result in results {
        let shown = readable(result);
        text.push_str("\n```\n");
        text.extend(defang(&shown).chars().take(MAX_QUOTE_CHARS));
        let over = shown.chars().count().saturating_sub(MAX_QUOTE_CHARS);
        if over > 0 {
            text.push_str(&format!("\n… and {over} more characters"));
        }
        text.push_str("\n```");
    }
    Reply::text(text)
}

/// The payload of a result that OpenClaw wrapped (`web_fetch` behind `tool_call`): its inner text when there is one.
fn readable(result: &str) -> String {
    let inside = result
        .split_once("<<<EXTERNAL_UNTRUSTED_CONTENT")
        .and_then(|(_, rest)| rest.split_once("\n---\n"))
        .map_or(result, |(_, rest)| {
            rest.split_once("<<<END_EXTERNAL_UNTRUSTED_CONTENT").map_or(rest, |(body, _)| body)
        });
    let Ok(value) = serde_json::from_str::<Value>(inside.trim()) else { return inside.trim().to_owned() };
    let text = value.pointer("/result/content/0/text").or_else(|| value.get("text")).and_then(Value::as_str);
    match text {
        // At most two levels are wrapped: the meta-tool's answer, then web_fetch's own.
        Some(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner) => page(&inner).unwrap_or_else(|| text.to_owned()),
            Err(_) => text.to_owned(),
        },
        None => inside.trim().to_owned(),
    }
}

/// A page's address, status and text out of `web_fetch`'s answer.
fn page(answer: &Value) -> Option<String> {
    let text = answer.get("text")?.as_str()?;
    let text = text.split_once("\n---\n").map_or(text, |(_, body)| body);
    let text = text.rsplit_once("\n[[END_MARKER_SANITIZED]]").map_or(text, |(body, _)| body);
    let url = answer.get("finalUrl").or_else(|| answer.get("url")).and_then(Value::as_str).unwrap_or_default();
    let status = answer.get("status").and_then(Value::as_i64).map_or_else(String::new, |status| status.to_string());
    Some(format!("{url} {status}\n{text}"))
}

/// OpenClaw obeys `MEDIA:` lines and `[[…]]` in a model's text (HARDENING 3): a quoted result must not hold any, nor
/// end the code block that it is quoted in.
fn defang(text: &str) -> String {
    text.replace("[[", "[ [").replace("```", "'''").replace("MEDIA:", "MEDIA :").replace("media:", "media :")
}

#[cfg(test)]
mod tests;
