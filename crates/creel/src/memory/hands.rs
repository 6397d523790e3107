//! The memory audit's hands in the jail.
//!
//! Owns the walk over the agent's folders and the one way to change a file: exchanged for another, and exchanged back when
//! it was no longer what was read. It runs as the agent's user, follows no link, waits for no pipe, leaves no file system,
//! and reads bounded numbers of bounded files. It knows nothing of what is looked for.

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags};

use super::{Area, LONGEST_CHANGE, LONGEST_FILE, LONGEST_LINE, Order, Place, Said};

/// So many files are looked at, folders too.
const FILES: usize = 20_000;
/// So many bytes.
const BYTES: u64 = 1 << 30;
/// Folders inside folders.
const DEPTH: usize = 16;
/// What neither the agent nor a person wrote.
const SKIPPED: [&str; 2] = [".git", "node_modules"];

/// Where the folders lie.
#[derive(Clone, Debug)]
pub(crate) struct Tops(pub(crate) Vec<(Area, PathBuf)>);

impl Default for Tops {
    fn default() -> Self {
        Self(Area::ALL.into_iter().map(|area| (area, PathBuf::from(area.top()))).collect())
    }
}

/// Hands over every file below `tops`, and obeys.
///
/// # Errors
/// When the far end is gone or says what makes no sense.
pub(crate) fn walk(tops: &Tops, input: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<()> {
    let (mut files, mut bytes, mut cut) = (FILES, BYTES, false);
    for (area, top) in &tops.0 {
        // Nearest first: what OpenClaw reads at every start lies near the top, and no heap of files hides it.
        let mut folders = std::collections::VecDeque::from([(String::new(), 0)]);
        while let Some((folder, depth)) = folders.pop_front() {
            let Ok(listed) = list(top, &folder) else { continue };
            for (name, kind) in listed {
                let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                if files == 0 || bytes == 0 {
                    cut = true;
                    break;
                }
                files -= 1;
                match kind {
                    FileType::Directory if SKIPPED.contains(&name.as_str()) => {}
                    FileType::Directory if depth < DEPTH => folders.push_back((path, depth + 1)),
                    FileType::Directory => cut = true,
                    FileType::RegularFile => {
                        bytes = bytes.saturating_sub(one(top, &Place { area: *area, path }, input, out)?);
                    }
                    _ => {}
                }
            }
        }
    }
    say(out, &Said::End { cut })
}

/// Hands over one file, and obeys. Returns how long it was.
///
/// # Errors
/// When the far end is gone or says what makes no sense.
pub(crate) fn one(top: &Path, place: &Place, input: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<u64> {
    let (content, cut) = match read(top, &place.path) {
        Ok(read) => read,
        Err(error) => {
            say(out, &Said::Unread { place: place.clone(), why: error.to_string() })?;
            return Ok(0);
        }
    };
    let bytes = content.len() as u64;
    say(out, &Said::File { place: place.clone(), bytes, cut })?;
    out.write_all(&content)?;
    out.flush()?;
    let mut line = Vec::new();
    input.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if let Order::Put { bytes } = serde_json::from_slice(&line)? {
        if bytes > 2 * LONGEST_CHANGE {
            return Err(io::Error::other("too long a change"));
        }
        let mut fresh = Vec::new();
        input.take(bytes).read_to_end(&mut fresh)?;
        if fresh.len() as u64 != bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let failed = put(top, &place.path, &content, &fresh).err().map(|error| error.to_string());
        say(out, &Said::Put { failed })?;
    }
    Ok(bytes)
}

fn say(out: &mut dyn Write, said: &Said) -> io::Result<()> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

/// Names that are text: others no program of the agent's memory could mean.
fn list(top: &Path, folder: &str) -> io::Result<Vec<(String, FileType)>> {
    let folder = open(top, folder, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if matches!(name, "." | "..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_or(FileType::Unknown, |found| FileType::from_raw_mode(found.st_mode)),
            known => known,
        };
        names.push((name.to_owned(), kind));
        if names.len() > FILES {
            break;
        }
    }
    names.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(names)
}

/// A regular file's bytes, and whether there were more.
fn read(top: &Path, path: &str) -> io::Result<(Vec<u8>, bool)> {
    let fd = open(top, path, OFlags::RDONLY | OFlags::NONBLOCK)?;
    if FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut content = Vec::new();
    let mut file = File::from(fd).take(LONGEST_FILE);
    file.read_to_end(&mut content)?;
    let cut = content.len() as u64 == LONGEST_FILE;
    Ok((content, cut))
}

/// Puts `fresh` in the place of a file that holds `old`, and of no other.
fn put(top: &Path, path: &str, old: &[u8], fresh: &[u8]) -> io::Result<()> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = open(top, folder, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mode = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode & 0o777;
    let draft = format!(".creel-memory-{}", std::process::id());
    let _ = rustix::fs::unlinkat(&folder, &*draft, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(&folder, &*draft, flags, Mode::from_raw_mode(mode))?);
    let exchange = || rustix::fs::renameat_with(&folder, &*draft, &folder, name, RenameFlags::EXCHANGE);
    let done = file.write_all(fresh).and_then(|()| file.sync_all()).and_then(|()| Ok(exchange()?)).and_then(|()| {
        // What was written between the look and the exchange is in the draft's place now: it must not be lost.
        let taken =
            rustix::fs::openat(&folder, &*draft, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK, Mode::empty())?;
        let mut found = Vec::new();
        File::from(taken).take(old.len() as u64 + 1).read_to_end(&mut found)?;
        if found == old { Ok(()) } else { Err(io::Error::other("it was changed meanwhile")) }.inspect_err(
            |_: &io::Error| {
                let _ = exchange();
            },
        )
    });
    let _ = rustix::fs::unlinkat(&folder, &*draft, AtFlags::empty());
    done
}

fn open(top: &Path, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let top = rustix::fs::open(top, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let path = if path.is_empty() { "." } else { path };
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    Ok(rustix::fs::openat2(top.as_fd(), path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty(), resolve)?)
}
