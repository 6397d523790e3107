//! The files that OpenClaw takes orders from.
//!
//! Owns [`Protected`]: which they are, what they looked like last, and the walk over them that finds what no event told: a
//! store into mapped memory, a folder that was put in another's place, whatever was lost. The sentry asks it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::os::fd::AsFd;

use creel_jail_sys::fanotify::{Group, Handle, handle_of};
use creel_policy::PathGlob;
use rustix::fs::{FileType, Stat};

use super::places::Places;

/// So many files are looked at, and so many folders.
const MOST_FILES: usize = 4096;
const MOST_FOLDERS: usize = 1024;
/// Folders inside folders.
const DEPTH: usize = 16;

/// What tells that a file was changed: the agent can set none of the times of change (`inode(7)`).
type Stamp = (u64, i64, u64, i64);

pub(super) struct Protected {
    globs: Vec<PathGlob>,
    stamps: HashMap<String, Stamp>,
    /// The files by handle: a write through another name of theirs bears that one.
    handles: HashMap<Handle, String>,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) found: BTreeSet<String>,
    /// Nothing was left out.
    pub(super) whole: bool,
}

impl Protected {
    pub(super) fn new(globs: Vec<PathGlob>) -> Self {
        Self { globs, stamps: HashMap::new(), handles: HashMap::new() }
    }

    pub(super) fn covers(&self, path: &str) -> bool {
        self.globs.iter().any(|glob| glob.covers(path))
    }

    /// Whether this very path is named, with no star.
    pub(super) fn names(&self, path: &str) -> bool {
        self.globs.iter().any(|glob| glob.only() == Some(path))
    }

    /// Whether one may lie below this folder.
    pub(super) fn reaches(&self, folder: &str) -> bool {
        self.globs.iter().any(|glob| glob.reaches(folder))
    }

    /// The protected path of a file that was met under another.
    pub(super) fn alias(&self, file: &Handle, path: &str) -> Option<String> {
        self.handles.get(file).filter(|own| *own != path).cloned()
    }

    /// It is about to be read; whether it is another than before.
    pub(super) fn note(&mut self, path: &str, places: &Places) -> bool {
        let Ok((place, found)) = places.place(path) else { return self.stamps.remove(path).is_some() };
        if self.handles.len() >= 2 * MOST_FILES {
            self.handles.clear();
        }
        if let Ok(handle) = handle_of(place.as_fd()) {
            self.handles.insert(handle, path.to_owned());
        }
        let stamp = stamp(&found);
        self.stamps.insert(path.to_owned(), stamp) != Some(stamp)
    }

    /// Whether it is another than when it was read last.
    pub(super) fn is_other(&self, path: &str, places: &Places) -> bool {
        let now = places.place(path).ok().map(|(_, found)| stamp(&found));
        self.stamps.get(path).copied() != now
    }

    /// Those that were read, and have not been found now.
    pub(super) fn vanished(&self, walk: &Walk) -> Vec<String> {
        self.stamps.keys().filter(|path| !walk.found.contains(*path)).cloned().collect()
    }

    /// Finds them all, and has their folders watched for being read.
    pub(super) fn walk(&self, places: &Places, group: &Group) -> Walk {
        let mut walk = Walk { found: BTreeSet::new(), whole: true };
        let mut folders = VecDeque::new();
        let mut known = BTreeSet::new();
        for glob in &self.globs {
            let folder = glob.folder();
            if let Some(path) = glob.only() {
                watch(&folder, places, group);
                if places.place(path).is_ok() {
                    walk.found.insert(path.to_owned());
                }
            } else if known.insert(folder.clone()) {
                folders.push_back((folder, 0));
            }
        }
        let mut visited = 0;
        while let Some((folder, depth)) = folders.pop_front() {
            visited += 1;
            let Ok((names, all)) = places.list(&folder) else { continue };
            if depth > DEPTH || visited > MOST_FOLDERS {
                walk.whole = false;
                break;
            }
            watch(&folder, places, group);
            walk.whole &= all;
            for (name, kind) in names {
                let path = format!("{folder}/{name}");
                if kind == FileType::Directory {
                    if self.reaches(&path) && known.insert(path.clone()) {
                        folders.push_back((path, depth + 1));
                    }
                } else if self.covers(&path) {
                    walk.found.insert(path);
                }
                if walk.found.len() > MOST_FILES {
                    walk.whole = false;
                    return walk;
                }
            }
        }
        walk
    }
}

fn watch(folder: &str, places: &Places, group: &Group) {
    let watched = places.place(folder).and_then(|(place, _)| group.watch_opens(place.as_fd()));
    if let Err(error) = watched {
        tracing::debug!(%error, folder, "who reads there is not seen");
    }
}

fn stamp(found: &Stat) -> Stamp {
    (found.st_ino, found.st_ctime, found.st_ctime_nsec, found.st_size)
}
