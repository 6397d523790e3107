//! What a body that was read does, part by part.
//!
//! Owns the names of operations (`query viewer`, `tools/call search`) and the look into a body's members and links. Never
//! reads loosely: the door has read it strictly before, and what is not understood here is an error. Asked by the rules.

use creel_guard::{Content, Form, HostName, Target};
use serde_json::{Map, Value};

use crate::condition::FieldRule;
use crate::graphql;

type Found = Result<Vec<String>, &'static str>;

/// Parts of one batch.
const MOST_PARTS: usize = 64;

/// What it does, each part of a batch by itself. A plain JSON body does nothing that has a name.
///
/// # Errors
/// What is wrong, in a few words.
pub(crate) fn operations(content: &Content) -> Found {
    let one = match content.form {
        Form::Json | Form::Urlencoded => return Ok(Vec::new()),
        Form::Graphql => graphql_request as fn(&Map<String, Value>) -> Found,
        Form::JsonRpc => rpc_request,
    };
    let parts = match &*content.value {
        Value::Array(parts) if parts.is_empty() || parts.len() > MOST_PARTS => {
            return Err("the batch is empty or too long");
        }
        Value::Array(parts) => parts.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut found = Vec::new();
    for part in parts {
        found.extend(one(part.as_object().ok_or("a part is no object")?)?);
    }
    Ok(found)
}

/// GraphQL over HTTP: `query`, `variables`, `operationName`. A stored query (`extensions`) can't be judged.
fn graphql_request(request: &Map<String, Value>) -> Found {
    for (key, value) in request {
        let known = match key.as_str() {
            "query" => value.is_string(),
            "variables" => value.is_object() || value.is_null(),
            "operationName" => value.is_string() || value.is_null(),
            "extensions" => value.is_null() || value.as_object().is_some_and(Map::is_empty),
            _ => false,
        };
        if !known {
            return Err("it holds a member that is not judged");
        }
    }
    graphql::root_fields(request.get("query").and_then(Value::as_str).ok_or("it holds no query")?)
}

/// JSON-RPC 2.0: a call, a notification, or an answer to a call of the server's.
fn rpc_request(request: &Map<String, Value>) -> Found {
    if request.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err("it is no JSON-RPC 2.0");
    }
    let only = |names: &[&str]| request.keys().all(|key| names.contains(&key.as_str()));
    let Some(method) = request.get("method") else {
        let has = |key: &str| request.contains_key(key);
        let answer = has("id") && has("result") != has("error") && only(&["jsonrpc", "id", "result", "error"]);
        return if answer { Ok(vec!["response".to_owned()]) } else { Err("it has no method") };
    };
    if !only(&["jsonrpc", "id", "method", "params"]) {
        return Err("it holds a member that is not judged");
    }
    let method = method.as_str().ok_or("its method is no text")?;
    // The three methods of MCP whose meaning lies in a parameter.
    let detail = match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        _ => None,
    };
    let Some(detail) = detail else { return Ok(vec![method.to_owned()]) };
    let named = request.get("params").and_then(|params| params.get(detail)).and_then(Value::as_str);
    Ok(vec![format!("{method} {}", named.ok_or("it does not say which")?)])
}

/// Whether every field is as the rules ask.
pub(crate) fn fields_allowed(content: &Content, rules: &[FieldRule]) -> bool {
    rules.iter().all(|rule| {
        let found = rule.place.iter().try_fold(&*content.value, |value, key| value.as_object()?.get(key));
        match found {
            Some(Value::String(text)) => rule.value.covers(text),
            Some(other) => rule.value.covers(&other.to_string()),
            None => false,
        }
    })
}

/// The hosts that links in the body's texts lead to; `Err` for a link whose host can't be read.
pub(crate) fn links(content: &Content) -> Vec<Result<Target, String>> {
    let mut found = Vec::new();
    collect(&content.value, &mut found);
    found
}

fn collect(value: &Value, found: &mut Vec<Result<Target, String>>) {
    match value {
        Value::String(text) => {
            links_of(text, found);
            // Services that take URL-encoded bodies take JSON in their values, escapes and all.
            if text.trim_start().starts_with(['{', '['])
                && let Ok(inner @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text)
            {
                collect(&inner, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            links_of(key, found);
            collect(value, found);
        }),
        _ => {}
    }
}

fn links_of(text: &str, found: &mut Vec<Result<Target, String>>) {
    let lower = text.to_lowercase();
    // `\` and `/` are alike to browsers behind a scheme.
    let lower = lower.replace('\\', "/");
    for (at, mark) in lower.match_indices("//").chain(lower.match_indices("www.")) {
        let from = if mark == "//" { at + 2 } else { at };
        let rest = lower.get(from..).unwrap_or_default().trim_start_matches('/');
        let end = rest.find(|c: char| c.is_whitespace() || "/?#<>\"'|)]}".contains(c)).unwrap_or(rest.len());
        let authority = rest.get(..end).unwrap_or_default();
        if authority.is_empty() {
            continue;
        }
        let host = authority.rsplit('@').next().unwrap_or_default();
        let host = host
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
            .map_or(host, |(host, _)| host);
        let read = HostName::parse(host.trim_end_matches(['.', ',', '!', ';', '*', '_', '`'])).map(Target::Host);
        found.push(read.or_else(|_| host.parse().map(Target::Address)).map_err(|_| authority.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glob::Glob;

    fn content(form: Form, text: &str) -> Content {
        Content::new(form, serde_json::from_str(text).unwrap(), String::new())
    }

    #[test]
    fn each_part_of_a_batch_is_named() {
        let rpc = |text| operations(&content(Form::JsonRpc, text));
        assert_eq!(rpc(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).unwrap(), ["tools/list"]);
        let batch =
            r#"[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"rm"}}]"#;
        assert_eq!(rpc(batch).unwrap(), ["a", "tools/call rm"]);
        assert_eq!(rpc(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).unwrap(), ["response"]);
        for bad in [
            "[]",
            "1",
            "[1]",
            r#"{"method":"a"}"#,
            r#"{"jsonrpc":"2.0","method":1}"#,
            r#"{"jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","method":"a","x":1}"#,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":[]}"#,
        ] {
            assert!(rpc(bad).is_err(), "{bad}");
        }
        assert!(rpc(&format!("[{}0]", "0,".repeat(100))).is_err());
        let graphql = |text| operations(&content(Form::Graphql, text));
        assert_eq!(
            graphql(r#"[{"query":"{a}"},{"query":"mutation{b}","variables":{}}]"#).unwrap(),
            ["query a", "mutation b"]
        );
        for bad in [
            r#"{"extensions":{"persistedQuery":{"sha256Hash":"x"}}}"#,
            r#"{"query":"{a}","extensions":{"x":1}}"#,
            r#"{"query":["{a}"]}"#,
            r#"{"query":"{a}","query2":"x"}"#,
            r#"{"variables":{}}"#,
        ] {
            assert!(graphql(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn fields_and_links_are_found() {
        let rule = |place: &str, value: &str| FieldRule {
            place: place.split('.').map(str::to_owned).collect(),
            value: Glob::new(value),
        };
        let body = content(
            Form::Json,
            r#"{"chat":"C1","preview":{"off":true},"text":"see https://A.test:8/x and www.b.test. \\\\c.test"}"#,
        );
        assert!(fields_allowed(&body, &[rule("chat", "C*"), rule("preview.off", "true")]));
        assert!(
            !fields_allowed(&body, &[rule("preview.off", "false")]) && !fields_allowed(&body, &[rule("none", "*")])
        );
        let found: Vec<String> = links(&body).into_iter().map(|link| link.unwrap().to_string()).collect();
        assert_eq!(found, ["a.test", "c.test", "www.b.test"]);
        let inner = content(Form::Urlencoded, r#"{"blocks":"[{\"u\":\"https:\\u002f\\u002fevil.test\"}]"}"#);
        assert_eq!(links(&inner).len(), 1);
        let odd = content(Form::Json, r#"{"t":"https://me@evil.test/ https://10.0.0.1/ https://%65vil/"}"#);
        let found: Vec<_> = links(&odd).into_iter().map(|link| link.map(|to| to.to_string())).collect();
        assert_eq!(found, [Ok("evil.test".to_owned()), Ok("10.0.0.1".to_owned()), Err("%65vil".to_owned())]);
    }
}
