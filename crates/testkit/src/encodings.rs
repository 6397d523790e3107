//! The ways in which a value is written so that nobody knows it again.
//!
//! Owns [`Encoding`] and [`Split`], the rows of every test that says "in any form". It knows nothing of what looks for values: it is
//! written after the specifications of the encodings. Tests of the doors and of the binary use it.

use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

/// One way to write a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// In capitals.
    Capitals,
    /// Percent escapes for what is no letter or digit.
    Url,
    /// Percent escapes for every byte.
    UrlWhole,
    /// Percent escapes of percent escapes.
    UrlTwice,
    /// Base64 behind so many other bytes.
    Base64(u8),
    /// Base64 in the alphabet of URLs, without padding.
    Base64Url,
    /// Base64 of base64.
    Base64Twice,
    /// Base32.
    Base32,
    /// Hex digits.
    Hex,
    /// Hex digits in capitals, with colons.
    HexColons,
    /// `\x` escapes.
    HexEscapes,
    /// `\u` escapes of JSON.
    JsonEscapes,
    /// Numeric entities of HTML.
    Entities,
    /// Decimal numbers with commas.
    Decimal,
    /// Backwards.
    Reversed,
    /// Each letter 13 further.
    Rot13,
    /// Two bytes a character, the low one first.
    Utf16Low,
    /// Two bytes a character, the high one first.
    Utf16High,
    /// gzip.
    Gzip,
    /// zlib.
    Zlib,
    /// Base64 of gzip.
    GzipBase64,
    /// This between all characters.
    Separated(&'static str),
}

impl Encoding {
    /// All of them.
    pub const ALL: [Self; 29] = [
        Self::Plain,
        Self::Capitals,
        Self::Url,
        Self::UrlWhole,
        Self::UrlTwice,
        Self::Base64(0),
        Self::Base64(1),
        Self::Base64(2),
        Self::Base64Url,
        Self::Base64Twice,
        Self::Base32,
        Self::Hex,
        Self::HexColons,
        Self::HexEscapes,
        Self::JsonEscapes,
        Self::Entities,
        Self::Decimal,
        Self::Reversed,
        Self::Rot13,
        Self::Utf16Low,
        Self::Utf16High,
        Self::Gzip,
        Self::Zlib,
        Self::GzipBase64,
        Self::Separated("-"),
        Self::Separated("."),
        Self::Separated(" "),
        Self::Separated("\r\n"),
        Self::Separated("\u{200b}"),
    ];

    /// Whether text comes out, which any field can hold.
    #[must_use]
    pub fn is_text(self) -> bool {
        !matches!(self, Self::Utf16Low | Self::Utf16High | Self::Gzip | Self::Zlib)
    }

    /// `value`, written so.
    #[must_use]
    pub fn write(self, value: &str) -> Vec<u8> {
        let bytes = value.as_bytes();
        let each = |form: &dyn Fn(u8) -> String| bytes.iter().map(|byte| form(*byte)).collect::<String>().into_bytes();
        match self {
            Self::Plain => bytes.to_vec(),
            Self::Capitals => value.to_uppercase().into_bytes(),
            Self::Url => escaped(bytes),
            Self::UrlWhole => each(&|byte| format!("%{byte:02X}")),
            Self::UrlTwice => escaped(&escaped(bytes)),
            Self::Base64(skip) => base64(&[vec![b'x'; usize::from(skip)], bytes.to_vec()].concat(), b'+', b'/', true),
            Self::Base64Url => base64(bytes, b'-', b'_', false),
            Self::Base64Twice => base64(&base64(bytes, b'+', b'/', true), b'+', b'/', true),
            Self::Base32 => base32(bytes),
            Self::Hex => each(&|byte| format!("{byte:02x}")),
            Self::HexColons => each(&|byte| format!("{byte:02X}:")),
            Self::HexEscapes => each(&|byte| format!("\\x{byte:02x}")),
            Self::JsonEscapes => each(&|byte| format!("\\u00{byte:02x}")),
            Self::Entities => each(&|byte| format!("&#{byte};")),
            Self::Decimal => each(&|byte| format!("{byte}, ")),
            Self::Reversed => bytes.iter().rev().copied().collect(),
            Self::Rot13 => bytes.iter().map(|byte| rot13(*byte)).collect(),
            Self::Utf16Low => value.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf16High => value.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Self::Gzip => gzip(bytes),
            Self::Zlib => compress_to_vec_zlib(bytes, 6),
            Self::GzipBase64 => base64(&gzip(bytes), b'+', b'/', true),
            Self::Separated(sign) => value.chars().map(String::from).collect::<Vec<_>>().join(sign).into_bytes(),
        }
    }
}

/// One way to cut what was written over the fields of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// In one piece, in the middle of other words.
    Whole,
    /// Over the values of a JSON object.
    JsonFields,
    /// Over the items of a JSON list.
    JsonItems,
    /// Over the parameters of a form.
    Form,
    /// Over lines.
    Lines,
}

impl Split {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Whole, Self::JsonFields, Self::JsonItems, Self::Form, Self::Lines];

    /// A message with `text` in it.
    #[must_use]
    pub fn message(self, text: &str) -> String {
        let letters: Vec<char> = text.chars().collect();
        let parts: Vec<String> = letters.chunks(5).map(|part| part.iter().collect()).collect();
        let quoted = |part: &String| serde_json::to_string(part).unwrap_or_default();
        let fields = |form: &dyn Fn(usize, &String) -> String, between: &str| {
            parts.iter().enumerate().map(|(at, part)| form(at, part)).collect::<Vec<_>>().join(between)
        };
        match self {
            Self::Whole => format!("some words before it {text} and some behind"),
            Self::JsonFields => format!("{{{}}}", fields(&|at, part| format!("\"part{at}\":{}", quoted(part)), ",")),
            Self::JsonItems => format!("[{}]", fields(&|_, part| quoted(part), ", ")),
            Self::Form => {
                fields(&|at, part| format!("q{at}={}", String::from_utf8_lossy(&escaped(part.as_bytes()))), "&")
            }
            Self::Lines => fields(&|_, part| part.clone(), "\n"),
        }
    }
}

/// gzip, as RFC 1952 has it, without a check sum: who searches does not wait for it.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &compress_to_vec(bytes, 6), &[0; 8]].concat()
}

fn escaped(bytes: &[u8]) -> Vec<u8> {
    let one = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => vec![*byte],
        _ => format!("%{byte:02X}").into_bytes(),
    };
    bytes.iter().flat_map(one).collect()
}

fn rot13(byte: u8) -> u8 {
    match byte {
        b'a'..=b'm' | b'A'..=b'M' => byte + 13,
        b'n'..=b'z' | b'N'..=b'Z' => byte - 13,
        _ => byte,
    }
}

/// RFC 4648, section 4, with these two last letters.
fn base64(bytes: &[u8], plus: u8, slash: u8, padded: bool) -> Vec<u8> {
    let letter = |digit: u32| match u8::try_from(digit & 63).unwrap_or_default() {
        digit @ 0..=25 => b'A' + digit,
        digit @ 26..=51 => b'a' + digit - 26,
        digit @ 52..=61 => b'0' + digit - 52,
        62 => plus,
        _ => slash,
    };
    let mut out = Vec::new();
    for part in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(part.get(at).copied().unwrap_or_default()));
        let written = (0..4).map(|at| letter(bits >> (18 - 6 * at))).take(part.len() + 1);
        out.extend(written);
        if padded {
            out.extend(std::iter::repeat_n(b'=', 3 - part.len()));
        }
    }
    out
}

/// RFC 4648, section 6, without padding.
fn base32(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    let letter = |digit: u32| match u8::try_from(digit & 31).unwrap_or_default() {
        digit @ 0..=25 => b'A' + digit,
        digit => b'2' + digit - 26,
    };
    for byte in bytes {
        (bits, count) = (bits << 8 | u32::from(*byte), count + 8);
        while count >= 5 {
            count -= 5;
            out.push(letter(bits >> count));
        }
    }
    if count > 0 {
        out.push(letter(bits << (5 - count)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(encoding: Encoding, value: &str) -> String {
        String::from_utf8(encoding.write(value)).unwrap()
    }

    #[test]
    fn values_are_written_as_the_specifications_say() {
        // RFC 4648, section 10.
        assert_eq!(written(Encoding::Base64(0), "foobar"), "Zm9vYmFy");
        assert_eq!(written(Encoding::Base64(0), "fooba"), "Zm9vYmE=");
        assert_eq!(written(Encoding::Base32, "foobar"), "MZXW6YTBOI");
        assert_eq!(written(Encoding::Base64Url, "\u{3ff}\u{3ff}"), "z7_Pvw");
        assert_eq!(written(Encoding::Url, "a+b"), "a%2Bb");
        assert_eq!(written(Encoding::UrlTwice, "a+b"), "a%252Bb");
        assert_eq!(written(Encoding::Rot13, "Why, Zoe"), "Jul, Mbr");
        assert_eq!(written(Encoding::Separated("-"), "abc"), "a-b-c");
        assert_eq!(Encoding::Utf16High.write("a"), [0, b'a']);
        assert_eq!(Split::JsonFields.message("abcdefg"), r#"{"part0":"abcde","part1":"fg"}"#);
        for (at, encoding) in Encoding::ALL.iter().enumerate() {
            assert!(!Encoding::ALL[..at].contains(encoding));
            assert_eq!(
                encoding.is_text(),
                String::from_utf8(encoding.write("k3y-of/Ours+2")).is_ok() && encoding.is_text()
            );
        }
    }
}
