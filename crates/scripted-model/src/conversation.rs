//! What came in since the model last spoke.
//!
//! Owns [`Conversation`], read from any wire format. It keeps what people said apart from what tools returned and
//! never mixes the two. `helpful` and `script` read it.

use serde::Deserialize;
use serde_json::Value;

use crate::reply::tokens;

/// The part of a request that the scripted model looks at.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Conversation {
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// Whether a streamed answer ends with usage figures (OpenAI's `stream_options.include_usage`).
    pub(crate) include_usage: bool,
    /// Names of the tools offered.
    pub(crate) tools: Vec<String>,
    /// User texts after the last assistant message, oldest first.
    pub(crate) said: Vec<String>,
    /// Tool results after the last assistant message, oldest first.
    pub(crate) results: Vec<String>,
    pub(crate) prompt_tokens: usize,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    model: String,
    #[serde(default)]
    messages: Vec<Message>,
    /// OpenAI Responses: a text, or items.
    #[serde(default)]
    input: Value,
    /// Gemini's messages.
    #[serde(default)]
    contents: Vec<Value>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    tools: Vec<Value>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
}

impl Conversation {
    /// Reads a request body of any format.
    ///
    /// # Errors
    /// A text for the model-shaped error.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let body: Body = serde_json::from_slice(bytes).map_err(|error| format!("the body is not readable: {error}"))?;
        let messages = match (body.messages.is_empty(), body.contents.is_empty()) {
            (false, _) => body.messages,
            (true, false) => body.contents.iter().flat_map(content).collect(),
            (true, true) => items(body.input),
        };
        if messages.is_empty() {
            return Err("`messages` is empty; send at least one".to_owned());
        }
        let mut talk = Self {
            model: body.model,
            stream: body.stream,
            include_usage: body.stream_options.is_some_and(|options| options.include_usage),
            tools: body.tools.iter().flat_map(tool_names).collect(),
            prompt_tokens: tokens(bytes.len()),
            ..Self::default()
        };
        let spoke = messages.iter().rposition(|message| message.role == "assistant");
        for message in messages.iter().skip(spoke.map_or(0, |at| at + 1)) {
            talk.hear(message);
        }
        Ok(talk)
    }

    fn hear(&mut self, message: &Message) {
        match (message.role.as_str(), &message.content) {
            ("tool", content) => self.results.push(unfenced(&flat(content))),
            ("user", Value::Array(blocks)) => {
                for block in blocks {
                    if block.get("type").and_then(Value::as_str) == Some("tool_result") {
                        self.results.push(unfenced(&flat(block.get("content").unwrap_or(&Value::Null))));
                    } else {
                        self.said.push(flat(block));
                    }
                }
            }
            ("user", content) => self.said.push(flat(content)),
            _ => {}
        }
    }
}

/// The input of OpenAI Responses as messages: what the model did counts as spoken.
fn items(input: Value) -> Vec<Message> {
    let one = |item: Value| {
        let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let inside = |key: &str| item.get(key).cloned().unwrap_or_default();
        match text("type").as_str() {
            "" | "message" => Message { role: text("role"), content: inside("content") },
            "function_call_output" => Message { role: "tool".to_owned(), content: inside("output") },
            _ => Message { role: "assistant".to_owned(), content: Value::Null },
        }
    };
    match input {
        Value::String(_) => vec![Message { role: "user".to_owned(), content: input }],
        Value::Array(items) => items.into_iter().map(one).collect(),
        _ => Vec::new(),
    }
}

/// A content of Gemini's as messages: what a function answered counts as a tool's.
fn content(content: &Value) -> Vec<Message> {
    let parts = content.get("parts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if content.get("role").and_then(Value::as_str) == Some("model") {
        return vec![Message { role: "assistant".to_owned(), content: Value::Null }];
    }
    let one = |part: &Value| match part.pointer("/functionResponse/response") {
        None => Message { role: "user".to_owned(), content: part.clone() },
        Some(response) => {
            let said = response.as_object().and_then(|all| all.values().next()).cloned().unwrap_or_default();
            Message { role: "tool".to_owned(), content: said }
        }
    };
    parts.iter().map(one).collect()
}

/// `tools[].function.name` (OpenAI), `tools[].name` (Anthropic) or `tools[].functionDeclarations[].name` (Gemini).
fn tool_names(tool: &Value) -> Vec<String> {
    let own = std::slice::from_ref(tool.get("function").unwrap_or(tool));
    let named = tool.get("functionDeclarations").and_then(Value::as_array).map_or(own, Vec::as_slice);
    named.iter().filter_map(|tool| tool.get("name")?.as_str()).map(str::to_owned).collect()
}

/// The text in a content value: a string, a text block, or a list of blocks.
fn flat(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().map(flat).collect::<Vec<_>>().join("\n"),
        Value::Object(block) => block.get("text").and_then(Value::as_str).unwrap_or_default().to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

/// A text from outside without the fence that Creel puts around it: `[[untrusted-TAG`, the text, `untrusted-TAG]]`.
fn unfenced(text: &str) -> String {
    let is_fence =
        |line: &&str| line.starts_with("[[untrusted-") || line.starts_with("untrusted-") && line.ends_with("]]");
    text.split('\n').filter(|line| !is_fence(line)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_after_the_model_last_spoke() {
        let talk = Conversation::read(
            br#"{"model":"m","stream":true,"stream_options":{"include_usage":true},
            "tools":[{"type":"function","function":{"name":"exec"}},{"name":"write"}],
            "messages":[{"role":"user","content":"old"},{"role":"assistant","content":null,"tool_calls":[]},
            {"role":"tool","tool_call_id":"1","content":"out"},{"role":"user","content":[{"type":"text","text":"ctx"}]}]}"#,
        )
        .unwrap();
        assert_eq!(talk.said, ["ctx"]);
        assert_eq!(talk.results, ["out"]);
        assert_eq!(talk.tools, ["exec", "write"]);
        assert!(talk.stream && talk.include_usage);
    }

    #[test]
    fn anthropic_results_are_no_user_text() {
        let talk = Conversation::read(
            br#"{"messages":[{"role":"assistant","content":[]},{"role":"user","content":[
            {"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"RUN: x"}]},{"type":"text","text":"hi"}]}]}"#,
        )
        .unwrap();
        assert_eq!((talk.said, talk.results), (vec!["hi".to_owned()], vec!["RUN: x".to_owned()]));
    }

    #[test]
    fn the_items_of_responses_are_read_as_messages() {
        let talk = Conversation::read(
            br#"{"input":[{"role":"user","content":"old"},{"type":"function_call","call_id":"1","name":"exec","arguments":"{}"},
            {"type":"function_call_output","call_id":"1","output":"out"},
            {"type":"message","role":"user","content":[{"type":"input_text","text":"ctx"}]}],"tools":[{"type":"function","name":"exec"}]}"#,
        )
        .unwrap();
        assert_eq!(
            (talk.said, talk.results, talk.tools),
            (vec!["ctx".to_owned()], vec!["out".to_owned()], vec!["exec".to_owned()])
        );
        assert_eq!(Conversation::read(br#"{"input":"hi"}"#).unwrap().said, ["hi"]);
    }

    #[test]
    fn the_contents_of_gemini_are_read_as_messages() {
        let talk = Conversation::read(
            br#"{"contents":[{"role":"user","parts":[{"text":"old"}]},{"role":"model","parts":[{"functionCall":{"name":"exec"}}]},
            {"role":"user","parts":[{"functionResponse":{"name":"exec","response":{"output":"out"}}},{"text":"ctx"}]}],
            "tools":[{"functionDeclarations":[{"name":"exec"},{"name":"write"}]}]}"#,
        )
        .unwrap();
        assert_eq!((talk.said, talk.results), (vec!["ctx".to_owned()], vec!["out".to_owned()]));
        assert_eq!(talk.tools, ["exec", "write"]);
    }

    #[test]
    fn unreadable_bodies_are_named() {
        for bad in [&b"{"[..], b"[]", b"{}", br#"{"messages":[]}"#] {
            assert!(Conversation::read(bad).is_err());
        }
    }
}
