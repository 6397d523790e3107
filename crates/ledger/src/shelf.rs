//! A log's public files: tiles, bundles, checkpoint, keys (C2SP tlog-tiles).
//!
//! Owns their reading and writing. What stands in a file is whole or not there at all, and nothing is rewritten once a
//! checkpoint names it. Knows nothing of segments. Used by the publisher, by proofs and by the check.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::folder;
use crate::merkle::{Hash, Nodes};
use crate::notary;
use crate::note::{Note, VerifierKey};
use crate::tile::{LEVELS, Name, WIDTH, entries, hashes, subtree};

/// The largest file here: a bundle of the largest entries.
const LARGEST_FILE: u64 = WIDTH * (2 + 65_535);

/// The folder of one log.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    path: PathBuf,
}

impl Shelf {
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// A tile's or bundle's bytes; `None` when it is not there.
    pub(crate) fn read(&self, name: Name) -> Result<Option<Vec<u8>>, Error> {
        read_whole(&self.path.join(name.path()), LARGEST_FILE)
    }

    /// Writes a tile or bundle. It is on disk when the file that is returned was synced, and its folder.
    pub(crate) fn write(&self, name: Name, bytes: &[u8]) -> Result<File, Error> {
        let path = self.path.join(name.path());
        let folder = path.parent().unwrap_or(&self.path);
        let draft = path.with_extension("new");
        let write = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let mut file = fs::OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
                .open(&draft)?;
            file.write_all(bytes)?;
            fs::rename(&draft, &path)?;
            Ok(file)
        };
        write().map_err(Error::io("write", &path))
    }

    /// Puts the folders of all `names` on disk, each once, up to the log's own.
    pub(crate) fn sync_folders(&self, names: &[Name]) -> Result<(), Error> {
        let mut folders = BTreeSet::new();
        for name in names {
            let path = self.path.join(name.path());
            folders
                .extend(path.ancestors().skip(1).take_while(|one| one.starts_with(&self.path)).map(Path::to_path_buf));
        }
        // what lies in a folder before the folder
        for folder in folders.iter().rev() {
            let synced = fs::OpenOptions::new().read(true).open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(Error::io("sync", folder))?;
        }
        Ok(())
    }

    /// Takes a partial tile away; that it fails harms nobody.
    pub(crate) fn remove(&self, name: Name) {
        let path = self.path.join(name.path());
        let _ = fs::remove_file(&path);
        if let Some(folder) = path.parent() {
            let _ = fs::remove_dir(folder);
        }
    }

    /// Takes away the full bundles before the one at `end`, as far as they are there without a gap; the first goes first, so
    /// that whoever is interrupted finds the rest.
    pub(crate) fn remove_bundles(&self, end: u64) -> Result<(), Error> {
        let path = |index| self.path.join(Name::bundle(index, WIDTH).path());
        let kept = (0..end).rev().find(|index| !folder::is_there(&path(*index))).map_or(0, |gap| gap + 1);
        for index in kept..end {
            let path = path(index);
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            // Those that hold others stay.
            let _ = path.parent().map(fs::remove_dir);
        }
        Ok(())
    }

    /// The partial tiles or bundles at one place.
    pub(crate) fn partials(&self, level: Option<u32>, index: u64) -> Vec<Name> {
        let sample = self.path.join(Name { level, index, width: 1 }.path());
        let Some(entries) = sample.parent().and_then(|folder| fs::read_dir(folder).ok()) else { return Vec::new() };
        let width = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u64>().ok();
        entries.flatten().filter_map(width).map(|width| Name { level, index, width }).collect()
    }

    /// Every file below `tile`, by its path from the log's folder; drafts that a crash left are left out.
    pub(crate) fn files(&self) -> Result<Vec<String>, Error> {
        let (mut found, mut folders) = (Vec::new(), vec!["tile".to_owned()]);
        while let Some(folder) = folders.pop() {
            let path = self.path.join(&folder);
            let entries = match fs::read_dir(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                entries => entries.map_err(Error::io("read", &path))?,
            };
            for entry in entries {
                let entry = entry.map_err(Error::io("read", &path))?;
                let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(name);
                } else if !name.ends_with(".new") {
                    found.push(name);
                }
            }
        }
        Ok(found)
    }

    /// The checkpoint as it stands there; `None` without one.
    pub(crate) fn checkpoint(&self) -> Result<Option<(Note, Checkpoint)>, Error> {
        let path = self.path.join("checkpoint");
        let Some(bytes) = read_whole(&path, 64 * 1024)? else { return Ok(None) };
        let note =
            String::from_utf8(bytes).ok().and_then(|text| Note::parse(&text).filter(|note| note.to_string() == text));
        let read = note.and_then(|note| Checkpoint::parse(&note.text).map(|checkpoint| (note, checkpoint)));
        read.map(Some).ok_or_else(|| Error::Damaged { first_bad: 1, why: "the checkpoint can't be read".to_owned() })
    }

    /// The public key that stands beside a checkpoint, as text; nothing when there is none.
    pub(crate) fn key(&self) -> Result<Option<String>, Error> {
        let bytes = read_whole(&self.path.join("vkey"), 64 * 1024)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Publishes a checkpoint.
    pub(crate) fn publish(&self, note: &Note) -> Result<(), Error> {
        let put = notary::put(&self.path, "checkpoint", note.to_string().as_bytes(), 0o600);
        put.map_err(Error::io("write", &self.path.join("checkpoint")))
    }

    /// The public keys that stand beside the log, the log's own first.
    pub(crate) fn keys(&self) -> Result<Vec<VerifierKey>, Error> {
        let Some(bytes) = read_whole(&self.path.join("keys"), 64 * 1024)? else { return Ok(Vec::new()) };
        let damaged = || Error::Damaged { first_bad: 1, why: "the file `keys` can't be read".to_owned() };
        let text = String::from_utf8(bytes).map_err(|_| damaged())?;
        let keys = text.lines().map(VerifierKey::parse).collect::<Option<Vec<_>>>().ok_or_else(damaged)?;
        let again: String = keys.iter().map(|key| format!("{key}\n")).collect();
        if again == text && !keys.is_empty() { Ok(keys) } else { Err(damaged()) }
    }

    /// Keeps the public keys beside the log, for whoever gets a copy of it.
    pub(crate) fn keep_keys(&self, keys: &[&VerifierKey]) -> Result<(), Error> {
        let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
        let path = self.path.join("keys");
        if read_whole(&path, 64 * 1024)?.is_some_and(|found| found == text.as_bytes()) {
            return Ok(());
        }
        notary::put(&self.path, "keys", text.as_bytes(), 0o600).map_err(Error::io("write", &path))
    }
}

/// The tiles of a tree of a certain size, as nodes of it.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    shelf: &'a Shelf,
    size: u64,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(shelf: &'a Shelf, size: u64) -> Self {
        Self { shelf, size }
    }

    /// The hashes of a tile, as many as this tree has there, or more.
    pub(crate) fn tile(&self, level: u32, index: u64) -> Result<Vec<Hash>, Error> {
        let width = self.width(Some(level), index);
        let bytes = self.bytes(Name::tile(level, index, width))?;
        let found = hashes(&bytes, bytes.len() as u64 / 32).filter(|found| found.len() as u64 >= width);
        found.ok_or_else(|| Self::gone(Name::tile(level, index, width)))
    }

    /// The first `count` entries of a bundle.
    pub(crate) fn entries(&self, index: u64, count: u64) -> Result<Vec<Vec<u8>>, Error> {
        let name = Name::bundle(index, self.width(None, index));
        let bytes = self.bytes(name)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let found = entries(&bytes).take(count).map(|entry| entry.map(<[u8]>::to_vec)).collect::<Option<Vec<_>>>();
        found.filter(|found| found.len() == count).ok_or_else(|| Self::gone(name))
    }

    fn bytes(&self, name: Name) -> Result<Vec<u8>, Error> {
        match self.shelf.read(name)? {
            // A reader of an older checkpoint may find that the tile is full by now.
            None => self.shelf.read(Name { width: WIDTH, ..name })?.ok_or_else(|| Self::gone(name)),
            Some(bytes) => Ok(bytes),
        }
    }

    fn width(&self, level: Option<u32>, index: u64) -> u64 {
        (self.size >> (level.unwrap_or(0) * LEVELS)).saturating_sub(index.saturating_mul(WIDTH)).min(WIDTH)
    }

    fn gone(name: Name) -> Error {
        Error::Damaged { first_bad: 1, why: format!("`{}` is missing or too short", name.path()) }
    }
}

impl Nodes for Tree<'_> {
    type Error = Error;

    fn node(&self, height: u32, index: u64) -> Result<Hash, Error> {
        let (level, below) = (height / LEVELS, height % LEVELS);
        let first = index << below;
        let (tile, skip) = (first / WIDTH, first % WIDTH);
        let found = self.tile(level, tile)?;
        let gone = || Self::gone(Name::tile(level, tile, self.width(Some(level), tile)));
        let end = skip.saturating_add(1 << below);
        let range = usize::try_from(skip).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(usize::MAX);
        found.get(range).map(subtree).ok_or_else(gone)
    }
}

/// A regular file's bytes, `None` when there is none.
fn read_whole(path: &Path, most: u64) -> Result<Option<Vec<u8>>, Error> {
    let Some(file) = folder::open_to_read(path)? else { return Ok(None) };
    let len = file.metadata().map_err(Error::io("look at", path))?.len();
    if len > most {
        return Err(Error::TooLong(path.to_path_buf()));
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0).map_err(Error::io("read", path))?;
    Ok(Some(bytes))
}
