//! Compressed streams, unpacked as they come.
//!
//! Owns [`Unpacking`], one gzip, zlib or zip entry in 43 KiB of memory however long it is, and [`beginnings`], the places of
//! some bytes at which one may begin. It bounds nothing but memory: whoever calls it counts what comes out, and stops.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

/// Longer heads hide something: names and extra fields are short.
const MOST_HEAD: usize = 4096;

/// The longest of the signs that [`beginnings`] goes by.
pub const LONGEST_SIGN: usize = 4;

/// What stands around a deflated stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// RFC 1952.
    Gzip,
    /// RFC 1950; git's objects, PNG's pixels and PDF's streams.
    Zlib,
    /// An entry of an archive (APPNOTE.TXT, section 4.3.7); documents of office programs are such archives.
    Zip,
}

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It goes on with the bytes that are left, or with the next.
    More,
    /// It ended; the bytes that are left are no part of it.
    Over,
    /// It is no such stream, or broke.
    Malformed,
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes that it took.
    pub taken: usize,
    /// Bytes that it made.
    pub made: usize,
    /// How far the stream is.
    pub progress: Progress,
}

/// A compressed stream on its way.
pub struct Unpacking {
    wrapping: Wrapping,
    head: Vec<u8>,
    body: Option<Box<InflateState>>,
    /// Bytes of the check sum that are still to come, once the body is over.
    tail: Option<usize>,
}

impl Unpacking {
    /// A stream whose first byte is the next one.
    #[must_use]
    pub fn new(wrapping: Wrapping) -> Self {
        Self { wrapping, head: Vec::new(), body: None, tail: None }
    }

    /// Takes some of `bytes` and fills some of `out`. A step that neither took nor made anything wants more bytes.
    pub fn step(&mut self, bytes: &[u8], out: &mut [u8]) -> Step {
        let step = |taken, made, progress| Step { taken, made, progress };
        if let Some(left) = &mut self.tail {
            let taken = bytes.len().min(*left);
            *left -= taken;
            return step(taken, 0, if *left == 0 { Progress::Over } else { Progress::More });
        }
        let Some(body) = &mut self.body else { return self.begin(bytes) };
        let found = inflate(body, bytes, out, MZFlush::None);
        let (taken, made) = (found.bytes_consumed, found.bytes_written);
        match found.status {
            Ok(MZStatus::Ok) | Err(MZError::Buf) => step(taken, made, Progress::More),
            Ok(MZStatus::StreamEnd) => {
                let tail = self.wrapping.tail();
                self.tail = Some(tail);
                step(taken, made, if tail == 0 { Progress::Over } else { Progress::More })
            }
            Ok(_) | Err(_) => step(taken, made, Progress::Malformed),
        }
    }

    fn begin(&mut self, bytes: &[u8]) -> Step {
        let before = self.head.len();
        self.head.extend_from_slice(bytes.get(..bytes.len().min(MOST_HEAD - before)).unwrap_or_default());
        let all = self.head.len() - before;
        let step = |taken, progress| Step { taken, made: 0, progress };
        match self.wrapping.head(&self.head) {
            Ok(Some(length)) => {
                self.head = Vec::new();
                self.body = Some(InflateState::new_boxed(DataFormat::Raw));
                step(length.saturating_sub(before), Progress::More)
            }
            Ok(None) if self.head.len() < MOST_HEAD => step(all, Progress::More),
            _ => step(all, Progress::Malformed),
        }
    }
}

impl std::fmt::Debug for Unpacking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacking").field("wrapping", &self.wrapping).finish_non_exhaustive()
    }
}

impl Wrapping {
    /// Bytes before the deflated stream; `None` when `head` does not reach so far.
    pub(super) fn head(self, head: &[u8]) -> Result<Option<usize>, ()> {
        match (self, head) {
            (Self::Gzip, [0x1f, 0x8b, 8, flags, ..]) => gzip_head(head, *flags),
            (Self::Zlib, [first, second, ..]) => is_zlib(*first, *second).then_some(Some(2)).ok_or(()),
            (Self::Zip, [b'P', b'K', 3, 4, rest @ ..]) => zip_head(rest),
            (Self::Gzip | Self::Zip, [_, _, _, _, ..]) => Err(()),
            _ => Ok(None),
        }
    }

    /// Bytes of a check sum behind it. That of a zip entry may be missing, and is nothing to whoever searches.
    fn tail(self) -> usize {
        match self {
            Self::Gzip => 8,
            Self::Zlib => 4,
            Self::Zip => 0,
        }
    }
}

/// RFC 1952, section 2.3: ten bytes, then what the flags say.
fn gzip_head(head: &[u8], flags: u8) -> Result<Option<usize>, ()> {
    if flags & 0xE0 != 0 {
        return Err(());
    }
    let mut at = 10;
    if flags & 4 != 0 {
        let Some([low, high]) = head.get(at..at + 2) else { return Ok(None) };
        at += 2 + usize::from(u16::from_le_bytes([*low, *high]));
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let rest = head.get(at..).unwrap_or_default();
            let Some(end) = memchr::memchr(0, rest) else { return Ok(None) };
            at += end + 1;
        }
    }
    at += if flags & 2 != 0 { 2 } else { 0 };
    Ok((head.len() >= at).then_some(at))
}

/// RFC 1950, section 2.2: the method is 8, both bytes are a multiple of 31, and no dictionary was agreed on elsewhere.
fn is_zlib(first: u8, second: u8) -> bool {
    first & 15 == 8 && (u16::from(first) << 8 | u16::from(second)) % 31 == 0 && second & 0x20 == 0
}

/// Behind its sign; only what is deflated, and not encrypted, is unpacked.
fn zip_head(rest: &[u8]) -> Result<Option<usize>, ()> {
    let two = |at: usize| match rest.get(at..at + 2) {
        Some([low, high]) => Some(usize::from(u16::from_le_bytes([*low, *high]))),
        _ => None,
    };
    let (Some(flags), Some(method), Some(name), Some(extra)) = (two(2), two(4), two(22), two(24)) else {
        return Ok(None);
    };
    if method != 8 || flags & 1 != 0 {
        return Err(());
    }
    let length = 30 + name + extra;
    Ok((rest.len() + 4 >= length).then_some(length))
}

/// Where a compressed stream may begin in `bytes`.
pub fn beginnings(bytes: &[u8]) -> impl Iterator<Item = (usize, Wrapping)> + '_ {
    // Bytes that no text has, all but one: the first bytes of these signs are letters, and would be met all the time.
    let high = memchr::memchr3_iter(0x8b, 0x9c, 0xda, bytes);
    let low = memchr::memchr3_iter(0x01, 0x03, b'^', bytes);
    high.chain(low).filter_map(|at| {
        let before = |back: usize| at.checked_sub(back).and_then(|at| bytes.get(at)).copied();
        let after = bytes.get(at + 1).copied();
        match (bytes.get(at)?, before(1)?) {
            (0x8b, 0x1f) if after == Some(8) => Some((at - 1, Wrapping::Gzip)),
            (0x9c | 0xda | 0x01 | b'^', b'x') => Some((at - 1, Wrapping::Zlib)),
            (0x03, b'K') if before(2) == Some(b'P') && after == Some(4) => Some((at - 2, Wrapping::Zip)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

    use super::*;

    fn wrapped(wrapping: Wrapping, text: &[u8]) -> Vec<u8> {
        let bare = compress_to_vec(text, 6);
        match wrapping {
            Wrapping::Gzip => {
                let head = [0x1f, 0x8b, 8, 8 | 4 | 2, 0, 0, 0, 0, 0, 3, 2, 0, 9, 9, b'n', 0, 7, 7];
                [&head[..], &bare, &[0; 8]].concat()
            }
            Wrapping::Zlib => compress_to_vec_zlib(text, 6),
            Wrapping::Zip => {
                let head = b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x02\0nxx";
                [&head[..], &bare].concat()
            }
        }
    }

    const ALL: [Wrapping; 3] = [Wrapping::Gzip, Wrapping::Zlib, Wrapping::Zip];

    /// What comes out of `bytes` in pieces, how it ended, and what was left over.
    fn unpacked(wrapping: Wrapping, bytes: &[u8], size: usize) -> (Vec<u8>, Progress, usize) {
        let (mut unpacking, mut all, mut taken) = (Unpacking::new(wrapping), Vec::new(), 0);
        for piece in bytes.chunks(size) {
            let mut rest = piece;
            loop {
                let mut out = [0; 100];
                let step = unpacking.step(rest, &mut out);
                all.extend_from_slice(&out[..step.made]);
                rest = &rest[step.taken..];
                taken += step.taken;
                match step.progress {
                    Progress::More if step.taken == 0 && step.made == 0 => break,
                    Progress::More => {}
                    end => return (all, end, bytes.len() - taken),
                }
            }
            assert!(rest.is_empty());
        }
        (all, Progress::More, bytes.len() - taken)
    }

    #[test]
    fn every_wrapping_comes_out_however_it_is_cut_and_knows_its_end() {
        let text = "all work and no play makes jack a dull boy. ".repeat(3000).into_bytes();
        for wrapping in ALL {
            let bytes = [wrapped(wrapping, &text), b"and more".to_vec()].concat();
            for size in [1, 2, 7, 1000, 1_000_000] {
                let (out, progress, left) = unpacked(wrapping, &bytes, size);
                assert_eq!((out.len(), progress, left), (text.len(), Progress::Over, 8), "{wrapping:?} {size}");
                assert!(out == text);
            }
            assert!(beginnings(&[b"abc", &bytes[..]].concat()).any(|found| found == (3, wrapping)), "{wrapping:?}");
        }
    }

    #[test]
    fn what_is_none_is_told() {
        for (wrapping, bytes) in [
            (Wrapping::Gzip, &b"\x1f\x8b\x08\xe0aaaaaaaaaaaa"[..]),
            (Wrapping::Gzip, b"\x1f\x8c\x08\0aaaaaaaaaaaa"),
            (Wrapping::Zlib, b"x\x9d"),
            (Wrapping::Zlib, b"x\xbbaaaaaaaaaaa"),
            (Wrapping::Zlib, b"x\x9c\xff\xff\xff\xff"),
            (Wrapping::Zip, b"PK\x03\x04\x14\0\x01\0\x08\0aaaaaaaaaaaaaaaaaaaaaaaa"),
            (Wrapping::Zip, b"PK\x03\x04\x14\0\0\0\0\0aaaaaaaaaaaaaaaaaaaaaaaa"),
        ] {
            assert_eq!(unpacked(wrapping, bytes, 3).1, Progress::Malformed, "{bytes:?}");
        }
        let named = [&b"\x1f\x8b\x08\x08\0\0\0\0\0\0"[..], &[b'n'; 5000]].concat();
        assert_eq!(unpacked(Wrapping::Gzip, &named, 100).1, Progress::Malformed);
        assert_eq!(beginnings(b"x^2 + y^2, PKx, xx").collect::<Vec<_>>(), [(0, Wrapping::Zlib)]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), cut in 1_usize..50) {
            for (wrapping, sign) in ALL.into_iter().zip([&b"\x1f\x8b\x08\0"[..], b"x\x9c", b"PK\x03\x04"]) {
                let (_, _, left) = unpacked(wrapping, &[sign, &bytes].concat(), cut);
                proptest::prop_assert!(left <= bytes.len() + 4);
            }
            proptest::prop_assert!(beginnings(&bytes).all(|(at, _)| at < bytes.len()));
        }
    }
}
