//! Which headers pass, each way.
//!
//! Owns the two allow-lists. Of the agent's headers nothing passes but Anthropic's listed beta features; its
//! credentials, cookies, organisation and project headers are never looked at. Called by `enforce`.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::config::Format;

/// The one version of Anthropic's API that there is.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// Features of Anthropic's API that keep the provider from reaching out or storing: answers and caches alone.
const BETAS: [&str; 9] = [
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "effort-2025-11-24",
    "extended-cache-ttl-2025-04-11",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "output-128k-2025-02-19",
    "prompt-caching-2024-07-31",
    "token-efficient-tools-2025-02-19",
];

/// Values of headers that go on to the agent: more than any provider sends.
const MAX_TO_AGENT: usize = 32;

/// What goes to the provider, without the key.
pub(super) fn to_provider(format: Format, agent: &HeaderMap, stream: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let accept = if stream { "text/event-stream" } else { "application/json" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("creel/", env!("CARGO_PKG_VERSION"))));
    if format == Format::Anthropic {
        headers.insert("anthropic-version", HeaderValue::from_static(ANTHROPIC_VERSION));
        let asked = agent.get_all("anthropic-beta").iter().filter_map(|value| value.to_str().ok());
        let asked: Vec<&str> = asked.flat_map(|value| value.split(',')).map(str::trim).collect();
        for beta in BETAS.into_iter().filter(|beta| asked.contains(beta)) {
            headers.append("anthropic-beta", HeaderValue::from_static(beta));
        }
    }
    headers
}

/// The trace id that the agent sent along (W3C trace context, section 3.2.2), when there is one in its one legal form.
pub(super) fn claimed_trace(agent: &HeaderMap) -> Option<String> {
    let mut sent = agent.get_all("traceparent").iter();
    let (Some(parent), None) = (sent.next(), sent.next()) else { return None };
    let mut parts = parent.to_str().ok()?.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let legal = version.len() == 2 && trace.len() == 32 && is_hex(version) && is_hex(trace) && version != "ff";
    (legal && trace.bytes().any(|byte| byte != b'0')).then(|| trace.to_owned())
}

/// What goes on to the agent.
pub(super) fn to_agent(provider: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    let passes = |name: &str| {
        matches!(name, "request-id" | "x-request-id" | "retry-after")
            || name.starts_with("anthropic-ratelimit-")
            || name.starts_with("x-ratelimit-")
    };
    provider.iter().filter(move |(name, _)| passes(name.as_str())).take(MAX_TO_AGENT)
}

/// The content type without its parameters, in lower case; empty when there is none or more than one.
pub(super) fn essence(headers: &HeaderMap) -> String {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    match (types.next().and_then(|one| one.to_str().ok()), types.next()) {
        (Some(one), None) => one.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_trace_is_taken_in_its_legal_form_alone() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let check = |sent: &[&str], claimed: Option<&str>| {
            let mut agent = HeaderMap::new();
            for value in sent {
                agent.append("traceparent", HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(claimed_trace(&agent).as_deref(), claimed, "{sent:?}");
        };
        let legal = format!("00-{trace}-00f067aa0ba902b7-01");
        check(&[&legal], Some(trace));
        check(&[], None);
        check(&[&legal, &legal], None);
        check(&[&legal.to_uppercase()], None);
        check(&[&legal.replace("00-4", "ff-4")], None);
        check(&[&legal.replace(trace, &"0".repeat(32))], None);
        check(&["00-short-00f067aa0ba902b7-01"], None);
        check(&["attacker"], None);
    }

    #[test]
    fn nothing_of_the_agents_passes() {
        let mut agent = HeaderMap::new();
        for name in [
            "authorization",
            "x-api-key",
            "cookie",
            "openai-organization",
            "openai-project",
            "x-goog-api-key",
            "traceparent",
            "proxy-authorization",
            "x-stainless-os",
            "user-agent",
            "anthropic-dangerous-direct-browser-access",
        ] {
            agent.insert(name, HeaderValue::from_static("attacker"));
        }
        agent.append(
            "anthropic-beta",
            HeaderValue::from_static("files-api-2025-04-14, interleaved-thinking-2025-05-14"),
        );
        for format in [Format::OpenAi, Format::Anthropic] {
            let sent = to_provider(format, &agent, true);
            assert!(sent.values().all(|value| value != "attacker"), "{sent:?}");
            let betas = sent.get_all("anthropic-beta").iter().count();
            assert_eq!(betas, usize::from(format == Format::Anthropic));
        }
    }

    #[test]
    fn little_of_the_providers_passes() {
        let mut provider = HeaderMap::new();
        for name in ["set-cookie", "openai-organization", "server", "alt-svc", "x-ratelimit-limit-tokens", "request-id"]
        {
            provider.insert(name, HeaderValue::from_static("x"));
        }
        let names: Vec<_> = to_agent(&provider).map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-ratelimit-limit-tokens", "request-id"]);
    }

    #[test]
    fn content_types() {
        let mut headers = HeaderMap::new();
        assert_eq!(essence(&headers), "");
        headers.append(header::CONTENT_TYPE, HeaderValue::from_static("Text/Event-Stream; charset=utf-8"));
        assert_eq!(essence(&headers), "text/event-stream");
        headers.append(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert_eq!(essence(&headers), "");
    }
}
