//! Requests to AWS over real sockets: what arrives is signed with the real key, whatever the agent signed with.

use creel_guard::{Obligations, Outcome};
use ring::digest::{SHA256, digest};
use ring::hmac;

use crate::fakes::Rules;
use crate::world::{AWS_KEY, AWS_STAND_IN, Got, Origin, World, approving, pinned};

const TIME: &str = "20260102T030405Z";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}

/// A request as a client sends it that signed with the stand-in.
fn ask(line: &str, port: u16, scope: &str, headers: &str, body: &str) -> String {
    let (id, _) = AWS_STAND_IN.split_once(':').unwrap();
    let signature = "0".repeat(64);
    format!(
        "{line} HTTP/1.1\r\nhost: origin.test:{port}\r\nx-amz-date: {TIME}\r\nconnection: close\r\n\
         authorization: AWS4-HMAC-SHA256 Credential={id}/20260102/{scope}/aws4_request, SignedHeaders=host, Signature={signature}\r\n\
         {headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What the service finds out of the request as it came, by the key that it knows: path and query have one form here.
fn signature(got: &Got, scope: &str, payload: &str) -> String {
    let header = |name: &str| got.headers.get(name).unwrap().to_str().unwrap().to_owned();
    let authorization = header("authorization");
    let names = authorization.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap().to_owned();
    let lines: String = names.split(';').map(|name| format!("{name}:{}\n", header(name))).collect();
    let (method, target) = got.line.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let canonical = sha256(&format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}"));
    let sign = |key: &[u8], text: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
    };
    let (_, key) = AWS_KEY.split_once(':').unwrap();
    let (region, service) = scope.split_once('/').unwrap();
    let steps = ["20260102", region, service, "aws4_request"];
    let key = steps.iter().fold(format!("AWS4{key}").into_bytes(), |key, step| sign(&key, step));
    let text = format!("AWS4-HMAC-SHA256\n{TIME}\n20260102/{scope}/aws4_request\n{canonical}");
    hex(&sign(&key, &text))
}

async fn world(origin: &Origin) -> World {
    let rules = Rules { owes: Obligations { scrub: true, ..Obligations::default() }, ..approving("origin.test") };
    World::new(rules, vec![pinned("origin.test", origin)]).await
}

#[tokio::test]
async fn a_request_is_signed_anew_over_what_is_sent() {
    let origin = Origin::new(true).await;
    let world = world(&origin).await;
    let (id, key) = AWS_KEY.split_once(':').unwrap();
    let own = sha256("{\"a\": 1}");
    for (line, scope, headers, body, payload) in [
        // The agent's own claim about its body, as S3 has it.
        ("PUT /bucket/key", "us-east-1/s3", format!("x-amz-content-sha256: {own}\r\n"), "{\"a\": 1}", own.clone()),
        (
            "PUT /bucket/key",
            "us-east-1/s3",
            "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n".to_owned(),
            "x",
            "UNSIGNED-PAYLOAD".to_owned(),
        ),
        (
            "GET /bucket?a=&list-type=2",
            "eu-west-1/s3",
            format!("range: bytes=0-1\r\nx-amz-content-sha256: {}\r\n", sha256("")),
            "",
            sha256(""),
        ),
        // Others say nothing of it.
        (
            "POST /",
            "us-east-1/dynamodb",
            "content-type: application/x-amz-json-1.0\r\nx-amz-target: A.B\r\n".to_owned(),
            "{\"a\": 1}",
            own.clone(),
        ),
        ("GET /", "us-east-1/lambda", String::new(), "", sha256("")),
    ] {
        let answer = world.https(origin.port, ask(line, origin.port, scope, &headers, body)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{line}: {answer}");
        let got = origin.got().pop().unwrap();
        let authorization = got.headers.get("authorization").unwrap().to_str().unwrap().to_owned();
        assert!(authorization.contains(&format!("Credential={id}/20260102/{scope}/aws4_request")), "{authorization}");
        assert!(authorization.ends_with(&signature(&got, scope, &payload)), "{line}: {authorization}");
        assert_eq!((got.text.as_str(), got.headers.get("range")), (body, None), "{line}");
        assert_eq!(got.headers.get("x-amz-content-sha256").is_some(), headers.contains("sha256"));
    }
    let rows = world.book.until("settled", |rows| rows.iter().all(|row| row.outcome.is_some())).await;
    assert_eq!(rows[0].facts.placeholders[0].to_string(), "`cloud` in aws us-east-1 s3");
    let shown = format!("{rows:?}");
    assert!(!shown.contains(key) && !shown.contains(id), "{shown}");
}

#[tokio::test]
async fn what_can_not_be_signed_is_refused_and_says_why() {
    let origin = Origin::new(true).await;
    let world = world(&origin).await;
    let chunks = "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\n";
    for (request, status, why) in [
        (ask("PUT /b/k", origin.port, "us-east-1/s3", chunks, "x"), 400, "can't be signed anew"),
        (ask("PUT /b/k?a=b+c", origin.port, "us-east-1/s3", "", "x"), 400, "path or query"),
        (ask("PUT /b/k", origin.port, "us-east-1/s3", "", "x").replace(TIME, "now"), 400, "x-amz-date"),
        (ask("POST /", origin.port, "us-east-1/sqs", "", &"x".repeat(2 << 20)), 400, "longer than 1 MiB"),
    ] {
        let answer = world.https(origin.port, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(why), "{why}: {answer}");
    }
    assert_eq!(origin.got().len(), 0);
    let rows =
        world.book.until("settled", |rows| rows.len() == 4 && rows.iter().all(|row| row.outcome.is_some())).await;
    assert!(rows.iter().all(|row| matches!(row.outcome, Some(Outcome::Failed { .. }))), "{rows:?}");
}
