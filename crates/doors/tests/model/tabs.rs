//! What prompts are counted with, whatever becomes of them.

use std::time::Duration;

use creel_doors::model::Used;
use serde_json::{Map, Value, json};

use super::world::{Reply, World, ask, sse, text_answer};
use super::{ANTHROPIC, Format, GEMINI, GEMINI_STREAM, OPENAI, RESPONSES};

fn figures(format: Format, input: u64, output: u64) -> (&'static str, Value) {
    match format {
        Format::OpenAi => ("usage", json!({ "prompt_tokens": input, "completion_tokens": output })),
        Format::Gemini => ("usageMetadata", json!({ "promptTokenCount": input, "candidatesTokenCount": output })),
        Format::Anthropic | Format::Responses => ("usage", json!({ "input_tokens": input, "output_tokens": output })),
    }
}

/// An answer, whole, with these figures.
fn answer(format: Format, input: u64, output: u64) -> Value {
    let mut answer = text_answer(format);
    let (key, usage) = figures(format, input, output);
    answer[key] = usage;
    answer
}

/// The same as a stream.
fn streamed(format: Format, input: u64, output: u64) -> String {
    let (key, usage) = figures(format, input, output);
    let event = |value: Value| format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap_or("message"));
    match format {
        Format::OpenAi => {
            let chunk = json!({ "choices": [{ "index": 0, "delta": { "content": "hi" }, "finish_reason": "stop" }] });
            format!("data: {chunk}\n\ndata: {}\n\ndata: [DONE]\n\n", json!({ "choices": [], key: usage }))
        }
        Format::Gemini => format!("data: {}\n\n", answer(format, input, output)),
        Format::Anthropic => {
            let message = json!({ "id": "m", "role": "assistant", "content": [], "usage": { "input_tokens": input } });
            let delta = json!({ "stop_reason": "end_turn", "stop_sequence": null });
            [
                event(json!({ "type": "message_start", "message": message })),
                event(json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": output } })),
                event(json!({ "type": "message_stop" })),
            ]
            .concat()
        }
        Format::Responses => {
            let response = json!({ "id": "r", "status": "completed", "output": [], key: usage });
            event(json!({ "type": "response.completed", "response": response }))
        }
    }
}

const PLACES: [(Format, &str, &str); 4] = [
    (Format::OpenAi, OPENAI, OPENAI),
    (Format::Anthropic, ANTHROPIC, ANTHROPIC),
    (Format::Responses, RESPONSES, RESPONSES),
    (Format::Gemini, GEMINI, GEMINI_STREAM),
];

fn used(input: u64, output: u64) -> Option<Used> {
    Some(Used { model: "m".to_owned(), input, cached: 0, output })
}

#[tokio::test]
async fn each_format_is_counted_streamed_or_not() {
    for (format, whole, stream) in PLACES {
        let world = World::new(Reply::json(&answer(format, 900, 800))).await;
        world.post(whole, &ask(whole, false, &[])).await;
        assert_eq!(world.tabs.first().await, used(900, 800), "{format:?}");
        let world = World::new(sse(&streamed(format, 900, 800))).await;
        let told = world.post(stream, &ask(stream, true, &[])).await;
        assert_eq!(world.tabs.first().await, used(900, 800), "{format:?}: {told}");
    }
}

#[tokio::test]
async fn a_provider_that_lies_low_is_counted_by_the_bytes() {
    for (format, whole, _) in PLACES {
        let mut lie = answer(format, 1, 1);
        lie["id"] = json!("long ".repeat(3000));
        let world = World::new(Reply::json(&lie)).await;
        let mut prompt: Map<String, Value> = ask(whole, false, &[]).as_object().unwrap().clone();
        let text = serde_json::to_string(&prompt).unwrap().replace("\"hi\"", &json!("much ".repeat(3000)).to_string());
        prompt = serde_json::from_str(&text).unwrap();
        world.post(whole, &Value::Object(prompt)).await;
        let counted = world.tabs.first().await.unwrap();
        assert!(counted.input >= 1250 && counted.output >= 1200, "{format:?}: {counted:?}");
    }
}

#[tokio::test]
async fn who_hangs_up_is_charged_and_an_error_is_not() {
    let world = World::new(sse(": first\n\n").endless()).await;
    drop(world.begin(OPENAI, &ask(OPENAI, true, &[])).await);
    assert!(world.tabs.first().await.is_some_and(|used| used.output >= 1000));
    let world = World::new(Reply::json(&answer(Format::OpenAi, 1, 1)).after_ms(60_000)).await;
    let hurry = tokio::time::timeout(Duration::from_millis(200), world.post(OPENAI, &ask(OPENAI, false, &[]))).await;
    assert!(hurry.is_err());
    assert!(world.tabs.first().await.is_some_and(|used| used.output >= 1000));
    let world = World::new(Reply::json(&json!({ "error": "no" })).with_status(429)).await;
    world.post(OPENAI, &ask(OPENAI, false, &[])).await;
    assert_eq!(world.tabs.first().await, None);
}
