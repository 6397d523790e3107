//! What may stand in a request of Gemini's generateContent.
//!
//! Owns the allow-lists of that format (Google's API reference, `models.generateContent`), and the reading of its path,
//! which names the model and says whether the answer is streamed. Only the reference's own spelling of keys is taken, though
//! the provider knows another. Called by [`super`].

use serde_json::{Map, Value};

use super::{Aim, list, object, only, quoted, text, tool_name};
use crate::model::config::Format;
use crate::model::flaw::{Flaw, FlawKind};

/// The longest name of a model.
const MAX_NAME_BYTES: usize = 128;

/// Settings of an answer that is text and made here and now.
const GENERATION: [&str; 17] = [
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "responseLogprobs",
    "logprobs",
    "presencePenalty",
    "frequencyPenalty",
    "seed",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseModalities",
    "mediaResolution",
    "thinkingConfig",
];

/// What a path asks for: `MODEL:generateContent` or `MODEL:streamGenerateContent`, and the query after it.
pub(super) fn aim(path: &str, query: Option<&str>) -> Option<Aim> {
    let (model, method) = path.strip_prefix(Format::Gemini.path())?.split_once(':')?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !(1..=MAX_NAME_BYTES).contains(&model.len()) || !model.bytes().all(legal) || model.starts_with('.') {
        return None;
    }
    let stream = match method {
        "generateContent" => false,
        "streamGenerateContent" => true,
        _ => return None,
    };
    // A key is the agent's: it is left out.
    let asked: Vec<&str> =
        query.into_iter().flat_map(|all| all.split('&')).filter(|one| !one.starts_with("key=")).collect();
    let wanted: &[&str] = if stream { &["alt=sse"] } else { &[] };
    (asked == wanted).then(|| Aim { format: Format::Gemini, model: Some(model.to_owned()), stream: Some(stream) })
}

/// A top-level key and its value.
pub(super) fn key(key: &str, value: &Value) -> Result<(), Flaw> {
    match key {
        "contents" | "tools" | "safetySettings" | "serviceTier" => Ok(()),
        "systemInstruction" => instruction(object(value, "`systemInstruction`")?),
        "generationConfig" => generation(object(value, "`generationConfig`")?),
        "toolConfig" => tool_config(object(value, "`toolConfig`")?),
        "cachedContent" if value.is_null() => Ok(()),
        "cachedContent" => Err(FlawKind::StoredState.at("`cachedContent` lets the provider look up data")),
        _ => Err(FlawKind::UnknownKey.at(format!("the key {} is not known here", quoted(key)))),
    }
}

fn instruction(content: &Map<String, Value>) -> Result<(), Flaw> {
    only(content, &["role", "parts"], "`systemInstruction`")?;
    for part in list(content.get("parts"), "parts")? {
        let part = object(part, "a part")?;
        only(part, &["text"], "a part of `systemInstruction`")?;
        if !part.get("text").is_some_and(Value::is_string) {
            return Err(FlawKind::BadRequest.at("a part of `systemInstruction` must be a text"));
        }
    }
    Ok(())
}

fn generation(config: &Map<String, Value>) -> Result<(), Flaw> {
    only(config, &GENERATION, "`generationConfig`")?;
    let is = |key: &str, wanted: Value| config.get(key).is_none_or(|value| value.is_null() || *value == wanted);
    if !is("candidateCount", 1.into()) {
        return Err(FlawKind::BadRequest.at("`candidateCount` must be 1: one answer at a time is judged"));
    }
    if !is("responseModalities", vec!["TEXT"].into()) {
        return Err(FlawKind::UnknownContent.at("`responseModalities` must be text alone"));
    }
    Ok(())
}

fn tool_config(config: &Map<String, Value>) -> Result<(), Flaw> {
    only(config, &["functionCallingConfig"], "`toolConfig`")?;
    match config.get("functionCallingConfig") {
        None | Some(Value::Null) => Ok(()),
        Some(calling) => {
            only(object(calling, "a setting")?, &["mode", "allowedFunctionNames"], "`functionCallingConfig`")
        }
    }
}

/// One of `contents`.
pub(super) fn content(content: &Map<String, Value>) -> Result<(), Flaw> {
    only(content, &["role", "parts"], "a content")?;
    let by_model = match text(content, "role") {
        "" | "user" => false,
        "model" => true,
        role => return Err(FlawKind::UnknownContent.at(format!("the role {} is not known here", quoted(role)))),
    };
    list(content.get("parts"), "parts")?.iter().try_for_each(|one| part(object(one, "a part")?, by_model))
}

fn part(part: &Map<String, Value>, by_model: bool) -> Result<(), Flaw> {
    let beside = |key: &str| matches!(key, "thought" | "thoughtSignature");
    let mut data = part.iter().filter(|(key, _)| !beside(key));
    let (key, value) = match (data.next(), data.next()) {
        (Some(one), None) => one,
        (None, _) if part.contains_key("thoughtSignature") => return Ok(()),
        (None, _) => return Err(FlawKind::BadRequest.at("a part holds nothing")),
        (Some(_), Some(_)) => return Err(FlawKind::BadRequest.at("a part must be of one kind")),
    };
    let known: &[&str] = match (key.as_str(), by_model) {
        ("text", _) if value.is_string() => return Ok(()),
        ("text", _) => return Err(FlawKind::BadRequest.at("`text` of a part must be a text")),
        ("inlineData", _) => &["mimeType", "data", "displayName"],
        ("functionCall", true) => &["id", "name", "args"],
        ("functionResponse", false) => &["id", "name", "response", "parts"],
        ("fileData", _) => return Err(FlawKind::UrlSource.at("the provider would fetch `fileData`; send `inlineData`")),
        ("toolCall" | "toolResponse" | "executableCode" | "codeExecutionResult", _) => {
            return Err(FlawKind::ServerTool.at(format!("{} belongs to a tool at the provider", quoted(key))));
        }
        _ => return Err(FlawKind::UnknownContent.at(format!("a part with {} is not known here", quoted(key)))),
    };
    let inner = object(value, "what a part holds")?;
    only(inner, known, &format!("`{key}`"))?;
    match inner.get("parts") {
        None | Some(Value::Null) => {}
        parts => list(parts, "parts")?.iter().try_for_each(|one| attached(object(one, "a part")?))?,
    }
    let given = |key: &str| inner.get(key).is_some_and(|value| !value.is_null());
    if key != "inlineData"
        && (text(inner, "name").is_empty()
            || ["args", "response"].iter().any(|key| given(key) && !inner.get(*key).is_some_and(Value::is_object)))
    {
        return Err(FlawKind::BadRequest.at(format!("`{key}` needs a name and an object")));
    }
    Ok(())
}

/// A part of a function's answer.
fn attached(part: &Map<String, Value>) -> Result<(), Flaw> {
    if part.contains_key("fileData") {
        return Err(FlawKind::UrlSource.at("the provider would fetch `fileData`; send `inlineData`"));
    }
    only(part, &["inlineData"], "a part of a function's answer")?;
    let data = object(part.get("inlineData").unwrap_or(&Value::Null), "`inlineData`")?;
    only(data, &["mimeType", "data", "displayName"], "`inlineData`")
}

/// The functions of one of `tools`.
pub(super) fn functions(tool: &Map<String, Value>) -> Result<&[Value], Flaw> {
    if let Some((key, _)) = tool.iter().find(|(key, value)| *key != "functionDeclarations" && !value.is_null()) {
        return Err(FlawKind::ServerTool.at(format!("the tool {} runs at the provider", quoted(key))));
    }
    list(tool.get("functionDeclarations"), "functionDeclarations").map(Vec::as_slice)
}

/// One of them: its name.
pub(super) fn function(function: &Map<String, Value>) -> Result<&str, Flaw> {
    const KEYS: [&str; 7] =
        ["name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior"];
    only(function, &KEYS, "a function")?;
    tool_name(function)
}
