//! Gemini's generateContent, streamed.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{chunks, picked, run};
use crate::model::config::{Format, MAX_CALLS};

fn part(parts: Value, finish: Value) -> String {
    let mut candidate = json!({ "content": { "role": "model", "parts": parts }, "index": 0 });
    if !finish.is_null() {
        candidate["finishReason"] = finish;
    }
    let usage = json!({ "promptTokenCount": 3, "candidatesTokenCount": 4 });
    format!("data: {}\r\n\r\n", json!({ "candidates": [candidate], "usageMetadata": usage, "modelVersion": "m" }))
}

fn text(said: &str) -> String {
    part(json!([{ "text": said }]), Value::Null)
}

fn letters(said: &str) -> String {
    said.chars().map(|letter| text(&letter.to_string())).collect()
}

fn call(id: &str, args: Value) -> Value {
    json!({ "functionCall": { "id": id, "name": "exec", "args": args }, "thoughtSignature": "c2ln" })
}

fn over() -> String {
    part(json!([{ "text": "" }]), json!("STOP"))
}

pub(super) fn two() -> String {
    let thought = part(json!([{ "text": "hm", "thought": true }, { "thoughtSignature": "c2ln" }]), Value::Null);
    let calls = part(json!([call("a", json!({ "command": "é" })), call("b", json!({}))]), Value::Null);
    [thought, text("héllo"), ": a comment\n\n".to_owned(), calls, over()].concat()
}

#[test]
fn allowed_calls_keep_their_bytes() {
    let (out, calls) = run(Format::Gemini, &two(), &[], 7).unwrap();
    assert_eq!(out, two());
    let seen: Vec<_> =
        calls.iter().map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str())).collect();
    assert_eq!(seen, [("a", "exec", r#"{"command":"é"}"#), ("b", "exec", "{}")]);
}

#[test]
fn a_refused_call_becomes_a_text_in_its_place() {
    let (out, _) = run(Format::Gemini, &two(), &["a"], 1).unwrap();
    assert!(!out.contains("command"), "{out}");
    let chunks = chunks(&out.replace("\r\n\r\n", "\n\n"));
    let edited = &chunks[2]["candidates"][0];
    assert_eq!(edited["content"]["parts"], json!([{ "text": "no to a" }, call("b", json!({}))]));
    assert_eq!(chunks[2]["usageMetadata"]["promptTokenCount"], 3);
    let before = two().split("data: ").take(3).collect::<Vec<_>>().join("data: ");
    assert!(out.starts_with(&before) && out.ends_with(&over()), "{out}");
    let (out, _) = run(Format::Gemini, &two(), &["a", "b"], 50).unwrap();
    assert!(!out.contains("functionCall") && out.contains("\"finishReason\":\"STOP\""), "{out}");
}

#[test]
fn a_call_written_as_text_is_cut_off() {
    for written in ["[exec]\n{\"command\":\"id\"}[/exec] more", "hm <|DSML|tool_calls>x", "<function=exec>id"] {
        for all in [letters(written) + &over(), part(json!([{ "text": written }]), json!("STOP"))] {
            let (out, calls) = run(Format::Gemini, &all, &[], 9).unwrap();
            assert!(calls.len() == 1 && calls[0].as_text, "{calls:?}");
            let chunks = chunks(&out.replace("\r\n\r\n", "\n\n"));
            let said: String =
                picked(&chunks, "/candidates/0/content/parts/0/text").iter().filter_map(|said| said.as_str()).collect();
            let before = written.split(['[', '<']).next().unwrap();
            assert!(said.starts_with(before) && said.ends_with("no to ") && said.len() < before.len() + 9, "{said}");
            assert!(out.contains("\"finishReason\":\"STOP\""), "{out}");
        }
    }
    // Over two parts of one chunk, which OpenClaw joins.
    let parts = json!([{ "text": "[exec]" }, { "text": "{\"command\":\"id\"}" }]);
    let (out, _) = run(Format::Gemini, &part(parts, Value::Null), &[], 9).unwrap();
    assert!(!out.contains("[exec]") && !out.contains("command") && out.contains("no to "), "{out}");
}

#[test]
fn text_that_only_looks_so_keeps_its_bytes() {
    for written in ["[docs](x) and [", "final answer", "<b>x</b> [exec", "[exec]"] {
        let calls = part(json!([call("a", json!({}))]), json!("STOP"));
        for all in [letters(written), letters(written) + &over(), letters(written) + ": c\n\n" + &calls] {
            assert_eq!(run(Format::Gemini, &all, &[], 9).unwrap().0, all);
        }
    }
    // What is only thought is no answer.
    let thought = part(json!([{ "text": "[exec]{}", "thought": true }]), Value::Null);
    assert_eq!(run(Format::Gemini, &thought, &[], 9).unwrap().0, thought);
}

#[test]
fn nothing_unclear_passes() {
    let of = |part: Value| self::part(json!([part]), Value::Null);
    for bad in [
        of(json!({ "functionCall": { "name": "exec", "partialArgs": [{ "jsonPath": "$.x" }] } })),
        of(json!({ "functionCall": { "name": "exec" }, "text": "x" })),
        of(json!({ "function_call": { "name": "exec" } })),
        of(json!({ "executableCode": { "code": "x" } })),
        of(json!({ "toolCall": {} })),
        letters("[exec]") + &part(json!([{ "text": "{}" }, call("a", json!({}))]), Value::Null),
        "data: {\"candidates\":[{},{}]}\n\n".to_owned(),
        "data: {\"candidates\":[{\"index\":1}]}\n\n".to_owned(),
        "data: {\"candidates\":[],\"candidates\":[]}\n\n".to_owned(),
        "data: [{\"candidates\":[]}]\n\n".to_owned(),
        "data: nonsense\n\n".to_owned(),
        (0..=MAX_CALLS).map(|at| of(call(&format!("c{at}"), json!({})))).collect(),
    ] {
        assert!(run(Format::Gemini, &bad, &[], 9).is_err(), "{bad}");
    }
}

#[test]
fn arguments_without_end_are_not_held() {
    let long = part(json!([call("a", json!({ "command": "x".repeat(9 << 20) }))]), Value::Null);
    assert!(run(Format::Gemini, &long, &[], 1 << 20).is_err());
}

#[test]
fn beside_an_error_nothing_passes() {
    let candidate = json!({ "content": { "parts": [call("a", json!({}))] } });
    let event = json!({ "error": { "code": 429, "message": "busy", "status": "RESOURCE_EXHAUSTED" }, "candidates": [candidate] });
    let (out, calls) = run(Format::Gemini, &format!("data: {event}\n\n"), &[], 9).unwrap();
    let error = json!({ "error": event["error"] });
    assert_eq!((out, calls.len()), (format!("data: {error}\n\n"), 0));
    let blocked = "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\n\n";
    assert_eq!(run(Format::Gemini, blocked, &[], 9).unwrap().0, blocked);
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_order_no_refused_call_passes(order in proptest::collection::vec(0usize..9, 0..20)) {
        let more = [text("["), text("exec]"), text("{}"), part(json!([{ "text": "x" }, call("a", json!({}))]), Value::Null)];
        let all: Vec<String> = two().split_inclusive("\n\n").map(str::to_owned).chain(more).collect();
        let events: String = order.iter().map(|at| all[at % all.len()].as_str()).collect();
        if let Ok((out, _)) = run(Format::Gemini, &events, &["a", "b"], 11) {
            prop_assert!(!out.contains("functionCall"), "{}", out);
        }
    }
}
