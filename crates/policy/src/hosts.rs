//! Which entries speak of a target, compiled.
//!
//! Owns [`HostTable`]: one walk over a name's labels from the right, one hash for each, no allocation. Never judges.
//! [`crate::Policy`] makes it once a generation and asks it many times an act.

use std::collections::HashMap;
use std::net::IpAddr;

use creel_guard::Target;

use crate::pattern::HostPattern;

/// No node.
const NONE: u32 = u32::MAX;

/// Every entry's host, ready to be looked up.
#[derive(Debug, Default)]
pub(crate) struct HostTable {
    nodes: Vec<Node>,
    /// Open addressing: an index into `nodes`, or [`NONE`]. A power of two, at least twice as long as `nodes`.
    slots: Vec<u32>,
    addresses: HashMap<IpAddr, Vec<u32>>,
}

/// A name (`exact`) or everything below one.
#[derive(Debug)]
struct Node {
    hash: u64,
    name: Box<str>,
    exact: bool,
    /// Entries, in the file's order.
    entries: Vec<u32>,
    /// The nearest wildcard that speaks of this name, too.
    above: u32,
}

impl HostTable {
    /// Compiles the hosts of entries, in the file's order.
    pub(crate) fn new<'a>(hosts: impl Iterator<Item = &'a HostPattern>) -> Self {
        let mut table = Self::default();
        let mut places: HashMap<(&str, bool), usize> = HashMap::new();
        for (index, host) in (0_u32..).zip(hosts) {
            let (name, exact) = match host {
                HostPattern::Exact(name) => (name.as_str(), true),
                HostPattern::Below(suffix) => (suffix.as_str(), false),
                HostPattern::Address(address) => {
                    table.addresses.entry(address.to_canonical()).or_default().push(index);
                    continue;
                }
            };
            let place = *places.entry((name, exact)).or_insert_with(|| {
                let hash = name.bytes().rev().fold(SEED, step);
                table.nodes.push(Node {
                    hash: mark(hash, exact),
                    name: name.into(),
                    exact,
                    entries: vec![],
                    above: NONE,
                });
                table.nodes.len() - 1
            });
            if let Some(node) = table.nodes.get_mut(place) {
                node.entries.push(index);
            }
        }
        table.slots = vec![NONE; (table.nodes.len() * 2).next_power_of_two().max(2)];
        for index in 0..table.nodes.len() {
            table.insert(index);
        }
        let above: Vec<u32> = table.nodes.iter().map(|node| table.nearest_above(&node.name)).collect();
        for (node, above) in table.nodes.iter_mut().zip(above) {
            node.above = above;
        }
        table
    }

    /// The entries that speak of `target`: those that name it first, then wildcards, nearest suffix first.
    pub(crate) fn entries<'a>(&'a self, target: &Target) -> impl Iterator<Item = u32> + use<'a> {
        let (mut node, address) = match target {
            Target::Host(host) => (self.find(host.as_str()), None),
            Target::Address(address) => (NONE, self.addresses.get(&address.to_canonical())),
        };
        let chain = std::iter::from_fn(move || {
            let found = self.nodes.get(usize::try_from(node).ok()?)?;
            node = found.above;
            Some(&found.entries)
        });
        address.into_iter().chain(chain).flatten().copied()
    }

    fn insert(&mut self, index: usize) {
        let Some(hash) = self.nodes.get(index).map(|node| node.hash) else { return };
        let mut slot = self.slot(hash);
        while self.slots.get(slot).is_some_and(|taken| *taken != NONE) {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        if let (Some(free), Ok(index)) = (self.slots.get_mut(slot), u32::try_from(index)) {
            *free = index;
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low bits are what is asked for")]
    fn slot(&self, hash: u64) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    /// The node that names `name`, else the nearest wildcard above it.
    fn find(&self, name: &str) -> u32 {
        let (whole, nearest) = self.walk(name);
        let exact = self.lookup(mark(whole, true), name, true);
        if exact == NONE { nearest } else { exact }
    }

    fn nearest_above(&self, name: &str) -> u32 {
        self.walk(name).1
    }

    /// The hash of the whole name, and the longest suffix below which an entry speaks of it.
    fn walk(&self, name: &str) -> (u64, u32) {
        let mut hash = SEED;
        let mut nearest = NONE;
        for (at, byte) in name.bytes().enumerate().rev() {
            if byte == b'.' {
                let suffix = name.get(at + 1..).unwrap_or_default();
                let found = self.lookup(mark(hash, false), suffix, false);
                nearest = if found == NONE { nearest } else { found };
            }
            hash = step(hash, byte);
        }
        (hash, nearest)
    }

    fn lookup(&self, hash: u64, name: &str, exact: bool) -> u32 {
        if self.slots.is_empty() {
            return NONE;
        }
        let mut slot = self.slot(hash);
        loop {
            let index = self.slots.get(slot).copied().unwrap_or(NONE);
            let Some(node) = usize::try_from(index).ok().and_then(|index| self.nodes.get(index)) else { return NONE };
            if node.hash == hash && node.exact == exact && *node.name == *name {
                return index;
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }
}

/// FNV-1a, fed from the right. The table holds the operator's names alone, so that an agent can't make them collide.
const SEED: u64 = 0xcbf2_9ce4_8422_2325;

fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

/// Tells a name from all that is below it, and mixes the high bits into the low ones.
fn mark(hash: u64, exact: bool) -> u64 {
    let hash = step(hash, u8::from(exact));
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use creel_guard::HostName;

    use super::*;

    fn found(patterns: &[&str], target: &str) -> Vec<u32> {
        let patterns: Vec<HostPattern> = patterns.iter().map(|text| HostPattern::parse(text).unwrap()).collect();
        let target = target.parse().map_or_else(|_| Target::Host(HostName::parse(target).unwrap()), Target::Address);
        HostTable::new(patterns.iter()).entries(&target).collect()
    }

    #[test]
    fn the_nearest_comes_first_and_labels_are_whole() {
        let patterns = ["*.test", "a.b.test", "*.b.test", "10.0.0.1", "a.b.test", "*.a.b.test"];
        assert_eq!(found(&patterns, "a.b.test"), [1, 4, 2, 0]);
        assert_eq!(found(&patterns, "x.a.b.test"), [5, 2, 0]);
        assert_eq!(found(&patterns, "b.test"), [0]);
        assert_eq!(found(&patterns, "xb.test"), [0]);
        assert_eq!(found(&patterns, "::ffff:10.0.0.1"), [3]);
        assert!(found(&patterns, "test").is_empty() && found(&patterns, "b.test.evil.io").is_empty());
        assert!(found(&[], "a.test").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn it_agrees_with_asking_each_pattern(
            patterns in proptest::collection::vec("(\\*\\.)?([ab]\\.){0,3}test", 0..12),
            name in "([abc]\\.){0,4}(test|com)",
        ) {
            let parsed: Vec<HostPattern> = patterns.iter().map(|text| HostPattern::parse(text).unwrap()).collect();
            let target = Target::Host(HostName::parse(&name).unwrap());
            let mut quick: Vec<u32> = HostTable::new(parsed.iter()).entries(&target).collect();
            quick.sort_unstable();
            let slow: Vec<u32> = (0..).zip(&parsed).filter(|(_, one)| one.covers(&target)).map(|(at, _)| at).collect();
            proptest::prop_assert_eq!(quick, slow);
        }
    }
}
