//! Holds tiles, bundles and what was signed against the leaves, one after the other.
//!
//! Owns the list of files that must be there and of those that may. A file that no leaf explains is a finding, and so is
//! one that a checkpoint needs and that is gone. Never writes. Called by the check alone.

use std::collections::BTreeSet;

use super::{Remembered, Taken, Verification};
use crate::account;
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::frame::Frame;
use crate::head::Position;
use crate::merkle::{Frontier, Hash, leaf_hash};
use crate::shelf::{Shelf, Tree};
use crate::tile::{Name, WIDTH, hashes, put_entry};

/// What the leaves so far call for.
#[derive(Debug)]
pub(super) struct Tiles {
    shelf: Shelf,
    frontier: Frontier,
    /// The unfinished tile of each level: hashes, and the record at which each one's leaves begin.
    levels: Vec<Vec<(Hash, u64)>>,
    bundle: Vec<u8>,
    /// Full tiles and bundles that stand on the shelf and were not met yet.
    full: BTreeSet<Name>,
    /// The same of partial ones: few, and looked for at each leaf.
    partial: BTreeSet<Name>,
    strangers: Vec<String>,
    /// How many leaves the checkpoint names.
    signed: u64,
    /// Roots that must come up.
    roots: Vec<Remembered>,
}

impl Tiles {
    pub(super) fn new(shelf: Shelf, checkpoint: Option<&Checkpoint>, remembered: &[Remembered]) -> Result<Self, Error> {
        let (mut full, mut partial, mut strangers) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for path in shelf.files()? {
            match Name::parse(&path) {
                Some(name) if name.width == WIDTH => drop(full.insert(name)),
                Some(name) => drop(partial.insert(name)),
                None => strangers.push(path),
            }
        }
        let own = checkpoint.map(|checkpoint| Remembered {
            by: "the checkpoint".to_owned(),
            size: checkpoint.size,
            root: checkpoint.root,
            time: 0,
        });
        let mut roots: Vec<Remembered> = own.into_iter().chain(remembered.iter().cloned()).collect();
        // The next one stands last.
        roots.sort_by_key(|root| std::cmp::Reverse(root.size));
        let signed = checkpoint.map_or(0, |checkpoint| checkpoint.size);
        let (frontier, levels) = (Frontier::default(), vec![Vec::new()]);
        Ok(Self { shelf, frontier, levels, bundle: Vec::new(), full, partial, strangers, signed, roots })
    }

    /// Takes what is left of the leaves before `start`, which are not kept: their hashes, and the bundles that are still there.
    /// `signed` leaves are signed, and only of those anything may be missing. Says what does not fit.
    pub(super) fn begin_behind(&mut self, start: &Position, signed: u64) -> Result<Option<String>, Error> {
        let leaves = start.leaves();
        if leaves > signed {
            return Ok(Some(account::unaccounted(start)));
        }
        let shelf = self.shelf.clone();
        let tree = Tree::new(&shelf, signed);
        for index in 0..leaves.div_ceil(WIDTH) {
            let count = (leaves - index * WIDTH).min(WIDTH);
            let bundle = Name::bundle(index, WIDTH);
            let is_kept = count < WIDTH || self.full.contains(&bundle);
            let entries = if is_kept { tree.entries(index, count) } else { Ok(Vec::new()) };
            let found = entries.and_then(|entries| Ok((entries, tree.tile(0, index)?)));
            let (entries, hashes) = match found {
                Ok(found) => found,
                Err(Error::Damaged { why, .. }) => return Ok(Some(why)),
                Err(error) => return Err(error),
            };
            for (at, hash) in hashes.into_iter().take(usize::try_from(count).unwrap_or(usize::MAX)).enumerate() {
                let entry = entries.get(at);
                if entry.is_some_and(|entry| leaf_hash(entry) != hash) {
                    return Ok(Some(format!("`{}` was changed", bundle.path())));
                }
                if let Some((_, why)) = self.leaf(hash, 1, entry.map(Vec::as_slice))? {
                    return Ok(Some(why));
                }
            }
        }
        Ok(None)
    }

    /// Takes the next leaf, which belongs to the record `record` or came after it.
    pub(super) fn take(&mut self, frame: &Frame, record: u64) -> Taken {
        self.leaf(frame.hash, record, Some(&frame.payload))
    }

    /// What no checkpoint names yet is being copied, and no leaf can explain it.
    pub(super) fn forgive_what_comes(&mut self) {
        let signed = self.signed;
        let is_ahead = |name: &Name| (name.index * WIDTH + name.width) << (8 * name.level.unwrap_or(0)) > signed;
        self.full.retain(|name| !is_ahead(name));
        self.partial.retain(|name| !is_ahead(name));
    }

    /// Takes the next leaf by its hash; without `entry` it is in no bundle any more.
    pub(super) fn leaf(&mut self, hash: Hash, record: u64, entry: Option<&[u8]>) -> Taken {
        let whole = self.frontier.push(hash);
        let size = self.frontier.size();
        if let Some(level) = self.levels.first_mut() {
            level.push((hash, record.max(1)));
        }
        let width = (size - 1) % WIDTH + 1;
        if let Some(entry) = entry {
            put_entry(&mut self.bundle, entry);
            if let Some(bad) = self.compare(Name::bundle((size - 1) / WIDTH, width), 0)? {
                return Ok(Some(bad));
            }
        }
        if width == WIDTH {
            self.bundle.clear();
        }
        for level in 0.. {
            let depth = usize::try_from(level).unwrap_or(usize::MAX);
            let Some(tile) = self.levels.get(depth) else { break };
            let width = tile.len() as u64;
            let index = (size >> (8 * level)).div_ceil(WIDTH).saturating_sub(1);
            if let Some(bad) = self.compare(Name::tile(level, index, width), depth)? {
                return Ok(Some(bad));
            }
            let Some(tile) = self.levels.get_mut(depth).filter(|tile| tile.len() as u64 == WIDTH) else { break };
            let first = tile.first().map_or(1, |(_, record)| *record);
            tile.clear();
            let Some(root) = whole.get(depth) else { break };
            let above = (*root, first);
            match self.levels.get_mut(depth + 1) {
                Some(next) => next.push(above),
                None => self.levels.push(vec![above]),
            }
        }
        self.check_roots()
    }

    /// What is missing or too much at the end.
    pub(super) fn finish(mut self, answer: Verification) -> Result<Verification, Error> {
        let leaves = self.frontier.size();
        if let Some(root) = self.roots.pop().filter(|root| root.size > 0 && root.size > leaves) {
            let why = format!("{} leaves are left, but {} signed {}", leaves, root.by, root.size);
            return Ok(Verification { ok: false, truncated: true, why: Some(why), ..answer });
        }
        let over = self.partial.first().into_iter().chain(self.full.first()).min().map(|name| name.path());
        match self.strangers.pop().or(over) {
            // Under a live writer tiles may be ahead of the leaves that were read; the check is made again then.
            Some(path) if answer.ok => Ok(Verification::bad(answer.size, format!("no leaf explains `{path}`"))),
            _ => Ok(answer),
        }
    }

    /// Compares a file with what it has to be, when it is there or has to be.
    fn compare(&mut self, name: Name, depth: usize) -> Taken {
        let listed = if name.width == WIDTH { self.full.remove(&name) } else { self.partial.remove(&name) };
        if !listed && !self.is_needed(name) {
            return Ok(None);
        }
        let first = self.levels.get(depth).and_then(|tile| tile.first()).map_or(1, |(_, record)| *record);
        let Some(found) = self.shelf.read(name)? else {
            return Ok(Some((first, format!("`{}` is missing", name.path()))));
        };
        let tile = self.levels.get(depth).map_or(&[][..], Vec::as_slice);
        let bad = match name.level {
            None => first_difference(&found, &self.bundle).map(|at| place_of(&self.bundle, at)),
            Some(_) => match hashes(&found, name.width) {
                None => Some(0),
                Some(found) => found.iter().zip(tile).position(|(found, (hash, _))| found != hash),
            },
        };
        Ok(bad.map(|at| {
            let record = tile.get(at).or(tile.last()).map_or(first, |(_, record)| *record);
            (record, format!("`{}` was changed", name.path()))
        }))
    }

    /// Whether the checkpoint can't be proved without it.
    fn is_needed(&self, name: Name) -> bool {
        let span = 8 * name.level.unwrap_or(0);
        let at_level = self.signed >> span;
        let full = name.width == WIDTH && (name.index + 1) * WIDTH <= at_level;
        // A tile at the right edge is compared when its last hash comes, whatever grew below it since.
        full || (name.width < WIDTH && name.index * WIDTH + name.width == at_level)
    }

    fn check_roots(&mut self) -> Taken {
        let size = self.frontier.size();
        while let Some(root) = self.roots.pop_if(|root| root.size <= size) {
            if root.size == size && root.root != self.frontier.root() {
                return Ok(Some((1, format!("the first {size} leaves are others than {} signed", root.by))));
            }
        }
        Ok(None)
    }
}

fn first_difference(found: &[u8], expected: &[u8]) -> Option<usize> {
    if found == expected {
        return None;
    }
    let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
    differs.or_else(|| (found.len() != expected.len()).then_some(found.len().min(expected.len())))
}

/// Which entry of a bundle the byte at `at` belongs to.
fn place_of(bundle: &[u8], at: usize) -> usize {
    let mut end = 0;
    for (place, entry) in crate::tile::entries(bundle).enumerate() {
        end += 2 + entry.map_or(0, <[u8]>::len);
        if at < end {
            return place;
        }
    }
    0
}
