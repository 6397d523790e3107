//! Keys of AWS, and signatures with them.
//!
//! Owns the form of such a secret (`KEY_ID:SECRET_KEY`, and behind another `:` the token of a session) and the last steps of
//! AWS's Signature Version 4. It never knows what is signed: the egress door writes the canonical request. Called by the broker,
//! which holds the keys, and by whoever looks for their parts.

use creel_guard::{Inject, RecordId};
use ring::hmac;
use zeroize::Zeroizing;

/// The one algorithm.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A request that is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// The obligation, straight from the permit.
    pub inject: &'a Inject,
    /// The permit's record: what this use of the secret is accounted to.
    pub record: RecordId,
    /// The time that the request says, as `20130524T000000Z`.
    pub time: &'a str,
    /// The region, such as `us-east-1`.
    pub region: &'a str,
    /// The service, such as `s3`.
    pub service: &'a str,
    /// The names of the headers that are signed, with `;` between them.
    pub headers: &'a str,
    /// SHA-256 of the canonical request, lower-case hex.
    pub request: &'a str,
}

/// A key.
pub(crate) struct Parts<'a> {
    pub(crate) id: &'a str,
    key: &'a str,
    /// Of a session; none for a key that lasts.
    pub(crate) token: Option<&'a str>,
}

/// The parts of `value`; `None` when it is no key.
pub(crate) fn parts(value: &[u8]) -> Option<Parts<'_>> {
    let mut parts = std::str::from_utf8(value).ok()?.splitn(3, ':');
    let (id, key, token) = (parts.next()?, parts.next()?, parts.next());
    let visible = |text: &str| text.len() >= 16 && text.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
    let named = id.len() >= 16 && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (named && visible(key) && token.is_none_or(visible)).then_some(Parts { id, key, token })
}

/// Key id and secret key of a value of the form `KEY_ID:SECRET_KEY`; `None` for any other.
#[must_use]
pub fn aws_pair(value: &str) -> Option<(&str, &str)> {
    parts(value.as_bytes()).map(|parts| (parts.id, parts.key))
}

/// A value, and those parts of it that are secret by themselves.
pub fn pieces(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parts = parts(value).map(|parts| [Some(parts.key), parts.token]);
    std::iter::once(value).chain(parts.into_iter().flatten().flatten().map(str::as_bytes))
}

/// What the `authorization` header says.
pub(crate) fn signed(parts: &Parts<'_>, signing: &Signing<'_>) -> Zeroizing<Vec<u8>> {
    let Signing { inject: _, record: _, time, region, service, headers, request } = signing;
    let day = time.get(..8).unwrap_or_default();
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let start = Zeroizing::new(format!("AWS4{}", parts.key));
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, start.as_bytes());
    for step in [day, region, service, "aws4_request"] {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, step.as_bytes()).as_ref());
    }
    let text = format!("{ALGORITHM}\n{time}\n{scope}\n{request}");
    let signature = hmac::sign(&key, text.as_bytes());
    let signature: String = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let id = parts.id;
    let header = format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={headers}, Signature={signature}");
    Zeroizing::new(header.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_parts_and_nothing_else_is_one() {
        let value = b"AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY:IQoJb3JpZ2luX2VjEXAMPLE=";
        let found = parts(value).unwrap();
        assert_eq!((found.id, found.token), ("AKIAIOSFODNN7EXAMPLE", Some("IQoJb3JpZ2luX2VjEXAMPLE=")));
        assert_eq!(pieces(value).count(), 3);
        for other in [
            "AKIAIOSFODNN7EXAMPLE",
            "AKIAIOSFODNN7EXAMPLE:short",
            "user:wJalrXUtnFEMI/K7MDENG",
            "123456789:AAF0123456789_bcdefghij",
        ] {
            assert!(aws_pair(other).is_none() && pieces(other.as_bytes()).count() == 1, "{other}");
        }
    }
}
