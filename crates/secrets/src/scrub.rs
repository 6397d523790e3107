//! Takes secrets out of bytes that go towards the agent.
//!
//! Owns the search for exact values; other encodings of a value are not looked for yet. It never shortens its search to
//! save time. Called by [`crate::MemoryBroker`].

use std::borrow::Cow;

use crate::secret::Secret;

/// Shorter values take no part: they would match by chance and turn scrubbing into an oracle (HARDENING 10: 80 bits
/// make 14 characters of base64; 16 bytes leave a margin).
pub(crate) const MIN_BYTES: usize = 16;

/// What stands in a secret's place.
pub(crate) const MARK: &[u8] = b"[scrubbed by creel]";

/// `bytes` with each of `secrets` replaced.
pub(crate) fn scrub<'a, 's>(bytes: &'a [u8], secrets: impl Iterator<Item = &'s Secret>) -> Cow<'a, [u8]> {
    let mut clean = Cow::Borrowed(bytes);
    for secret in secrets.filter(|secret| secret.bytes().len() >= MIN_BYTES) {
        if let Some(next) = replace(&clean, secret.bytes()) {
            clean = Cow::Owned(next);
        }
    }
    clean
}

/// `None` when `needle` does not occur.
fn replace(bytes: &[u8], needle: &[u8]) -> Option<Vec<u8>> {
    let first = *needle.first()?;
    let mut out: Option<Vec<u8>> = None;
    let mut rest = bytes;
    let mut kept = 0usize;
    while let Some(at) = rest.get(kept..).and_then(|tail| tail.iter().position(|b| *b == first)).map(|n| n + kept) {
        let (head, tail) = rest.split_at(at);
        if tail.starts_with(needle) {
            let out = out.get_or_insert_with(Vec::new);
            out.extend_from_slice(head);
            out.extend_from_slice(MARK);
            rest = tail.get(needle.len()..).unwrap_or_default();
            kept = 0;
        } else {
            kept = at + 1;
        }
    }
    if let Some(out) = &mut out {
        out.extend_from_slice(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_place() {
        assert_eq!(replace(b"xxkeyxkeykey", b"key").unwrap(), [b"xx", MARK, b"x", MARK, MARK].concat());
        assert_eq!(replace(b"kkkey", b"key").unwrap(), [b"kk", MARK].concat());
        assert_eq!(replace(b"ke", b"key"), None);
        assert_eq!(replace(b"", b"key"), None);
    }
}
