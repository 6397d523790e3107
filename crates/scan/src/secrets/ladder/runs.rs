//! Runs of encoded bytes in running text.
//!
//! Owns the search for long runs of base64 (both alphabets, lines broken or not), hex (with or without separators) and
//! base32, and their decoding. A run that began too early is tried at each alignment.

use super::Decoded;
use super::escapes::pair;
use super::inflate::inflated;

/// A shorter run of base64 holds fewer than twelve bytes.
const LEAST_64: usize = 16;

/// Eight bytes.
const LEAST_HEX: usize = 16;

const LEAST_32: usize = 24;

/// A run longer than this that does not begin where its bytes begin is not tried again.
const SHIFTED: usize = 4096;

pub(super) fn decode(text: &[u8], left: &mut usize, found: &mut Vec<Decoded>) {
    let mut at = 0;
    while *left > 0 {
        let Some(from) = stretch(text, at, LEAST_64, is_64) else { break };
        let length = run_length(text.get(from..).unwrap_or_default());
        one_run(text.get(from..from + length).unwrap_or_default(), from, left, found);
        at = from + length;
    }
    separated_hex(text, left, found);
}

/// Where the next `length` bytes in a row begin that all are such, from `at` on. Looked at from their last one backwards: one that is
/// none rules out all places before it.
fn stretch(text: &[u8], mut at: usize, length: usize, is_such: impl Fn(u8) -> bool) -> Option<usize> {
    loop {
        match text.get(at..at + length)?.iter().rposition(|byte| !is_such(*byte)) {
            Some(last) => at += last + 1,
            None => return Some(at),
        }
    }
}

/// The length of the run at the beginning of `text`: characters of base64, and line breaks between long lines.
fn run_length(text: &[u8]) -> usize {
    let mut length = 0;
    loop {
        let tail = text.get(length..).unwrap_or_default();
        let line = tail.iter().take_while(|byte| is_64(**byte)).count();
        length += line;
        // Short lines go on in no other.
        if line < 32 {
            return length;
        }
        let after = tail.get(line..).unwrap_or_default();
        let gap = line_break(after);
        let next = after.get(gap..).unwrap_or_default().iter().take(LEAST_64).take_while(|byte| is_64(**byte)).count();
        let ends = tail.get(..line).is_some_and(|line| line.ends_with(b"="));
        if gap == 0 || ends || next < 2 {
            return length;
        }
        length += gap;
    }
}

/// How long a break between two lines of one run is: real, or escaped as in JSON.
fn line_break(text: &[u8]) -> usize {
    let breaks: [&[u8]; 5] = [b"\r\n", b"\n", b"\\r\\n", b"\\n", b"=\r\n"];
    let Some(found) = breaks.iter().find(|found| text.starts_with(found)) else { return 0 };
    let spaces = text.iter().skip(found.len()).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    found.len() + spaces.min(16)
}

fn one_run(run: &[u8], from: usize, left: &mut usize, found: &mut Vec<Decoded>) {
    let mut give = |bytes: Vec<u8>| {
        if bytes.len() >= 8 && bytes.len() <= *left {
            *left -= bytes.len();
            let to = from + run.len();
            if let Some(plain) = inflated(&bytes, *left) {
                *left = left.saturating_sub(plain.len());
                found.push(Decoded { bytes: plain, from, to, places: None });
            }
            found.push(Decoded { bytes, from, to, places: None });
        }
    };
    if run.len() >= LEAST_HEX && run.iter().all(u8::is_ascii_hexdigit) {
        let pairs = run.chunks_exact(2).filter_map(|two| pair(*two.first()?, *two.get(1)?));
        give(pairs.collect());
    }
    if run.len() >= LEAST_32 && run.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7' | b'=')) {
        give(base32(run));
    }
    // A word, a path, a name in snake case: letters of base64, and no bytes.
    if !is_plausible(run) {
        return;
    }
    let digits = digits(run);
    give(base64(&digits));
    if run.len() <= SHIFTED {
        for skip in 1..4 {
            let shifted = base64(digits.get(skip..).unwrap_or_default());
            if looks_made(&shifted) {
                give(shifted);
            }
        }
    }
}

/// Whether bytes look like something that somebody encoded: text, UTF-16, or compressed.
fn looks_made(bytes: &[u8]) -> bool {
    let plain = bytes.iter().filter(|byte| matches!(byte, 0 | b'\t' | b'\n' | b'\r' | b' '..=b'~')).count();
    let head = bytes.get(..64).unwrap_or(bytes);
    plain * 10 >= bytes.len() * 8
        || bytes.starts_with(&[0x78])
        || memchr::memmem::find(head, &[0x1f, 0x8b, 8]).is_some()
}

/// Base64 of anything has capitals or digits within; words seldom have.
fn is_plausible(run: &[u8]) -> bool {
    let odd = run.iter().filter(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()).count();
    odd * 8 >= run.len()
}

/// Letters, digits and signs of base64.
const IN_64: u8 = 1;
/// What hex with separators consists of.
const IN_HEX: u8 = 2;

/// What a byte may be part of.
const PARTS: [u8; 256] = parts();

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "the counter stays below 256")]
const fn parts() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=') {
            table[at] |= IN_64;
        }
        if byte.is_ascii_hexdigit() || is_between(byte) || matches!(byte, b'x' | b'X') {
            table[at] |= IN_HEX;
        }
        at += 1;
    }
    table
}

#[inline]
fn is_part(byte: u8, of: u8) -> bool {
    PARTS.get(usize::from(byte)).is_some_and(|parts| parts & of != 0)
}

fn is_64(byte: u8) -> bool {
    is_part(byte, IN_64)
}

/// What may stand between two pairs of hex digits.
const fn is_between(byte: u8) -> bool {
    matches!(byte, b' ' | b':' | b',' | b'-' | b'\n' | b'\\' | b'%' | b'|')
}

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// The run's digits; an escaped line break is none.
fn digits(run: &[u8]) -> Vec<u8> {
    let mut escaped = false;
    let mut digits = Vec::with_capacity(run.len());
    for byte in run {
        if !std::mem::replace(&mut escaped, *byte == b'\\') {
            digits.extend(value(*byte));
        }
    }
    digits
}

fn base64(digits: &[u8]) -> Vec<u8> {
    bits(digits, 6)
}

fn base32(run: &[u8]) -> Vec<u8> {
    let digits = run.iter().filter_map(|byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'2'..=b'7' => Some(byte - b'2' + 26),
        _ => None,
    });
    bits(&digits.collect::<Vec<_>>(), 5)
}

fn bits(digits: &[u8], width: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(digits.len());
    let (mut held, mut count) = (0_u32, 0);
    for digit in digits {
        held = held << width | u32::from(*digit);
        count += width;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(held >> count & 0xff).unwrap_or_default());
            held &= (1 << count) - 1;
        }
    }
    out
}

/// Eight pairs and what stands between them at the least.
const LEAST_SEPARATED: usize = 8 * 2 + 7;

/// Hex with the same mark before or between all pairs: `61:62`, `\x61\x62`, `0x61, 0x62`, `61 62`.
fn separated_hex(text: &[u8], left: &mut usize, found: &mut Vec<Decoded>) {
    let is_such = |byte| is_part(byte, IN_HEX);
    let mut at = 0;
    while let Some(from) = stretch(text, at, LEAST_SEPARATED, is_such) {
        let rest = text.get(from..).unwrap_or_default();
        let length = rest.iter().position(|byte| !is_such(*byte)).unwrap_or(rest.len());
        // Whether a pair stands alone is seen by what follows it.
        pairs_within(text.get(..text.len().min(from + length + 1)).unwrap_or_default(), from, left, found);
        at = from + length;
    }
}

fn pairs_within(text: &[u8], from: usize, left: &mut usize, found: &mut Vec<Decoded>) {
    let mut at = from;
    while let Some(from) = next_pair(text, at) {
        let (bytes, to) = pairs(text, from);
        if bytes.len() >= 8 && bytes.len() <= *left {
            *left -= bytes.len();
            if let Some(plain) = inflated(&bytes, *left) {
                *left = left.saturating_sub(plain.len());
                found.push(Decoded { bytes: plain, from, to, places: None });
            }
            found.push(Decoded { bytes, from, to, places: None });
        }
        at = to;
    }
}

/// Where two hex digits stand alone.
fn next_pair(text: &[u8], at: usize) -> Option<usize> {
    let tail = text.get(at..)?;
    let lone = |window: &[u8]| match window {
        [high, low, after, ..] => {
            high.is_ascii_hexdigit() && low.is_ascii_hexdigit() && !after.is_ascii_alphanumeric()
                || high.is_ascii_hexdigit() && low.is_ascii_hexdigit() && *after == b'\\'
        }
        _ => false,
    };
    tail.windows(3).position(lone).map(|found| at + found)
}

fn pairs(text: &[u8], from: usize) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut at = from;
    while let Some([high, low]) = text.get(at..at + 2) {
        let Some(byte) = pair(*high, *low) else { break };
        bytes.push(byte);
        at += 2;
        let tail = text.get(at..).unwrap_or_default();
        let gap = tail.iter().take(4).take_while(|byte| is_between(**byte)).count();
        let mark = match tail.get(gap..).unwrap_or_default() {
            [b'0', b'x' | b'X', ..] => 2,
            [b'x', ..] => 1,
            _ => 0,
        };
        if gap + mark == 0 {
            break;
        }
        at += gap + mark;
    }
    (bytes, at.min(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, plain: &[u8]) {
        let mut found = Vec::new();
        decode(text.as_bytes(), &mut 100_000, &mut found);
        assert!(found.iter().any(|found| found.bytes.windows(plain.len()).any(|part| part == plain)), "{text}");
    }

    #[test]
    fn runs_are_decoded() {
        check("see VGhlIHF1aWNrIGJyb3duIGZveA== there", b"The quick brown fox");
        check("/path/VGhlIHF1aWNrIGJyb3duIGZveA", b"The quick brown fox");
        check("54686520717569636b2062726f776e", b"The quick brown");
        check("54:68:65:20:71:75:69:63:6b", b"The quick");
        check("54:68:65:20:71:75:69:63:6b\n", b"The quick");
        check("\\x54\\x68\\x65\\x20\\x71\\x75\\x69\\x63\\x6b", b"The quick");
        check("0x54, 0x68, 0x65, 0x20, 0x71, 0x75, 0x69, 0x63", b"The quic");
        check("KRUGKIDROVUWG2ZAMJZG653OEBTG66A=", b"The quick brown fox");
        let line = "VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVy";
        check(&format!("{line}\r\nIHRoZSBsYXp5IGRvZw=="), b"jumps over the lazy dog");
        check(&format!("{line}\\nIHRoZSBsYXp5IGRvZw=="), b"jumps over the lazy dog");
    }

    #[test]
    fn words_are_left_alone() {
        let mut found = Vec::new();
        decode(b"some_long_name_in_snake_case/and/a/path/of/words", &mut 100_000, &mut found);
        assert!(found.is_empty(), "{found:?}");
    }

    /// The places of all runs that are long enough, found one byte after the other.
    fn one_by_one(text: &[u8], length: usize) -> Vec<usize> {
        let (mut places, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let run = text[at..].iter().take_while(|byte| is_64(**byte)).count();
            if run >= length {
                places.push(at);
            }
            at += run.max(1);
        }
        places
    }

    /// As [`separated_hex`], with every place looked at.
    fn hex_one_by_one(text: &[u8]) -> Vec<(Vec<u8>, usize, usize)> {
        let (mut all, mut left) = (Vec::new(), usize::MAX);
        pairs_within(text, 0, &mut left, &mut all);
        all.into_iter().map(|found| (found.bytes, found.from, found.to)).collect()
    }

    proptest::proptest! {
        #[test]
        fn no_run_is_leapt_over(text in "([A-Za-z0-9+]{0,20}[ .=\n]?){0,12}", length in 1_usize..20) {
            let (mut places, mut at) = (Vec::new(), 0);
            while let Some(from) = stretch(text.as_bytes(), at, length, is_64) {
                places.push(from);
                at = from + text.as_bytes()[from..].iter().take_while(|byte| is_64(**byte)).count();
            }
            proptest::prop_assert_eq!(places, one_by_one(text.as_bytes(), length));
        }

        #[test]
        fn no_row_of_pairs_is_leapt_over(text in "((0x|x|\\\\x)?[0-9a-f]{2}[ :,.g%|-]{0,2}){0,40}") {
            let (mut all, mut left) = (Vec::new(), usize::MAX);
            separated_hex(text.as_bytes(), &mut left, &mut all);
            let all: Vec<_> = all.into_iter().map(|found| (found.bytes, found.from, found.to)).collect();
            proptest::prop_assert_eq!(all, hex_one_by_one(text.as_bytes()));
        }

        #[test]
        fn what_is_made_is_bounded(text in "[A-Za-z0-9+/= \n:\\\\x-]{0,400}", budget in 0_usize..500) {
            let mut found = Vec::new();
            decode(text.as_bytes(), &mut budget.clone(), &mut found);
            proptest::prop_assert!(found.iter().map(|found| found.bytes.len()).sum::<usize>() <= budget);
            proptest::prop_assert!(found.iter().all(|found| found.from <= found.to && found.to <= text.len()));
        }
    }
}
