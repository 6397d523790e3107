//! Known values in what streams out.
//!
//! Owns [`Leaks`], what doors ask about bytes that no judgement sees as a whole, and [`Carry`], which joins the pieces. Never
//! decides which values matter: the guard process knows them.

use std::sync::Arc;

/// Knows the values that must not leave. Asked for each piece of a stream.
pub trait Leaks: Send + Sync {
    /// What stands in `bytes`, in words for the record; none when nothing does. The alarm is sounded by whoever knows.
    fn find(&self, bytes: &[u8]) -> Option<String>;
}

/// Bytes of the stream so far that are looked through again with the next piece: a value in its longest form and as much
/// between its letters.
const KEPT: usize = 4096;

/// A stream's end so far.
pub(crate) struct Carry {
    leaks: Arc<dyn Leaks>,
    kept: Vec<u8>,
}

impl Carry {
    pub(crate) fn new(leaks: Arc<dyn Leaks>) -> Self {
        Self { leaks, kept: Vec::new() }
    }

    /// Looks through the next piece, with the end of those before.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Option<String> {
        if piece.is_empty() {
            return None;
        }
        self.kept.extend_from_slice(piece);
        let found = self.leaks.find(&self.kept);
        let beyond = self.kept.len().saturating_sub(KEPT);
        self.kept.drain(..beyond);
        found
    }
}

impl std::fmt::Debug for Carry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carry").field("kept", &self.kept.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Word;
    impl Leaks for Word {
        fn find(&self, bytes: &[u8]) -> Option<String> {
            bytes.windows(6).any(|window| window == b"secret").then(|| "found".to_owned())
        }
    }

    #[test]
    fn a_value_is_found_however_it_is_cut_and_memory_is_bounded() {
        let text = [vec![b'x'; 3 * KEPT], b"secret".to_vec(), vec![b'y'; KEPT]].concat();
        for size in [1, 2, 3, 5, 7, 4000, 100_000] {
            let mut carry = Carry::new(Arc::new(Word));
            let found = text.chunks(size).filter_map(|piece| carry.push(piece)).count();
            assert!(found >= 1, "{size}");
            assert!(carry.kept.len() <= KEPT);
        }
        let mut carry = Carry::new(Arc::new(Word));
        assert!(text.chunks(7).filter(|piece| !piece.contains(&b's')).all(|piece| carry.push(piece).is_none()));
    }
}
