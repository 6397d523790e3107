//! All keywords in one pass.
//!
//! Owns a bitmap over four bytes, letters in lower case. It only ever says where a keyword may stand; what stands there is
//! compared before a kind is asked.

use super::kind::{Kind, Shape};

const GRAM: usize = 4;

/// 2^17 bits are 16 KiB: they stay in the first-level cache.
const WIDTH: u32 = 17;

pub(super) struct Prefilter {
    bits: Vec<u64>,
    /// Sorted by gram.
    words: Vec<(u32, Word)>,
    /// Where a gram's words begin, by open addressing; at least half of the slots are free.
    slots: Vec<Option<(u32, u32)>>,
}

#[derive(Clone, Copy)]
struct Word {
    text: &'static str,
    kind: &'static Kind,
}

impl Prefilter {
    pub(super) fn new(kinds: impl Iterator<Item = &'static Kind>) -> Self {
        let mut made = Self { bits: vec![0; 1 << (WIDTH - 6)], words: Vec::new(), slots: Vec::new() };
        for kind in kinds {
            for text in kind.words {
                made.enter(Word { text, kind });
            }
        }
        made.words.sort_by_key(|(gram, word)| (*gram, word.text, word.kind.id));
        made.slots = vec![None; (made.words.len() * 2).next_power_of_two()];
        for (at, (gram, _)) in (0_u32..).zip(&made.words) {
            let slot = made.slot(*gram);
            if let Some(slot) = made.slots.get_mut(slot).filter(|slot| slot.is_none()) {
                *slot = Some((*gram, at));
            }
        }
        made
    }

    /// The slot of a gram: that which has it, or the free one where it would be.
    fn slot(&self, gram: u32) -> usize {
        let last = self.slots.len() - 1;
        let mut at = place(gram) & last;
        while self.slots.get(at).is_some_and(|slot| slot.is_some_and(|(other, _)| other != gram)) {
            at = (at + 1) & last;
        }
        at
    }

    fn enter(&mut self, word: Word) {
        let bytes = word.text.as_bytes();
        match bytes {
            [one, two, three] => {
                // Whatever may follow in a token or a name.
                for last in b"abcdefghijklmnopqrstuvwxyz0123456789_-. :=\"'/([" {
                    self.set(fold(u32::from_le_bytes([*one, *two, *three, *last])), word);
                }
            }
            [one, two, three, four, ..] => self.set(fold(u32::from_le_bytes([*one, *two, *three, *four])), word),
            _ => {}
        }
    }

    fn set(&mut self, gram: u32, word: Word) {
        let place = place(gram);
        if let Some(bits) = self.bits.get_mut(place >> 6) {
            *bits |= 1 << (place & 63);
        }
        self.words.push((gram, word));
    }

    /// Calls `seen` with each place, keyword length and kind.
    pub(super) fn each(&self, text: &[u8], mut seen: impl FnMut(usize, usize, &'static Kind)) {
        let mut at = 0;
        while let Some(ahead) = text.get(at..).and_then(|rest| self.first_in(rest)) {
            at += ahead;
            let gram = text.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u32::from_le_bytes);
            self.compare(text, at, fold(gram), &mut seen);
            at += 1;
        }
    }

    /// The first place of `text` where a keyword may stand.
    fn first_in(&self, text: &[u8]) -> Option<usize> {
        // On its own: so that the loop has it at hand.
        let bits = self.bits.as_slice();
        text.windows(GRAM).position(|window| {
            let place = place(fold(window.try_into().map_or(0, u32::from_le_bytes)));
            bits.get(place >> 6).is_some_and(|bits| bits >> (place & 63) & 1 == 1)
        })
    }

    fn compare(&self, text: &[u8], at: usize, gram: u32, seen: &mut impl FnMut(usize, usize, &'static Kind)) {
        let Some(Some((_, from))) = self.slots.get(self.slot(gram)) else { return };
        let words = self.words.get(*from as usize..).unwrap_or_default().iter().take_while(|(other, _)| *other == gram);
        for (_, Word { text: word, kind }) in words {
            let Some(found) = text.get(at..at + word.len()) else { continue };
            let same = match kind.shape {
                Shape::Token { .. } => found == word.as_bytes(),
                Shape::Labelled => found.eq_ignore_ascii_case(word.as_bytes()),
            };
            if same {
                seen(at, word.len(), kind);
            }
        }
    }
}

/// Sets the bit that tells capitals from small letters.
#[inline]
fn fold(gram: u32) -> u32 {
    gram | 0x2020_2020
}

#[inline]
fn place(gram: u32) -> usize {
    (gram.wrapping_mul(0x9e37_79b1) >> (32 - WIDTH)) as usize
}
