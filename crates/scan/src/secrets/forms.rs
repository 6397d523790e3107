//! The forms that a value takes when it is encoded.
//!
//! Owns [`forms`]: for one value, what its skeleton is in every encoding that keeps it in one piece. Alignment matters
//! where bytes share characters (base64, base32, base85): each alignment is a form of its own, cut to the characters that
//! depend on nothing but the value. What is nested or compressed is the ladder's work.

use super::skeleton::skeleton;

/// The longest form that is kept: enough to be sure.
pub(super) const LONGEST: usize = 256;

/// A value in one form, as its skeleton.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) name: &'static str,
    pub(super) skeleton: Vec<u8>,
}

/// All forms of a value whose skeletons have at least `least` characters. `rare` adds those that only a search for few
/// values can afford.
pub(super) fn forms(value: &[u8], least: usize, rare: bool) -> Vec<Form> {
    // What is cut off at the end does not matter: every form has a beginning.
    let value = value.get(..LONGEST).unwrap_or(value);
    let mut made = Made { forms: Vec::new(), least };
    made.add("plain", value);
    made.add("reversed", &reversed(value));
    made.add("rot13", &shifted(value, 13));
    escaped(&mut made, value);
    numbers(&mut made, value);
    let plain64: Vec<Vec<u8>> = (0..3).map(|skip| aligned(value, skip, 3, 4, &base64)).collect();
    for form in &plain64 {
        made.add("base64", form);
        made.add("base64 reversed", &reversed(form));
    }
    for skip in 0..5 {
        made.add("base32", &aligned(value, skip, 5, 8, &base32));
    }
    for skip in 0..4 {
        made.add("ascii85", &aligned(value, skip, 4, 5, &|bytes| base85(bytes, &|digit| b'!' + digit)));
        made.add("base85", &aligned(value, skip, 4, 5, &|bytes| base85(bytes, &rfc1924)));
    }
    made.add("base58", &base58(value));
    if rare {
        for shift in (1..26).filter(|shift| *shift != 13) {
            made.add("caesar", &shifted(value, shift));
        }
        made.add("atbash", &value.iter().map(|byte| atbash(*byte)).collect::<Vec<_>>());
        made.add("rot47", &value.iter().map(|byte| rot47(*byte)).collect::<Vec<_>>());
        made.add("rot13 reversed", &reversed(&shifted(value, 13)));
        made.add("hex reversed", &reversed(&hex(value, "")));
    }
    made.forms
}

struct Made {
    forms: Vec<Form>,
    least: usize,
}

impl Made {
    fn add(&mut self, name: &'static str, text: &[u8]) {
        let mut skeleton = skeleton(text);
        skeleton.truncate(LONGEST);
        if skeleton.len() >= self.least && !self.forms.iter().any(|form| form.skeleton == skeleton) {
            self.forms.push(Form { name, skeleton });
        }
    }
}

/// Texts in which some characters are escaped and others not.
fn escaped(made: &mut Made, value: &[u8]) {
    for safe in ["-_.~", "-_.~/", "-_.!~*'()", ""] {
        let text = each(value, |byte| {
            if byte.is_ascii_alphanumeric() || safe.as_bytes().contains(&byte) {
                vec![byte]
            } else {
                format!("%{byte:02x}").into_bytes()
            }
        });
        made.add("url", &text);
        made.add("url", &each(&text, |byte| if byte == b'%' { b"%25".to_vec() } else { vec![byte] }));
    }
    made.add(
        "quoted-printable",
        &each(value, |byte| match byte {
            b'=' | 0..=31 | 127.. => format!("={byte:02x}").into_bytes(),
            _ => vec![byte],
        }),
    );
    made.add(
        "html",
        &each(value, |byte| match byte {
            b'&' => b"&amp;".to_vec(),
            b'<' => b"&lt;".to_vec(),
            b'>' => b"&gt;".to_vec(),
            b'"' => b"&quot;".to_vec(),
            b'\'' => b"&#39;".to_vec(),
            _ => vec![byte],
        }),
    );
    made.add(
        "json",
        &each(value, |byte| match byte {
            b'&' | b'<' | b'>' | b'\'' | b'+' | 127.. => format!("\\u{byte:04x}").into_bytes(),
            _ => vec![byte],
        }),
    );
}

/// Texts in which every byte is a number.
fn numbers(made: &mut Made, value: &[u8]) {
    made.add("hex", &hex(value, ""));
    made.add("hex", &hex(value, "x"));
    made.add("hex", &hex(value, "0x"));
    made.add("json", &hex(value, "u00"));
    made.add("json", &hex(value, "u"));
    made.add("utf-16 hex", &each(value, |byte| format!("{byte:02x}00").into_bytes()));
    made.add("utf-16 hex", &hex(value, "00"));
    made.add("decimal", &each(value, |byte| byte.to_string().into_bytes()));
    made.add("decimal", &each(value, |byte| format!("{byte:03}").into_bytes()));
    made.add("octal", &each(value, |byte| format!("{byte:o}").into_bytes()));
    made.add("octal", &each(value, |byte| format!("{byte:03o}").into_bytes()));
    made.add("binary", &each(value, |byte| format!("{byte:08b}").into_bytes()));
}

fn each(value: &[u8], form: impl Fn(u8) -> Vec<u8>) -> Vec<u8> {
    value.iter().flat_map(|byte| form(*byte)).collect()
}

fn hex(value: &[u8], before: &str) -> Vec<u8> {
    each(value, |byte| format!("{before}{byte:02x}").into_bytes())
}

pub(super) fn reversed(value: &[u8]) -> Vec<u8> {
    value.iter().rev().copied().collect()
}

pub(super) fn shifted(value: &[u8], by: u8) -> Vec<u8> {
    value.iter().map(|byte| shift(*byte, by)).collect()
}

fn shift(byte: u8, by: u8) -> u8 {
    match byte {
        b'a'..=b'z' => (byte - b'a' + by) % 26 + b'a',
        b'A'..=b'Z' => (byte - b'A' + by) % 26 + b'A',
        _ => byte,
    }
}

fn atbash(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => b'z' - (byte - b'a'),
        b'A'..=b'Z' => b'Z' - (byte - b'A'),
        _ => byte,
    }
}

fn rot47(byte: u8) -> u8 {
    match byte {
        b'!'..=b'~' => (byte - b'!' + 47) % 94 + b'!',
        _ => byte,
    }
}

/// The characters of `encode` that depend on `value` alone when `skip` bytes stand before it: groups of `bytes` bytes
/// become groups of `chars` characters, and characters that share a byte with a neighbour are left out.
fn aligned(value: &[u8], skip: usize, bytes: usize, chars: usize, encode: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut padded = vec![0; skip];
    padded.extend_from_slice(value);
    let whole = padded.len() / bytes * bytes;
    let rest = padded.len() - whole;
    let mut text = encode(padded.get(..whole).unwrap_or_default());
    if is_bitwise(chars) {
        // The rest's own bits make whole characters as far as they reach.
        let mut tail = padded.get(whole..).unwrap_or_default().to_vec();
        tail.resize(bytes, 0);
        let tail = encode(&tail);
        text.extend_from_slice(tail.get(..rest * chars / bytes).unwrap_or_default());
    }
    let lost = if skip == 0 {
        0
    } else if is_bitwise(chars) {
        (skip * chars).div_ceil(bytes)
    } else {
        chars
    };
    text.get(lost..).unwrap_or_default().to_vec()
}

/// Base64 and base32 cut bits; base85 mixes all bytes of a group.
fn is_bitwise(chars: usize) -> bool {
    chars != 5
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BASE85: &[u8; 85] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/// Whole groups of three bytes (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> Vec<u8> {
    bits(bytes, 3, 6, BASE64)
}

/// Whole groups of five bytes (RFC 4648, section 6).
fn base32(bytes: &[u8]) -> Vec<u8> {
    bits(bytes, 5, 5, BASE32)
}

fn bits(bytes: &[u8], group: usize, width: usize, alphabet: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * 2);
    for part in bytes.chunks_exact(group) {
        let all = part.iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        let count = group * 8 / width;
        for at in (0..count).rev() {
            let digit = (all >> (at * width)) & ((1 << width) - 1);
            out.extend(usize::try_from(digit).ok().and_then(|digit| alphabet.get(digit)));
        }
    }
    out
}

fn base85(bytes: &[u8], letter: &dyn Fn(u8) -> u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * 5 / 4);
    for part in bytes.chunks_exact(4) {
        let mut all = part.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
        let mut group = [0; 5];
        for slot in group.iter_mut().rev() {
            *slot = letter(u8::try_from(all % 85).unwrap_or_default());
            all /= 85;
        }
        out.extend_from_slice(&group);
    }
    out
}

/// RFC 1924's alphabet, which Python's `b85encode` and git use.
fn rfc1924(digit: u8) -> u8 {
    BASE85.get(usize::from(digit)).copied().unwrap_or_default()
}

/// The value as one number in base 58, as Bitcoin writes keys. Long values are seldom written so.
fn base58(value: &[u8]) -> Vec<u8> {
    if value.len() > 128 {
        return Vec::new();
    }
    let mut digits: Vec<u8> = Vec::new();
    for byte in value {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = u8::try_from(carry % 58).unwrap_or_default();
            carry /= 58;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 58).unwrap_or_default());
            carry /= 58;
        }
    }
    digits.iter().rev().filter_map(|digit| BASE58.get(usize::from(*digit)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(value: &str, name: &str, text: &str) {
        let found = forms(value.as_bytes(), 1, true);
        let wanted = skeleton(text.as_bytes());
        assert!(found.iter().any(|form| form.name == name && wanted == form.skeleton), "{name}: {text}");
    }

    #[test]
    fn each_form_is_there() {
        has("a+b/Cd", "plain", "a+b/Cd");
        has("a+b/Cd", "reversed", "dC/b+a");
        has("a+b/Cd", "rot13", "n+o/Pq");
        has("a+b/Cd", "url", "a%2Bb%2FCd");
        has("a+b/Cd", "url", "a%2Bb/Cd");
        has("a+b/Cd", "url", "a%252Bb%252FCd");
        has("a+b/Cd", "hex", "612b622f4364");
        has("a+b/Cd", "base64", "YStiL0Nk");
        has("a+b/Cd", "base32", "MEVWEL2DM"); // the last character is shared
        has("ab", "decimal", "97, 98");
        has("ab", "octal", "\\141\\142");
        has("ab", "json", "\\u0061\\u0062");
        has("ab", "binary", "01100001 01100010");
        has("hello", "base58", "Cn8eVZg");
        has("abcd", "base85", "VPa!s");
        has("aZc", "atbash", "zAx");
        has("a<b", "html", "a&lt;b");
    }

    #[test]
    fn an_alignment_depends_on_the_value_alone() {
        let value = b"0123456789abcdefghijklmnop";
        for before in 0..3_usize {
            for after in 0..3_usize {
                let text = [&b"xyz"[..before], value, &b"!?."[..after]].concat();
                let mut padded = text.clone();
                padded.resize(text.len().div_ceil(3) * 3, 0);
                let whole = String::from_utf8(base64(&padded)).unwrap();
                let part = String::from_utf8(aligned(value, before, 3, 4, &base64)).unwrap();
                assert!(part.len() >= 33 && whole.contains(&part), "{before} {after}: {part} in {whole}");
            }
        }
    }
}
