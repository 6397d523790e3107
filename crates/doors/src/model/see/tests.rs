use super::*;
use serde_json::json;

fn openai(extra: Value) -> Value {
    with(json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] }), extra)
}

fn anthropic(extra: Value) -> Value {
    with(json!({ "model": "m", "max_tokens": 9, "messages": [{ "role": "user", "content": "hi" }] }), extra)
}

fn responses(extra: Value) -> Value {
    with(
        json!({ "model": "m", "input": [{ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hi" }] }] }),
        extra,
    )
}

fn gemini(extra: Value) -> Value {
    with(json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }] }), extra)
}

/// What a request's path says, for Gemini with a model.
fn aim(format: Format) -> Aim {
    let (model, stream) = if format == Format::Gemini { (Some("m".to_owned()), Some(true)) } else { (None, None) };
    Aim { format, model, stream }
}

fn with(mut base: Value, extra: Value) -> Value {
    base.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    base
}

fn check(format: Format, value: &Value, expected: Option<FlawKind>) {
    let seen = body(&aim(format), "p", value.to_string().as_bytes(), Rework::default());
    assert_eq!(seen.reading.as_ref().err().map(|flaw| flaw.kind), expected, "{value}");
    assert_eq!(seen.prompt.digest.len(), 64);
}

fn says(format: Format, content: Value, expected: Option<FlawKind>) {
    let messages = json!({ "messages": [{ "role": "user", "content": [content] }] });
    let value = match format {
        Format::OpenAi => openai(messages),
        Format::Anthropic => anthropic(messages),
        Format::Responses => responses(json!({ "input": messages["messages"] })),
        Format::Gemini => {
            gemini(json!({ "contents": [{ "role": "user", "parts": [messages["messages"][0]["content"][0]] }] }))
        }
    };
    check(format, &value, expected);
}

#[test]
fn what_openclaw_sends_passes() {
    let tools = json!([{ "type": "function", "function": { "name": "exec", "description": "d", "parameters": {}, "strict": false } }]);
    check(
        Format::OpenAi,
        &openai(json!({ "stream": true, "stream_options": { "include_usage": true }, "tools": tools,
            "tool_choice": "auto", "max_completion_tokens": 8192, "store": false })),
        None,
    );
    check(
        Format::Anthropic,
        &anthropic(
            json!({ "stream": true, "system": [{ "type": "text", "text": "s", "cache_control": { "type": "ephemeral" } }],
            "tools": [{ "name": "exec", "description": "d", "input_schema": {} }] }),
        ),
        None,
    );
    let turn = json!({ "messages": [
        { "role": "assistant", "content": [{ "type": "tool_use", "id": "t", "name": "exec", "input": {} }] },
        { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t", "is_error": false,
            "content": [{ "type": "text", "text": "out" }] }] }] });
    check(Format::Anthropic, &anthropic(turn), None);
}

#[test]
fn the_provider_does_not_become_an_open_proxy() {
    use FlawKind::{ServerTool, StoredState, UnknownKey};
    for (extra, kind) in [
        (json!({ "store": true }), StoredState),
        (json!({ "previous_response_id": "r" }), StoredState),
        (json!({ "background": true }), StoredState),
        (json!({ "web_search_options": {} }), ServerTool),
        (json!({ "tools": [{ "type": "web_search" }] }), ServerTool),
        (json!({ "tools": [{ "type": "mcp", "server_url": "https://x" }] }), ServerTool),
        (json!({ "Model": "x" }), UnknownKey),
        (json!({ "functions": [] }), UnknownKey),
    ] {
        check(Format::OpenAi, &openai(extra), Some(kind));
    }
    for (extra, kind) in [
        (json!({ "mcp_servers": [] }), ServerTool),
        (json!({ "container": "c" }), StoredState),
        (json!({ "tools": [{ "type": "web_search_20250305", "name": "web_search" }] }), ServerTool),
        (json!({ "tools": [{ "type": "code_execution_20250825", "name": "code_execution" }] }), ServerTool),
        (json!({ "fetch": true }), UnknownKey),
    ] {
        check(Format::Anthropic, &anthropic(extra), Some(kind));
    }
}

#[test]
fn the_provider_fetches_nothing() {
    use FlawKind::{StoredState, UnknownContent, UrlSource};
    let image = |url: &str| json!({ "type": "image_url", "image_url": { "url": url } });
    says(Format::OpenAi, image("data:image/png;base64,AA"), None);
    for url in ["https://x/?d=1", "HTTP://x", " data:x", "", "file:///etc/passwd"] {
        says(Format::OpenAi, image(url), Some(UrlSource));
    }
    says(
        Format::OpenAi,
        json!({ "type": "image_url", "image_url": { "url": "data:x", "URL": "https://x" } }),
        Some(UnknownContent),
    );
    says(Format::OpenAi, json!({ "type": "file", "file": { "file_id": "f" } }), Some(StoredState));
    let image = |source: Value| json!({ "type": "image", "source": source });
    says(Format::Anthropic, image(json!({ "type": "base64", "media_type": "image/png", "data": "AA" })), None);
    says(Format::Anthropic, image(json!({ "type": "url", "url": "https://x" })), Some(UrlSource));
    says(Format::Anthropic, image(json!({ "type": "file", "file_id": "f" })), Some(StoredState));
    let nested = json!({ "type": "tool_result", "tool_use_id": "t", "content": [image(json!({ "type": "url", "url": "https://x" }))] });
    says(Format::Anthropic, nested, Some(UrlSource));
    says(Format::Anthropic, json!({ "type": "server_tool_use", "id": "x" }), Some(FlawKind::ServerTool));
    says(Format::Anthropic, json!({ "type": "container_upload", "file_id": "f" }), Some(StoredState));
    says(Format::Anthropic, json!({ "type": "hologram" }), Some(UnknownContent));
    let system = json!({ "system": [image(json!({ "type": "url", "url": "https://x" }))] });
    check(Format::Anthropic, &anthropic(system), Some(UrlSource));
}

#[test]
fn responses_takes_what_openclaw_sends() {
    let turn = json!({ "stream": true, "store": false, "prompt_cache_key": "k", "max_output_tokens": 8192,
        "reasoning": { "effort": "low" }, "include": ["reasoning.encrypted_content"],
        "tools": [{ "type": "function", "name": "exec", "description": "d", "parameters": {}, "strict": false }],
        "input": [
            { "type": "message", "role": "developer", "content": [{ "type": "input_text", "text": "s" }] },
            { "role": "user", "content": "hi" },
            { "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x" },
            { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "y", "annotations": [] }], "status": "completed", "id": "msg_0" },
            { "type": "function_call", "id": "fc_1", "call_id": "c", "name": "exec", "arguments": "{}" },
            { "type": "function_call_output", "call_id": "c", "output": "rows" },
            { "type": "function_call_output", "call_id": "c", "output": [{ "type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,AA" }] },
        ] });
    check(Format::Responses, &responses(turn), None);
    check(
        Format::Responses,
        &responses(json!({ "input": "hi", "previous_response_id": null, "instructions": "s" })),
        None,
    );
    let tool = json!({ "type": "custom", "name": "sql", "description": "d", "format": { "type": "text" } });
    let seen = body(
        &aim(Format::Responses),
        "p",
        responses(json!({ "tools": [tool] })).to_string().as_bytes(),
        Rework::default(),
    );
    let reading = seen.reading.unwrap();
    assert!(reading.offered.contains("sql"));
    let sent: Value = serde_json::from_slice(&reading.body).unwrap();
    assert_eq!(sent["store"], false, "the provider keeps answers unless it is told not to");
}

#[test]
fn responses_leaves_nothing_at_the_provider() {
    use FlawKind::{BadRequest, ServerTool, StoredState, UnknownContent, UnknownKey};
    for (extra, kind) in [
        (json!({ "store": true }), StoredState),
        (json!({ "background": true }), StoredState),
        (json!({ "previous_response_id": "resp_1" }), StoredState),
        (json!({ "conversation": { "id": "conv_1" } }), StoredState),
        (json!({ "prompt": { "id": "pmpt_1" } }), StoredState),
        (json!({ "context_management": [{ "type": "compaction" }] }), StoredState),
        (json!({ "include": ["web_search_call.results"] }), ServerTool),
        (json!({ "include": "x" }), BadRequest),
        (json!({ "instructions": [] }), BadRequest),
        (json!({ "input": null }), BadRequest),
        (json!({ "moderation": {} }), UnknownKey),
        (json!({ "messages": [] }), UnknownKey),
        (json!({ "tools": [{ "type": "web_search" }] }), ServerTool),
        (json!({ "tools": [{ "type": "mcp", "server_url": "https://x" }] }), ServerTool),
        (json!({ "tools": [{ "type": "local_shell" }] }), ServerTool),
        (json!({ "tools": [{ "type": "namespace", "name": "n", "tools": [] }] }), ServerTool),
        (
            json!({ "tools": [{ "type": "function", "name": "exec", "allowed_callers": ["programmatic"] }] }),
            UnknownContent,
        ),
    ] {
        check(Format::Responses, &responses(extra), Some(kind));
    }
    for (item, kind) in [
        (json!({ "id": "msg_1" }), StoredState),
        (json!({ "type": "item_reference", "id": "msg_1" }), StoredState),
        (json!({ "type": "reasoning", "id": "rs_1", "summary": [] }), StoredState),
        (json!({ "type": "compaction", "encrypted_content": "x" }), StoredState),
        (json!({ "type": "web_search_call", "id": "w" }), ServerTool),
        (json!({ "type": "computer_call_output", "call_id": "w" }), ServerTool),
        (json!({ "type": "mcp_approval_response", "approve": true }), ServerTool),
        (json!({ "type": "hologram" }), UnknownContent),
        (json!({ "role": "tool", "content": "x" }), UnknownContent),
        (json!({ "role": "user", "content": "x", "cache": 1 }), UnknownContent),
        (
            json!({ "type": "function_call", "call_id": "c", "name": "exec", "arguments": "{}", "namespace": "n" }),
            UnknownContent,
        ),
        (json!(1), BadRequest),
    ] {
        check(Format::Responses, &responses(json!({ "input": [item] })), Some(kind));
    }
}

#[test]
fn responses_holds_its_files_itself() {
    use FlawKind::{StoredState, UnknownContent, UrlSource};
    let image = |url: &str| json!({ "type": "input_image", "image_url": url });
    says(Format::Responses, image("data:image/png;base64,AA"), None);
    says(Format::Responses, image("https://x"), Some(UrlSource));
    for (part, kind) in [
        (json!({ "type": "input_image", "file_id": "f" }), StoredState),
        (json!({ "type": "input_file", "file_id": "f" }), StoredState),
        (json!({ "type": "input_file", "file_url": "https://x" }), UrlSource),
        (json!({ "type": "input_file", "file_data": "https://x" }), UrlSource),
        (
            json!({ "type": "output_text", "text": "x", "annotations": [{ "type": "file_citation", "file_id": "f" }] }),
            UnknownContent,
        ),
        (json!({ "type": "input_audio", "input_audio": {} }), UnknownContent),
    ] {
        says(Format::Responses, part.clone(), Some(kind));
        let output = json!({ "type": "function_call_output", "call_id": "c", "output": [part] });
        check(Format::Responses, &responses(json!({ "input": [output] })), Some(kind));
    }
}

#[test]
fn geminis_path_names_the_model_and_a_key_in_it_is_left_out() {
    let endpoint = |uri: &str| super::endpoint(&Method::POST, &uri.parse().unwrap(), &HeaderMap::new());
    let made =
        |stream: bool| Aim { format: Format::Gemini, model: Some("gemini-3.1".to_owned()), stream: Some(stream) };
    for (uri, stream) in [
        ("/v1beta/models/gemini-3.1:generateContent", false),
        ("/v1beta/models/gemini-3.1:generateContent?key=attacker", false),
        ("/v1beta/models/gemini-3.1:streamGenerateContent?alt=sse", true),
        ("/v1beta/models/gemini-3.1:streamGenerateContent?key=attacker&alt=sse", true),
    ] {
        let Ok(Endpoint::Generate(aim)) = endpoint(uri) else { panic!("{uri}") };
        assert_eq!(aim, made(stream), "{uri}");
        let seen = body(&aim, "p", gemini(json!({})).to_string().as_bytes(), Rework::default());
        let reading = seen.reading.unwrap();
        let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        assert_eq!((reading.path, reading.stream), (format!("/v1beta/models/gemini-3.1:{method}"), stream));
        assert_eq!((seen.prompt.model.as_str(), seen.prompt.format.as_str()), ("gemini-3.1", "google-generative-ai"));
    }
    for uri in [
        "/v1beta/models/gemini-3.1",
        "/v1beta/models/gemini-3.1:streamGenerateContent",
        "/v1beta/models/gemini-3.1:streamGenerateContent?alt=json",
        "/v1beta/models/gemini-3.1:generateContent?alt=sse&alt=sse",
        "/v1beta/models/gemini-3.1:generateContent?$callback=x",
        "/v1beta/models/gemini-3.1:batchGenerateContent",
        "/v1beta/models/a:b:generateContent",
        "/v1beta/models/a%2f..:generateContent",
        "/v1beta/models/..:generateContent",
        "/v1beta/models/:generateContent",
        "/v1beta/models/a/b:generateContent",
        "/v1beta/tunedModels/a:generateContent",
        "/v1beta/cachedContents",
        "/upload/v1beta/files",
        "/v1/models/gemini-3.1:generateContent",
    ] {
        assert_eq!(endpoint(uri).unwrap_err().kind, FlawKind::UnknownEndpoint, "{uri}");
    }
}

#[test]
fn gemini_takes_what_openclaw_sends() {
    let function = json!({ "name": "exec", "description": "d", "parametersJsonSchema": { "type": "object" } });
    let turn = json!({ "systemInstruction": { "parts": [{ "text": "s" }] }, "tools": [{ "functionDeclarations": [function] }],
        "toolConfig": { "functionCallingConfig": { "mode": "AUTO" } },
        "generationConfig": { "maxOutputTokens": 8192, "temperature": 1, "thinkingConfig": { "includeThoughts": true } },
        "contents": [
            { "role": "user", "parts": [{ "text": "hi" }, { "inlineData": { "mimeType": "image/png", "data": "AA" } }] },
            { "role": "model", "parts": [{ "text": "hm", "thought": true, "thoughtSignature": "c2ln" }, { "thoughtSignature": "c2ln" },
                { "functionCall": { "id": "1", "name": "exec", "args": {} }, "thoughtSignature": "c2ln" }] },
            { "role": "user", "parts": [{ "functionResponse": { "id": "1", "name": "exec", "response": { "output": "rows" },
                "parts": [{ "inlineData": { "mimeType": "image/png", "data": "AA" } }] } }] },
        ] });
    check(Format::Gemini, &gemini(turn.clone()), None);
    let seen = body(&aim(Format::Gemini), "p", gemini(turn.clone()).to_string().as_bytes(), Rework::default());
    let reading = seen.reading.unwrap();
    assert!(reading.offered.contains("exec"));
    let sent: Value = serde_json::from_slice(&reading.body).unwrap();
    assert_eq!(sent, gemini(turn), "nothing is added");
}

#[test]
fn gemini_leaves_nothing_at_the_provider_and_fetches_nothing() {
    use FlawKind::{BadRequest, ServerTool, StoredState, UnknownContent, UnknownKey, UrlSource};
    for (extra, kind) in [
        (json!({ "cachedContent": "cachedContents/1" }), StoredState),
        (json!({ "model": "models/other" }), UnknownKey),
        (json!({ "system_instruction": {} }), UnknownKey),
        (json!({ "systemInstruction": "s" }), BadRequest),
        (json!({ "systemInstruction": { "parts": [{ "fileData": {} }] } }), UnknownContent),
        (json!({ "contents": {} }), BadRequest),
        (json!({ "tools": [{ "googleSearch": {} }] }), ServerTool),
        (json!({ "tools": [{ "urlContext": {}, "functionDeclarations": [] }] }), ServerTool),
        (json!({ "tools": [{ "codeExecution": {} }] }), ServerTool),
        (json!({ "tools": [{ "mcpServers": [] }] }), ServerTool),
        (json!({ "tools": [{ "function_declarations": [] }] }), ServerTool),
        (json!({ "tools": [{ "functionDeclarations": [{ "name": "a" }, { "name": "a" }] }] }), BadRequest),
        (json!({ "generationConfig": { "candidateCount": 2 } }), BadRequest),
        (json!({ "generationConfig": { "responseModalities": ["IMAGE"] } }), UnknownContent),
        (json!({ "generationConfig": { "speechConfig": {} } }), UnknownContent),
        (json!({ "toolConfig": { "functionCallingConfig": { "streamFunctionCallArguments": true } } }), UnknownContent),
        (json!({ "toolConfig": { "includeServerSideToolInvocations": true } }), UnknownContent),
        (json!({ "contents": [{ "role": "system", "parts": [{ "text": "x" }] }] }), UnknownContent),
        (
            json!({ "contents": [{ "role": "model", "parts": [{ "functionResponse": { "name": "x", "response": {} } }] }] }),
            UnknownContent,
        ),
    ] {
        check(Format::Gemini, &gemini(extra), Some(kind));
    }
    let answer = |more: Value| json!({ "functionResponse": with(json!({ "name": "x", "response": {} }), more) });
    for (part, kind) in [
        (json!({ "fileData": { "fileUri": "https://x" } }), UrlSource),
        (json!({ "file_data": { "file_uri": "https://x" } }), UnknownContent),
        (json!({ "executableCode": {} }), ServerTool),
        (json!({ "toolResponse": {} }), ServerTool),
        (json!({ "functionCall": { "name": "x", "args": {} } }), UnknownContent),
        (json!({ "text": "x", "fileData": {} }), BadRequest),
        (json!({ "text": 1 }), BadRequest),
        (json!({}), BadRequest),
        (json!({ "inlineData": { "mimeType": "x", "data": "AA", "uri": "x" } }), UnknownContent),
        (answer(json!({ "response": "x" })), BadRequest),
        (answer(json!({ "scheduling": "WHEN_IDLE" })), UnknownContent),
        (answer(json!({ "parts": [{ "fileData": { "fileUri": "https://x" } }] })), UrlSource),
        (answer(json!({ "parts": [{ "text": "x" }] })), UnknownContent),
    ] {
        says(Format::Gemini, part, Some(kind));
    }
}

#[test]
fn shapeless_bodies_are_refused() {
    for bad in [
        &b""[..],
        b"[]",
        b"{}",
        br#"{"model":"m"}"#,
        br#"{"model":"m","messages":"x"}"#,
        br#"{"model":"","messages":[]}"#,
        br#"{"model":"m","messages":[],"stream":"yes"}"#,
        br#"{"model":"m","messages":[],"model":"n"}"#,
        br#"{"model":"m","messages":[],"n":2}"#,
        br#"{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"a b"}}]}"#,
    ] {
        let seen = body(&aim(Format::OpenAi), "p", bad, Rework::default());
        assert_eq!(seen.reading.unwrap_err().kind, FlawKind::BadRequest, "{}", String::from_utf8_lossy(bad));
    }
}

#[test]
fn endpoints() {
    let check = |method: Method, uri: &str, expected: Option<Endpoint>| {
        let found = endpoint(&method, &uri.parse().unwrap(), &HeaderMap::new());
        assert_eq!(found.ok(), expected, "{method} {uri}");
    };
    check(Method::POST, "/v1/chat/completions", Some(Endpoint::Generate(Format::OpenAi.into())));
    check(Method::POST, "/v1/responses", Some(Endpoint::Generate(Format::Responses.into())));
    check(Method::POST, "/v1/messages?beta=true", Some(Endpoint::Generate(Format::Anthropic.into())));
    check(Method::GET, "/v1/models", Some(Endpoint::Models(Format::OpenAi)));
    for (method, uri) in [
        (Method::POST, "/v1/messages?key=x"),
        (Method::POST, "/v1/chat/completions?beta=true"),
        (Method::POST, "/v1/files"),
        (Method::GET, "/v1/responses/resp_1"),
        (Method::POST, "/v1/responses/resp_1/cancel"),
        (Method::POST, "/v1/responses/compact"),
        (Method::POST, "/v1/responses?include=x"),
        (Method::POST, "/v1/messages/batches"),
        (Method::POST, "//v1/messages"),
        (Method::POST, "/v1/messages/"),
        (Method::POST, "/v1/x/../messages"),
        (Method::PUT, "/v1/messages"),
        (Method::DELETE, "/v1/models"),
        (Method::GET, "/v1/models/m"),
    ] {
        check(method, uri, None);
    }
}

#[test]
fn the_body_that_is_sent_is_written_anew() {
    let seen =
        body(&aim(Format::OpenAi), "p", b" {\"model\" : \"m\",\n\"messages\":[], \"seed\": 7}\n", Rework::default());
    assert_eq!(&seen.reading.unwrap().body[..], br#"{"model":"m","messages":[],"seed":7}"#);
    assert_eq!(seen.prompt.bytes, 36);
}

proptest::proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let _seen = body(&aim(Format::OpenAi), "p", &bytes, Rework::default());
        let _seen = body(&aim(Format::Anthropic), "p", &bytes, Rework::default());
        let _seen = body(&aim(Format::Responses), "p", &bytes, Rework::default());
        let _seen = body(&aim(Format::Gemini), "p", &bytes, Rework::default());
    }
}
