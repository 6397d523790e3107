//! Looking for known values in bytes that come in pieces.
//!
//! Owns the buffer of a stream: the skeleton of what came last, long enough for the longest form to be seen whole. What
//! is found is reported once, with the first piece that completes it. Memory does not grow with the stream.

use super::super::forms::LONGEST;
use super::super::skeleton::{fold, squeeze};
use super::{GRAM, Hit, Known, STRIDE, short};

/// How much of a piece is reduced at once.
const BLOCK: usize = 16 * 1024;

/// How often a place of the skeleton is tied to a place of the stream.
const MARK: usize = 256;

/// Pieces of one value that are remembered.
const MOST_PIECES: usize = 64;

/// A search through a stream.
pub struct Stream<'k> {
    known: &'k Known,
    /// The skeleton: what may still be needed, then what is new.
    text: Vec<u8>,
    /// The place of `text`'s first character in the stream's whole skeleton.
    origin: u64,
    /// The first place that must still be looked at.
    next: u64,
    /// Bytes that came.
    came: u64,
    /// Place in the skeleton → place in the stream.
    marks: Vec<(u64, u64)>,
    /// The last bytes as they came.
    raw: Vec<u8>,
    reported: Vec<(u32, u64)>,
    pieces: Vec<Piece>,
}

/// A part of a needle, found alone.
#[derive(Clone, Copy, Debug)]
struct Piece {
    needle: u32,
    offset: u32,
    length: u32,
    at: u64,
}

impl<'k> Stream<'k> {
    pub(super) fn new(known: &'k Known) -> Self {
        Self {
            known,
            text: Vec::new(),
            origin: 0,
            next: 0,
            came: 0,
            marks: Vec::new(),
            raw: Vec::new(),
            reported: Vec::new(),
            pieces: Vec::new(),
        }
    }

    /// Takes the next bytes and adds what they complete.
    pub fn push(&mut self, bytes: &[u8], hits: &mut Vec<Hit>) {
        for block in bytes.chunks(BLOCK) {
            if !self.known.short.is_empty() {
                self.short(block, hits);
            }
            if !self.known.grams.is_empty() {
                self.append(block);
                self.look(hits);
                self.forget();
            }
            self.came += block.len() as u64;
        }
    }

    /// Adds what was found in pieces, now that all of them are there.
    pub fn finish(&mut self, hits: &mut Vec<Hit>) {
        self.join(hits);
        self.pieces.clear();
    }

    /// Bytes that the stream holds.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.text.capacity() + self.raw.capacity() + self.marks.capacity() * 16 + self.pieces.capacity() * 24
    }

    fn append(&mut self, block: &[u8]) {
        for (at, part) in block.chunks(MARK).enumerate() {
            let place = self.came + (at * MARK) as u64;
            self.marks.push((self.origin + self.text.len() as u64, place));
            squeeze(part, &mut self.text);
        }
    }

    fn look(&mut self, hits: &mut Vec<Hit>) {
        let known = self.known;
        let from = usize::try_from(self.next - self.origin).unwrap_or(usize::MAX);
        let text = std::mem::take(&mut self.text);
        let mut at = from;
        while let Some((ahead, gram)) = text.get(at..).and_then(|rest| known.grams.first_in(rest)) {
            self.verify(&text, at + ahead, gram, hits);
            at += ahead + STRIDE;
        }
        // A form that is not there as a whole yet begins at most its length before the end.
        let end = self.origin + text.len() as u64;
        let sure = end.saturating_sub((LONGEST + GRAM) as u64);
        self.next = self.next.max(sure - sure % STRIDE as u64);
        self.text = text;
    }

    fn verify(&mut self, text: &[u8], at: usize, gram: u64, hits: &mut Vec<Hit>) {
        for place in self.known.grams.places(gram) {
            let Some(needle) = self.known.needles.get(place.needle as usize) else { continue };
            let offset = place.offset as usize;
            let back = common_end(text.get(..at).unwrap_or_default(), needle.text.get(..offset).unwrap_or_default());
            let ahead = common_start(text.get(at..).unwrap_or_default(), needle.text.get(offset..).unwrap_or_default());
            let start = self.origin + (at - back) as u64;
            if back == offset && offset + ahead == needle.text.len() {
                let end = start + needle.text.len() as u64;
                self.report(place.needle, start, (start, end), 1.0, hits);
            } else if needle.in_pieces {
                self.remember(Piece {
                    needle: place.needle,
                    offset: u32::try_from(offset - back).unwrap_or_default(),
                    length: u32::try_from(back + ahead).unwrap_or_default(),
                    at: start,
                });
            }
        }
    }

    fn report(&mut self, needle: u32, key: u64, span: (u64, u64), confidence: f32, hits: &mut Vec<Hit>) {
        let Some(found) = self.known.needles.get(needle as usize) else { return };
        if self.reported.contains(&(needle, key)) {
            return;
        }
        if self.reported.len() >= MOST_PIECES {
            self.reported.remove(0);
        }
        self.reported.push((needle, key));
        let (start, skip) = self.raw_place(span.0);
        let (end, rest) = self.raw_place(span.1.saturating_sub(1));
        hits.push(Hit {
            value: found.value as usize,
            form: found.form,
            start,
            end,
            confidence,
            ahead: Some((skip, rest)),
        });
    }

    fn remember(&mut self, piece: Piece) {
        let same = |other: &&mut Piece| other.needle == piece.needle && other.at == piece.at;
        if let Some(other) = self.pieces.iter_mut().find(same) {
            other.length = other.length.max(piece.length);
        } else {
            if self.pieces.len() >= MOST_PIECES * 4 {
                self.pieces.remove(0);
            }
            self.pieces.push(piece);
        }
    }

    /// Reports values of which the pieces together are most.
    fn join(&mut self, hits: &mut Vec<Hit>) {
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.sort_unstable_by_key(|piece| (piece.needle, piece.offset));
        for same in pieces.chunk_by(|one, other| one.needle == other.needle) {
            let Some(first) = same.first() else { continue };
            let Some(needle) = self.known.needles.get(first.needle as usize) else { continue };
            let (mut covered, mut reach) = (0, 0);
            for piece in same {
                let end = piece.offset + piece.length;
                covered += end.saturating_sub(reach.max(piece.offset));
                reach = reach.max(end);
            }
            let (covered, all) = (covered as usize, needle.text.len());
            if covered >= 16 && covered * 10 >= all * 6 {
                let start = same.iter().map(|piece| piece.at).min().unwrap_or(0);
                let end = same.iter().map(|piece| piece.at + u64::from(piece.length)).max().unwrap_or(0);
                self.report(first.needle, start, (start, end), 0.8, hits);
            }
        }
    }

    fn forget(&mut self) {
        let keep = usize::try_from((self.next - self.origin).saturating_sub(LONGEST as u64)).unwrap_or(0);
        if keep >= BLOCK / 2 {
            self.text.drain(..keep);
            self.origin += keep as u64;
            let before = self.marks.partition_point(|(place, _)| *place <= self.origin).saturating_sub(1);
            self.marks.drain(..before);
        }
        // A stream of nothing but signs adds no character and must add no mark either.
        if self.marks.len() > 4 * BLOCK / MARK {
            self.marks.dedup_by_key(|(place, _)| *place);
        }
    }

    /// A place of the stream before a place of the skeleton, and how many letters and digits are between the two.
    fn raw_place(&self, place: u64) -> (u64, u64) {
        let at = self.marks.partition_point(|(mark, _)| *mark <= place).saturating_sub(1);
        self.marks.get(at).map_or((0, 0), |(mark, raw)| (*raw, place.saturating_sub(*mark)))
    }

    fn short(&mut self, block: &[u8], hits: &mut Vec<Hit>) {
        let kept = self.raw.len();
        self.raw.extend_from_slice(block);
        for short in &self.known.short {
            for at in short.find(&self.raw) {
                // What ended in the bytes that were kept was reported then.
                if at + short.len() > kept {
                    let start = (self.came + at as u64).saturating_sub(kept as u64);
                    let end = start + short.len() as u64;
                    hits.push(Hit {
                        value: short.value as usize,
                        form: short.form,
                        start,
                        end,
                        confidence: 0.9,
                        ahead: None,
                    });
                }
            }
        }
        let keep = self.raw.len().saturating_sub(short::LONGEST);
        self.raw.drain(..keep);
    }
}

/// Makes the span of a hit exact: a stream knows it to a mark only.
pub(super) fn refine(bytes: &[u8], hit: &mut Hit) {
    let Some((skip, rest)) = hit.ahead.take() else { return };
    hit.start = exact(bytes, hit.start, skip);
    hit.end = exact(bytes, hit.end, rest) + 1;
}

/// The place of the letter or digit that has `skip` others between itself and `from`.
fn exact(bytes: &[u8], from: u64, skip: u64) -> u64 {
    let tail = usize::try_from(from).ok().and_then(|from| bytes.get(from..)).unwrap_or_default();
    let mut places = tail.iter().enumerate().filter(|(_, byte)| fold(**byte) != 0);
    let found = usize::try_from(skip).ok().and_then(|skip| places.nth(skip));
    from + found.map_or(0, |(at, _)| at as u64)
}

fn common_start(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

fn common_end(one: &[u8], other: &[u8]) -> usize {
    one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count()
}
