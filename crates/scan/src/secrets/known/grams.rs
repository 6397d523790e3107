//! The prefilter: which places of a text can begin a known form.
//!
//! Owns a bitmap over eight characters and the table behind it. A text is looked at in every fourth place only, so each
//! form is entered with the four beginnings of which one must fall on such a place; a form that may be found in pieces is
//! entered with all. It verifies nothing: the stream does.

/// Characters that are looked up at once.
pub(super) const GRAM: usize = 8;

/// Only every fourth place of a text is looked at.
pub(super) const STRIDE: usize = 4;

/// Where a gram stands: which needle, how far in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) needle: u32,
    pub(super) offset: u32,
}

#[derive(Debug, Default)]
pub(super) struct Grams {
    /// One bit a hashed gram: in the cache, where the table is not.
    bits: Vec<u64>,
    shift: u32,
    /// Open addressing over grams; `count` 0 is an empty slot.
    slots: Vec<Slot>,
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    gram: u64,
    from: u32,
    count: u32,
}

impl Grams {
    /// `entered` is every gram with its place.
    pub(super) fn new(mut entered: Vec<(u64, Place)>) -> Self {
        if entered.is_empty() {
            return Self::default();
        }
        entered.sort_unstable_by_key(|(gram, place)| (*gram, place.needle, place.offset));
        // One bit in 24, within half of a common second-level cache (2^22 bits are 512 KiB).
        let width = (entered.len() * 24).next_power_of_two().trailing_zeros().clamp(12, 22);
        let table = (entered.len() * 2).next_power_of_two().max(16);
        let mut grams = Self {
            bits: vec![0; 1 << (width - 6)],
            shift: 64 - width,
            slots: vec![Slot::default(); table],
            places: Vec::with_capacity(entered.len()),
        };
        for same in entered.chunk_by(|one, other| one.0 == other.0) {
            let gram = same.first().map_or(0, |(gram, _)| *gram);
            let from = u32::try_from(grams.places.len()).unwrap_or(u32::MAX);
            grams.places.extend(same.iter().map(|(_, place)| *place));
            let hash = hash(gram) >> grams.shift;
            if let Some(word) = grams.bits.get_mut(index(hash >> 6)) {
                *word |= 1 << (hash & 63);
            }
            let mut at = grams.first_slot(gram);
            while grams.slots.get(at).is_some_and(|slot| slot.count > 0) {
                at = (at + 1) & (table - 1);
            }
            if let Some(slot) = grams.slots.get_mut(at) {
                *slot = Slot { gram, from, count: u32::try_from(same.len()).unwrap_or(u32::MAX) };
            }
        }
        grams
    }

    /// Whether the gram may be one that was entered.
    #[cfg(test)]
    fn may_hold(&self, gram: u64) -> bool {
        is_set(&self.bits, self.shift, gram)
    }

    /// The first gram in every [`STRIDE`]th place of `text` that may be one that was entered: the place, and the gram.
    pub(super) fn first_in(&self, text: &[u8]) -> Option<(usize, u64)> {
        // On their own: so that the loop has them at hand.
        let (bits, shift) = (self.bits.as_slice(), self.shift);
        let mut grams = text.windows(GRAM).step_by(STRIDE).map(|gram| gram.try_into().map_or(0, u64::from_le_bytes));
        let step = grams.position(|gram| is_set(bits, shift, gram))?;
        let at = step * STRIDE;
        Some((at, text.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u64::from_le_bytes)))
    }

    /// The places of a gram.
    pub(super) fn places(&self, gram: u64) -> &[Place] {
        let mut at = self.first_slot(gram);
        while let Some(slot) = self.slots.get(at).filter(|slot| slot.count > 0) {
            if slot.gram == gram {
                let from = slot.from as usize;
                return self.places.get(from..from + slot.count as usize).unwrap_or_default();
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        &[]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn first_slot(&self, gram: u64) -> usize {
        // Other bits than the bitmap's.
        index(hash(gram) >> 7) & self.slots.len().wrapping_sub(1)
    }
}

#[inline]
fn is_set(bits: &[u64], shift: u32, gram: u64) -> bool {
    let hash = hash(gram) >> shift;
    bits.get(index(hash >> 6)).is_some_and(|word| word >> (hash & 63) & 1 == 1)
}

#[inline]
fn hash(gram: u64) -> u64 {
    // The fractional part of the golden ratio: neighbouring grams land far apart.
    gram.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[expect(clippy::cast_possible_truncation, reason = "hashed indices are cut to tables that are far below 4 GiB")]
#[inline]
fn index(hash: u64) -> usize {
    hash as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_entered_is_found_and_nothing_else() {
        let place = |needle| Place { needle, offset: needle * 2 };
        let entered: Vec<(u64, Place)> = (0..1000).map(|n| (u64::from(n / 2) * 77, place(n))).collect();
        let grams = Grams::new(entered);
        for n in 0..500 {
            assert!(grams.may_hold(n * 77));
            assert_eq!(grams.places(n * 77).len(), 2);
            assert!(grams.places(n * 77 + 1).is_empty());
        }
        assert!(Grams::default().places(1).is_empty() && !Grams::default().may_hold(1));
    }
}
