//! What is to be done so that the workspace is again as it was, and what differs between two lists.
//!
//! Owns the comparison of what lies there with a snapshot, and the steps that the helper takes. What is not kept is neither
//! written over nor removed. The guard's process calls it once what lies there is kept.

use std::collections::{HashMap, HashSet};
use std::io;

use super::frame::{Ask, Content, Entry, Left, Piece, Say, What};
use super::lead::{Wire, out_of_turn};
use super::store::Store;

/// The most lines of what went wrong.
const LINES: usize = 100;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) written: u64,
    pub(crate) removed: u64,
    /// What is not as it was, and why: so many lines.
    pub(crate) failed: Vec<String>,
    pub(crate) failures: u64,
}

impl Done {
    fn fail(&mut self, path: &[u8], why: &str) {
        self.failures += 1;
        if self.failed.len() < LINES {
            self.failed.push(format!("{}: {why}", shown(path)));
        }
    }
}

/// A path for people.
pub(crate) fn shown(path: &[u8]) -> String {
    crate::sentry::places::text(path)
}

/// Whether `path` is `scope` or lies below it.
pub(crate) fn is_in(path: &[u8], scope: Option<&[u8]>) -> bool {
    scope.is_none_or(|scope| path.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/")))
}

/// How two things at a path differ; nothing when they don't.
pub(crate) fn difference(old: Option<&Entry>, new: Option<&Entry>) -> Option<&'static str> {
    match (old, new) {
        (None, None) => None,
        (None, Some(_)) => Some("added"),
        (Some(_), None) => Some("removed"),
        (Some(old), Some(new)) => match (&old.what, &new.what) {
            (What::Left(_), _) | (_, What::Left(_)) => (old.what != new.what).then_some("not kept"),
            (What::File(one), What::File(other)) if is_same(one, other) => (old.mode != new.mode).then_some("mode"),
            (What::Folder, What::Folder) => (old.mode != new.mode).then_some("mode"),
            (one, other) => (one != other).then_some("changed"),
        },
    }
}

fn is_same(one: &Content, other: &Content) -> bool {
    (one.size, &one.pieces) == (other.size, &other.pieces)
}

/// Makes what lies there (`now`) as it was (`then`), all of it or below `scope`.
///
/// # Errors
/// When the helper is gone. What it could not do stands in the answer.
pub(crate) fn put_back(
    wire: &mut Wire,
    store: &Store,
    now: &[Entry],
    then: &[Entry],
    scope: Option<&[u8]>,
) -> io::Result<Done> {
    let mut done = Done::default();
    clear_away(wire, now, then, scope, &mut done)?;
    let here = by_path(now, scope);
    let (mut folders, mut unkept) = (Vec::new(), HashSet::new());
    for entry in then.iter().filter(|entry| is_in(&entry.path, scope)) {
        let before = here.get(&*entry.path).copied();
        // nor is anything put where something stands in the way that is not kept
        let parent = entry.path.rsplitn(2, |byte| *byte == b'/').nth(1);
        if before.is_some_and(is_unkept) || parent.is_some_and(|parent| unkept.contains(parent)) {
            unkept.insert(&*entry.path);
        } else if let Some(difference) = difference(before, Some(entry)) {
            put(wire, store, entry, difference, &mut done)?;
            folders.extend((entry.what == What::Folder).then_some(entry));
        }
    }
    // the deepest first, for what may not be passed can't be changed below
    for entry in folders.into_iter().rev() {
        step(wire, &Ask::Mend(entry.path.clone(), entry.mode, None), &entry.path, &mut done)?;
    }
    Ok(done)
}

fn by_path<'a>(entries: &'a [Entry], scope: Option<&[u8]>) -> HashMap<&'a [u8], &'a Entry> {
    let within = entries.iter().filter(|entry| is_in(&entry.path, scope));
    within.map(|entry| (&*entry.path, entry)).collect()
}

/// It has content, and that is not kept.
fn is_unkept(entry: &Entry) -> bool {
    matches!(entry.what, What::Left(left) if left != Left::Special)
}

/// Removes what was not there then, or was something of another kind; what lies in a folder goes before the folder.
fn clear_away(wire: &mut Wire, now: &[Entry], then: &[Entry], scope: Option<&[u8]>, done: &mut Done) -> io::Result<()> {
    let wanted = by_path(then, scope);
    for entry in now.iter().filter(|entry| is_in(&entry.path, scope)).rev() {
        let goes = wanted.get(&*entry.path).is_none_or(|then| {
            let other_kind = std::mem::discriminant(&then.what) != std::mem::discriminant(&entry.what);
            other_kind && !matches!(then.what, What::Left(_))
        });
        match entry.what {
            _ if !goes => {}
            What::Left(left) if left != Left::Special => {
                done.fail(&entry.path, &format!("what stands there now could not be kept ({})", left.word()));
            }
            _ => {
                let removed = step(wire, &Ask::Remove(entry.path.clone()), &entry.path, done)?;
                done.removed += u64::from(removed && entry.what != What::Left(Left::Special));
            }
        }
    }
    Ok(())
}

/// Puts one thing in its place.
fn put(wire: &mut Wire, store: &Store, entry: &Entry, difference: &str, done: &mut Done) -> io::Result<()> {
    let path = || entry.path.clone();
    let put = match &entry.what {
        What::Left(Left::Special) => return Ok(()),
        What::Left(left) => {
            done.fail(&entry.path, &format!("it is not in the snapshot ({})", left.word()));
            return Ok(());
        }
        // permissions come last
        What::Folder if difference == "mode" => return Ok(()),
        What::Folder => {
            step(wire, &Ask::Folder(path()), &entry.path, done)?;
            return Ok(());
        }
        What::File(_) if difference == "mode" => {
            step(wire, &Ask::Mend(path(), entry.mode, Some(entry.modified)), &entry.path, done)?
        }
        What::File(content) => write(wire, store, entry, content, done)?,
        What::Link(target) => step(wire, &Ask::Link(path(), target.clone()), &entry.path, done)?,
    };
    done.written += u64::from(put);
    Ok(())
}

/// Whether it was done.
fn step(wire: &mut Wire, ask: &Ask, path: &[u8], done: &mut Done) -> io::Result<bool> {
    match wire.ask(ask)? {
        Say::Done => Ok(true),
        Say::Failed(why) => {
            done.fail(path, &why);
            Ok(false)
        }
        _ => Err(out_of_turn()),
    }
}

fn write(wire: &mut Wire, store: &Store, entry: &Entry, content: &Content, done: &mut Done) -> io::Result<bool> {
    // a file that is damaged is not begun
    if !store.holds(&content.pieces, content.size) {
        done.fail(&entry.path, "its bytes are not all there any more");
        return Ok(false);
    }
    if !step(wire, &Ask::Put(entry.path.clone()), &entry.path, done)? {
        return Ok(false);
    }
    for piece in &content.pieces {
        let ask = match piece {
            Piece::Hole(pieces) => Ask::Hole(*pieces),
            Piece::Kept(digest) => match store.piece(digest) {
                Ok(bytes) => Ask::Data(bytes),
                Err(error) => {
                    done.fail(&entry.path, &error.to_string());
                    return Ok(false);
                }
            },
        };
        if !step(wire, &ask, &entry.path, done)? {
            return Ok(false);
        }
    }
    step(wire, &Ask::Close(content.size, entry.mode, entry.modified), &entry.path, done)
}
