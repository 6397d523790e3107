//! What is compressed in a stream, searched as if it were not.
//!
//! Owns [`Layer`]: bytes as they are, and below them what they unpack to, encoded by their own word or found by its first
//! bytes. Work and memory are bounded by [`Budget`] and by the number of layers. Never keeps a stream. Called by
//! [`super::Search`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use creel_scan::secrets::packed::{LONGEST_SIGN, Progress, Unpacking, Wrapping, beginnings};

use super::{Carry, Held, Leaks};

/// What a stream may unpack to whatever it came in: a picture of an empty page packs a thousandfold.
const FREE: u64 = 16 * 1024 * 1024;
/// What it may unpack to beyond that, as a multiple of what it came in.
const MOST_TIMES: u64 = 100;
/// What it may unpack to at most.
const MOST: u64 = 1024 * 1024 * 1024;
/// Layers below a stream in which what is compressed is found by its first bytes.
const DEPTH: usize = 2;
/// So much may be unpacked at once, found by first bytes, in a stream and in what it unpacks to.
const AT_ONCE: [usize; DEPTH] = [1, 3];
/// So much may be unpacked at once by all doors, in 43 KiB each.
const ROOM: usize = 1024;
/// Bytes that are unpacked at a time.
const PIECE: usize = 8 * 1024;

const TOO_MUCH: &str = "it is compressed, and unpacks to too much to be searched";
const MALFORMED: &str = "it is not compressed in the way that it says, and can't be searched";
const NO_ROOM: &str = "too much is compressed at once to be searched; try again";

/// How a body can be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Deflate,
    Gzip,
}

impl Coding {
    pub(super) fn parse(name: &str) -> Option<Self> {
        let is = |word: &str| name.eq_ignore_ascii_case(word);
        if is("gzip") || is("x-gzip") {
            return Some(Self::Gzip);
        }
        is("deflate").then_some(Self::Deflate)
    }

    /// `deflate` is zlib (RFC 9110, section 8.4.1.2); what is bare could be read in two ways, and is refused.
    fn wrapping(self) -> Wrapping {
        match self {
            Self::Deflate => Wrapping::Zlib,
            Self::Gzip => Wrapping::Gzip,
        }
    }
}

/// What came, and what was made of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    came: u64,
    made: u64,
    /// What had only looked as if it were compressed, or was a picture, was too much.
    overdrawn: bool,
}

impl Budget {
    pub(super) fn came(&mut self, bytes: usize) {
        self.came += bytes as u64;
    }

    fn made(&mut self, bytes: usize) -> bool {
        self.made += bytes as u64;
        self.made <= FREE.max(self.came.saturating_mul(MOST_TIMES)).min(MOST)
    }
}

/// Bytes of one stream, and what they unpack to.
pub(super) struct Layer {
    leaks: Arc<dyn Leaks>,
    carry: Carry,
    below: Below,
    /// The last bytes: a sign may be cut.
    edge: Vec<u8>,
}

enum Below {
    /// Encoded by its own word.
    Coded { wrapping: Wrapping, open: Option<Box<Open>>, layer: Option<Box<Layer>> },
    /// Whatever looks compressed is unpacked.
    Found { open: Vec<Open>, depth: usize },
}

/// One compressed stream on its way, and what it unpacks to. That outlives it where streams follow each other in one body.
struct Open {
    unpacking: Unpacking,
    wrapping: Wrapping,
    layer: Option<Box<Layer>>,
    _room: Room,
}

/// How a stream stands after some bytes.
enum Fed {
    More,
    /// So many bytes were not its own any more.
    Over(usize),
    Malformed,
    TooMuch,
}

impl Layer {
    pub(super) fn coded(leaks: Arc<dyn Leaks>, codings: &[Coding]) -> Self {
        let below = match codings.split_last() {
            None => Below::Found { open: Vec::new(), depth: DEPTH },
            Some((last, before)) => {
                let layer = Some(Box::new(Self::coded(Arc::clone(&leaks), before)));
                Below::Coded { wrapping: last.wrapping(), open: None, layer }
            }
        };
        Self { carry: Carry::new(Arc::clone(&leaks)), leaks, below, edge: Vec::new() }
    }

    fn at(leaks: Arc<dyn Leaks>, depth: usize) -> Self {
        let below = Below::Found { open: Vec::new(), depth };
        Self { carry: Carry::new(Arc::clone(&leaks)), leaks, below, edge: Vec::new() }
    }

    /// Bytes and what they unpack to are over.
    pub(super) fn finish(&mut self) -> Result<(), Held> {
        self.carry.finish()?;
        match &mut self.below {
            Below::Coded { open, layer, .. } => {
                let inner = open.as_mut().and_then(|one| one.layer.as_mut()).or(layer.as_mut());
                inner.map_or(Ok(()), |inner| inner.finish())
            }
            Below::Found { open, .. } => {
                open.iter_mut().filter_map(|one| one.layer.as_mut()).try_for_each(|inner| inner.finish())
            }
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], budget: &mut Budget) -> Result<(), Held> {
        self.carry.push(bytes)?;
        match &mut self.below {
            Below::Coded { wrapping, open, layer } => coded(*wrapping, open, layer, bytes, budget),
            Below::Found { open, depth } => {
                let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
                still_open(open, bytes, budget)?;
                let mut begun = Begun { leaks: &self.leaks, open, depth };
                let edge = self.edge.len();
                self.edge.extend_from_slice(bytes.get(..bytes.len().min(LONGEST_SIGN)).unwrap_or_default());
                for (at, wrapping) in beginnings(&self.edge).filter(|(at, _)| *at < edge) {
                    // One that ends before the edge was met with the piece before.
                    let is_new = beginnings(self.edge.get(..edge).unwrap_or_default()).all(|(known, _)| known != at);
                    if is_new {
                        let head = self.edge.get(at..edge).unwrap_or_default();
                        begun.begin(wrapping, [head, bytes], budget)?;
                    }
                }
                for (at, wrapping) in beginnings(bytes) {
                    begun.begin(wrapping, [bytes.get(at..).unwrap_or_default(), &[]], budget)?;
                }
                let tail = bytes.len().saturating_sub(LONGEST_SIGN);
                self.edge.truncate(edge);
                self.edge.extend_from_slice(bytes.get(tail..).unwrap_or_default());
                let beyond = self.edge.len().saturating_sub(LONGEST_SIGN - 1);
                self.edge.drain(..beyond);
                Ok(())
            }
        }
    }
}

/// Bytes of a stream that says how it is encoded: all of them must be so.
fn coded(
    wrapping: Wrapping,
    open: &mut Option<Box<Open>>,
    layer: &mut Option<Box<Layer>>,
    bytes: &[u8],
    budget: &mut Budget,
) -> Result<(), Held> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let one = match open {
            Some(one) => one,
            None => {
                // gzip may follow gzip (RFC 1952, section 2.2), and unpacks to one text; zlib ends where it ends
                let layer = layer.take().ok_or(Held::Packed(MALFORMED))?;
                open.insert(Box::new(Open::new(wrapping, layer).ok_or(Held::Packed(NO_ROOM))?))
            }
        };
        match one.feed(rest, budget)? {
            Fed::More => return Ok(()),
            Fed::Over(left) => {
                rest = rest.get(rest.len() - left..).unwrap_or_default();
                let over = open.take().and_then(|one| one.layer);
                *layer = over.filter(|_| wrapping == Wrapping::Gzip);
            }
            Fed::Malformed => return Err(Held::Packed(MALFORMED)),
            Fed::TooMuch => return Err(Held::Packed(TOO_MUCH)),
        }
    }
    Ok(())
}

/// Feeds what was begun with earlier pieces, and forgets what is over.
fn still_open(open: &mut Vec<Open>, bytes: &[u8], budget: &mut Budget) -> Result<(), Held> {
    let mut kept = Vec::with_capacity(open.len());
    for mut one in open.drain(..) {
        if goes_on(&mut one, bytes, budget)? {
            kept.push(one);
        }
    }
    *open = kept;
    Ok(())
}

fn goes_on(one: &mut Open, bytes: &[u8], budget: &mut Budget) -> Result<bool, Held> {
    match one.feed(bytes, budget)? {
        Fed::More => Ok(true),
        Fed::Over(_) | Fed::Malformed => Ok(false),
        Fed::TooMuch if one.wrapping == Wrapping::Zlib => {
            budget.overdrawn = true;
            Ok(false)
        }
        Fed::TooMuch => Err(Held::Packed(TOO_MUCH)),
    }
}

/// Where streams are begun.
struct Begun<'a> {
    leaks: &'a Arc<dyn Leaks>,
    open: &'a mut Vec<Open>,
    depth: usize,
}

impl Begun<'_> {
    fn begin(&mut self, wrapping: Wrapping, parts: [&[u8]; 2], budget: &mut Budget) -> Result<(), Held> {
        let full = AT_ONCE.get(self.depth).is_none_or(|most| self.open.len() >= *most);
        if full || (wrapping == Wrapping::Zlib && budget.overdrawn) {
            return Ok(());
        }
        let layer = Box::new(Layer::at(Arc::clone(self.leaks), self.depth));
        let mut one = Open::new(wrapping, layer).ok_or(Held::Packed(NO_ROOM))?;
        for part in parts {
            if !goes_on(&mut one, part, budget)? {
                return Ok(());
            }
        }
        self.open.push(one);
        Ok(())
    }
}

impl Open {
    fn new(wrapping: Wrapping, layer: Box<Layer>) -> Option<Self> {
        Some(Self { unpacking: Unpacking::new(wrapping), wrapping, layer: Some(layer), _room: Room::among(&TAKEN)? })
    }

    fn feed(&mut self, bytes: &[u8], budget: &mut Budget) -> Result<Fed, Held> {
        let mut rest = bytes;
        let mut out = [0; PIECE];
        loop {
            let step = self.unpacking.step(rest, &mut out);
            rest = rest.get(step.taken..).unwrap_or_default();
            if !budget.made(step.made) {
                return Ok(Fed::TooMuch);
            }
            if let Some(layer) = &mut self.layer {
                layer.push(out.get(..step.made).unwrap_or_default(), budget)?;
            }
            match step.progress {
                Progress::More if step.taken == 0 && step.made == 0 => return Ok(Fed::More),
                Progress::More => {}
                Progress::Over => {
                    // Where streams of one kind follow each other, the text goes on.
                    if self.wrapping != Wrapping::Gzip
                        && let Some(layer) = &mut self.layer
                    {
                        layer.finish()?;
                    }
                    return Ok(Fed::Over(rest.len()));
                }
                Progress::Malformed => return Ok(Fed::Malformed),
            }
        }
    }
}

/// A place among all that is unpacked.
struct Room(&'static AtomicUsize);

static TAKEN: AtomicUsize = AtomicUsize::new(0);

impl Room {
    fn among(taken: &'static AtomicUsize) -> Option<Self> {
        let more = |taken: usize| (taken < ROOM).then_some(taken + 1);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self(taken))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
