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
    while at < text.len() && *left > 0 {
        let rest = text.get(at..).unwrap_or_default();
        let Some(skip) = rest.iter().position(|byte| is_64(*byte)) else { return };
        let from = at + skip;
        let length = run_length(text.get(from..).unwrap_or_default());
        let run = text.get(from..from + length).unwrap_or_default();
        if length >= LEAST_64 {
            one_run(run, from, left, found);
        }
        at = from + length.max(1);
    }
    separated_hex(text, left, found);
}

/// The length of the run at the beginning of `text`: characters of base64, and line breaks between long lines.
fn run_length(text: &[u8]) -> usize {
    let mut length = 0;
    loop {
        let tail = text.get(length..).unwrap_or_default();
        let line = tail.iter().take_while(|byte| is_64(**byte)).count();
        length += line;
        let after = tail.get(line..).unwrap_or_default();
        let gap = line_break(after);
        let next = after.get(gap..).unwrap_or_default().iter().take(LEAST_64).take_while(|byte| is_64(**byte)).count();
        let ends = tail.get(..line).is_some_and(|line| line.ends_with(b"="));
        if line < 32 || gap == 0 || ends || next < 2 {
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

fn is_64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
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

/// Hex with the same mark before or between all pairs: `61:62`, `\x61\x62`, `0x61, 0x62`, `61 62`.
fn separated_hex(text: &[u8], left: &mut usize, found: &mut Vec<Decoded>) {
    let mut at = 0;
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
        let gap = tail
            .iter()
            .take(4)
            .take_while(|byte| matches!(byte, b' ' | b':' | b',' | b'-' | b'\n' | b'\\' | b'%' | b'|'))
            .count();
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

    proptest::proptest! {
        #[test]
        fn what_is_made_is_bounded(text in "[A-Za-z0-9+/= \n:\\\\x-]{0,400}", budget in 0_usize..500) {
            let mut found = Vec::new();
            decode(text.as_bytes(), &mut budget.clone(), &mut found);
            proptest::prop_assert!(found.iter().map(|found| found.bytes.len()).sum::<usize>() <= budget);
            proptest::prop_assert!(found.iter().all(|found| found.from <= found.to && found.to <= text.len()));
        }
    }
}
