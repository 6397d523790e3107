//! Known values in what streams out.
//!
//! Owns [`Leaks`], what doors ask about bytes that no judgement sees as a whole, and [`Search`], which joins the pieces and
//! unpacks what is compressed. Never decides which values matter: the guard process knows them.

mod packed;

use std::sync::Arc;

use http::{HeaderMap, header};

pub(crate) use packed::Coding;
use packed::{Budget, Layer};

/// Knows the values that must not leave. Asked for each piece of a stream.
pub trait Leaks: Send + Sync {
    /// What stands in `bytes`, in words for the record; none when nothing does. The alarm is sounded by whoever knows.
    fn find(&self, bytes: &[u8]) -> Option<String>;

    /// The same for the beginning of a stream, which is read in every way: encoded several times, over fields and lines.
    fn find_within(&self, beginning: &[u8]) -> Option<String> {
        self.find(beginning)
    }
}

/// Bytes of the stream so far that are looked through again with the next piece: a value in its longest form and as much
/// between its letters.
const KEPT: usize = 4096;

/// The beginning of a stream that is read in every way, which takes twenty times as long: what is sent as JSON or as a form
/// is seldom longer.
const BEGINNING: usize = 32 * 1024;
/// It is read when there is so much of it, and again when it has grown by a quarter.
const LEAST: usize = 16;

/// Encodings of one body; each takes memory of its own.
const MOST_CODINGS: usize = 2;

/// Why a piece must not leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// It holds a known value.
    Leak(String),
    /// It is compressed, and can't be looked into.
    Packed(&'static str),
}

impl Held {
    pub(crate) fn into_why(self) -> String {
        match self {
            Self::Leak(why) => why,
            Self::Packed(why) => why.to_owned(),
        }
    }
}

/// The search through one stream.
pub struct Search {
    budget: Budget,
    layer: Layer,
}

impl Search {
    /// A stream that says nothing of itself: what is compressed in it is known by its first bytes.
    #[must_use]
    pub fn new(leaks: Arc<dyn Leaks>) -> Self {
        Self::coded(leaks, &[])
    }

    /// A stream that was encoded so, in this order; nothing else may come.
    pub(crate) fn coded(leaks: Arc<dyn Leaks>, codings: &[Coding]) -> Self {
        Self { budget: Budget::default(), layer: Layer::coded(leaks, codings) }
    }

    /// Looks through the next piece, with the end of those before.
    ///
    /// # Errors
    /// [`Held`]: it must not leave.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Held> {
        self.budget.came(piece.len());
        self.layer.push(piece, &mut self.budget)
    }

    /// The message is over; what comes next is another.
    ///
    /// # Errors
    /// [`Held`]: its end must not leave.
    pub fn finish(&mut self) -> Result<(), Held> {
        self.layer.finish()
    }
}

impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search").field("budget", &self.budget).finish_non_exhaustive()
    }
}

/// How a body is encoded (RFC 9110, section 8.4); `None` when that can't be undone here.
pub(crate) fn codings(headers: &HeaderMap) -> Option<Vec<Coding>> {
    let mut found = Vec::new();
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for name in value.to_str().ok()?.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if !name.eq_ignore_ascii_case("identity") {
                found.push(Coding::parse(name)?);
            }
        }
    }
    (found.len() <= MOST_CODINGS).then_some(found)
}

/// A stream's end so far, and its beginning.
struct Carry {
    leaks: Arc<dyn Leaks>,
    kept: Vec<u8>,
    beginning: Beginning,
}

/// As much of a message as is read in every way.
#[derive(Default)]
struct Beginning {
    bytes: Vec<u8>,
    /// So many bytes of it were read.
    read: usize,
    /// It went on beyond that.
    over: bool,
}

impl Carry {
    fn new(leaks: Arc<dyn Leaks>) -> Self {
        Self { leaks, kept: Vec::new(), beginning: Beginning::default() }
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), Held> {
        if piece.is_empty() {
            return Ok(());
        }
        self.kept.extend_from_slice(piece);
        let found = self.leaks.find(&self.kept).or_else(|| self.beginning.add(piece, self.leaks.as_ref()));
        let beyond = self.kept.len().saturating_sub(KEPT);
        self.kept.drain(..beyond);
        found.map_or(Ok(()), |why| Err(Held::Leak(why)))
    }

    fn finish(&mut self) -> Result<(), Held> {
        let found = self.beginning.read(self.leaks.as_ref(), 1);
        self.beginning = Beginning::default();
        found.map_or(Ok(()), |why| Err(Held::Leak(why)))
    }
}

impl Beginning {
    fn add(&mut self, piece: &[u8], leaks: &dyn Leaks) -> Option<String> {
        if self.over {
            return None;
        }
        let room = BEGINNING - self.bytes.len();
        self.bytes.extend_from_slice(piece.get(..piece.len().min(room)).unwrap_or_default());
        if self.bytes.len() < BEGINNING {
            return self.read(leaks, LEAST.max(self.read / 4));
        }
        let found = self.read(leaks, 1);
        *self = Self { over: true, ..Self::default() };
        found
    }

    /// Reads it when at least so much of it is new.
    fn read(&mut self, leaks: &dyn Leaks, least: usize) -> Option<String> {
        if self.bytes.len() < self.read + least {
            return None;
        }
        self.read = self.bytes.len();
        leaks.find_within(&self.bytes)
    }
}

/// What left without its end is looked at once more: too late to hold it, in time to tell.
impl Drop for Carry {
    fn drop(&mut self) {
        let _told = self.beginning.read(self.leaks.as_ref(), 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) struct Word;
    impl Leaks for Word {
        fn find(&self, bytes: &[u8]) -> Option<String> {
            bytes.split(|byte| *byte == b's').any(|rest| rest.starts_with(b"ecret")).then(|| "found".to_owned())
        }
    }

    #[test]
    fn a_value_is_found_however_it_is_cut_and_memory_is_bounded() {
        let text = [vec![b'x'; 3 * KEPT], b"secret".to_vec(), vec![b'y'; KEPT]].concat();
        for size in [1, 2, 3, 5, 7, 4000, 100_000] {
            let mut carry = Carry::new(Arc::new(Word));
            let found = text.chunks(size).filter(|piece| carry.push(piece).is_err()).count();
            assert!(found >= 1, "{size}");
            assert!(carry.kept.len() <= KEPT);
        }
        let mut carry = Carry::new(Arc::new(Word));
        assert!(text.chunks(7).filter(|piece| !piece.contains(&b's')).all(|piece| carry.push(piece).is_ok()));
    }

    #[test]
    fn encodings_are_undone_or_named_as_unknown() {
        let of = |values: &[&str]| {
            let headers = values.iter().map(|value| (header::CONTENT_ENCODING, value.parse().unwrap()));
            codings(&headers.collect())
        };
        assert_eq!(of(&[]), Some(vec![]));
        assert_eq!(of(&["", "identity"]), Some(vec![]));
        assert_eq!(of(&["X-GZIP , Deflate"]), Some(vec![Coding::Gzip, Coding::Deflate]));
        assert_eq!(of(&["deflate", "gzip"]), Some(vec![Coding::Deflate, Coding::Gzip]));
        for unknown in ["br", "zstd", "compress", "aws-chunked", "gzip, br", "gzip,gzip,gzip", "gzip;q=1", "\"gzip\""] {
            assert_eq!(of(&[unknown]), None, "{unknown}");
        }
    }
}
