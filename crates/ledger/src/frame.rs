//! One frame: what is written, byte by byte.
//!
//! Owns the form and the chain. Never touches a file. A frame is a header of 24 bytes (magic, payload length, record
//! number, kind, the leaf's length, a zero byte, check), the payload (the leaf, and behind it what is kept beside the
//! log), and the chain value of 32 bytes. All numbers are little-endian.

use sha2::{Digest, Sha256};

use crate::merkle::{Hash, leaf_hash};
use crate::tile::LARGEST_ENTRY;

/// SHA-256 over everything before, this frame included.
pub(crate) type Chain = [u8; 32];

/// The chain before the first frame.
pub(crate) const GENESIS: Chain = [0; 32];

/// Each byte has several bits set, so that one flipped bit in empty space never looks like the start of a frame.
pub(crate) const MAGIC: [u8; 4] = *b"CRL2";

/// What frames of the first form began with, which had no leaves. They are still read, never written.
pub(crate) const FIRST_MAGIC: [u8; 4] = *b"CRL1";

pub(crate) const HEADER: usize = 24;
const CHECKED: usize = 20;
pub(crate) const CHAIN: usize = 32;

/// The largest payload: a leaf, and beside it a tool call's arguments or a person's message many times over.
pub(crate) const LARGEST: usize = 1024 * 1024 + LARGEST_LEAF;

/// The largest leaf.
pub(crate) const LARGEST_LEAF: usize = LARGEST_ENTRY;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first frame of a segment: number, tenant, chain before it.
    Segment = 1,
    /// A decision that let an act pass; a record.
    Admitted = 2,
    /// A decision that did not; a record.
    Refused = 3,
    /// How an admitted act ended; refers to its record.
    Settled = 4,
    /// What the ledger has to say about itself; a record.
    Note = 5,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Segment, Self::Admitted, Self::Refused, Self::Settled, Self::Note]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }

    /// Whether it is a leaf of the tree.
    pub(crate) fn is_leaf(self) -> bool {
        self != Self::Segment
    }

    /// Whether it is counted and has a number of its own.
    pub(crate) fn is_record(self) -> bool {
        matches!(self, Self::Admitted | Self::Refused | Self::Note)
    }
}

/// A frame that was read, and found to continue the chain.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) record: u64,
    /// The hash of the leaf; zeros in the first form.
    pub(crate) hash: Hash,
    /// The leaf, or all of a frame that is none.
    pub(crate) payload: Vec<u8>,
    /// What is kept beside the log.
    pub(crate) beside: Vec<u8>,
}

/// A header that was read, and found to continue the chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) record: u64,
    pub(crate) len: usize,
    /// How much of the payload is the leaf.
    pub(crate) leaf: usize,
    /// Whether it is of the first form.
    pub(crate) first: bool,
}

impl Header {
    /// Bytes of the whole frame.
    pub(crate) fn frame_len(&self) -> usize {
        HEADER + self.len + CHAIN
    }

    /// `None` when these bytes are no header that follows `before`.
    pub(crate) fn read(bytes: &[u8; HEADER], before: &Chain) -> Option<Self> {
        let (checked, check) = bytes.split_first_chunk::<CHECKED>()?;
        let header = Self::read_unchecked(checked)?;
        (check == check_of(checked, before)).then_some(header)
    }

    /// The header's fields without a look at the chain.
    pub(crate) fn read_unchecked(bytes: &[u8; CHECKED]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (record, rest) = rest.split_first_chunk::<8>()?;
        let [kind, low, high, 0] = rest else { return None };
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        let leaf = usize::from(u16::from_le_bytes([*low, *high]));
        let first = *magic == FIRST_MAGIC;
        let legal = if first { leaf == 0 } else { *magic == MAGIC && leaf <= len } && len <= LARGEST;
        let leaf = if first { len } else { leaf };
        Some(Self { kind: Kind::of(*kind)?, record: u64::from_le_bytes(*record), len, leaf, first }).filter(|_| legal)
    }
}

/// Appends a frame to `out` and moves the chain on. The leaf is no longer than [`LARGEST_LEAF`].
pub(crate) fn write(out: &mut Vec<u8>, kind: Kind, record: u64, leaf: &[u8], beside: &[u8], chain: &mut Chain) {
    let mut checked = [0; CHECKED];
    let len = u32::try_from(leaf.len() + beside.len()).unwrap_or(u32::MAX);
    let leaf_len = u16::try_from(leaf.len()).unwrap_or(u16::MAX).to_le_bytes();
    let fields = MAGIC.into_iter().chain(len.to_le_bytes()).chain(record.to_le_bytes()).chain([kind as u8]);
    checked.iter_mut().zip(fields.chain(leaf_len)).for_each(|(place, byte)| *place = byte);
    out.extend_from_slice(&checked);
    out.extend_from_slice(&check_of(&checked, chain));
    out.extend_from_slice(leaf);
    out.extend_from_slice(beside);
    *chain = next(chain, &checked, &leaf_hash(leaf), beside);
    out.extend_from_slice(chain);
}

/// The chain after a frame with this header and payload, and the hash of its leaf.
pub(crate) fn chain_after(header: &Header, raw: &[u8; HEADER], payload: &[u8], before: &Chain) -> (Chain, Hash) {
    let checked = raw.first_chunk::<CHECKED>().copied().unwrap_or_default();
    if header.first {
        let chain = Sha256::new().chain_update(before).chain_update(checked).chain_update(payload).finalize();
        return (chain.into(), GENESIS);
    }
    let (leaf, beside) = payload.split_at_checked(header.leaf).unwrap_or((payload, &[]));
    let hash = leaf_hash(leaf);
    (next(before, &checked, &hash, beside), hash)
}

/// Each leaf is hashed once: the chain goes over its hash.
fn next(before: &Chain, checked: &[u8; CHECKED], leaf: &Hash, beside: &[u8]) -> Chain {
    let hasher = Sha256::new().chain_update(before).chain_update(checked).chain_update(leaf);
    if beside.is_empty() { hasher.finalize().into() } else { hasher.chain_update(beside).finalize().into() }
}

fn check_of(checked: &[u8; CHECKED], before: &Chain) -> [u8; 4] {
    let digest: Chain =
        Sha256::new().chain_update(b"header").chain_update(before).chain_update(checked).finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}

/// Lower-case hex.
pub(crate) fn hex(chain: &Chain) -> String {
    use std::fmt::Write as _;
    chain.iter().fold(String::with_capacity(2 * CHAIN), |mut text, byte| {
        // Writing into a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The chain value that this lower-case hex stands for.
pub(crate) fn unhex(text: &str) -> Option<Chain> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut chain = GENESIS;
    let bytes = text.as_bytes();
    if bytes.len() != 2 * CHAIN {
        return None;
    }
    for (place, pair) in chain.iter_mut().zip(bytes.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *place = digit(*high)? << 4 | digit(*low)?;
    }
    Some(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_back_after_its_own_chain_only() {
        let (mut out, mut chain) = (Vec::new(), [7; CHAIN]);
        write(&mut out, Kind::Refused, 42, b"{}", b"more", &mut chain);
        let bytes = out.first_chunk::<HEADER>().unwrap();
        let header = Header::read(bytes, &[7; CHAIN]).unwrap();
        assert_eq!((header.kind, header.record, header.len, header.leaf), (Kind::Refused, 42, 6, 2));
        assert!(Header::read(bytes, &GENESIS).is_none());
        assert_eq!(out.len(), header.frame_len());
        assert_eq!(chain_after(&header, bytes, b"{}more", &[7; CHAIN]), (chain, leaf_hash(b"{}")));
        assert_ne!(chain_after(&header, bytes, b"{}mare", &[7; CHAIN]).0, chain);
    }

    #[test]
    fn hex_goes_there_and_back() {
        let chain: Chain = std::array::from_fn(|index| u8::try_from(index * 7).unwrap());
        assert_eq!(unhex(&hex(&chain)), Some(chain));
        assert_eq!(unhex("AB"), None);
        assert_eq!(unhex(&"g".repeat(64)), None);
    }
}
