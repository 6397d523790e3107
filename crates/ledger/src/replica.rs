//! Copies of the log as C2SP tlog-tiles lays it out, for verifiers of any make.
//!
//! Owns what a copy lacks ([`lacking`]), its copying to a folder, and the check of such a folder, which has no segments. What a
//! checkpoint names is there before the checkpoint is. It signs nothing and connects to nobody. Used by the guard's export.

use std::path::Path;

use serde::Deserialize;

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::folder::Folder;
use crate::merkle::{Hash, leaf_hash, root};
use crate::note::Note;
use crate::shelf::{Shelf, Tree};
use crate::tile::{LEVELS, Name, WIDTH, entries};
use crate::walk::Walker;

/// Leaves that go at once: some hundred bundles, after which the place is kept.
const MOST_LEAVES: u64 = 256 * WIDTH;

/// What a copy of the first leaves lacks.
#[derive(Debug)]
pub struct Lacking {
    shelf: Shelf,
    upto: u64,
    names: Vec<Name>,
    /// The checkpoint to be written last, where what it names is among this.
    checkpoint: Option<Note>,
    /// Unfinished tiles that no checkpoint names once it is.
    stale: Vec<Name>,
}

/// What a copy lacks of the ledger in `dir` that has the first `have` leaves of it; nothing when it has all that is signed.
///
/// # Errors
/// [`Error::Damaged`] when it has more than there is: the ledger was put back to an older copy.
pub fn lacking(dir: &Path, have: u64) -> Result<Option<Lacking>, Error> {
    let shelf = Shelf::at(dir);
    let Some((note, Checkpoint { size, .. })) = shelf.checkpoint()? else { return Ok(None) };
    if size < have {
        let why = format!("the replica has {have} leaves and the log has {size}: it was put back to an older copy");
        return Err(Error::Damaged { first_bad: size + 1, why });
    }
    if size == have {
        return Ok(None);
    }
    // Bundles in front of what is kept are gone for good.
    let kept = Walker::new(Folder::at(dir))?.position().leaves() / WIDTH;
    let whole = have / WIDTH * WIDTH + MOST_LEAVES;
    let upto = if size > whole { whole } else { size };
    let mut names: Vec<Name> =
        (have / WIDTH..upto / WIDTH).filter(|index| *index >= kept).map(|index| Name::bundle(index, WIDTH)).collect();
    for level in 0..u64::BITS / LEVELS {
        let full = |leaves: u64| leaves >> (LEVELS * level) >> LEVELS;
        names.extend((full(have)..full(upto)).map(|index| Name::tile(level, index, WIDTH)));
    }
    let is_last = upto == size;
    let stale = if is_last { unfinished(have) } else { Vec::new() };
    if is_last {
        names.extend(unfinished(size));
    }
    Ok(Some(Lacking { shelf, upto, names, checkpoint: is_last.then_some(note), stale }))
}

/// The tiles and the bundle at the right edge of a tree.
fn unfinished(leaves: u64) -> Vec<Name> {
    let tile = |level: u32| {
        let place = leaves >> (LEVELS * level);
        Name::tile(level, place / WIDTH, place % WIDTH)
    };
    let tiles = (0..u64::BITS / LEVELS).map(tile);
    tiles.chain([Name::bundle(leaves / WIDTH, leaves % WIDTH)]).filter(|name| name.width > 0).collect()
}

impl Lacking {
    /// How many leaves the copy has once it has this.
    #[must_use]
    pub fn upto(&self) -> u64 {
        self.upto
    }

    /// Whether nothing that is signed is lacking after it.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.checkpoint.is_some()
    }

    /// Each file of it by its path, in the order in which they have to be there: the checkpoint is the last.
    pub fn files(&self) -> impl Iterator<Item = Result<(String, Vec<u8>), Error>> {
        let read = |name: &Name| {
            let bytes = self.shelf.read(*name)?.ok_or(Error::Overtaken)?;
            Ok((name.path(), bytes))
        };
        let last = self.checkpoint.iter().flat_map(|note| {
            let keys = self.shelf.keys().map(|keys| keys.iter().map(|key| format!("{key}\n")).collect::<String>());
            [
                keys.map(|keys| ("keys".to_owned(), keys.into_bytes())),
                Ok((CHECKPOINT.to_owned(), note.to_string().into_bytes())),
            ]
        });
        self.names.iter().map(read).chain(last)
    }

    /// What no checkpoint names any more once all that is there, by its paths.
    pub fn stale(&self) -> impl Iterator<Item = String> {
        self.stale.iter().filter(|name| !self.names.contains(name)).map(|name| name.path())
    }

    /// Copies it into `folder`, which is there: first what the checkpoint names, on disk, then the keys, then the checkpoint.
    ///
    /// # Errors
    /// What either disk says; [`Error::Overtaken`] when a later checkpoint took the place of this one meanwhile.
    pub fn copy_into(&self, folder: &Path) -> Result<(), Error> {
        let to = Shelf::at(folder);
        for name in &self.names {
            let bytes = self.shelf.read(*name)?.ok_or(Error::Overtaken)?;
            let file = to.write(*name, &bytes)?;
            file.sync_all().map_err(Error::io("sync", &folder.join(name.path())))?;
        }
        to.sync_folders(&self.names)?;
        if let Some(note) = &self.checkpoint {
            let keys = self.shelf.keys()?;
            if !keys.is_empty() {
                to.keep_keys(&keys.iter().collect::<Vec<_>>())?;
            }
            to.publish(note)?;
            self.stale.iter().filter(|name| !self.names.contains(name)).for_each(|name| to.remove(*name));
        }
        Ok(())
    }
}

/// How far the copy in `folder` may be believed to be that was known to have `known` leaves: no further when what stood at its
/// edge is not there, as in a folder that was emptied.
///
/// # Errors
/// [`Error::Damaged`] when it is a copy of another log than the one in `dir`, or of more of it.
pub fn replicated(dir: &Path, folder: &Path, known: u64) -> Result<u64, Error> {
    if let Some((note, _)) = Shelf::at(folder).checkpoint()? {
        agrees(dir, &note.to_string())?;
    }
    Ok(if edge(known).iter().all(|path| crate::folder::is_there(&folder.join(path))) { known } else { 0 })
}

/// Whether the checkpoint `theirs` of a copy is one that the ledger in `dir` goes on from.
///
/// # Errors
/// [`Error::Damaged`] when it is of another log, has more leaves, or others.
pub fn agrees(dir: &Path, theirs: &str) -> Result<(), Error> {
    let damaged = |why: String| Error::Damaged { first_bad: 1, why };
    let theirs = Note::parse(theirs).and_then(|note| Checkpoint::parse(&note.text));
    let theirs = theirs.ok_or_else(|| damaged("the replica's checkpoint can't be read".to_owned()))?;
    let shelf = Shelf::at(dir);
    let Some((_, ours)) = shelf.checkpoint()? else {
        return Err(damaged("the replica is one of a log, and nothing of the ledger here is signed yet".to_owned()));
    };
    if ours.origin != theirs.origin {
        return Err(damaged(format!("the replica is one of `{}`", theirs.origin)));
    }
    if theirs.size > ours.size {
        let (theirs, ours) = (theirs.size, ours.size);
        return Err(damaged(format!(
            "the replica has {theirs} leaves and the log has {ours}: it was put back to an older copy"
        )));
    }
    if root(&Tree::new(&shelf, ours.size), theirs.size)? != theirs.root {
        return Err(damaged(format!("the ledger does not begin with the {} leaves of the replica", theirs.size)));
    }
    Ok(())
}

/// The tiles at the edge of a copy of `known` leaves, by their paths: the last full one and the unfinished ones.
#[must_use]
pub fn edge(known: u64) -> Vec<String> {
    let full = (known / WIDTH).checked_sub(1).map(|index| Name::tile(0, index, WIDTH));
    full.into_iter().chain(unfinished(known)).filter(|name| name.level.is_some()).map(Name::path).collect()
}

/// A checkpoint's name.
pub const CHECKPOINT: &str = "checkpoint";

/// The leaves of a folder without segments, in their order.
#[derive(Debug)]
pub(crate) struct Leaves {
    shelf: Shelf,
    size: u64,
}

/// A leaf of a copy.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) hash: Hash,
    /// None where its bundle is not kept.
    pub(crate) entry: Option<Vec<u8>>,
    /// Its record's number, of a decision or a note.
    pub(crate) record: Option<u64>,
}

impl Leaves {
    pub(crate) fn new(shelf: Shelf, size: u64) -> Self {
        Self { shelf, size }
    }

    /// The leaves of one tile; without entries when there is no bundle.
    pub(crate) fn of(&self, index: u64) -> Result<Vec<Leaf>, Error> {
        let width = (self.size - index * WIDTH).min(WIDTH);
        let bytes = match self.shelf.read(Name::bundle(index, width))? {
            None if width < WIDTH => self.shelf.read(Name::bundle(index, WIDTH))?,
            found => found,
        };
        let Some(bytes) = bytes else {
            let hashes = Tree::new(&self.shelf, self.size).tile(0, index)?;
            return Ok(hashes.into_iter().map(|hash| Leaf { hash, entry: None, record: None }).collect());
        };
        let leaf = |entry: Option<&[u8]>| {
            let entry = entry?;
            Some(Leaf { hash: leaf_hash(entry), entry: Some(entry.to_vec()), record: record(entry) })
        };
        let width = usize::try_from(width).unwrap_or(usize::MAX);
        let found = entries(&bytes).take(width).map(leaf).collect::<Option<Vec<_>>>();
        found.filter(|found| found.len() == width).ok_or_else(|| Error::Damaged {
            first_bad: 1,
            why: format!("`{}` is too short", Name::bundle(index, WIDTH).path()),
        })
    }
}

fn record(entry: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Numbered {
        #[serde(rename = "@")]
        kind: String,
        #[serde(rename = "@record")]
        record: u64,
    }
    let numbered = serde_json::from_slice::<Numbered>(entry).ok()?;
    (numbered.kind != "outcome").then_some(numbered.record)
}
