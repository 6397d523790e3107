//! OpenAI Responses, streamed.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{chunks, event, run};
use crate::model::config::{Format, MAX_CALLS};

/// Events with their numbers.
#[derive(Default)]
struct Script {
    text: String,
    number: u64,
    output: Vec<Value>,
}

impl Script {
    fn begun() -> Self {
        let mut script = Self::default();
        for kind in ["response.created", "response.in_progress"] {
            script.say(kind, json!({ "response": { "id": "resp_1", "object": "response", "output": [] } }));
        }
        script
    }

    fn say(&mut self, kind: &str, more: Value) {
        let mut message = json!({ "type": kind, "sequence_number": self.number });
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.number += 1;
        self.text.push_str(&event(&message));
    }

    fn item(&mut self, kind: &str, item: &Value) {
        self.say(&format!("response.output_item.{kind}"), json!({ "output_index": self.output.len(), "item": item }));
    }

    fn part(&mut self, kind: &str, id: &str, more: Value) {
        let mut body = json!({ "item_id": id, "output_index": self.output.len(), "content_index": 0 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.say(&format!("response.{kind}"), body);
    }

    fn said(mut self, text: &str) -> Self {
        let id = format!("msg_{}", self.output.len());
        self.item("added", &message(&id, "in_progress", json!([])));
        self.part("content_part.added", &id, json!({ "part": said("") }));
        for letter in text.chars() {
            self.part("output_text.delta", &id, json!({ "delta": letter.to_string(), "logprobs": [] }));
        }
        self.part("output_text.done", &id, json!({ "text": text, "logprobs": [] }));
        self.part("content_part.done", &id, json!({ "part": said(text) }));
        let whole = message(&id, "completed", json!([said(text)]));
        self.item("done", &whole);
        self.output.push(whole);
        self
    }

    fn thought(mut self) -> Self {
        let id = format!("rs_{}", self.output.len());
        let thought = |summary: Value| json!({ "id": id, "type": "reasoning", "summary": summary });
        self.item("added", &thought(json!([])));
        self.part(
            "reasoning_summary_part.added",
            &id,
            json!({ "summary_index": 0, "part": { "type": "summary_text", "text": "" } }),
        );
        self.part("reasoning_summary_text.delta", &id, json!({ "summary_index": 0, "delta": "hm" }));
        self.part("reasoning_text.delta", &id, json!({ "delta": "hm" }));
        let whole = thought(json!([{ "type": "summary_text", "text": "hm" }]));
        self.item("done", &whole);
        self.output.push(whole);
        self
    }

    fn called(mut self, id: &str, arguments: &str) -> Self {
        let item_id = format!("fc_{id}");
        self.item("added", &call(id, "in_progress", ""));
        for letter in arguments.chars() {
            self.part("function_call_arguments.delta", &item_id, json!({ "delta": letter.to_string() }));
        }
        self.part("function_call_arguments.done", &item_id, json!({ "arguments": arguments }));
        let whole = call(id, "completed", arguments);
        self.item("done", &whole);
        self.output.push(whole);
        self
    }

    fn ended(mut self) -> String {
        let usage = json!({ "input_tokens": 3, "output_tokens": 4 });
        let response = json!({ "id": "resp_1", "object": "response", "status": "completed", "output": self.output, "usage": usage });
        self.say("response.completed", json!({ "response": response }));
        self.text
    }
}

fn message(id: &str, status: &str, content: Value) -> Value {
    json!({ "id": id, "type": "message", "status": status, "role": "assistant", "content": content })
}

fn said(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [] })
}

fn call(id: &str, status: &str, arguments: &str) -> Value {
    json!({ "id": format!("fc_{id}"), "type": "function_call", "status": status, "arguments": arguments, "call_id": id, "name": "exec" })
}

pub(super) fn two() -> String {
    let script = Script::begun().thought().said("héllo");
    let mut script = script.called("a", r#"{"command":"é"}"#).called("b", "{}");
    script.text.push_str(": a comment\n\n");
    script.ended()
}

fn events(text: &str) -> Vec<Value> {
    let data: String =
        text.split("\n\n").filter_map(|event| event.split_once('\n')).map(|(_, data)| format!("{data}\n\n")).collect();
    chunks(&data)
}

#[test]
fn allowed_calls_keep_their_bytes() {
    let (out, calls) = run(Format::Responses, &two(), &[], 7).unwrap();
    assert_eq!(out, two());
    let seen: Vec<_> =
        calls.iter().map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str())).collect();
    assert_eq!(seen, [("a", "exec", r#"{"command":"é"}"#), ("b", "exec", "{}")]);
}

#[test]
fn a_refused_call_becomes_a_message_wherever_it_is_told() {
    let (out, _) = run(Format::Responses, &two(), &["a"], 1).unwrap();
    assert!(!out.contains("command") && out.contains("\"call_id\":\"b\""), "{out}");
    let events = events(&out);
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["sequence_number"].as_u64()).collect();
    assert!(numbers.is_sorted() && numbers.len() == events.len(), "{numbers:?}");
    let place: Vec<_> = events.iter().filter(|event| event["output_index"] == 2).collect();
    let kinds: Vec<_> = place.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(
        kinds,
        [
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done"
        ]
    );
    assert!(place[1..5].iter().all(|event| event["item_id"] == "msg_a"));
    let end = &events.last().unwrap()["response"];
    let whole = message("msg_a", "completed", json!([said("no to a")]));
    assert_eq!((&place[5]["item"], &end["output"][2]), (&whole, &whole));
    assert_eq!((&end["output"][3], &end["usage"]["output_tokens"]), (&call("b", "completed", "{}"), &json!(4)));
    // All that came before the call keeps its bytes.
    let before = Script::begun().thought().said("héllo").text;
    assert!(out.starts_with(&before), "{out}");
}

#[test]
fn arguments_may_come_at_the_items_end_alone() {
    let mut script = Script::begun();
    script.item("added", &call("a", "in_progress", ""));
    let whole = call("a", "completed", "{\"x\":1}");
    script.item("done", &whole);
    script.output.push(whole);
    let text = script.ended();
    let (out, calls) = run(Format::Responses, &text, &[], 50).unwrap();
    assert_eq!((out, calls[0].arguments.as_str()), (text, "{\"x\":1}"));
}

#[test]
fn a_custom_tool_is_free_text() {
    let custom = |status: &str, input: &str| json!({ "id": "ctc_1", "type": "custom_tool_call", "status": status, "call_id": "a", "name": "sql", "input": input });
    let mut script = Script::begun();
    script.item("added", &custom("in_progress", ""));
    script.part("custom_tool_call_input.delta", "ctc_1", json!({ "delta": "select 1" }));
    script.part("custom_tool_call_input.done", "ctc_1", json!({ "input": "select 1" }));
    script.item("done", &custom("completed", "select 1"));
    script.output.push(custom("completed", "select 1"));
    let text = script.ended();
    let (out, calls) = run(Format::Responses, &text, &[], 9).unwrap();
    assert_eq!((out, calls[0].arguments.as_str(), calls[0].free_text), (text.clone(), "select 1", true));
    let (out, _) = run(Format::Responses, &text, &["a"], 9).unwrap();
    assert!(!out.contains("custom_tool_call") && !out.contains("select") && out.contains("msg_1"), "{out}");
}

#[test]
fn a_call_written_as_text_is_cut_off_wherever_it_is_told() {
    for written in ["[exec]\n{\"command\":\"id\"}[/exec] more", "hm <|DSML|tool_calls>x", "<function=exec>id"] {
        let text = Script::begun().said(written).ended();
        let (out, calls) = run(Format::Responses, &text, &[], 9).unwrap();
        assert!(calls.len() == 1 && calls[0].as_text, "{calls:?}");
        let events = events(&out);
        let streamed: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
        let before = written.split(['[', '<']).next().unwrap();
        assert!(streamed.starts_with(before) && streamed.ends_with("no to "), "{streamed}");
        for (kind, place) in [
            ("response.output_text.done", "/text"),
            ("response.content_part.done", "/part/text"),
            ("response.output_item.done", "/item/content/0/text"),
            ("response.completed", "/response/output/0/content/0/text"),
        ] {
            let told = events.iter().find(|event| event["type"] == kind).unwrap();
            assert_eq!(told.pointer(place), Some(&json!(streamed)), "{kind}");
        }
    }
    // Over two messages, which OpenClaw joins.
    let (out, calls) =
        run(Format::Responses, &Script::begun().said("[exec]").said("{\"command\":\"id\"}").ended(), &[], 9).unwrap();
    assert!(calls.len() == 1 && !out.contains("[exec]") && !out.contains("command"), "{out}");
}

#[test]
fn text_that_only_looks_so_keeps_its_bytes() {
    for written in ["[docs](x) and [", "final answer", "<b>x</b> [exec", "[exec]"] {
        for text in [
            Script::begun().said(written).ended(),
            Script::begun().said(written).called("a", "{}").said("[").ended(),
            Script::begun().said(written).text,
        ] {
            assert_eq!(run(Format::Responses, &text, &[], 9).unwrap().0, text);
        }
    }
}

#[test]
fn nothing_unclear_passes() {
    let item = |kind: &str, item: Value| {
        let mut script = Script::begun();
        script.item(kind, &item);
        script
    };
    let also = |change: &dyn Fn(&mut Script)| {
        let mut script = Script::begun().called("a", "{}");
        change(&mut script);
        script.ended()
    };
    let swap = |from: &str, to: &str| two().replace(from, to);
    for bad in [
        item("added", json!({ "type": "web_search_call", "id": "w" })).text,
        item("added", json!({ "type": "mcp_call", "id": "w", "name": "x" })).text,
        item("added", json!({ "type": "shell_call", "id": "w", "call_id": "c" })).text,
        item("added", json!({ "type": "hologram" })).text,
        item("added", message("msg_0", "in_progress", json!([said("x")]))).text,
        item("added", call("a", "in_progress", "{}")).text,
        item("added", json!({ "type": "function_call", "id": "fc_a", "name": "exec" })).text,
        item("done", call("a", "completed", "{}")).text,
        item("done", message("msg_0", "completed", json!([said("[exec]{}")]))).text,
        item("added", call("a", "in_progress", "")).text,
        item("added", call("a", "in_progress", "")).called("b", "{}").text,
        item("added", call("a", "in_progress", "")).ended(),
        // What is told twice must be the same.
        swap("\"arguments\":\"{}\",\"call_id\":\"b\"", "\"arguments\":\"{ }\",\"call_id\":\"b\""),
        swap("\"delta\":\"}\"", "\"delta\":\"]\""),
        swap("\"text\":\"héllo\"", "\"text\":\"[exec]\""),
        swap(
            "\"status\":\"completed\",\"arguments\":\"{}\",\"call_id\":\"b\",\"name\":\"exec\"",
            "\"arguments\":\"{}\",\"call_id\":\"b\",\"name\":\"write\"",
        ),
        // The end holds what nobody saw.
        also(&|script| script.output.push(call("b", "completed", "{}"))),
        also(&|script| script.output[0] = call("b", "completed", "{}")),
        also(&|script| script.output.insert(0, message("msg_9", "completed", json!([said("x")])))),
        also(&|script| script.output.push(json!({ "type": "local_shell_call", "call_id": "x" }))),
        two().replace("\"status\":\"completed\",\"output\"", "\"output_text\":\"[exec]{}\",\"output\""),
        event(&json!({ "type": "response.created", "response": { "output": [call("a", "completed", "{}")] } })),
        "event: response.created\ndata: {\"type\":\"response.completed\"}\n\n".to_owned(),
        "data: {\"type\":\"x\",\"type\":\"y\"}\n\n".to_owned(),
        (0..=MAX_CALLS).fold(Script::begun(), |script, at| script.called(&format!("c{at}"), "{}")).ended(),
    ] {
        assert!(run(Format::Responses, &bad, &[], 90).is_err(), "{bad}");
    }
}

#[test]
fn other_ids_at_the_end_are_no_other_words() {
    let text = Script::begun().said("hi").called("a", "{}").ended();
    let (before, end) = text.split_at(text.find("event: response.completed").unwrap());
    let text = format!("{before}{}", end.replace("\"id\":\"fc_a\"", "\"id\":\"fc_other\""));
    assert_eq!(run(Format::Responses, &text, &[], 9).unwrap().0, text);
    let (out, _) = run(Format::Responses, &text, &["a"], 9).unwrap();
    assert!(!out.contains("function_call"), "{out}");
}

#[test]
fn arguments_without_end_are_not_held() {
    let mut script = Script::begun();
    script.item("added", &call("a", "in_progress", ""));
    let piece = "x".repeat(1 << 20);
    for _ in 0..17 {
        script.part("function_call_arguments.delta", "fc_a", json!({ "delta": piece }));
    }
    assert!(run(Format::Responses, &script.text, &[], 1 << 20).is_err());
    let mut script = Script::begun();
    script.item("added", &message("msg_0", "in_progress", json!([])));
    for _ in 0..17 {
        script.part("output_text.delta", "msg_0", json!({ "delta": piece }));
    }
    assert!(
        run(Format::Responses, &script.text, &[], 1 << 20).is_err(),
        "what is repeated at the end is kept until then"
    );
}

#[test]
fn unknown_events_are_left_out() {
    let more = event(&json!({ "type": "response.hologram", "item": call("a", "completed", "{}") }));
    let text = Script::begun().said("x").text;
    assert_eq!(run(Format::Responses, &(text.clone() + &more), &[], 9).unwrap().0, text);
    let alive = text + &event(&json!({ "type": "keepalive" }));
    assert_eq!(run(Format::Responses, &alive, &[], 9).unwrap().0, alive);
}

#[test]
fn beside_an_error_nothing_passes() {
    let beside = call("a", "completed", "{}");
    let error = json!({ "type": "error", "code": "x", "message": "busy", "param": null, "item": beside });
    let (out, _) = run(Format::Responses, &event(&error), &[], 9).unwrap();
    assert_eq!(out, event(&json!({ "type": "error", "code": "x", "message": "busy", "param": null })));
    let failed =
        json!({ "type": "response.failed", "response": { "error": { "message": "busy" }, "output": [beside] } });
    let (out, calls) = run(Format::Responses, &event(&failed), &[], 9).unwrap();
    assert!(calls.is_empty() && out.contains("busy") && !out.contains("exec"), "{out}");
    let bare = "data: {\"error\":{\"message\":\"busy\"},\"output\":1}\n\n";
    assert_eq!(run(Format::Responses, bare, &[], 9).unwrap().0, "data: {\"error\":{\"message\":\"busy\"}}\n\n");
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_order_no_refused_call_passes(order in proptest::collection::vec(0usize..60, 0..40)) {
        let all: Vec<String> = two().split_inclusive("\n\n").map(str::to_owned).collect();
        let text: String = order.iter().map(|at| all[at % all.len()].as_str()).collect();
        if let Ok((out, _)) = run(Format::Responses, &text, &["a", "b"], 11) {
            prop_assert!(!out.contains("function_call"), "{}", out);
        }
    }

    #[test]
    fn what_is_left_out_hides_no_call(left_out in proptest::collection::vec(any::<bool>(), 60)) {
        let parts = two();
        let text: String = parts.split_inclusive("\n\n").zip(left_out.iter().cycle()).filter(|(_, out)| !**out).map(|(part, _)| part).collect();
        if let Ok((out, calls)) = run(Format::Responses, &text, &["a", "b"], 300) {
            prop_assert!(!out.contains("function_call"), "{} {:?}", out, calls);
        }
    }
}
