use super::*;

fn post(path: &str, body: &Value) -> Request<Bytes> {
    Request::post(path).body(Bytes::from(body.to_string())).unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn ask(stream: bool) -> Value {
    json!({ "model": "m", "stream": stream, "stream_options": { "include_usage": true },
        "tools": [{ "name": "exec" }], "messages": [{ "role": "user", "content": "RUN: id" }] })
}

#[tokio::test]
async fn openai_whole() {
    let response = ScriptedModel::helpful().respond(&post("/v1/chat/completions", &ask(false)));
    let value: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(value["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(value["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], r#"{"command":"id"}"#);
    assert!(value["usage"]["prompt_tokens"].as_u64().unwrap() > 10);
}

#[tokio::test]
async fn openai_streamed() {
    let response = ScriptedModel::helpful().respond(&post("/v1/chat/completions", &ask(true)));
    assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
    let stream = text(response).await;
    let events: Vec<&str> =
        stream.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap()).collect();
    assert_eq!(events.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> = events.iter().filter_map(|event| serde_json::from_str(event).ok()).collect();
    assert_eq!(chunks.len(), events.len() - 1);
    let arguments: String = chunks
        .iter()
        .filter_map(|chunk| chunk.pointer("/choices/0/delta/tool_calls/0/function/arguments").and_then(Value::as_str))
        .collect();
    assert_eq!(arguments, r#"{"command":"id"}"#);
    assert!(chunks.last().unwrap()["usage"]["total_tokens"].is_u64());
}

#[tokio::test]
async fn anthropic_both_ways() {
    let model = ScriptedModel::helpful();
    let value: Value =
        serde_json::from_str(&text(model.respond(&post("/v1/messages?beta=true", &ask(false)))).await).unwrap();
    assert_eq!((&value["stop_reason"], &value["content"][0]["input"]["command"]), (&json!("tool_use"), &json!("id")));
    let stream = text(model.respond(&post("/v1/messages", &ask(true)))).await;
    for kind in ["message_start", "content_block_start", "input_json_delta", "content_block_stop", "message_stop"] {
        assert!(stream.contains(kind), "{kind}");
    }
}

#[tokio::test]
async fn responses_both_ways() {
    let model = ScriptedModel::helpful();
    let ask = |stream: bool| json!({ "model": "m", "stream": stream, "tools": [{ "type": "function", "name": "exec" }], "input": "RUN: id" });
    let value: Value = serde_json::from_str(&text(model.respond(&post("/v1/responses", &ask(false)))).await).unwrap();
    assert_eq!((&value["status"], &value["output"][0]["name"]), (&json!("completed"), &json!("exec")));
    let stream = text(model.respond(&post("/v1/responses", &ask(true)))).await;
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    let numbers: Vec<_> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
    let end = &events.last().unwrap()["response"];
    assert_eq!(end["output"][0]["arguments"], r#"{"command":"id"}"#);
    let told = events.iter().find(|event| event["type"] == "response.output_item.done").unwrap();
    assert_eq!((&told["item"], end["usage"]["output_tokens"].is_u64()), (&end["output"][0], true));
}

#[tokio::test]
async fn gemini_both_ways() {
    let model = ScriptedModel::helpful();
    let ask = json!({ "contents": [{ "role": "user", "parts": [{ "text": "RUN: id" }] }],
        "tools": [{ "functionDeclarations": [{ "name": "exec" }] }] });
    let value: Value =
        serde_json::from_str(&text(model.respond(&post("/v1beta/models/m:generateContent", &ask))).await).unwrap();
    let candidate = &value["candidates"][0];
    assert_eq!(candidate["content"]["parts"][0]["functionCall"]["args"]["command"], "id");
    assert_eq!((&candidate["finishReason"], &value["modelVersion"]), (&json!("STOP"), &json!("m")));
    let stream = text(model.respond(&post("/v1beta/models/m:streamGenerateContent?alt=sse", &ask))).await;
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    let chunks: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    assert_eq!(chunks[0]["candidates"][0]["content"]["parts"][0]["functionCall"]["name"], "exec");
    assert!(chunks.last().unwrap()["usageMetadata"]["candidatesTokenCount"].is_u64());
    assert_eq!(model.respond(&post("/v1beta/models/m:embedContent", &ask)).status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn models_and_faults() {
    let model = ScriptedModel::helpful();
    let get = |path: &str| Request::get(path).body(Bytes::new()).unwrap();
    assert!(text(model.respond(&get("/v1/models"))).await.contains(r#""object":"list""#));
    let mut anthropic = get("/v1/models");
    anthropic.headers_mut().insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
    assert!(text(model.respond(&anthropic)).await.contains("has_more"));
    assert_eq!(model.respond(&get("/v1/files")).status(), StatusCode::NOT_FOUND);
    assert_eq!(model.respond(&get("/v1/messages")).status(), StatusCode::METHOD_NOT_ALLOWED);
    let bad = model.respond(&post("/v1/messages", &json!({})));
    assert_eq!(bad.status(), StatusCode::BAD_REQUEST);
    assert!(text(bad).await.contains(r#""type":"error""#));
}

#[tokio::test]
async fn a_script_hangs_up() {
    let script = Script::parse("name = \"x\"\n[[step]]\nreply = [{ text = \"a\" }, { hang_up = true }]").unwrap();
    let response = ScriptedModel::hijacked(script).respond(&post("/v1/messages", &ask(true)));
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn it_serves_a_socket() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, ScriptedModel::helpful()));
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("scripted-1"), "{answer}");
    server.abort();
}
