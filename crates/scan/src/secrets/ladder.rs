//! One step down: what a text holds in encoded form.
//!
//! Owns [`step`]: every part that decodes (base64, hex, base32, percent and backslash escapes, entities, quoted-printable,
//! gzip, zlib, deflate, bytes written as Latin-1), each with where it stood. It goes one step; [`super::Scanner`] goes on
//! from there, three steps deep. What it makes is bounded by a multiple of the text.

pub(super) mod escapes;
mod inflate;
mod runs;

pub(super) use inflate::inflated;

use super::packed::beginnings;

/// Compressed streams in one text that are unpacked.
const MOST_PACKED: usize = 4;

/// What a part of a text decodes to.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    /// The part of the text that it stands for.
    pub(super) from: usize,
    pub(super) to: usize,
    /// For each byte, where it stood; absent when only the whole part is known.
    pub(super) places: Option<Vec<u32>>,
}

impl Decoded {
    /// Where a span of the decoded bytes stood.
    pub(super) fn span(&self, start: usize, end: usize) -> (usize, usize) {
        let Some(places) = &self.places else { return (self.from, self.to) };
        let place = |at: usize| places.get(at).map(|place| *place as usize);
        (place(start).unwrap_or(self.from), place(end).unwrap_or(self.to))
    }
}

/// Everything that one step of decoding finds, at most `budget` bytes of it.
pub(super) fn step(text: &[u8], budget: usize) -> Vec<Decoded> {
    let mut found = Vec::new();
    let mut left = budget;
    if let Some(bytes) = inflated(text, left) {
        left = left.saturating_sub(bytes.len());
        found.push(Decoded { bytes, from: 0, to: text.len(), places: None });
    }
    for (at, _) in beginnings(text).filter(|(at, _)| *at > 0).take(MOST_PACKED) {
        if let Some(bytes) = text.get(at..).and_then(|packed| inflate::headed(packed, left)) {
            left = left.saturating_sub(bytes.len());
            found.push(Decoded { bytes, from: at, to: text.len(), places: None });
        }
    }
    for decoded in [escapes::unescaped(text), escapes::latin1(text)].into_iter().flatten() {
        left = left.saturating_sub(decoded.bytes.len());
        found.push(decoded);
    }
    runs::decode(text, &mut left, &mut found);
    found
}
