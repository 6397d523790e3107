//! Somebody else's account at an approved host, and the model provider as a way out (EGRESS.md 58, 59).

use crate::table::{Ask, Open, Row, check};

const PUBLIC: &str = "[[egress.allow]]\nhost = \"public.test\"\nports = [{tls}, {plain}]\nhttp = true\nwebsocket = true\naddress = \"127.0.0.1\"\n\
                      credentials = \"none\"\n";
/// The same where bodies are read; what goes over a WebSocket is not.
const PUBLIC_JSON: &str = "[[egress.allow]]\nhost = \"public.test\"\nports = [{tls}, {plain}]\nhttp = true\naddress = \"127.0.0.1\"\n\
                           credentials = \"none\"\nbody = \"json\"\n";
const GOOD: Ask = Ask::get("public.test", "/items?page=2");

/// A credential in some slot.
const fn slot(ask: Ask) -> Row {
    Row { number: 59, policy: PUBLIC, ask, rules: &["egress/deny-credential"], open: Open::As(GOOD) }
}

const fn in_body(ask: Ask) -> Row {
    Row { policy: PUBLIC_JSON, ..slot(ask) }
}

const fn header(lines: &'static [(&'static str, &'static str)]) -> Row {
    slot(Ask { headers: lines, ..GOOD })
}

const fn path(path: &'static str) -> Row {
    slot(Ask::get("public.test", path))
}

#[tokio::test]
async fn a_strangers_credential_in_every_slot() {
    check(&[
        header(&[("authorization", "Bearer stranger")]),
        header(&[("cookie", "session=stranger")]),
        header(&[("x-api-key", "stranger")]),
        header(&[("private-token", "stranger")]),
        header(&[("user-agent", "x ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]),
        header(&[("referer", "https://public.test/?t=xoxb-123456789012-abcdef")]),
        path("/items?access_token=stranger"),
        path("/items?X-Amz-Signature=00"),
        path("/items?sig=00"),
        path("/items?q=sk_live_aaaaaaaaaaaaaaaaaaaaaaaa"),
        path("/services/T0/B0/x"),
        path("/api/webhooks/1/x"),
        path("/bot123456789:AAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/getMe"),
        in_body(Ask::json("public.test", "/", r#"{"token":"stranger"}"#)),
        in_body(Ask::json("public.test", "/", r#"{"a":[{"text":"ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}]}"#)),
    ])
    .await;
}

#[tokio::test]
async fn the_providers_host_is_the_model_doors_alone() {
    let named = "[[egress.allow]]\nhost = \"model.test\"\nports = [{tls}, {plain}]\nhttp = true\nwebsocket = true\naddress = \"127.0.0.1\"\n";
    let row = |policy, ask, rules| Row { number: 58, policy, ask, rules, open: Open::Never };
    let own_key = Ask { headers: &[("authorization", "Bearer stranger")], ..Ask::get("model.test", "/v1/files") };
    check(&[
        row(named, Ask::get("model.test", "/v1/models"), &["egress/deny-provider-host"]),
        row(named, own_key, &["egress/deny-provider-host"]),
        row(named, Ask::json("model.test", "/v1/responses", r#"{"store":true}"#), &["egress/deny-provider-host"]),
        row(named, Ask::json("model.test", "/v1/batches", "{}"), &["egress/deny-provider-host"]),
    ])
    .await;
}
