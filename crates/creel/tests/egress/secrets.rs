//! Placeholders at the egress door, under the policy of a written configuration.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use creel::config::Config;
use creel_guard::{Deed, Outcome};
use creel_policy::Policy;

use crate::world::{AWS_KEY, AWS_STAND_IN, Origin, STAND_IN, TOKEN, World, exchange, pinned};

/// The secret as it stands in a URL.
const ESCAPED: &str = "t0ken%2Fthat%2Bthe%3Dagent-never-sees";

/// A door under a policy with this place of the secret, in front of `origin` as `origin.test` and, unbound, as `other.test`.
async fn world(origin: &Origin, slot: &str) -> World {
    let more = format!(
        "name = \"token\"\nskill = \"crm\"\nslot = \"{slot}\"\npaths = [\"/echo\", \"/v1/**\", \"/bot*/send\"]\n"
    );
    world_with(origin, &more).await
}

/// The same with this place of a secret.
async fn world_with(origin: &Origin, more: &str) -> World {
    let text = format!(
        "[[egress.allow]]\nhost = \"origin.test\"\nports = [{port}]\naddress = \"127.0.0.1\"\n\
         [[egress.allow]]\nhost = \"other.test\"\nports = [{port}]\naddress = \"127.0.0.1\"\n\
         [[secret]]\nhost = \"origin.test\"\nports = [{port}]\nmethods = [\"GET\", \"POST\"]\n{more}",
        port = origin.port
    );
    let config = Config::again("c".as_ref(), &text, &[]).unwrap();
    let policy = Policy::new(config.policy(1, &config.provider(&|_| false).unwrap(), Vec::new()));
    World::judged_by(
        Arc::new(policy),
        Arc::default(),
        vec![pinned("origin.test", origin), pinned("other.test", origin)],
    )
    .await
}

/// A request, its host and body apart.
struct Ask<'a>(&'a str, String, String);

impl Ask<'_> {
    fn bytes(&self, host: &str, port: u16, kind: &str) -> String {
        let Self(line, headers, body) = self;
        format!(
            "{line} HTTP/1.1\r\nhost: {host}:{port}\r\n{headers}content-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }
}

/// What arrived for one placeholder in one slot, what came back, and what is on record.
async fn becomes(origin: &Origin, slot: &str, ask: &Ask<'_>, kind: &str, wanted: &str) {
    let world = world(origin, slot).await;
    let answer = world.https(origin.port, ask.bytes("origin.test", origin.port, kind)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{slot}: {answer}");
    assert!(!answer.contains(TOKEN), "{answer}");
    let got = origin.got().pop().unwrap();
    let all = format!(
        "{} {:?} {}",
        got.line,
        got.headers.iter().map(|(_, value)| value.to_str().unwrap()).collect::<Vec<_>>(),
        got.text
    );
    assert!(all.contains(wanted) && !all.contains(STAND_IN), "{slot}: {all}");
    assert_eq!(got.body, got.text.len());
    // The record says whose it was and where, and holds neither the one nor the other.
    let rows = world.book.until("settled", |rows| rows.iter().all(|row| row.outcome.is_some())).await;
    let row = rows.first().unwrap();
    let stood = row.facts.placeholders.first().unwrap();
    assert_eq!((stood.secret.as_str(), stood.skill.as_deref()), ("token", Some("crm")));
    assert_eq!(stood.slot.as_ref().unwrap().to_string(), slot);
    assert!(matches!(&row.outcome, Some(Outcome::Done { .. })), "{row:?}");
    let shown = format!("{rows:?} {}", serde_json::to_string(&row.action.deed).unwrap());
    assert!(!shown.contains(TOKEN) && !shown.contains(STAND_IN) && !shown.contains(ESCAPED), "{shown}");
}

#[tokio::test]
async fn a_placeholder_becomes_its_secret_in_its_one_slot_and_nothing_comes_back() {
    let origin = Origin::with_name(true, "origin.test other.test").await;
    let none = String::new;
    for (slot, ask, kind, wanted) in [
        (
            "bearer",
            Ask("GET /echo", format!("authorization: Bearer {STAND_IN}\r\n"), none()),
            "a/b",
            format!("Bearer {TOKEN}"),
        ),
        (
            "basic me",
            Ask("GET /v1/x", format!("authorization: Basic {}\r\n", STANDARD.encode(format!("me:{STAND_IN}"))), none()),
            "a/b",
            format!("Basic {}", STANDARD.encode(format!("me:{TOKEN}"))),
        ),
        ("header x-api-key", Ask("GET /v1/x", format!("X-Api-Key: {STAND_IN}\r\n"), none()), "a/b", TOKEN.to_owned()),
        (
            "path bot*",
            Ask(&format!("POST /bot{STAND_IN}/send?a=1"), none(), none()),
            "a/b",
            format!("/bot{ESCAPED}/send?a=1"),
        ),
        (
            "query key",
            Ask(&format!("GET /v1/x?a=%20b&key={STAND_IN}&c"), none(), none()),
            "a/b",
            format!("&key={ESCAPED}&c"),
        ),
        (
            "json /auth/token",
            Ask("POST /v1/x", none(), format!(r#"{{"a": 1, "auth": {{"token": "{STAND_IN}"}}}}"#)),
            "application/json",
            format!(r#"{{"a":1,"auth":{{"token":"{TOKEN}"}}}}"#),
        ),
        (
            "form token",
            Ask("POST /v1/x", none(), format!("a=1&token={}", STAND_IN.replace(':', "%3A").replace('=', "%3D"))),
            "application/x-www-form-urlencoded",
            format!("a=1&token={ESCAPED}"),
        ),
    ] {
        becomes(&origin, slot, &ask, kind, &wanted).await;
    }
}

#[tokio::test]
async fn a_placeholder_is_worth_nothing_anywhere_else() {
    let origin = Origin::with_name(true, "origin.test other.test").await;
    let world = world(&origin, "bearer").await;
    let bearer = format!("authorization: Bearer {STAND_IN}\r\n");
    let none = String::new;
    for (host, ask) in [
        ("other.test", Ask("GET /echo", bearer.clone(), none())),
        ("origin.test", Ask("PUT /echo", bearer.clone(), none())),
        ("origin.test", Ask("GET /v2/x", bearer.clone(), none())),
        ("origin.test", Ask("GET /echo", format!("x-api-key: {STAND_IN}\r\n"), none())),
        (
            "origin.test",
            Ask("GET /echo", format!("authorization: Basic {}\r\n", STANDARD.encode(format!(":{STAND_IN}"))), none()),
        ),
        ("origin.test", Ask(&format!("GET /echo?q={STAND_IN}"), none(), none())),
        ("origin.test", Ask(&format!("GET /v1/{STAND_IN}"), none(), none())),
        ("origin.test", Ask("GET /echo", format!("{bearer}{bearer}"), none())),
        ("origin.test", Ask(&format!("GET /echo?q={STAND_IN}"), bearer.clone(), none())),
    ] {
        let stream = world.tls(host, origin.port, host).await.unwrap();
        let answer = exchange(stream, ask.bytes(host, origin.port, "a/b")).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{host} {}: {answer}", ask.0);
        assert!(answer.contains("egress/deny-placeholder"), "{host} {}: {answer}", ask.0);
    }
    assert_eq!(origin.got().len(), 0);
    let foreign = Ask("GET /echo", "authorization: Bearer of-a-stranger\r\n".to_owned(), none());
    let answer = world.https(origin.port, foreign.bytes("origin.test", origin.port, "a/b")).await;
    assert!(answer.contains("egress/deny-credential"), "an account of the agent's own: {answer}");
}

#[tokio::test]
async fn where_secrets_go_no_answer_brings_one_back_whoever_asked() {
    let origin = Origin::with_name(true, "origin.test other.test").await;
    let world = world(&origin, "bearer").await;
    // The server shows what somebody left there before.
    let ask = Ask("GET /echo", format!("x-note: {TOKEN}\r\nrange: bytes=0-3\r\n"), String::new());
    let answer = world.https(origin.port, ask.bytes("origin.test", origin.port, "a/b")).await;
    assert!(answer.contains("[scrubbed by creel]") && !answer.contains(TOKEN), "{answer}");
    assert!(!origin.got().first().unwrap().headers.contains_key("range"));
    let sends = world.book.rows().into_iter().filter(|row| matches!(row.action.deed, Deed::Send(_))).count();
    assert_eq!(sends, 1);
}

#[tokio::test]
async fn a_key_of_aws_signs_at_its_host_for_its_region_and_service_alone() {
    let origin = Origin::with_name(true, "origin.test other.test").await;
    let world = world_with(&origin, "name = \"cloud\"\nslot = \"aws us-east-1 s3\"\n").await;
    let (id, _) = AWS_STAND_IN.split_once(':').unwrap();
    let (own_id, own_key) = AWS_KEY.split_once(':').unwrap();
    let ask = |host: &str, id: &str, scope: &str, more: &str| {
        let signed = format!("Credential={id}/20260102/{scope}/aws4_request, SignedHeaders=host, Signature=00");
        let head = format!("authorization: AWS4-HMAC-SHA256 {signed}\r\nx-amz-date: 20260102T030405Z\r\n{more}");
        Ask("GET /echo", head, String::new()).bytes(host, origin.port, "a/b")
    };
    let answer = world.https(origin.port, ask("origin.test", id, "us-east-1/s3", "x-amz-meta-a: 1\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains(own_key), "{answer}");
    let got = origin.got().pop().unwrap();
    let signed = got.headers.get("authorization").unwrap().to_str().unwrap();
    let start = format!("AWS4-HMAC-SHA256 Credential={own_id}/20260102/us-east-1/s3/aws4_request, SignedHeaders=");
    assert!(signed.starts_with(&format!("{start}content-type;host;x-amz-date;x-amz-meta-a, ")), "{signed}");
    for (host, id, scope, more, rule) in [
        ("other.test", id, "us-east-1/s3", "", "deny-placeholder"),
        ("origin.test", id, "eu-west-1/s3", "", "deny-placeholder"),
        ("origin.test", id, "us-east-1/sts", "", "deny-placeholder"),
        ("origin.test", "AKIAOFASTRANGER00000", "us-east-1/s3", "", "deny-credential"),
        ("origin.test", id, "us-east-1/s3", "x-amz-security-token: of-a-stranger\r\n", "deny-credential"),
    ] {
        let stream = world.tls(host, origin.port, host).await.unwrap();
        let answer = exchange(stream, ask(host, id, scope, more)).await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains(rule), "{host} {id} {scope}: {answer}");
    }
    assert_eq!(origin.got().len(), 1);
}
