//! What the model sees of a text: runs of words and of word classes, each as a place in one table.
//!
//! Owns the numbering of features and the windows. Trainer and scanner share it, so that they can't drift apart; it knows
//! no weight. Words count for what they are, classes for what a sentence does, whatever its language.

use crate::lexicon::Class;
use crate::token::Token;

/// Places in the table.
pub const SLOTS: usize = 1 << 18;
/// Words in a window: about what an injected order has, with a little around it.
pub const WINDOW: usize = 32;
/// Words from one window to the next.
pub const STEP: usize = 8;
/// Words that may stand between two classed ones of a run.
const GAP: usize = 4;

/// Rows of the table of what was named lately; a power of two.
const RECENT: usize = 1 << 12;

/// Walks over the words of a text and names the features of each. What was named within the last window is not named
/// again, or a table of a hundred like rows would count a hundred times.
#[derive(Debug)]
pub(crate) struct Walk {
    recent: Box<[u32; RECENT]>,
    at: usize,
    last: [u32; 2],
    classes: [(u32, usize); 2],
}

impl Default for Walk {
    fn default() -> Self {
        Self { recent: Box::new([0; RECENT]), at: 0, last: [0; 2], classes: [(0, 0); 2] }
    }
}

impl Walk {
    /// Whether a place was not named within the last window. Sixteen bits of the row say which place, sixteen when.
    #[inline]
    fn is_new(&mut self, place: usize) -> bool {
        let now = (self.at as u32 + 1) & 0xffff;
        let tag = (place >> 12) as u32 + 1;
        let Some(row) = self.recent.get_mut(place % RECENT) else { return true };
        let (known, when) = (*row >> 16, *row & 0xffff);
        *row = tag << 16 | now;
        known != tag || now.wrapping_sub(when) & 0xffff > WINDOW as u32
    }

    /// Names the feature of a rule that hit the next word.
    #[inline]
    pub(crate) fn hit(&mut self, rule: u8, mut out: impl FnMut(usize)) {
        let place = place(mix(u32::from(rule) | 0x0500_0000));
        if self.is_new(place) {
            out(place);
        }
    }

    /// Names the features of the next word.
    #[inline]
    pub(crate) fn step(&mut self, token: Token, mut out: impl FnMut(usize)) {
        let mut places = [0_usize; 7];
        let mut count = 0;
        let mut give = |place: usize| {
            if let Some(slot) = places.get_mut(count) {
                *slot = place;
                count += 1;
            }
        };
        let [before, earlier] = self.last;
        let word = mix(token.hash);
        let pair = mix(word ^ before.wrapping_mul(0x9e37_79b1));
        give(place(word));
        give(place(pair));
        give(place(mix(pair ^ earlier.wrapping_mul(0x85eb_ca6b))));
        self.last = [word, before];
        let starts = token.has(Token::START);
        if starts {
            give(place(mix(word ^ 0x5bd1_e995)));
        }
        if token.class != Class::Plain && token.class != Class::Stop {
            let class = token.class as u32 + 1;
            let [(one, here), (two, there)] = self.classes;
            give(place(mix(class | u32::from(starts) << 8 | 0x0100_0000)));
            if self.at <= here + GAP && one != 0 {
                give(place(mix(class | one << 8 | 0x0200_0000)));
                if here <= there + GAP && two != 0 {
                    give(place(mix(class | one << 8 | two << 16 | 0x0300_0000)));
                }
            }
            self.classes = [(class, self.at), (one, here)];
        }
        for place in places.into_iter().take(count) {
            if self.is_new(place) {
                out(place);
            }
        }
        self.at += 1;
    }
}

/// The windows over `count` words.
pub(crate) fn windows(count: usize) -> impl Iterator<Item = (usize, usize)> {
    let last = count.saturating_sub(WINDOW).div_ceil(STEP);
    (0..=last).map(move |at| (at * STEP, (at * STEP + WINDOW).min(count))).filter(|(start, end)| start < end)
}

#[inline]
fn mix(value: u32) -> u32 {
    let value = (value ^ value >> 16).wrapping_mul(0x7feb_352d);
    let value = (value ^ value >> 15).wrapping_mul(0x846c_a68b);
    value ^ value >> 16
}

#[inline]
fn place(hash: u32) -> usize {
    hash as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_all_words() {
        assert_eq!(windows(0).collect::<Vec<_>>(), []);
        assert_eq!(windows(5).collect::<Vec<_>>(), [(0, 5)]);
        assert_eq!(windows(40).collect::<Vec<_>>(), [(0, 32), (8, 40)]);
        assert_eq!(windows(41).collect::<Vec<_>>(), [(0, 32), (8, 40), (16, 41)]);
    }
}
