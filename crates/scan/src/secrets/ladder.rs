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
    pub(super) places: Option<Places>,
}

/// Where each byte of a decoded text stood: rows of bytes that stood in a row.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Where a row begins, in the decoded text and in the one that it comes from.
    rows: Vec<(u32, u32)>,
    length: usize,
}

impl Places {
    /// The next `count` bytes stood from `place` on.
    pub(super) fn add(&mut self, place: usize, count: usize) {
        let cut = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let goes_on = self.rows.last().is_some_and(|(at, from)| *from as usize + (self.length - *at as usize) == place);
        if count > 0 && !goes_on {
            self.rows.push((cut(self.length), cut(place)));
        }
        self.length += count;
    }

    /// Where a byte stood; `None` behind the last.
    pub(super) fn get(&self, at: usize) -> Option<usize> {
        let row = self.rows.partition_point(|(begins, _)| *begins as usize <= at).checked_sub(1)?;
        let (begins, place) = self.rows.get(row)?;
        (at < self.length).then(|| *place as usize + (at - *begins as usize))
    }

    /// How many bytes have a place.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.length
    }
}

impl Decoded {
    /// Where a span of the decoded bytes stood.
    pub(super) fn span(&self, start: usize, end: usize) -> (usize, usize) {
        let Some(places) = &self.places else { return (self.from, self.to) };
        (places.get(start).unwrap_or(self.from), places.get(end).unwrap_or(self.to))
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
