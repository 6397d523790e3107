//! The Merkle tree of RFC 6962, section 2.
//!
//! Owns hashes, roots, inclusion and consistency proofs: made and checked. Never touches a file and knows no signature.
//! Used by everything that grows, proves or checks a log.

use sha2::{Digest as _, Sha256};

use crate::tile::LEVELS;

/// A node of the tree.
pub type Hash = [u8; 32];

/// The hash of an entry.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// The hash of two subtrees.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of a tree without leaves.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::new().finalize().into()
}

/// The right edge of a growing tree: one complete subtree for each bit of its size.
#[derive(Clone, Debug, Default)]
pub struct Frontier {
    size: u64,
    /// The largest first.
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// The edge of the tree of `size` leaves, out of its nodes.
    ///
    /// # Errors
    /// What `nodes` says.
    pub(crate) fn of<N: Nodes>(nodes: &N, size: u64) -> Result<Self, N::Error> {
        let (mut subtrees, mut start) = (Vec::new(), 0);
        for height in (0..u64::BITS).rev().filter(|height| size >> height & 1 == 1) {
            subtrees.push(nodes.node(height, start >> height)?);
            start += 1 << height;
        }
        Ok(Self { size, subtrees })
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf. Returns the roots of what it made whole, of 2^8, 2^16 … leaves: what stands in the tiles above.
    pub fn push(&mut self, leaf: Hash) -> Vec<Hash> {
        let (mut hash, mut whole) = (leaf, Vec::new());
        for height in 1..=self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = node_hash(&left, &hash);
            }
            if height.is_multiple_of(LEVELS) {
                whole.push(hash);
            }
        }
        self.subtrees.push(hash);
        self.size += 1;
        whole
    }

    /// The root of the whole.
    #[must_use]
    pub fn root(&self) -> Hash {
        let right_to_left = self.subtrees.iter().rev().copied();
        right_to_left.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
    }
}

/// Where complete subtrees are looked up when a proof is made.
pub trait Nodes {
    /// Why one can't be had.
    type Error;

    /// The root of the complete subtree of 2^`height` leaves, the `index`-th of its height.
    ///
    /// # Errors
    /// When it can't be read.
    fn node(&self, height: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The root of the leaves from `start` to `end`; `start` is a multiple of the largest power of two below the length.
fn range_root<N: Nodes>(nodes: &N, start: u64, end: u64) -> Result<Hash, N::Error> {
    let len = end - start;
    if len.is_power_of_two() {
        let height = len.trailing_zeros();
        return nodes.node(height, start >> height);
    }
    let split = start + largest_power_below(len);
    Ok(node_hash(&range_root(nodes, start, split)?, &range_root(nodes, split, end)?))
}

/// The root of the first `size` leaves.
///
/// # Errors
/// What `nodes` says.
pub fn root<N: Nodes>(nodes: &N, size: u64) -> Result<Hash, N::Error> {
    if size == 0 { Ok(empty_root()) } else { range_root(nodes, 0, size) }
}

/// The audit path of leaf `index` in the tree of `size` leaves, lowest first (RFC 6962, section 2.1.1). Empty when there
/// is no such leaf.
///
/// # Errors
/// What `nodes` says.
pub fn inclusion<N: Nodes>(nodes: &N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let mut path = Vec::new();
    let (mut start, mut end) = (0, size);
    while end.saturating_sub(start) > 1 && index < size {
        let split = start + largest_power_below(end - start);
        if index < split {
            path.push(range_root(nodes, split, end)?);
            end = split;
        } else {
            path.push(range_root(nodes, start, split)?);
            start = split;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `new` leaves begins with the tree of `old` leaves (RFC 6962, section 2.1.2).
///
/// # Errors
/// What `nodes` says.
pub fn consistency<N: Nodes>(nodes: &N, old: u64, new: u64) -> Result<Vec<Hash>, N::Error> {
    let mut proof = Vec::new();
    if old == 0 || old >= new {
        return Ok(proof);
    }
    let (mut start, mut end, mut whole) = (0, new, true);
    while old != end {
        let split = start + largest_power_below(end - start);
        if old <= split {
            proof.push(range_root(nodes, split, end)?);
            end = split;
        } else {
            proof.push(range_root(nodes, start, split)?);
            start = split;
            whole = false;
        }
    }
    if !whole {
        proof.push(range_root(nodes, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root that `path` leads to from leaf `index` of `size` (RFC 9162, section 2.1.3.2); `None` when the path does not
/// fit the tree's shape.
#[must_use]
pub fn root_of_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return None;
        }
        if at % 2 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some(hash)
}

/// Whether `proof` shows that the tree `new` begins with the tree `old` (RFC 9162, section 2.1.4.2).
#[must_use]
pub fn is_consistent(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size == 0 {
        return proof.is_empty() && *old_root == empty_root() && (new_size > 0 || *new_root == empty_root());
    }
    if old_size >= new_size {
        return old_size == new_size && proof.is_empty() && old_root == new_root;
    }
    let mut rest = proof.iter();
    let first = if old_size.is_power_of_two() { Some(old_root) } else { rest.next() };
    let Some(first) = first else { return false };
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at % 2 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut from_old, mut from_new) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            from_old = node_hash(sibling, &from_old);
            from_new = node_hash(sibling, &from_new);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            from_new = node_hash(&from_new, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && from_old == *old_root && from_new == *new_root
}

/// The largest power of two that is smaller than `len`, which is at least 2.
fn largest_power_below(len: u64) -> u64 {
    1 << (63 - (len - 1).leading_zeros())
}

#[cfg(test)]
mod tests;
