//! The model door over real sockets, against a provider that answers what the test says.

mod tabs;
mod world;

use std::sync::atomic::Ordering;

use creel_doors::model::Format;
use creel_guard::{Deed, Outcome};
use serde_json::{Value, json};

use world::{Reply, World, anthropic_call, ask, gemini_call, openai_call, responses_call, sse};

const OPENAI: &str = "/v1/chat/completions";
const ANTHROPIC: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";
const GEMINI: &str = "/v1beta/models/m:generateContent";
const GEMINI_STREAM: &str = "/v1beta/models/m:streamGenerateContent?alt=sse";

#[tokio::test]
async fn a_prompt_goes_out_with_our_key_and_nothing_of_the_agents() {
    for (format, path, key) in [
        (Format::OpenAi, OPENAI, "authorization"),
        (Format::Anthropic, ANTHROPIC, "x-api-key"),
        (Format::Responses, RESPONSES, "authorization"),
        (Format::Gemini, GEMINI, "x-goog-api-key"),
    ] {
        let world = World::new(Reply::json(&world::text_answer(format))).await;
        let headers = "authorization: Bearer attacker\r\nx-api-key: attacker\r\ncookie: attacker=1\r\nopenai-organization: attacker\r\n\
            openai-project: attacker\r\ntraceparent: attacker\r\nx-goog-api-key: attacker\r\naccept-encoding: gzip\r\n";
        let answer = world.post_with(path, headers, &ask(path, false, &[])).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let got = world.provider.got();
        assert_eq!(got.len(), 1);
        assert_eq!(got[0].uri().path(), path);
        let shown = format!("{:?}", got[0]);
        assert!(!shown.contains("attacker"), "{shown}");
        let sent = got[0].headers()[key].to_str().unwrap();
        assert!(sent.ends_with(world::KEY) && got[0].headers()["accept-encoding"] == "identity");
        let rows = world.book.until("settled", |rows| rows.iter().all(|row| row.outcome.is_some())).await;
        let Deed::Prompt(prompt) = &rows[0].action.deed else { panic!("{rows:?}") };
        assert_eq!((prompt.model.as_str(), prompt.format.as_str()), ("m", format.name()));
        assert!(matches!(rows[0].outcome, Some(Outcome::Done { status: Some(200), sent, .. }) if sent == prompt.bytes));
        assert!(!format!("{rows:?}").contains(world::KEY));
    }
}

#[tokio::test]
async fn a_known_value_in_a_prompt_gets_its_name_and_one_in_pieces_goes_no_further() {
    for (format, path) in [
        (Format::OpenAi, OPENAI),
        (Format::Anthropic, ANTHROPIC),
        (Format::Responses, RESPONSES),
        (Format::Gemini, GEMINI),
    ] {
        let world = World::new(Reply::json(&world::text_answer(format))).await;
        let said = |text: &str| {
            let ask = ask(path, false, &["exec"]).to_string().replace("\"hi\"", &json!(text).to_string());
            serde_json::from_str::<Value>(&ask).unwrap()
        };
        let text = format!("my key is {0}, really {0}", world::WORD);
        let answers = [world.post(path, &said(&text)).await, world.post(path, &said(&text)).await];
        assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200")), "{answers:?}");
        let got = world.provider.got();
        assert_eq!(got[0].body(), got[1].body(), "{format:?}: what a provider caches stays good");
        let body = String::from_utf8(got[0].body().to_vec()).unwrap();
        assert!(body.contains("my key is [secret WORD], really [secret WORD]"), "{format:?}: {body}");
        assert!(!body.contains(world::WORD));
    }
    let world = World::new(Reply::json(&world::text_answer(Format::OpenAi))).await;
    let (front, back) = world::WORD.split_at(7);
    let mut spread = ask(OPENAI, false, &["exec"]);
    spread["messages"][0]["content"] = json!([{ "type": "text", "text": front }, { "type": "text", "text": back }]);
    let answer = world.post(OPENAI, &spread).await;
    assert!(answer.starts_with("HTTP/1.1 403") && !answer.contains(back), "{answer}");
    assert!(world.provider.got().is_empty());
    assert!(world.book.rows().last().unwrap().rule.ends_with("/known-value"), "{:?}", world.book.story());
}

#[tokio::test]
async fn a_key_in_a_path_of_geminis_goes_no_further() {
    let world = World::new(sse(&gemini_call(&[]))).await;
    let answer = world.post(&format!("{GEMINI_STREAM}&key=attacker"), &ask(GEMINI_STREAM, true, &[])).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let got = world.provider.got();
    assert_eq!(got[0].uri().to_string(), GEMINI_STREAM);
    assert_eq!(got[0].headers()["x-goog-api-key"], world::KEY);
    assert!(!format!("{:?}", world.book.rows()).contains("attacker"));
    let answer = world.raw("GET /v1beta/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("\"name\":\"models/m\""), "{answer}");
}

#[tokio::test]
async fn allowed_calls_are_recorded_and_keep_their_bytes() {
    let calling = ["exec"];
    for (path, stream) in
        [(OPENAI, openai_call(&calling)), (ANTHROPIC, anthropic_call(&calling)), (RESPONSES, responses_call(&calling))]
    {
        let world = World::new(sse(&stream)).await;
        let answer = world.post(path, &ask(path, true, &["exec"])).await;
        assert!(answer.contains("content-type: text/event-stream"), "{answer}");
        assert_eq!(world::body(&answer), stream);
        assert_eq!(world.book.story(), ["allow model/allow", "allow model/allow"]);
        let rows = world.book.until("settled", |rows| rows.iter().all(|row| row.outcome.is_some())).await;
        let Deed::Call(call) = &rows[1].action.deed else { panic!("{rows:?}") };
        assert_eq!((call.tool.as_str(), call.arguments.as_str()), ("exec", r#"{"command":"id"}"#));
        assert_eq!(rows[1].outcome, Some(Outcome::done()));
    }
}

#[tokio::test]
async fn a_prompt_and_its_calls_bear_the_trace_that_the_agent_claims() {
    let world = World::new(sse(&openai_call(&["exec"]))).await;
    let traceparent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    world.post_with(OPENAI, traceparent, &ask(OPENAI, true, &["exec"])).await;
    let rows = world.book.until("settled", |rows| rows.len() == 2).await;
    for row in &rows {
        assert_eq!(row.facts.claimed_trace.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"), "{row:?}");
        assert_eq!(row.facts.trace, None, "no turn is open, whatever the agent says");
    }
}

#[tokio::test]
async fn a_refused_call_never_reaches_the_agent() {
    let calling = ["exec", "forbidden"];
    for (path, stream) in
        [(OPENAI, openai_call(&calling)), (ANTHROPIC, anthropic_call(&calling)), (RESPONSES, responses_call(&calling))]
    {
        let world = World::new(sse(&stream)).await;
        let answer = world.post(path, &ask(path, true, &["exec", "forbidden"])).await;
        assert!(answer.contains("Creel refused the call of `forbidden` under `model/no`, record 3"), "{answer}");
        assert!(!answer.contains("\"name\":\"forbidden\"") && answer.contains("\"name\":\"exec\""), "{answer}");
        assert_eq!(world.book.story(), ["allow model/allow", "allow model/allow", "deny model/no"]);
    }
}

#[tokio::test]
async fn a_call_is_judged_by_how_its_tool_is_defined_in_this_request_or_where_it_was_told_of() {
    let calling = ["exec", "drifted"];
    for (path, stream) in
        [(OPENAI, openai_call(&calling)), (ANTHROPIC, anthropic_call(&calling)), (RESPONSES, responses_call(&calling))]
    {
        let world = World::new(sse(&stream)).await;
        let answer = world.post(path, &ask(path, true, &["exec", "drifted"])).await;
        assert!(answer.contains("Creel refused the call of `drifted` under `model/drift`"), "{answer}");
        assert_eq!(world.book.story(), ["allow model/allow", "allow model/allow", "deny model/drift"]);
    }
    for (id, drifts) in [("elsewhere", true), ("drifted", true), ("exec", false)] {
        let arguments = format!("{{\"id\":\"{id}\"}}");
        let call =
            json!({ "id": "a", "type": "function", "function": { "name": "tool_call", "arguments": arguments } });
        let message = json!({ "role": "assistant", "content": null, "tool_calls": [call] });
        let choice = json!({ "index": 0, "message": message, "finish_reason": "tool_calls" });
        let world = World::new(Reply::json(&json!({ "choices": [choice] }))).await;
        world.post(OPENAI, &ask(OPENAI, false, &["tool_call", "drifted"])).await;
        let said = if drifts { "deny model/drift" } else { "allow model/allow" };
        assert_eq!(world.book.story(), ["allow model/allow", said], "{id}");
    }
}

#[tokio::test]
async fn unstreamed_answers_are_judged_as_well() {
    let calls = json!([
        { "id": "a", "type": "function", "function": { "name": "tool_call", "arguments": "{\"id\":\"forbidden\",\"args\":{\"x\":1}}" } },
        { "id": "b", "type": "function", "function": { "name": "exec", "arguments": "{\"a\":1,\"a\":2}" } },
    ]);
    let message = json!({ "role": "assistant", "content": null, "tool_calls": calls });
    let world = World::new(Reply::json(
        &json!({ "choices": [{ "index": 0, "message": message, "finish_reason": "tool_calls" }] }),
    ))
    .await;
    let answer = world.post(OPENAI, &ask(OPENAI, false, &["exec", "tool_call"])).await;
    let value: Value = serde_json::from_str(&world::body(&answer)).unwrap();
    assert_eq!(value["choices"][0]["finish_reason"], "stop");
    assert!(value["choices"][0]["message"].get("tool_calls").is_none(), "{answer}");
    assert_eq!(world.book.story(), ["allow model/allow", "deny model/no", "deny model/bad-arguments"]);
    let Deed::Call(call) = &world.book.rows()[1].action.deed else { panic!() };
    assert_eq!((call.tool.as_str(), call.arguments.as_str()), ("forbidden", "{\"x\":1}"));

    let item = json!({ "type": "function_call", "id": "fc_1", "call_id": "a", "name": "forbidden", "arguments": "{}" });
    let world = World::new(Reply::json(&json!({ "object": "response", "output": [item] }))).await;
    let answer = world.post(RESPONSES, &ask(RESPONSES, false, &["forbidden"])).await;
    assert!(answer.contains("Creel refused the call") && !answer.contains("function_call"), "{answer}");
    let sent: Value = serde_json::from_slice(world.provider.got()[0].body()).unwrap();
    assert_eq!(sent["store"], false, "the provider keeps nothing");

    let call = json!({ "functionCall": { "name": "forbidden", "args": {} } });
    let candidate = json!({ "content": { "role": "model", "parts": [call] }, "finishReason": "STOP" });
    let world = World::new(Reply::json(&json!({ "candidates": [candidate] }))).await;
    let answer = world.post(GEMINI, &ask(GEMINI, false, &["forbidden"])).await;
    assert!(answer.contains("Creel refused the call") && !answer.contains("functionCall"), "{answer}");

    let content = json!([{ "type": "tool_use", "id": "a", "name": "forbidden", "input": {} }]);
    let world = World::new(Reply::json(&json!({ "content": content, "stop_reason": "tool_use" }))).await;
    let answer = world.post(ANTHROPIC, &ask(ANTHROPIC, false, &["forbidden"])).await;
    assert!(answer.contains("end_turn") && !answer.contains("\"tool_use\""), "{answer}");
}

#[tokio::test]
async fn a_closed_ledger_stops_everything() {
    let world = World::new(sse(&openai_call(&["exec"]))).await;
    world.book.closed.store(true, Ordering::SeqCst);
    let answer = world.post(OPENAI, &ask(OPENAI, true, &["exec"])).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("guard/ledger-unwritable"), "{answer}");
    assert!(world.provider.got().is_empty());

    // It closes while the answer is on its way.
    let world = World::new(sse(&openai_call(&["exec"])).closing()).await;
    let answer = world.post(OPENAI, &ask(OPENAI, true, &["exec"])).await;
    assert_eq!(world.provider.got().len(), 1);
    assert!(answer.contains("Creel refused the call of `exec`") && !answer.contains("\"name\":\"exec\""), "{answer}");
}

#[tokio::test]
async fn what_is_no_endpoint_is_refused_and_recorded() {
    let world = World::new(Reply::json(&json!({}))).await;
    for (request, status) in [
        ("GET /v1/files HTTP/1.1", 404),
        ("POST /v1/responses?key=attacker HTTP/1.1", 404),
        ("POST /v1/messages?key=attacker HTTP/1.1", 404),
        ("DELETE /v1/models HTTP/1.1", 404),
    ] {
        let answer = world.raw(format!("{request}\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains("model/unknown-endpoint"),
            "{answer}"
        );
    }
    assert_eq!(world.book.story(), vec!["deny model/unknown-endpoint"; 4]);
    assert!(!format!("{:?}", world.book.rows()).contains("attacker"));
    let answer = world.raw("GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("\"id\":\"m\""), "{answer}");
    assert!(world.provider.got().is_empty());
}

#[tokio::test]
async fn flawed_prompts_are_refused_in_the_formats_own_form() {
    let world = World::new(Reply::json(&json!({}))).await;
    let stored = json!({ "model": "m", "messages": [], "store": true });
    let answer = world.post(OPENAI, &stored).await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("\"type\":\"permission_error\""), "{answer}");
    assert!(answer.contains("`store`") && answer.contains("model/stored-state"), "{answer}");
    let searched = json!({ "model": "m", "messages": [], "tools": [{ "type": "web_search_20250305", "name": "s" }] });
    let answer = world.post(ANTHROPIC, &searched).await;
    assert!(answer.contains("\"type\":\"error\"") && answer.contains("web_search_20250305"), "{answer}");
    let kept = json!({ "model": "m", "input": "hi", "previous_response_id": "resp_1" });
    let answer = world.post(&format!("{GEMINI}?key=attacker"), &json!({ "contents": [], "cachedContent": "x" })).await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("\"status\":\"PERMISSION_DENIED\""), "{answer}");
    let answer = world.post(RESPONSES, &kept).await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("\"param\":null"), "{answer}");
    let answer = world.post(OPENAI, &json!({ "model": "m", "messages": [], "surprise": 1 })).await;
    assert!(answer.contains("`surprise`"), "{answer}");
    assert!(world.provider.got().is_empty());
    let story = world.book.story();
    let denied = ["stored-state", "server-tool", "stored-state", "stored-state", "unknown-key"]
        .map(|rule| format!("deny model/{rule}"));
    assert_eq!(story, denied);
}

#[tokio::test]
async fn a_gigabyte_is_refused_before_it_is_read() {
    let world = World::new(Reply::json(&json!({}))).await;
    let head = format!("POST {OPENAI} HTTP/1.1\r\nhost: x\r\ncontent-length: 1073741824\r\n\r\n");
    let answer = world.raw(head).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("model/too-large"), "{answer}");
    // Without a length it is cut off at the limit.
    let mut chunked = format!("POST {OPENAI} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
    let piece = [b"100000\r\n".to_vec(), vec![b' '; 1 << 20], b"\r\n".to_vec()].concat();
    for _ in 0..33 {
        chunked.extend_from_slice(&piece);
    }
    let answer = world.raw(chunked).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    let rows = world.book.until("recorded", |rows| rows.len() == 2).await;
    assert!(rows.iter().all(|row| row.rule == "model/too-large"));
    assert!(world.provider.got().is_empty());
}

#[tokio::test]
async fn a_broken_answer_ends_in_an_error_and_never_in_a_call() {
    let whole = openai_call(&["exec"]);
    let half: String = whole.split_inclusive("\n\n").take(3).collect();
    for bad in [
        half,
        format!("{whole}data: {{\"choices\":[{{\"delta\":{{\"function_call\":{{}}}}}}]}}\n\n")
            .replace("data: [DONE]\n\n", ""),
        "data: {\n\n".to_owned(),
    ] {
        let world = World::new(sse(&bad)).await;
        let answer = world.post(OPENAI, &ask(OPENAI, true, &["exec"])).await;
        assert!(answer.contains("Creel stopped this answer"), "{answer}");
        let rows = world.book.until("settled", |rows| rows[0].outcome.is_some()).await;
        assert!(matches!(rows[0].outcome, Some(Outcome::Failed { .. })), "{rows:?}");
    }
}

#[tokio::test]
async fn provider_errors_are_passed_on_scrubbed() {
    let echo = json!({ "error": { "message": format!("bad key {}", world::KEY) } });
    let world = World::new(
        Reply::json(&echo).with_status(401).with_header("openai-organization", "acme").with_header("retry-after", "7"),
    )
    .await;
    let answer = world.post(OPENAI, &ask(OPENAI, true, &[])).await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("[scrubbed by creel]"), "{answer}");
    assert!(answer.contains("retry-after: 7") && !answer.contains("acme") && !answer.contains(world::KEY), "{answer}");
    let world = World::new(sse(&format!("data: {echo}\n\n"))).await;
    let answer = world.post(OPENAI, &ask(OPENAI, true, &[])).await;
    assert!(answer.contains("[scrubbed by creel]") && !answer.contains(world::KEY), "{answer}");
}

#[tokio::test]
async fn answers_that_were_not_asked_for_are_withheld() {
    let text = world::text_answer(Format::OpenAi);
    for reply in [
        Reply::json(&text).with_status(302).with_header("location", "https://attacker.test/"),
        Reply::json(&text).with_header("content-encoding", "gzip"),
        sse("data: [DONE]\n\n"),
        Reply::json(&json!("x".repeat(9 << 20))),
        Reply::json(&json!({ "choices": 1 })),
    ] {
        let world = World::new(reply).await;
        let answer = world.post(OPENAI, &ask(OPENAI, false, &[])).await;
        assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
        assert!(!answer.contains("attacker"), "{answer}");
    }
}

#[tokio::test]
async fn obligations_are_met_or_the_prompt_fails() {
    use creel_guard::{Inject, Obligations};
    for (owes, status) in [
        (Obligations { max_bytes: Some(10), ..Obligations::default() }, 413),
        (Obligations { deadline_ms: Some(1), ..Obligations::default() }, 504),
        (
            Obligations {
                inject: Some(Inject { secret: "missing".to_owned(), skill: None, slot: None }),
                ..Obligations::default()
            },
            500,
        ),
    ] {
        let world = World::owing(Reply::json(&json!({})).after_ms(60_000), owes).await;
        let answer = world.post(OPENAI, &ask(OPENAI, false, &[])).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        let rows = world.book.until("settled", |rows| rows[0].outcome.is_some()).await;
        assert!(matches!(rows[0].outcome, Some(Outcome::Failed { .. })));
    }
}

#[tokio::test]
async fn an_agent_that_hangs_up_stops_the_provider() {
    let world = World::new(sse(": first\n\n").endless()).await;
    let stream = world.begin(OPENAI, &ask(OPENAI, true, &[])).await;
    world.book.until("admitted", |rows| rows.len() == 1).await;
    drop(stream);
    let rows = world.book.until("settled", |rows| rows[0].outcome.is_some()).await;
    assert!(matches!(&rows[0].outcome, Some(Outcome::Failed { .. } | Outcome::Abandoned)), "{rows:?}");
}

#[tokio::test]
async fn a_provider_over_http_is_reached_at_the_judged_address() {
    let (origin, got) = world::http_provider(&world::text_answer(Format::OpenAi)).await;
    let world = World::with_origin(origin).await;
    let answer = world.post(OPENAI, &ask(OPENAI, false, &[])).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let got = got.lock().unwrap().clone();
    assert!(got[0].starts_with("POST /api/v1/chat/completions HTTP/1.1\r\n"), "{got:?}");
    assert!(got[0].to_lowercase().contains("host: provider.test:") && got[0].contains(world::KEY), "{got:?}");
    assert_eq!(world.book.rows()[0].facts.addresses, ["127.0.0.1".parse::<std::net::IpAddr>().unwrap()]);
}
