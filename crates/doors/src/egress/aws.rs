//! Requests to AWS, signed anew.
//!
//! Owns the canonical request of AWS's Signature Version 4, written of what goes out. The agent signed with a key that opens
//! nothing; its signature is dropped unread. Never sees the key: the broker signs. Called by [`super::enforce`] when
//! everything else of a request stands.

use bytes::Bytes;
use creel_guard::{Inject, Slot};
use creel_secrets::Signing;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Uri};
use sha2::{Digest, Sha256};

use super::declared;
use super::enforce::Bodily;
use super::relay::Fault;
use super::secret::Filler;
use crate::Error;
use crate::leak::Search;

const TIME: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const PAYLOAD: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// The one among the placeholders of a request that its signature was made with.
pub(super) fn signer(swaps: &[Inject]) -> Option<&Inject> {
    swaps.iter().find(|swap| matches!(swap.slot, Some(Slot::Aws(_))))
}

/// What is signed for the body: its digest, as the request says it or as it is, or that it is none. A body that the request says
/// nothing of is held.
pub(super) async fn payload(
    headers: &mut HeaderMap,
    body: Bodily,
    search: Option<Search>,
) -> Result<(String, Bodily), Error> {
    let said = match headers.get_all(&PAYLOAD).iter().collect::<Vec<_>>()[..] {
        [] => None,
        [one] => Some(one.to_str().unwrap_or_default().to_owned()),
        _ => Some(String::new()),
    };
    let is_digest = |said: &str| said.len() == 64 && said.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let fault = |why: &str| Err(Error::Agent(why.to_owned()));
    match (said.as_deref(), body) {
        (Some(UNSIGNED), body) => Ok((UNSIGNED.to_owned(), body)),
        (Some(said), _) if said.starts_with("STREAMING-") => fault(
            "a body in chunks with signatures or checksums of their own can't be signed anew; send it in one piece or unsigned",
        ),
        (Some(said), _) if !is_digest(said) => {
            fault("`x-amz-content-sha256` says neither a digest nor `UNSIGNED-PAYLOAD`")
        }
        (said, Bodily::Judged(content)) => {
            let digest = digest(content.text.as_bytes());
            if said.is_some() {
                let value =
                    HeaderValue::from_str(&digest).map_err(|_| Error::Bug("a digest is no header".to_owned()))?;
                headers.insert(PAYLOAD, value);
            }
            Ok((digest, Bodily::Judged(content)))
        }
        (Some(said), body) => Ok((said.to_owned(), body)),
        (None, Bodily::Held(bytes)) => Ok((digest(&bytes), Bodily::Held(bytes))),
        (None, Bodily::Streamed(incoming)) => {
            let bytes = declared::whole(incoming).await;
            let Some(bytes) = bytes else {
                return fault("a body that must be signed is longer than 1 MiB, or too slow");
            };
            searched(&bytes, search)?;
            Ok((digest(&bytes), Bodily::Held(bytes)))
        }
    }
}

fn searched(bytes: &Bytes, search: Option<Search>) -> Result<(), Error> {
    let Some(mut search) = search else { return Ok(()) };
    search.push(bytes).and_then(|()| search.finish()).map_err(|held| Fault::from(held).into_error())
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Signs what goes out, with the key of `inject` for the region and service that it names.
pub(super) async fn sign<B>(
    filler: &Filler<'_>,
    inject: &Inject,
    payload: &str,
    request: &mut Request<B>,
) -> Result<(), Error> {
    let Some(Slot::Aws(scope)) = &inject.slot else { return Ok(()) };
    let (region, service) = scope.split_once(' ').unwrap_or_default();
    super::headers::drop_named(request.headers_mut(), AUTHORIZATION.as_str());
    super::headers::drop_named(request.headers_mut(), TOKEN.as_str());
    let unsigned = |what: &str| Error::Agent(format!("a request to AWS can't be signed: {what}"));
    let time = match request.headers().get_all(&TIME).iter().collect::<Vec<_>>()[..] {
        [one] => one.to_str().ok().filter(|time| is_time(time)).map(str::to_owned),
        _ => None,
    };
    let time = time.ok_or_else(|| unsigned("its one `x-amz-date` must say when it was made"))?;
    let sensitive = |bytes: &[u8]| {
        let mut value = HeaderValue::from_bytes(bytes).map_err(|_| Error::Bug("a key fits no header".to_owned()))?;
        value.set_sensitive(true);
        Ok::<_, Error>(value)
    };
    let token = filler.session(inject).await?;
    if !token.expose().is_empty() {
        let value = sensitive(token.expose())?;
        request.headers_mut().insert(TOKEN, value);
    }
    let headers = signed_headers(request.headers()).ok_or_else(|| unsigned("a header holds what none may"))?;
    let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let canonical = canonical(request.method().as_str(), request.uri(), service, &headers, &names, payload);
    let canonical = digest(canonical.ok_or_else(|| unsigned("its path or query can't be read"))?.as_bytes());
    let record = filler.record;
    let signing = Signing { inject, record, time: &time, region, service, headers: &names, request: &canonical };
    let value = sensitive(filler.signed(signing).await?.expose())?;
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(())
}

/// `20130524T000000Z`.
fn is_time(text: &str) -> bool {
    let digit = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 16 && text.bytes().enumerate().all(digit)
}

/// The headers that say something to AWS, in order: lower case, each once, without blanks that say nothing.
fn signed_headers(headers: &HeaderMap) -> Option<Vec<(String, String)>> {
    let counts = |name: &str| matches!(name, "host" | "content-type" | "content-md5") || name.starts_with("x-amz-");
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).filter(|name| counts(name)).collect();
    names.sort_unstable();
    let one = |name: &str| {
        let values = headers.get_all(name).iter().map(|value| value.to_str().ok());
        let values: Option<Vec<String>> = values
            .map(|value| value.map(|value| value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")))
            .collect();
        Some((name.to_owned(), values?.join(",")))
    };
    names.into_iter().map(one).collect()
}

/// What is signed. A path's parts are escaped once for S3, and once more for all others.
fn canonical(
    method: &str,
    uri: &Uri,
    service: &str,
    headers: &[(String, String)],
    names: &str,
    payload: &str,
) -> Option<String> {
    let part =
        |part: &str| if service == "s3" { Some(escaped(&unescaped(part)?)) } else { Some(escaped(part.as_bytes())) };
    let path: Option<Vec<String>> = uri.path().split('/').map(part).collect();
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((escaped(&unescaped(name)?), escaped(&unescaped(value)?)))
    });
    let mut pairs = pairs.collect::<Option<Vec<_>>>()?;
    pairs.sort_unstable();
    let query: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    Some(format!("{method}\n{}\n{}\n{lines}\n{names}\n{payload}", path?.join("/"), query.join("&")))
}

/// All but unreserved characters as `%XX` (RFC 3986, section 2.3).
fn escaped(bytes: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        other => format!("%{other:02X}"),
    };
    bytes.iter().map(one).collect()
}

/// `%XX` undone; `None` when an escape is cut off or none, or a `+` stands there, which servers read in two ways.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut bytes) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => return None,
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests;
