//! Compressed bytes.
//!
//! Owns the recognition of gzip, zlib and bare deflate, and their bounded expansion. Broken streams give what came before
//! the break: a secret in front of it has left all the same.

use miniz_oxide::inflate::{DecompressError, decompress_to_vec_with_limit, decompress_to_vec_zlib_with_limit};

/// Less holds no secret.
const LEAST: usize = 16;

/// What `bytes` expand to, when they are compressed; `limit` bytes at most.
pub(in crate::secrets) fn inflated(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let out = match bytes {
        [0x1f, 0x8b, 8, flags, ..] => bare(gzip_body(bytes, *flags)?, limit),
        [first, second, ..] if is_zlib(*first, *second) => partly(decompress_to_vec_zlib_with_limit(bytes, limit)),
        _ => None,
    };
    out.or_else(|| bare(bytes, limit).filter(|out| is_text(out))).filter(|out| out.len() >= LEAST)
}

/// RFC 1952, section 2.3: ten bytes, then what the flags say.
fn gzip_body(bytes: &[u8], flags: u8) -> Option<&[u8]> {
    let mut rest = bytes.get(10..)?;
    if flags & 4 != 0 {
        let [low, high, tail @ ..] = rest else { return None };
        rest = tail.get(usize::from(u16::from_le_bytes([*low, *high]))..)?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = memchr::memchr(0, rest)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & 2 != 0 { rest.get(2..) } else { Some(rest) }
}

/// RFC 1950, section 2.2: the method is 8 and both bytes are a multiple of 31.
fn is_zlib(first: u8, second: u8) -> bool {
    first & 15 == 8 && (u16::from(first) << 8 | u16::from(second)) % 31 == 0
}

fn bare(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    if bytes.len() < LEAST { None } else { partly(decompress_to_vec_with_limit(bytes, limit)) }
}

fn partly(result: Result<Vec<u8>, DecompressError>) -> Option<Vec<u8>> {
    match result {
        Ok(bytes) => Some(bytes),
        Err(error) => Some(error.output).filter(|output| !output.is_empty()),
    }
}

/// Random bytes sometimes inflate to something: only text, maybe in UTF-16, is believed without a header.
fn is_text(bytes: &[u8]) -> bool {
    let plain = bytes.iter().filter(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')).count();
    let empty = bytes.iter().filter(|byte| **byte == 0).count();
    (plain + empty) * 20 >= bytes.len() * 19 && empty <= plain + 1
}

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

    use super::inflated;

    #[test]
    fn every_wrapping_is_undone() {
        let text = b"the secret is in here, the secret is in here".to_vec();
        let bare = compress_to_vec(&text, 6);
        let head = [0x1f, 0x8b, 8, 8 | 4, 0, 0, 0, 0, 0, 3, 2, 0, 9, 9, b'n', 0];
        let gzip = [&head[..], &bare, &[0; 8]].concat();
        for packed in [bare.clone(), gzip.clone(), compress_to_vec_zlib(&text, 9)] {
            assert_eq!(inflated(&packed, 1000).as_deref(), Some(&text[..]));
        }
        assert_eq!(inflated(&gzip, 20).map(|out| out.len() <= 20), Some(true));
        assert_eq!(inflated(&text, 1000), None);
        assert_eq!(inflated(b"", 1000), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            proptest::prop_assert!(inflated(&bytes, 500).is_none_or(|out| out.len() <= 500));
        }
    }
}
