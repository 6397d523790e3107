//! Takes secrets out of bytes that go towards the agent.
//!
//! Owns [`Needles`], the forms in which a server may echo a value (as it is, in hex, in base64 at each alignment, escaped
//! for a URL or for JSON, reversed), and [`Scrubber`], which finds them over the borders of pieces. It never shortens its
//! search to save time. Called by [`crate::MemoryBroker`] and by doors that stream.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Shorter values take no part: they would match by chance and turn scrubbing into an oracle (HARDENING 10: 80 bits
/// make 14 characters of base64; 16 bytes leave a margin).
pub(crate) const MIN_BYTES: usize = 16;

/// What stands in a secret's place.
pub(crate) const MARK: &[u8] = b"[scrubbed by creel]";

/// The forms that are looked for now: a rotation puts others in their place.
pub(crate) type Current = Arc<RwLock<Arc<Needles>>>;

/// Every form of every secret, the longest first.
#[derive(Default)]
pub(crate) struct Needles(Vec<Zeroizing<Vec<u8>>>);

impl Needles {
    pub(crate) fn of<'s>(secrets: impl Iterator<Item = &'s Secret>) -> Self {
        let long =
            secrets.flat_map(|secret| crate::aws::pieces(secret.bytes())).filter(|value| value.len() >= MIN_BYTES);
        let mut all: Vec<Zeroizing<Vec<u8>>> = long.flat_map(forms).collect();
        all.sort_unstable_by(|left, right| right.len().cmp(&left.len()).then_with(|| left.cmp(right)));
        all.dedup();
        Self(all)
    }

    /// `bytes` with each secret replaced.
    pub(crate) fn scrub<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut clean = Cow::Borrowed(bytes);
        for needle in &self.0 {
            if let Some(next) = replace(&clean, needle) {
                clean = Cow::Owned(next);
            }
        }
        clean
    }

    /// How many of the last bytes may be the start of a secret.
    fn open_end(&self, bytes: &[u8]) -> usize {
        let longest = self.0.first().map_or(0, |needle| needle.len().saturating_sub(1)).min(bytes.len());
        let starts = |tail: &[u8]| self.0.iter().any(|needle| needle.len() > tail.len() && needle.starts_with(tail));
        (1..=longest).rev().find(|length| starts(bytes.get(bytes.len() - length..).unwrap_or_default())).unwrap_or(0)
    }
}

/// Scrubs what comes in pieces. It holds back what may be the start of a secret, and nothing else. A secret that is rotated
/// meanwhile counts from the next piece on.
pub struct Scrubber {
    current: Current,
    held: Zeroizing<Vec<u8>>,
}

impl Scrubber {
    pub(crate) fn new(current: Current) -> Self {
        Self { current, held: Zeroizing::default() }
    }

    /// Takes the next piece and gives what can go on.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut whole = Zeroizing::new(Vec::with_capacity(self.held.len() + piece.len()));
        whole.extend_from_slice(&self.held);
        whole.extend_from_slice(piece);
        let needles = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        let clean = needles.scrub(&whole);
        let (goes, stays) = clean.split_at(clean.len() - needles.open_end(&clean));
        self.held = Zeroizing::new(stays.to_vec());
        goes.to_vec()
    }

    /// Nothing comes after this: what was held back was no secret.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut *self.held)
    }
}

/// The value as servers write it.
fn forms(value: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut all = vec![value.to_vec(), value.iter().rev().copied().collect()];
    let (mut lower, mut upper, mut url, mut url_lower) = (String::new(), String::new(), String::new(), String::new());
    for byte in value {
        let _ = write!(lower, "{byte:02x}");
        let _ = write!(upper, "{byte:02X}");
        // RFC 3986, section 2.3.
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            url.push(char::from(*byte));
            url_lower.push(char::from(*byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
            let _ = write!(url_lower, "%{byte:02x}");
        }
    }
    all.extend([lower, upper, url, url_lower].map(String::into_bytes));
    if let Ok(text) = std::str::from_utf8(value)
        && let Ok(json) = serde_json::to_string(text)
    {
        let inner = json.trim_start_matches('"').strip_suffix('"').unwrap_or_default();
        all.push(inner.as_bytes().to_vec());
        all.push(inner.replace('/', "\\/").into_bytes());
    }
    for before in 0..3usize {
        // What stands before and after changes the first and the last characters: only those between are the secret's own.
        let padded = Zeroizing::new([&vec![0; before], value].concat());
        let first = (before * 8).div_ceil(6);
        let text = STANDARD_NO_PAD.encode(&padded);
        let inner = text.get(first..padded.len() * 8 / 6).unwrap_or_default();
        all.push(inner.as_bytes().to_vec());
        all.push(inner.replace('+', "-").replace('/', "_").into_bytes());
    }
    all.into_iter().filter(|form| form.len() >= MIN_BYTES).map(Zeroizing::new).collect()
}

/// `None` when `needle` does not occur.
fn replace(bytes: &[u8], needle: &[u8]) -> Option<Vec<u8>> {
    let mut found = memchr::memmem::find_iter(bytes, needle).peekable();
    found.peek()?;
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for at in found {
        out.extend_from_slice(bytes.get(from..at)?);
        out.extend_from_slice(MARK);
        from = at + needle.len();
    }
    out.extend_from_slice(bytes.get(from..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretName;

    const KEY: &str = "k3y/with+odd\"signs&0123456789";

    fn needles() -> Current {
        let name = SecretName::parse("KEY").unwrap();
        let secret = Secret::load(&name, Zeroizing::new(KEY.as_bytes().to_vec())).unwrap();
        Arc::new(RwLock::new(Arc::new(Needles::of([secret].iter()))))
    }

    fn in_pieces(bytes: &[u8], size: usize) -> Vec<u8> {
        let mut scrubber = Scrubber::new(needles());
        let mut out: Vec<u8> = bytes.chunks(size).flat_map(|piece| scrubber.push(piece)).collect();
        out.extend(scrubber.finish());
        out
    }

    #[test]
    fn finds_every_place() {
        assert_eq!(replace(b"xxkeyxkeykey", b"key").unwrap(), [b"xx", MARK, b"x", MARK, MARK].concat());
        assert_eq!(replace(b"kkkey", b"key").unwrap(), [b"kk", MARK].concat());
        assert_eq!(replace(b"ke", b"key"), None);
        assert_eq!(replace(b"", b"key"), None);
    }

    #[test]
    fn every_form_is_found_in_pieces_of_every_size() {
        let hex: String = KEY.bytes().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let url = "k3y%2Fwith%2Bodd%22signs%260123456789".to_owned();
        let json = serde_json::to_string(KEY).unwrap();
        let reversed: String = KEY.chars().rev().collect();
        let encoded = ["", "u:", "ab:"].map(|before| STANDARD_NO_PAD.encode(format!("{before}{KEY}")));
        let url_safe = encoded.clone().map(|text| text.replace('+', "-").replace('/', "_"));
        let forms = [KEY.to_owned(), hex.to_uppercase(), hex, url.to_lowercase(), url, json, reversed];
        for form in forms.iter().chain(&encoded).chain(&url_safe) {
            let text = format!("before {form} after {form}");
            for size in 1..=text.len() {
                let clean = in_pieces(text.as_bytes(), size);
                let marks = memchr::memmem::find_iter(&clean, MARK).count();
                assert_eq!(marks, 2, "{form} in pieces of {size}: {}", String::from_utf8_lossy(&clean));
                let middle = form.get(6..form.len() - 6).unwrap();
                assert!(memchr::memmem::find(&clean, middle.as_bytes()).is_none(), "{form} in pieces of {size}");
            }
        }
    }

    #[test]
    fn what_is_no_secret_passes_whole_and_without_waiting() {
        let mut scrubber = Scrubber::new(needles());
        assert_eq!(scrubber.push(b"data: hello\n\n"), b"data: hello\n\n");
        assert_eq!(scrubber.push(b"ends as a key: k3y/with"), b"ends as a key: ");
        assert_eq!(scrubber.push(b"out it"), b"k3y/without it");
        assert_eq!(scrubber.push(b"k3y"), b"");
        assert_eq!(scrubber.finish(), b"k3y");
        assert_eq!(scrubber.finish(), b"");
    }
}
