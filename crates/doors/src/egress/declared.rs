//! Bodies that a rule wants to read before it decides.
//!
//! Owns the one strict reading of such a body: bounded, in time, each key once, and written anew, so that what is sent is
//! what was judged. Never judges what it says. Called by [`super::Egress`] where the policy asked for it.

use std::time::Duration;

use bytes::Bytes;
use creel_guard::{Content, Form, Headers, urlencoded_pairs};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::model::strict;

/// A body that is judged is held whole: this much of it (GraphQL and JSON-RPC requests are a few KiB).
pub(super) const MAX_DECLARED: usize = 1024 * 1024;
/// It must be there within this.
const READ_LIMIT: Duration = Duration::from_secs(30);
/// So many are held at once; more wait their turn.
static ROOM: Semaphore = Semaphore::const_new(16);

/// Reads a body in `form`. `None` when it is none: too long, too slow, encoded, of another type, or readable in two ways.
pub(super) async fn read<B>(form: Form, headers: &Headers, body: B) -> Option<Content>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if !is_typed(form, headers) {
        return None;
    }
    let bytes = whole(body).await?;
    let value = match form {
        Form::Urlencoded => urlencoded_pairs(std::str::from_utf8(&bytes).ok()?)?,
        Form::Json | Form::Graphql | Form::JsonRpc => strict::parse(&bytes).ok()?,
    };
    Some(Content::new(form, value, String::new()))
}

/// All of a body; `None` when it is too long or too slow.
pub(super) async fn whole<B>(body: B) -> Option<Bytes>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let work = async {
        let _room = ROOM.acquire().await.ok()?;
        Some(Limited::new(body, MAX_DECLARED).collect().await.ok()?.to_bytes())
    };
    timeout(READ_LIMIT, work).await.ok().flatten()
}

/// The same with the digest of its text.
pub(super) fn digested(mut content: Content) -> Content {
    content.digest = Sha256::digest(content.text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    content
}

/// One content type, and that is the form's, in UTF-8 as it stands.
fn is_typed(form: Form, headers: &Headers) -> bool {
    if headers.iter().any(|(name, value)| name == "content-encoding" && !value.eq_ignore_ascii_case("identity")) {
        return false;
    }
    let Some(full) = headers.one("content-type") else { return false };
    let mut parts = full.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let named = match form {
        Form::Urlencoded => essence == "application/x-www-form-urlencoded",
        Form::Json | Form::Graphql | Form::JsonRpc => {
            essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
        }
    };
    named
        && parts.all(|part| {
            part.is_empty() || matches!(part.to_ascii_lowercase().as_str(), "charset=utf-8" | "charset=\"utf-8\"")
        })
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    async fn read_as(kind: &str, body: &str) -> Option<String> {
        let headers = Headers::new([("content-type", kind.as_bytes())]);
        let body = Full::new(Bytes::from(body.to_owned()));
        read(Form::Json, &headers, body).await.map(|content| content.text.to_string())
    }

    #[tokio::test]
    async fn what_is_judged_is_written_anew_and_anything_unclear_is_none() {
        let text = read_as("application/json; charset=UTF-8", "{ \"a\" : [1, \"\\u0062\"] }").await;
        assert_eq!(text.as_deref(), Some(r#"{"a":[1,"b"]}"#));
        assert!(read_as("application/vnd.api+json", "{}").await.is_some());
        for (kind, body) in [
            ("text/plain", "{}"),
            ("application/json; charset=utf-16", "{}"),
            ("application/x-www-form-urlencoded", "a=1"),
            ("application/json", "{\"a\":1,\"a\":2}"),
            ("application/json", "{} {}"),
            ("application/json", ""),
        ] {
            assert_eq!(read_as(kind, body).await, None, "{kind} {body}");
        }
        let headers = Headers::new([("content-type", &b"application/x-www-form-urlencoded; charset=UTF-8"[..])]);
        let form = |body: &'static str| read(Form::Urlencoded, &headers, Full::new(Bytes::from(body)));
        assert_eq!(form("b=1&a=%7e%20x").await.map(|content| content.text.to_string()).as_deref(), Some("b=1&a=%7E+x"));
        assert!(form("a=1&a=2").await.is_none() && form("{}").await.is_none());
        let long = format!("\"{}\"", "x".repeat(MAX_DECLARED));
        assert_eq!(read_as("application/json", &long).await, None);
        let twice = Headers::new([("content-type", &b"application/json"[..]), ("content-type", b"text/plain")]);
        assert!(read(Form::Json, &twice, Full::new(Bytes::from("{}"))).await.is_none());
        let packed = Headers::new([("content-type", &b"application/json"[..]), ("content-encoding", b"gzip")]);
        assert!(read(Form::Json, &packed, Full::new(Bytes::from("{}"))).await.is_none());
    }
}
