//! Grows the tree: from leaves to tiles and bundles on the shelf.
//!
//! Owns the unfinished tile of each level. Full ones are written once and never touched again; [`Grow::settle`] writes the
//! unfinished ones for the size that the next checkpoint names. Never signs. Used by recovery and the publisher.

use std::fs::File;

use crate::error::Error;
use crate::merkle::{Frontier, Hash, leaf_hash};
use crate::shelf::{Shelf, Tree};
use crate::tile::{LEVELS, Name, WIDTH, put_entry};

/// Files that may wait for their sync.
const MOST_UNSYNCED: usize = 64;

/// A tree that grows.
#[derive(Debug)]
pub(crate) struct Grow {
    shelf: Shelf,
    frontier: Frontier,
    /// The unfinished tile of each level.
    levels: Vec<Vec<Hash>>,
    /// The unfinished bundle.
    bundle: Vec<u8>,
    /// What is written but not yet known to be on disk.
    unsynced: Vec<(Name, File)>,
    /// What a checkpoint names already: it must be there as it was written.
    fixed: u64,
    /// Partial tiles on the shelf.
    partials: Vec<Name>,
}

impl Grow {
    /// Starts with no leaf; up to `fixed` leaves what stands on the shelf is checked, not written.
    pub(crate) fn new(shelf: Shelf, fixed: u64) -> Self {
        Self {
            shelf,
            frontier: Frontier::default(),
            levels: vec![Vec::new()],
            bundle: Vec::new(),
            unsynced: Vec::new(),
            fixed,
            partials: Vec::new(),
        }
    }

    /// Starts behind the first `leaves` leaves, which are not kept: out of the tiles, of which `fixed` leaves were signed. What
    /// the tiles say is believed; that it leads to what was signed shows once all leaves are there.
    pub(crate) fn resume(shelf: Shelf, fixed: u64, leaves: u64) -> Result<Self, Error> {
        let tree = Tree::new(&shelf, fixed);
        let frontier = Frontier::of(&tree, leaves)?;
        let mut levels = Vec::new();
        for level in (0..u64::BITS / LEVELS).take_while(|level| *level == 0 || leaves >> (LEVELS * level) > 0) {
            let place = leaves >> (LEVELS * level);
            let (index, width) = (place / WIDTH, place % WIDTH);
            let mut tile = if width == 0 { Vec::new() } else { tree.tile(level, index)? };
            tile.truncate(usize::try_from(width).unwrap_or(usize::MAX));
            levels.push(tile);
        }
        let mut bundle = Vec::new();
        if !leaves.is_multiple_of(WIDTH) {
            let entries = tree.entries(leaves / WIDTH, leaves % WIDTH)?;
            entries.iter().for_each(|entry| put_entry(&mut bundle, entry));
            if levels.first().is_none_or(|tile| !entries.iter().map(|entry| leaf_hash(entry)).eq(tile.iter().copied()))
            {
                let name = Name::bundle(leaves / WIDTH, WIDTH).path();
                return Err(Error::Damaged { first_bad: 1, why: format!("`{name}` was changed") });
            }
        }
        Ok(Self { frontier, levels, bundle, ..Self::new(shelf.clone(), fixed) })
    }

    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub(crate) fn root(&self) -> Hash {
        self.frontier.root()
    }

    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Appends a leaf.
    pub(crate) fn push(&mut self, leaf: &[u8], hash: Hash) -> Result<(), Error> {
        put_entry(&mut self.bundle, leaf);
        let mut whole = self.frontier.push(hash).into_iter();
        let size = self.size();
        if size.is_multiple_of(WIDTH) {
            let bundle = std::mem::take(&mut self.bundle);
            self.place(Name::bundle(size / WIDTH - 1, WIDTH), &bundle)?;
        }
        let (mut level, mut hash) = (0, hash);
        loop {
            let depth = usize::try_from(level).unwrap_or(usize::MAX);
            if self.levels.len() <= depth {
                self.levels.push(Vec::new());
            }
            let Some(tile) = self.levels.get_mut(depth) else { return Ok(()) };
            tile.push(hash);
            if (tile.len() as u64) < WIDTH {
                return Ok(());
            }
            let full = std::mem::take(tile);
            self.place(Name::tile(level, (size >> (8 * (level + 1))) - 1, WIDTH), &full.concat())?;
            let Some(root) = whole.next() else { return Ok(()) };
            hash = root;
            level += 1;
        }
    }

    /// Writes the unfinished tiles and puts everything on disk. Returns the names of the partial ones.
    pub(crate) fn settle(&mut self) -> Result<Vec<Name>, Error> {
        let size = self.size();
        let mut partials = Vec::new();
        if !self.bundle.is_empty() {
            partials.push((Name::bundle(size / WIDTH, size % WIDTH), self.bundle.clone()));
        }
        for (level, tile) in (0..).zip(&self.levels).filter(|(_, tile)| !tile.is_empty()) {
            let index = size >> (8 * (level + 1));
            partials.push((Name::tile(level, index, tile.len() as u64), tile.concat()));
        }
        for (name, bytes) in &partials {
            self.place(*name, bytes)?;
        }
        self.sync()?;
        let names: Vec<Name> = partials.into_iter().map(|(name, _)| name).collect();
        self.partials.extend(&names);
        Ok(names)
    }

    /// Takes the partial tiles away that no checkpoint names any more; `current` are those that one does.
    pub(crate) fn tidy(&mut self, current: &[Name]) {
        let size = self.size();
        for (level, _) in (0..).zip(&self.levels) {
            let places = (self.fixed >> (8 * (level + 1)))..=(size >> (8 * (level + 1)));
            for index in places {
                self.partials.extend(self.shelf.partials(Some(level), index));
                if level == 0 {
                    self.partials.extend(self.shelf.partials(None, index));
                }
            }
        }
        for name in std::mem::take(&mut self.partials).into_iter().filter(|name| !current.contains(name)) {
            self.shelf.remove(name);
        }
        self.fixed = size;
    }

    /// Puts what was written on disk.
    fn sync(&mut self) -> Result<(), Error> {
        let mut names = Vec::new();
        for (name, file) in std::mem::take(&mut self.unsynced) {
            file.sync_all().map_err(Error::io("sync", std::path::Path::new(&name.path())))?;
            names.push(name);
        }
        self.shelf.sync_folders(&names)
    }

    fn place(&mut self, name: Name, bytes: &[u8]) -> Result<(), Error> {
        // How many leaves the tree has when this tile is as it is.
        let span = 8 * name.level.unwrap_or(0);
        let reaches = (name.index * WIDTH + name.width) << span;
        if reaches <= self.fixed {
            return match self.shelf.read(name)? {
                Some(found) if found == bytes => Ok(()),
                found => {
                    let what = if found.is_some() { "was changed" } else { "is missing" };
                    Err(Error::Damaged { first_bad: 1, why: format!("`{}` {what}", name.path()) })
                }
            };
        }
        let file = self.shelf.write(name, bytes)?;
        self.unsynced.push((name, file));
        if self.unsynced.len() >= MOST_UNSYNCED { self.sync() } else { Ok(()) }
    }
}
