//! Which headers pass, both ways.
//!
//! Owns the lists of what is dropped: what belongs to one hop (RFC 9110, section 7.6.1), to proxies, and what makes a
//! server read another method or path than the one that was judged. Called by [`super::enforce`].

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::head::{Framing, Head};
use crate::Error;

/// One hop's own.
const HOP_BY_HOP: [&str; 7] =
    ["connection", "http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// A server that honours one of these acts on another request than the one that was judged (HARDENING.md 7).
const OVERRIDES: [&str; 5] =
    ["x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"];

/// A name as gateways of the CGI family read it: `_` is `-` to them.
fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// Drops every header whose plain name is one that `unwanted` knows.
fn drop_all(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    let found: Vec<HeaderName> = headers.keys().filter(|name| unwanted(&plain(name.as_str()))).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// Drops every header that some server reads as `name`.
pub(super) fn drop_named(headers: &mut HeaderMap, name: &str) {
    let name = plain(name);
    drop_all(headers, |one| one == name);
}

/// The headers of a request as they go upstream: `Host` and framing are ours.
///
/// # Errors
/// [`Error::Bug`] when `authority` can't stand in a header.
pub(super) fn to_upstream(mut headers: HeaderMap, authority: &str, head: &Head) -> Result<HeaderMap, Error> {
    drop_hop(&mut headers);
    // Who the agent claims to speak for is nobody's business: an upstream that trusts its proxies would believe it.
    drop_all(&mut headers, |name| OVERRIDES.contains(&name) || name == "forwarded" || name.starts_with("x-forwarded"));
    // Answered by our own server as soon as the upstream takes the body.
    headers.remove(header::EXPECT);
    headers.remove(header::CONTENT_LENGTH);
    if let Framing::Length(length) = head.framing
        && head.length_declared
    {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    let host = HeaderValue::try_from(authority).map_err(|error| Error::Bug(format!("no `Host`: {error}")))?;
    headers.insert(header::HOST, host);
    join_cookies(&mut headers);
    Ok(headers)
}

/// HTTP/2 may say each cookie in a line of its own; HTTP/1.1 has one line (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// The headers of a response as the agent gets them.
pub(super) fn to_agent(headers: &mut HeaderMap) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    drop_hop(headers);
    // Alternative services would be reached over QUIC, past this door (RFC 7838).
    headers.remove(header::ALT_SVC);
}

fn drop_hop(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| plain(name.trim()))
        .collect();
    drop_all(headers, |name| {
        HOP_BY_HOP.contains(&name) || name.starts_with("proxy-") || named.iter().any(|named| named == name)
    });
}
