//! Refusals for clients that would not show a problem document.
//!
//! Owns [`Voice`] and the two other forms: a gRPC status and a text. They say the same as the document. Called by
//! [`super::refusal`].

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, header};

use crate::stream::{self, Body};

/// In which form a client reads a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::egress) enum Voice {
    /// As `application/problem+json`.
    Problem,
    /// As a gRPC status: its clients show nothing else.
    Grpc,
    /// As text: git prints it behind `remote:`.
    Text,
}

impl Voice {
    /// By what the request says of itself; a lie costs the liar a readable answer and nothing else.
    pub(in crate::egress) fn of(version: Version, headers: &HeaderMap) -> Self {
        let begins = |name: &HeaderName, words: &str| {
            headers.get(name).is_some_and(|value| value.as_bytes().starts_with(words.as_bytes()))
        };
        let is_grpc = version == Version::HTTP_2 && begins(&header::CONTENT_TYPE, "application/grpc");
        if is_grpc || begins(&header::CONTENT_TYPE, "application/grpc-web") {
            Self::Grpc
        } else if begins(&header::USER_AGENT, "git/") {
            Self::Text
        } else {
            Self::Problem
        }
    }
}

/// An answer of headers alone (gRPC over HTTP/2, "Responses": Trailers-Only), whose status says no.
pub(super) fn grpc(status: StatusCode, said: &str) -> Response<Body> {
    // gRPC's status codes: 7 permission denied, 8 resource exhausted, 3 invalid argument, 14 unavailable.
    let code = match status {
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => 8,
        StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE => 3,
        status if status.is_server_error() => 14,
        _ => 7,
    };
    let mut response = Response::new(stream::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from(code));
    if let Ok(message) = HeaderValue::try_from(percent(said)) {
        headers.insert(HeaderName::from_static("grpc-message"), message);
    }
    response
}

/// What stands in `grpc-message`: printable ASCII, the rest and `%` in percent signs.
fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

pub(super) fn text(status: StatusCode, said: &str, close: bool) -> Response<Body> {
    let mut response = Response::new(stream::full(format!("refused by Creel: {said}\n").into_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_is_answered_in_its_own_form() {
        let check = |version, name: &'static str, value: &str, expected| {
            let headers =
                HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::try_from(value).unwrap())]);
            assert_eq!(Voice::of(version, &headers), expected, "{value}");
        };
        check(Version::HTTP_2, "content-type", "application/grpc+proto", Voice::Grpc);
        check(Version::HTTP_11, "content-type", "application/grpc", Voice::Problem);
        check(Version::HTTP_11, "content-type", "application/grpc-web+proto", Voice::Grpc);
        check(Version::HTTP_11, "user-agent", "git/2.47.3", Voice::Text);
        check(Version::HTTP_11, "user-agent", "curl/8.14.1", Voice::Problem);
    }

    #[test]
    fn a_grpc_message_is_printable() {
        assert_eq!(percent("100 % \u{e9}\r\n`x`"), "100 %25 %C3%A9%0D%0A`x`");
    }
}
