//! Signs a request to S3 (AWS's Signature Version 4).
//!
//! Owns the canonical form of requests whose path needs no escape and which have no query. The broker holds the key and signs.
//! Called by a post.

use creel_guard::{Inject, RecordId, Slot};
use creel_secrets::{Broker, Fill, Signing};
use http::HeaderValue;
use http::header::AUTHORIZATION;
use http::request::Parts;
use sha2::{Digest as _, Sha256};

use crate::clock::{utc, wall_ms};

const PAYLOAD: &str = "x-amz-content-sha256";
const TIME: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";

/// The headers that are signed, in order.
const SIGNED: [&str; 4] = ["host", PAYLOAD, TIME, TOKEN];

/// Adds what `inject` signs; `head` has its host already.
pub(super) async fn sign(
    broker: &dyn Broker,
    inject: &Inject,
    head: &mut Parts,
    body: &[u8],
    record: RecordId,
) -> Result<(), String> {
    let Some(Slot::Aws(scope)) = &inject.slot else { return Err("nothing says what it is signed for".to_owned()) };
    let (region, service) = scope.split_once(' ').unwrap_or_default();
    let told = |error: creel_secrets::Error| error.to_string();
    let sensitive = |bytes: &[u8]| {
        let mut value = HeaderValue::from_bytes(bytes).map_err(|_| "a key fits no header".to_owned())?;
        value.set_sensitive(true);
        Ok::<_, String>(value)
    };
    // `2026-12-01T14:00:00Z` without what AWS leaves out
    let time: String = utc(wall_ms()).chars().filter(|one| !matches!(one, '-' | ':')).collect();
    let payload = digest(body);
    head.headers.insert(PAYLOAD, HeaderValue::from_str(&payload).map_err(|error| error.to_string())?);
    head.headers.insert(TIME, HeaderValue::from_str(&time).map_err(|error| error.to_string())?);
    let token = broker.fill(Fill { inject, record, slot: creel_secrets::Slot::Session }).await.map_err(told)?;
    if !token.expose().is_empty() {
        head.headers.insert(TOKEN, sensitive(token.expose())?);
    }
    let (canonical, names) = canonical(head, &payload);
    let request = digest(canonical.as_bytes());
    let signing = Signing { inject, record, time: &time, region, service, headers: &names, request: &request };
    let value = sensitive(broker.sign(signing).await.map_err(told)?.expose())?;
    head.headers.insert(AUTHORIZATION, value);
    Ok(())
}

fn canonical(head: &Parts, payload: &str) -> (String, String) {
    let value = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok().map(str::to_owned));
    let signed: Vec<_> = SIGNED.iter().filter_map(|name| Some((*name, value(name)?))).collect();
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    (format!("{}\n{}\n\n{lines}\n{names}\n{payload}", head.method, head.uri.path()), names)
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Signature Calculations for the Authorization Header", Amazon S3's API reference: the request without its `range`.
    #[test]
    fn what_is_signed_is_what_aws_says() {
        let request = http::Request::get("/test.txt").header("host", "examplebucket.s3.amazonaws.com");
        let (mut head, ()) = request.header(TIME, "20130524T000000Z").body(()).unwrap().into_parts();
        let payload = digest(b"");
        head.headers.insert(PAYLOAD, HeaderValue::from_str(&payload).unwrap());
        let (canonical, names) = canonical(&head, &payload);
        assert_eq!(names, "host;x-amz-content-sha256;x-amz-date");
        let lines = [
            "GET",
            "/test.txt",
            "",
            "host:examplebucket.s3.amazonaws.com",
            &format!("x-amz-content-sha256:{payload}"),
            "x-amz-date:20130524T000000Z",
            "",
            &names,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ];
        assert_eq!(canonical, lines.join("\n"));
    }
}
