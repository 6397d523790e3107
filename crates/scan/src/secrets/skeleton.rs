//! Letters and digits alone.
//!
//! Owns the one reduction that all searches for known values share: letters and digits in lower case, everything else
//! gone. What separates, escapes, wraps or pads a value is gone with it. It allocates nothing by itself.

/// A byte's letter or digit in lower case; 0 for every other byte.
pub(super) const FOLD: [u8; 256] = folds();

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "the counter stays below 256")]
const fn folds() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        if byte.is_ascii_alphanumeric() {
            table[at] = byte.to_ascii_lowercase();
        }
        at += 1;
    }
    table
}

/// The letter or digit that a byte stands for; 0 when it is neither.
#[inline]
pub(super) fn fold(byte: u8) -> u8 {
    #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
    FOLD[usize::from(byte)]
}

/// Appends the skeleton of `bytes`.
pub(super) fn squeeze(bytes: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    out.resize(from + bytes.len(), 0);
    // A slice of its own: the vector's length can't change by a write into it, which the compiler then knows.
    let room = out.get_mut(from..).unwrap_or_default();
    let mut kept = 0;
    for byte in bytes {
        let folded = fold(*byte);
        if let Some(slot) = room.get_mut(kept) {
            *slot = folded;
        }
        kept += usize::from(folded != 0);
    }
    out.truncate(from + kept);
}

/// The skeleton of `bytes`.
pub(super) fn skeleton(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    squeeze(bytes, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::skeleton;

    #[test]
    fn letters_and_digits_stay() {
        assert_eq!(skeleton(b"Sk-a_B:\n 4\0\xc3\xa9=="), b"skab4");
        assert_eq!(skeleton(b"-\xff"), b"");
    }
}
