//! Known values, in whatever form.
//!
//! Owns [`Known`], the compiled set of a tenant's secrets and canaries, and [`Stream`], which looks for them in bytes that
//! come in pieces, with memory bounded by a constant. It keeps no value in the clear beyond what it must compare. What is
//! compressed or encoded twice is for [`super::Scanner`], which decodes first.

mod grams;
mod short;
mod stream;
#[cfg(test)]
mod tests;

use std::fmt;

use super::forms::{LONGEST, forms};
use grams::{GRAM, Grams, Place, STRIDE};
use short::Short;
pub use stream::Stream;

/// Shorter skeletons are no needles: some place of the four must hold a whole gram.
const LEAST: usize = GRAM + STRIDE - 1;

/// Of the values beyond so many only the common forms are looked for, and only plain ones in pieces.
const FEW: usize = 64;

/// A known value found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Which value, as they were given.
    pub value: usize,
    /// The form it was found in.
    pub form: &'static str,
    /// The first byte, as exactly as a stream can tell.
    pub start: u64,
    /// Behind its last byte.
    pub end: u64,
    /// How sure: 1 for a whole value, less for pieces of it.
    pub confidence: f32,
    /// Letters and digits between `start`, `end` and the exact places.
    ahead: Option<(u64, u64)>,
}

/// A compiled set of values.
pub struct Known {
    ids: Vec<String>,
    lengths: Vec<usize>,
    needles: Vec<Needle>,
    grams: Grams,
    short: Vec<Short>,
    longest: usize,
}

struct Needle {
    value: u32,
    form: &'static str,
    text: Vec<u8>,
    /// Whether pieces of it count.
    in_pieces: bool,
}

impl Known {
    /// Compiles values, each with the name that it is reported by; those first that matter most.
    #[must_use]
    pub fn new<'a>(values: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let values: Vec<(&str, &[u8])> = values.into_iter().collect();
        let mut known = Self {
            ids: values.iter().map(|(id, _)| (*id).to_owned()).collect(),
            lengths: Vec::with_capacity(values.len()),
            needles: Vec::new(),
            grams: Grams::default(),
            short: Vec::new(),
            longest: 0,
        };
        for (at, (_, value)) in (0_u32..).zip(&values) {
            let value = value.trim_ascii();
            let plain = super::skeleton::skeleton(value);
            known.lengths.push(plain.len().min(LONGEST));
            if plain.len() < LEAST {
                known.short.extend(Short::new(at, value));
            }
            let few = (at as usize) < FEW;
            for form in forms(value, LEAST, few) {
                // Too little variety is not worth a needle: it would be found everywhere.
                if is_dull(&form.skeleton) {
                    continue;
                }
                let in_pieces = form.name == "plain" || (few && matches!(form.name, "base64" | "hex" | "reversed"));
                known.longest = known.longest.max(form.skeleton.len());
                known.needles.push(Needle { value: at, form: form.name, text: form.skeleton, in_pieces });
            }
        }
        known.grams = Grams::new(known.entered());
        known
    }

    /// The name of a value.
    #[must_use]
    pub fn id(&self, value: usize) -> &str {
        self.ids.get(value).map_or("", String::as_str)
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.grams.is_empty() && self.short.is_empty()
    }

    /// Begins to look through a stream of bytes.
    #[must_use]
    pub fn stream(&self) -> Stream<'_> {
        Stream::new(self)
    }

    /// Looks through bytes that are there as a whole.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Vec<Hit> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut stream = self.stream();
        let mut hits = Vec::new();
        stream.push(bytes, &mut hits);
        stream.finish(&mut hits);
        for hit in &mut hits {
            stream::refine(bytes, hit);
        }
        hits
    }

    fn entered(&self) -> Vec<(u64, Place)> {
        let mut entered = Vec::new();
        for (at, needle) in (0_u32..).zip(&self.needles) {
            let all = needle.text.len() - GRAM + 1;
            let taken = if needle.in_pieces { all } else { all.min(STRIDE) };
            for (offset, gram) in (0_u32..).zip(needle.text.windows(GRAM)).take(taken) {
                entered.push((gram_of(gram), Place { needle: at, offset }));
            }
        }
        entered
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("values", &self.ids.len()).finish_non_exhaustive()
    }
}

fn gram_of(text: &[u8]) -> u64 {
    text.try_into().map_or(0, u64::from_le_bytes)
}

/// Fewer than four different characters: `00000000`, `abababab`.
fn is_dull(text: &[u8]) -> bool {
    let binary = text.iter().all(|byte| matches!(byte, b'0' | b'1'));
    let mut seen = Vec::new();
    for byte in text {
        if !seen.contains(byte) {
            seen.push(*byte);
        }
        if seen.len() > 4 {
            return false;
        }
    }
    !(binary && seen.len() == 2 && text.len() >= 64)
}
