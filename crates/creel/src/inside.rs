//! Our own helper inside the jail: how people reach the workspace.
//!
//! Owns `creel inside …`, which the warden starts through `creel init` under the agent's own uid, filter and landlock
//! (HARDENING.md 20): what it can do, the agent can do. It opens by `openat2` beneath the workspace, follows no link,
//! touches regular files only, and runs nothing. It trusts nothing about the names it meets.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};

use crate::protocol::InsideTask;

/// Where the workspace lies in the jail.
pub(crate) use creel_openclaw::layout::WORKSPACE;

/// The most entries that a listing shows.
const LONGEST_LISTING: usize = 10_000;

/// The command line, as the jail's init runs it, for `task`.
#[must_use]
pub(crate) fn argv(task: &InsideTask) -> Vec<String> {
    // In front of the inner wall every program of the PATH is the launcher: `env` runs the same behind it.
    let mut words = if *task == InsideTask::ProbeBehind { vec!["/usr/bin/env"] } else { Vec::new() };
    words.extend(["/creel/creel", "inside"]);
    let task: &[&str] = match task {
        InsideTask::List { path } => &["ws-ls", path],
        InsideTask::Get { path } => &["ws-get", path],
        InsideTask::Put { path } => &["ws-put", path],
        InsideTask::Probe | InsideTask::ProbeBehind => &["probe"],
    };
    words.extend(task);
    words.into_iter().map(str::to_owned).collect()
}

/// The command line of `creel inside` with these words behind.
#[must_use]
pub(crate) fn words(words: Vec<String>) -> Vec<String> {
    ["/creel/creel", "inside"].into_iter().map(str::to_owned).chain(words).collect()
}

/// Lists a folder to `out`: a line an entry, folders with a `/` behind. Names are printed as they are: the caller escapes.
///
/// # Errors
/// What the kernel said, with the path.
pub(crate) fn list(path: &str, out: &mut dyn Write) -> io::Result<()> {
    let folder = open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    let mut names: Vec<(Vec<u8>, FileType)> = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes().to_vec();
        if name == b"." || name == b".." {
            continue;
        }
        if names.len() >= LONGEST_LISTING {
            return Err(io::Error::other(format!("more than {LONGEST_LISTING} entries; name a folder below it")));
        }
        names.push((name, entry.file_type()));
    }
    names.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, kind) in names {
        let size = rustix::fs::statat(&folder, OsStr::from_bytes(&name), AtFlags::SYMLINK_NOFOLLOW)
            .map_or(0, |found| found.st_size);
        let mark = match kind {
            FileType::Directory => "/",
            FileType::Symlink => "@",
            FileType::RegularFile => "",
            _ => "?",
        };
        writeln!(out, "{size:>12}  {}{mark}", String::from_utf8_lossy(&name))?;
    }
    out.flush()
}

/// Copies a regular file to `out`.
///
/// # Errors
/// What the kernel said, with the path; also when it is no regular file.
pub(crate) fn get(path: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut file = regular(open(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?, path)?;
    io::copy(&mut file, out)?;
    out.flush()
}

/// Copies `input` into a file: written beside it first and put in its place whole, so that a half one is never seen.
///
/// # Errors
/// What the kernel said, with the path; the file is then as it was.
pub(crate) fn put(path: &str, input: &mut dyn Read) -> io::Result<()> {
    let (folder, name) = split(path)?;
    let folder = open(folder, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
    if let Ok(found) = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)
        && FileType::from_raw_mode(found.st_mode) != FileType::RegularFile
    {
        return Err(io::Error::other(format!("`{}` is there and no regular file", path.escape_debug())));
    }
    let draft = format!(".creel-put-{}", std::process::id());
    let _ = rustix::fs::unlinkat(&folder, &*draft, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(&folder, &*draft, flags, Mode::from_raw_mode(0o644))?);
    let written = io::copy(input, &mut file)
        .and_then(|_| file.sync_all())
        .and_then(|()| Ok(rustix::fs::renameat(&folder, &*draft, &folder, name)?));
    if written.is_err() {
        let _ = rustix::fs::unlinkat(&folder, &*draft, AtFlags::empty());
    }
    written.map_err(|error| named(error, path))
}

fn split(path: &str) -> io::Result<(&str, &str)> {
    let (folder, name) = path.trim_end_matches('/').rsplit_once('/').unwrap_or((".", path));
    let folder = if folder.is_empty() { "." } else { folder };
    match Path::new(name).components().next() {
        Some(Component::Normal(_)) if !name.is_empty() => Ok((folder, name)),
        _ => Err(io::Error::other(format!("`{}` names no file", path.escape_debug()))),
    }
}

fn open(path: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let bare = Path::new(path).strip_prefix(WORKSPACE).unwrap_or(Path::new(path));
    let bare = bare.strip_prefix("/").unwrap_or(bare);
    let bare = if bare.as_os_str().is_empty() { Path::new(".") } else { bare };
    let top = rustix::fs::open(WORKSPACE, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(top.as_fd(), bare, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, mode, resolve)
        .map_err(|error| named(error.into(), path))
}

fn regular(fd: OwnedFd, path: &str) -> io::Result<File> {
    let found = rustix::fs::fstat(&fd)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(io::Error::other(format!("`{}` is no regular file", path.escape_debug())));
    }
    Ok(File::from(fd))
}

fn named(error: io::Error, path: &str) -> io::Error {
    let hint = match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => " (links are not followed)",
        Some(code) if code == rustix::io::Errno::XDEV.raw_os_error() => " (it leads out of the workspace)",
        _ => "",
    };
    io::Error::new(error.kind(), format!("`{}`: {error}{hint}", path.escape_debug()))
}
