//! What looks like a secret and is none.
//!
//! Owns the marks of examples: words that say so, rows of the keyboard and the alphabet, one character over and over, and
//! the tokens that documents of their issuers publish. It never excuses a known value.

use sha2::{Digest, Sha256};

/// Parts of a value that nobody's real key has.
const WORDS: [&str; 26] = [
    "example",
    "sample",
    "placeholder",
    "dummy",
    "redacted",
    "changeme",
    "change_me",
    "change-me",
    "replace",
    "insert",
    "yourkey",
    "your_",
    "your-",
    "yourapi",
    "yourtoken",
    "yoursecret",
    "xxxx",
    "foobar",
    "12345678",
    "abcdefgh",
    "deadbeef",
    "notreal",
    "not_real",
    "fake",
    "...",
    "****",
];

/// What a text says before an example.
const CALLED: [&str; 20] = [
    "example",
    "e.g.",
    "for instance",
    "such as",
    "looks like",
    "look like",
    "starts with",
    "start with",
    "begins with",
    "prefix",
    "format",
    "dummy",
    "fake",
    "sample",
    "placeholder",
    "not a real",
    "test vector",
    "documentation",
    "pattern",
    "fixture",
];

/// How far before a value such words count.
const NEAR: usize = 80;

/// The first eight bytes of the SHA-256 of tokens that issuers' own documents show.
const PUBLISHED: &[u64] = include!("excused/published.in");

/// Whether a value is an example by itself.
pub(super) fn is_example(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let has = |word: &&str| memchr::memmem::find(&lower, word.as_bytes()).is_some();
    WORDS.iter().any(has) || is_regular(&lower) || is_published(value)
}

/// Whether the words before a place call what follows an example.
pub(super) fn is_called_example(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(NEAR)..at).unwrap_or_default().to_ascii_lowercase();
    CALLED.iter().any(|word| memchr::memmem::find(&before, word.as_bytes()).is_some())
}

/// Whether an issuer's own documents show this very token.
pub(super) fn is_published(value: &[u8]) -> bool {
    let digest: [u8; 32] = Sha256::digest(value).into();
    digest.first_chunk().is_some_and(|head| PUBLISHED.contains(&u64::from_be_bytes(*head)))
}

/// Six of a row (`abcdef`, `987654`), or six times the same.
fn is_regular(value: &[u8]) -> bool {
    let run = |step: i16| {
        let mut length = 1;
        value.windows(2).any(|pair| {
            let [one, two] = pair else { return false };
            let follows = i16::from(*two) - i16::from(*one) == step;
            length = if follows && one.is_ascii_alphanumeric() && two.is_ascii_alphanumeric() { length + 1 } else { 1 };
            length >= 6
        })
    };
    run(0) || run(1) || run(-1)
}

/// Whether a value is as uneven as chance makes it: many different characters for its length.
pub(super) fn is_varied(value: &[u8]) -> bool {
    let is_hex = value.iter().filter(|byte| byte.is_ascii_hexdigit()).count() * 10 >= value.len() * 9;
    entropy(value) > if is_hex { 2.6 } else { 3.0 }
}

/// Shannon entropy of the bytes, in bits.
pub(super) fn entropy(value: &[u8]) -> f32 {
    let mut counts = [0_u16; 256];
    for byte in value.iter().take(4096) {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let all = f32::from(u16::try_from(value.len().clamp(1, 4096)).unwrap_or(1));
    counts.iter().filter(|count| **count > 0).map(|count| f32::from(*count) / all).map(|p| -p * p.log2()).sum()
}

/// Whether a value mixes letters and digits as random text does and names don't.
pub(super) fn is_random(value: &[u8]) -> bool {
    let class = |byte: u8| match byte {
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'0'..=b'9' => 3,
        _ => 0,
    };
    let letters = value.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let (mut switches, mut before) = (0, 0);
    for now in value.iter().map(|byte| class(*byte)).filter(|class| *class != 0) {
        switches += usize::from(before != 0 && before != now);
        before = now;
    }
    letters * 10 >= value.len() * 8 && digits >= 2 && digits < letters && switches * 10 >= letters * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_told() {
        for value in
            ["AKIAIOSFODNN7EXAMPLE", "your_api_key_here", "abcdef0987", "aaaaaaaaaa", "sk-xxxxxxxx", "9876543210"]
        {
            assert!(is_example(value.as_bytes()), "{value}");
        }
        assert!(!is_example(b"q8Zr1LmWx0Yb7Kc3Nd5P"));
        let gho = ["16C7e42F292c6912", "E7710c838347Ae178B4a"].concat();
        assert!(is_published(format!("gho_{gho}").as_bytes()));
        assert!(is_called_example(b"For example: x", 13) && !is_called_example(b"TOKEN=x", 6));
    }

    #[test]
    fn random_text_is_told_from_names() {
        assert!(is_random(b"q8Zr1LmWx0Yb7Kc3Nd5P") && is_random(b"9f86d081884c7d659a2feaa0c55ad015"));
        assert!(!is_random(b"AWS_SECRET_ACCESS_KEY_V2") && !is_random(b"process.env.SECRET_KEY_12"));
    }
}
