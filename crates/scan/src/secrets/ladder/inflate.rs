//! Compressed bytes.
//!
//! Owns the recognition of gzip, zlib and bare deflate, and their bounded expansion. Broken streams give what came before
//! the break: a secret in front of it has left all the same.

use super::super::packed::Wrapping;
use miniz_oxide::inflate::{DecompressError, decompress_to_vec_with_limit, decompress_to_vec_zlib_with_limit};

/// Less holds no secret.
const LEAST: usize = 16;

/// What `bytes` expand to, when they are compressed; `limit` bytes at most.
pub(in crate::secrets) fn inflated(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let out = match bytes {
        [0x1f, 0x8b, 8, ..] => bare(behind(Wrapping::Gzip, bytes)?, limit),
        _ => behind(Wrapping::Zlib, bytes).and_then(|_| partly(decompress_to_vec_zlib_with_limit(bytes, limit))),
    };
    // Text is no deflated stream: its letters would be codes.
    out.or_else(|| (!is_text(bytes)).then(|| bare(bytes, limit)).flatten().filter(|out| is_text(out)))
        .filter(|out| out.len() >= LEAST)
}

/// The same of a stream with a head, where one begins.
pub(super) fn headed(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let body =
        [Wrapping::Gzip, Wrapping::Zlib, Wrapping::Zip].into_iter().find_map(|wrapping| behind(wrapping, bytes))?;
    bare(body, limit).filter(|out| out.len() >= LEAST)
}

/// What follows the head of such a stream.
fn behind(wrapping: Wrapping, bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(wrapping.head(bytes).ok().flatten()?..)
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
    let plain = count(bytes, |byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~'));
    let empty = count(bytes, |byte| byte == 0);
    (plain + empty) * 20 >= bytes.len() * 19 && empty <= plain + 1
}

/// How many bytes are such. Counted in bytes as far as one counts: so that many are counted at once.
fn count(bytes: &[u8], is_such: impl Fn(u8) -> bool) -> usize {
    bytes.chunks(255).map(|part| usize::from(part.iter().map(|byte| u8::from(is_such(*byte))).sum::<u8>())).sum()
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
