mod gemini;
mod responses;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::sse::Splitter;

/// Feeds `text` in pieces; `refuse` says which calls are refused, by id.
fn run(format: Format, text: &str, refuse: &[&str], piece: usize) -> Result<(String, Vec<Proposed>), String> {
    let mut machine = Machine::new(format);
    let mut splitter = Splitter::default();
    let mut out = Vec::new();
    let mut judged = Vec::new();
    let mut feed = |event: Event, out: &mut Vec<u8>| -> Result<(), String> {
        match machine.feed(event)? {
            Step::Pass(bytes) | Step::Error(bytes) => out.extend_from_slice(&bytes),
            Step::Wait => {}
            Step::Judge(calls) => {
                assert!(machine.is_holding());
                let answers: Vec<_> = calls
                    .iter()
                    .map(|call| {
                        let refused = call.as_text || refuse.contains(&call.id.as_str());
                        refused.then(|| format!("no to {}", call.id))
                    })
                    .collect();
                judged.extend(calls);
                out.extend_from_slice(&machine.resolve(&answers));
                assert!(!machine.is_holding());
            }
        }
        Ok(())
    };
    for bytes in text.as_bytes().chunks(piece) {
        splitter.push(bytes);
        while let Some(event) = splitter.next_event()? {
            feed(event, &mut out)?;
        }
    }
    if let Some(event) = splitter.rest()? {
        feed(event, &mut out)?;
    }
    out.extend_from_slice(&machine.finish()?);
    Ok((String::from_utf8(out).unwrap(), judged))
}

fn chunk(delta: Value, finish: Value) -> String {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
    format!("data: {}\n\n", json!({ "id": "x", "object": "chat.completion.chunk", "model": "m", "choices": [choice] }))
}

fn piece(index: u64, body: Value) -> String {
    let mut piece = json!({ "index": index });
    piece.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    chunk(json!({ "tool_calls": [piece] }), Value::Null)
}

fn opening(index: u64, id: &str) -> String {
    piece(index, json!({ "id": id, "type": "function", "function": { "name": "exec", "arguments": "" } }))
}

fn argument(index: u64, text: &str) -> String {
    piece(index, json!({ "function": { "arguments": text } }))
}

fn openai_call(index: u64, id: &str, arguments: &str) -> String {
    let pieces = arguments.chars().map(|letter| argument(index, &letter.to_string()));
    std::iter::once(opening(index, id)).chain(pieces).collect()
}

fn openai_two() -> String {
    [
        chunk(json!({ "role": "assistant", "content": "" }), Value::Null),
        chunk(json!({ "content": "héllo" }), Value::Null),
        ": a comment\n\n".to_owned(),
        openai_call(0, "a", r#"{"command":"é"}"#),
        openai_call(1, "b", "{}"),
        chunk(json!({}), json!("tool_calls")),
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n".to_owned(),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat()
}

#[test]
fn beside_an_error_nothing_passes() {
    let call =
        json!([{ "index": 0, "id": "a", "type": "function", "function": { "name": "exec", "arguments": "{}" } }]);
    let event = json!({ "error": { "message": "busy" }, "choices": [{ "delta": { "tool_calls": call } }] });
    let (out, judged) = run(Format::OpenAi, &format!("data: {event}\n\n"), &[], 9).unwrap();
    assert_eq!((out.as_str(), judged.len()), ("data: {\"error\":{\"message\":\"busy\"}}\n\n", 0));
    let event = json!({ "type": "error", "error": { "message": "busy" }, "content_block": { "type": "tool_use" } });
    let (out, _) = run(Format::Anthropic, &format!("event: error\ndata: {event}\n\n"), &[], 9).unwrap();
    assert_eq!(out, "event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":\"busy\"}}\n\n");
}

fn chunks(text: &str) -> Vec<Value> {
    text.split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect()
}

fn picked<'a>(chunks: &'a [Value], pointer: &str) -> Vec<&'a Value> {
    chunks.iter().filter_map(|chunk| chunk.pointer(pointer)).filter(|value| !value.is_null()).collect()
}

#[test]
fn openai_allowed_calls_keep_their_bytes() {
    let (out, calls) = run(Format::OpenAi, &openai_two(), &[], 7).unwrap();
    assert_eq!(out, openai_two());
    let seen: Vec<_> =
        calls.iter().map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str())).collect();
    assert_eq!(seen, [("a", "exec", r#"{"command":"é"}"#), ("b", "exec", "{}")]);
}

#[test]
fn openai_one_of_two_refused() {
    let (out, _) = run(Format::OpenAi, &openai_two(), &["a"], 1).unwrap();
    let chunks = chunks(&out);
    let ids: Vec<_> = picked(&chunks, "/choices/0/delta/tool_calls/0/id");
    assert_eq!(ids, [&json!("b")]);
    assert!(picked(&chunks, "/choices/0/delta/tool_calls/0/index").iter().all(|index| **index == 0));
    assert!(!out.contains("command"), "{out}");
    assert_eq!(picked(&chunks, "/choices/0/finish_reason"), [&json!("tool_calls")]);
    let said = picked(&chunks, "/choices/0/delta/content");
    assert_eq!(said.last(), Some(&&json!("no to a")));
    assert!(out.ends_with("data: [DONE]\n\n"));
    // The refusal comes before the end, and chunks without calls keep their bytes.
    assert!(out.find("no to a").unwrap() < out.find("finish_reason\":\"tool_calls").unwrap());
    assert!(out.contains("\"completion_tokens\":4"));
}

#[test]
fn openai_all_refused_is_a_plain_answer() {
    let (out, _) = run(Format::OpenAi, &openai_two(), &["a", "b"], 64).unwrap();
    assert!(!out.contains("tool_calls"), "{out}");
    assert_eq!(picked(&chunks(&out), "/choices/0/finish_reason"), [&json!("stop")]);
    assert_eq!(picked(&chunks(&out), "/choices/0/delta/content").last(), Some(&&json!("no to a\nno to b")));
}

#[test]
fn openai_ends_without_a_reason() {
    let text = [openai_call(0, "a", "{}"), "data: [DONE]\n\n".to_owned()].concat();
    assert_eq!(run(Format::OpenAi, &text, &[], 5).unwrap().0, text);
    let (out, calls) = run(Format::OpenAi, &text, &["a"], 5).unwrap();
    assert!(calls.len() == 1 && out.contains("no to a") && !out.contains("tool_calls"), "{out}");
}

#[test]
fn openai_a_call_with_its_reason_in_one_chunk() {
    let call = json!({ "index": 0, "id": "a", "function": { "name": "exec", "arguments": "{}" } });
    let text = chunk(json!({ "role": "assistant", "tool_calls": [call] }), json!("tool_calls"));
    assert_eq!(run(Format::OpenAi, &text, &[], 5).unwrap().0, text);
    let out = chunks(&run(Format::OpenAi, &text, &["a"], 5).unwrap().0);
    assert_eq!(out[0]["choices"][0]["delta"], json!({ "content": "no to a" }));
    assert_eq!(out[1]["choices"][0], json!({ "index": 0, "delta": { "role": "assistant" }, "finish_reason": "stop" }));
}

#[test]
fn openai_nothing_unclear_passes() {
    let end = chunk(json!({}), json!("tool_calls"));
    let call = |id: &str| opening(0, id);
    for bad in [
        [call("a"), end.clone(), opening(1, "b")].concat(),
        [call("a"), opening(1, "b"), argument(0, "{}"), end.clone()].concat(),
        [call("a"), opening(0, "b"), end.clone()].concat(),
        [call("a"), piece(0, json!({ "function": { "name": "write" } })), end.clone()].concat(),
        [argument(0, "{}"), end.clone()].concat(),
        [call(""), end.clone()].concat(),
        call("a"),
        chunk(json!({ "function_call": { "name": "exec" } }), Value::Null),
        chunk(json!({ "tool_calls": {} }), Value::Null),
        chunk(json!({ "tool_calls": [{ "id": "a", "function": { "name": "exec" } }] }), Value::Null),
        chunk(
            json!({ "tool_calls": [{ "index": 0, "id": "a", "type": "mcp", "function": { "name": "exec" } }] }),
            Value::Null,
        ),
        chunk(
            json!({ "tool_calls": [{ "index": 0, "id": "a", "function": { "name": "x" }, "custom": { "name": "y" } }] }),
            Value::Null,
        ),
        "data: {\"choices\":[{\"index\":1,\"delta\":{}}]}\n\n".to_owned(),
        "data: {\"choices\":[{},{}]}\n\n".to_owned(),
        "data: {\"choices\":[{\"message\":{\"tool_calls\":[]}}]}\n\n".to_owned(),
        "data: {\"choices\":[],\"choices\":[]}\n\n".to_owned(),
        "data: nonsense\n\n".to_owned(),
        "data: {\"choices\":\n\n".to_owned(),
        (0..=MAX_CALLS).map(|at| opening(at as u64, &format!("c{at}"))).collect(),
    ] {
        assert!(run(Format::OpenAi, &bad, &[], 9).is_err(), "{bad}");
    }
}

#[test]
fn a_custom_tool_is_free_text() {
    let start = piece(0, json!({ "id": "a", "type": "custom", "custom": { "name": "sql", "input": "select " } }));
    let text = [
        start,
        piece(0, json!({ "type": "custom", "custom": { "input": "1" } })),
        chunk(json!({}), json!("tool_calls")),
    ];
    let (_, calls) = run(Format::OpenAi, &text.concat(), &[], 9).unwrap();
    assert_eq!((calls[0].arguments.as_str(), calls[0].free_text), ("select 1", true));
}

#[test]
fn openai_a_call_written_as_text_is_cut_off() {
    for written in
        ["[exec]\n{\"command\":\"id\"}[/exec]", "hm <|DSML|tool_calls>x", "<function=exec><parameter=command>id"]
    {
        let letters: String =
            written.chars().map(|letter| chunk(json!({ "content": letter.to_string() }), Value::Null)).collect();
        let end = chunk(json!({}), json!("stop")) + "data: [DONE]\n\n";
        for text in [
            letters + &end,
            chunk(json!({ "role": "assistant", "content": written }), json!("stop")) + "data: [DONE]\n\n",
        ] {
            let (out, calls) = run(Format::OpenAi, &text, &[], 9).unwrap();
            assert!(calls.len() == 1 && calls[0].as_text, "{calls:?}");
            let said: String =
                picked(&chunks(&out), "/choices/0/delta/content").iter().map(|said| said.as_str().unwrap()).collect();
            let before = written.split(['[', '<']).next().unwrap();
            assert!(said.starts_with(before) && said.ends_with("no to ") && said.len() < before.len() + 9, "{said}");
            assert!(out.ends_with("data: [DONE]\n\n") && out.contains("\"finish_reason\":\"stop\""), "{out}");
        }
    }
}

#[test]
fn openai_text_that_only_looks_so_keeps_its_bytes() {
    for written in ["[docs](x) and [", "final answer", "<b>x</b> [exec", "[exec]"] {
        let letters: String =
            written.chars().map(|letter| chunk(json!({ "content": letter.to_string() }), Value::Null)).collect();
        for end in [
            "",
            "data: [DONE]\n\n",
            &chunk(json!({}), json!("stop")),
            &(openai_call(0, "a", "{}") + "data: [DONE]\n\n"),
        ] {
            let text = letters.clone() + ": c\n\n" + end;
            assert_eq!(run(Format::OpenAi, &text, &[], 9).unwrap().0, text);
        }
    }
}

#[test]
fn openai_text_hidden_in_parts_is_seen() {
    for delta in [
        json!({ "content": [{ "type": "text", "text": "[exec]" }, { "type": "text", "text": "\n{}" }] }),
        json!({ "content": [{ "type": "thinking", "thinking": "x" }, { "type": "text", "text": "<function=exec>" }] }),
        json!({ "refusal": "<function=exec>" }),
        json!({ "reasoning_details": [{ "type": "response.output_text", "text": "<function=exec>" }] }),
    ] {
        let (out, calls) = run(Format::OpenAi, &chunk(delta, Value::Null), &[], 9).unwrap();
        assert!(calls.len() == 1 && !out.contains("function=") && out.contains("no to "), "{out}");
    }
}

fn event(value: &Value) -> String {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap())
}

fn start() -> String {
    event(
        &json!({ "type": "message_start", "message": { "id": "m", "role": "assistant", "content": [], "usage": { "input_tokens": 3 } } }),
    )
}

fn block(index: u64, content: Value, deltas: &[Value]) -> String {
    let mut out = event(&json!({ "type": "content_block_start", "index": index, "content_block": content }));
    for delta in deltas {
        out.push_str(&event(&json!({ "type": "content_block_delta", "index": index, "delta": delta })));
    }
    out + &event(&json!({ "type": "content_block_stop", "index": index }))
}

fn use_block(index: u64, id: &str, arguments: &str) -> String {
    let deltas: Vec<Value> =
        arguments.chars().map(|c| json!({ "type": "input_json_delta", "partial_json": c.to_string() })).collect();
    block(index, json!({ "type": "tool_use", "id": id, "name": "exec", "input": {} }), &deltas)
}

fn ending(reason: &str) -> String {
    event(
        &json!({ "type": "message_delta", "delta": { "stop_reason": reason, "stop_sequence": null }, "usage": { "output_tokens": 4 } }),
    ) + &event(&json!({ "type": "message_stop" }))
}

fn anthropic_two() -> String {
    [
        start(),
        event(&json!({ "type": "ping" })),
        block(
            0,
            json!({ "type": "thinking", "thinking": "" }),
            &[json!({ "type": "thinking_delta", "thinking": "hm" })],
        ),
        block(1, json!({ "type": "text", "text": "" }), &[json!({ "type": "text_delta", "text": "é" })]),
        use_block(2, "a", r#"{"command":"é"}"#),
        use_block(3, "b", "{}"),
        ending("tool_use"),
    ]
    .concat()
}

#[test]
fn anthropic_allowed_calls_keep_their_bytes() {
    let (out, calls) = run(Format::Anthropic, &anthropic_two(), &[], 3).unwrap();
    assert_eq!(out, anthropic_two());
    assert_eq!(calls[0].arguments, r#"{"command":"é"}"#);
    assert_eq!(calls.len(), 2);
}

#[test]
fn anthropic_one_of_two_refused() {
    let (out, _) = run(Format::Anthropic, &anthropic_two(), &["a"], 1).unwrap();
    assert!(!out.contains("command") && out.contains("\"stop_reason\":\"tool_use\""), "{out}");
    let refusal =
        block(2, json!({ "type": "text", "text": "" }), &[json!({ "type": "text_delta", "text": "no to a" })]);
    assert_eq!(out, anthropic_two().replace(&use_block(2, "a", r#"{"command":"é"}"#), &refusal));
}

#[test]
fn anthropic_all_refused_is_a_plain_answer() {
    let (out, _) = run(Format::Anthropic, &anthropic_two(), &["a", "b"], 50).unwrap();
    assert!(out.contains("\"stop_reason\":\"end_turn\"") && !out.contains("\"tool_use\""), "{out}");
}

#[test]
fn anthropic_a_call_written_as_text_is_cut_off() {
    let text = |index: u64, said: &str| {
        let deltas: Vec<Value> = said.chars().map(|c| json!({ "type": "text_delta", "text": c.to_string() })).collect();
        block(index, json!({ "type": "text", "text": "" }), &deltas)
    };
    // Over two blocks, which OpenClaw joins.
    let all = [start(), text(0, "[exec]"), text(1, "{\"command\":\"id\"}"), ending("end_turn")].concat();
    let (out, calls) = run(Format::Anthropic, &all, &[], 9).unwrap();
    assert_eq!((calls.len(), calls[0].name.as_str()), (1, "exec"));
    let refusal = block(0, json!({ "type": "text", "text": "" }), &[json!({ "type": "text_delta", "text": "no to " })]);
    assert_eq!(out, [start(), refusal, text(1, ""), ending("end_turn")].concat());
    for harmless in ["[exec]", "[docs](x) [", "final"] {
        let all = [start(), text(0, harmless), use_block(1, "a", "{}"), ending("tool_use")].concat();
        assert_eq!(run(Format::Anthropic, &all, &[], 9).unwrap().0, all);
        let all = [start(), text(0, harmless), ending("end_turn")].concat();
        assert_eq!(run(Format::Anthropic, &all, &[], 9).unwrap().0, all);
    }
}

#[test]
fn anthropic_input_in_the_opening() {
    let text = [
        start(),
        block(0, json!({ "type": "tool_use", "id": "a", "name": "exec", "input": { "command": "x" } }), &[]),
        ending("tool_use"),
    ];
    let (_, calls) = run(Format::Anthropic, &text.concat(), &[], 9).unwrap();
    assert_eq!(calls[0].arguments, r#"{"command":"x"}"#);
}

#[test]
fn anthropic_nothing_unclear_passes() {
    let text = |index: u64| {
        event(
            &json!({ "type": "content_block_start", "index": index, "content_block": { "type": "text", "text": "" } }),
        )
    };
    let input = json!({ "type": "input_json_delta", "partial_json": "{}" });
    for bad in [
        ending("end_turn"),
        [start(), start()].concat(),
        event(&json!({ "type": "message_start", "message": { "content": [{ "type": "tool_use" }] } })),
        [start(), block(0, json!({ "type": "server_tool_use", "id": "x", "name": "web_search" }), &[])].concat(),
        [start(), block(0, json!({ "type": "tool_use", "name": "exec" }), &[])].concat(),
        [start(), block(0, json!({ "type": "text" }), std::slice::from_ref(&input))].concat(),
        [start(), block(0, json!({ "type": "tool_use", "id": "a", "name": "exec", "input": { "a": 1 } }), &[input])]
            .concat(),
        [start(), text(0), text(1)].concat(),
        [start(), text(0), ending("end_turn")].concat(),
        [start(), block(1, json!({ "type": "text" }), &[]), block(0, json!({ "type": "text" }), &[])].concat(),
        [start(), use_block(0, "a", "{}").split_inclusive("\n\n").take(2).collect()].concat(),
        [start(), "event: ping\ndata: {\"type\":\"message_stop\"}\n\n".to_owned()].concat(),
        [start(), "event: ping\ndata: {\"type\":\"ping\",\"type\":\"x\"}\n\n".to_owned()].concat(),
    ] {
        assert!(run(Format::Anthropic, &bad, &[], 9).is_err(), "{bad}");
    }
}

#[test]
fn anthropic_unknown_events_are_left_out() {
    let text = [start(), event(&json!({ "type": "hologram", "tool_use": {} })), ending("end_turn")].concat();
    assert_eq!(run(Format::Anthropic, &text, &[], 9).unwrap().0, [start(), ending("end_turn")].concat());
}

#[test]
fn too_much_is_not_held() {
    let mut machine = Machine::new(Format::OpenAi);
    let mut splitter = Splitter::default();
    splitter.push(opening(0, "a").as_bytes());
    let long = argument(0, &"x".repeat(1 << 20));
    for _ in 0..17 {
        splitter.push(long.as_bytes());
    }
    let mut fed = Ok(Step::Wait);
    while let (Ok(_), Some(event)) = (&fed, splitter.next_event().unwrap()) {
        fed = machine.feed(event);
    }
    assert!(fed.is_err());
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_answer(size in 1usize..300, refuse_a: bool, refuse_b: bool) {
        let refuse: Vec<&str> = [(refuse_a, "a"), (refuse_b, "b")].iter().filter(|(no, _)| *no).map(|(_, id)| *id).collect();
        let all = [(Format::OpenAi, openai_two()), (Format::Anthropic, anthropic_two()), (Format::Responses, responses::two()), (Format::Gemini, gemini::two())];
        for (format, text) in all {
            prop_assert_eq!(run(format, &text, &refuse, size), run(format, &text, &refuse, 1 << 20));
        }
    }

    #[test]
    fn never_panics_and_never_lets_a_call_by(events in proptest::collection::vec(0usize..14, 0..12)) {
        let call = |at: u64| json!({ "type": "tool_use", "id": "secret-call", "name": "exec", "input": {}, "index": at });
        let parts = [
            start(), ending("tool_use"), opening(0, "secret-call"), argument(0, "{}"), argument(1, "{}"),
            chunk(json!({}), json!("tool_calls")), chunk(json!({ "content": "x" }), Value::Null), "data: [DONE]\n\n".to_owned(),
            event(&json!({ "type": "content_block_start", "index": 0, "content_block": call(0) })),
            event(&json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "input_json_delta", "partial_json": "{}" } })),
            event(&json!({ "type": "content_block_stop", "index": 0 })), ": c\n\n".to_owned(), opening(1, "secret-call"),
            event(&json!({ "type": "ping" })),
        ];
        let text: String = events.iter().map(|at| parts[*at].clone()).collect();
        // Whatever comes in whatever order: with every call refused, none gets through in a form that its client obeys.
        if let Ok((out, _)) = run(Format::OpenAi, &text, &["secret-call"], 11) {
            prop_assert!(chunks(&out).iter().all(|chunk| chunk.pointer("/choices/0/delta/tool_calls").is_none()));
        }
        if let Ok((out, _)) = run(Format::Anthropic, &text, &["secret-call"], 11) {
            prop_assert!(chunks(&out.replace("event: content_block_start\n", "")).iter().all(|event| event.pointer("/content_block/type") != Some(&json!("tool_use"))));
        }
    }
}
