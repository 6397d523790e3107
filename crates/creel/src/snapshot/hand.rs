//! The hand in the jail that reads the workspace for a snapshot, and puts one back.
//!
//! Owns the walk over the workspace and the ways to read and to change what lies there. It runs as the agent's user, follows no
//! link, waits for no pipe, leaves no file system, and does one bounded step at a time, when it is told to. It knows nothing of
//! what is kept.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    Access, AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, SeekFrom as Whence, Stat, Timespec, Timestamps,
};
use rustix::io::Errno;

use super::frame::{Ask, Content, Entry, LONGEST_PATH, Left, MOST_AT_ONCE, PIECE, Say, What, receive, send};
use crate::files::hand::{aside, draft, folder_of, forget_draft, open_up, put_aside, take_place};

/// Does what `input` says to what lies below `top`, step by step, until it says nothing more.
///
/// # Errors
/// When the far end is gone or says what makes no sense.
pub(crate) fn serve(top: &Path, input: &mut dyn Read, out: &mut dyn Write) -> io::Result<()> {
    let mut hand = Hand { top: top.to_owned(), walk: Walk::default(), reading: None, writing: None };
    while let Some(ask) = receive::<Ask>(input)? {
        let say = hand.obey(ask).unwrap_or_else(|error| Say::Failed(error.to_string()));
        send(out, &say)?;
    }
    // what nobody ends is not left lying there
    hand.writing.iter().for_each(|writing| forget_draft(&writing.folder));
    Ok(())
}

struct Hand {
    top: PathBuf,
    walk: Walk,
    reading: Option<Reading>,
    writing: Option<Writing>,
}

/// What was found and not told yet: the nearest first.
#[derive(Default)]
struct Walk {
    folders: VecDeque<Vec<u8>>,
    found: VecDeque<Entry>,
    left: usize,
    cut: bool,
}

/// A file that is read piece by piece.
struct Reading {
    file: File,
    found: Stat,
    at: u64,
    size: u64,
}

/// A file that is written.
struct Writing {
    folder: OwnedFd,
    name: OsString,
    file: File,
}

impl Hand {
    fn obey(&mut self, ask: Ask) -> io::Result<Say> {
        match ask {
            Ask::Walk(most) => {
                let folders = VecDeque::from([Vec::new()]);
                self.walk = Walk { folders, left: most as usize, ..Walk::default() };
                Ok(self.more())
            }
            Ask::More => Ok(self.more()),
            Ask::Open(path) => self.open(&path),
            Ask::Read => self.reading.as_mut().ok_or_else(nothing_open)?.next(),
            Ask::Folder(path) => self.changing(&path, make_folder),
            Ask::Link(path, target) => self.changing(&path, |top, path| make_link(top, path, &target)),
            Ask::Put(path) => {
                let path = PathBuf::from(OsStr::from_bytes(&path));
                self.writing.take().iter().for_each(|writing| forget_draft(&writing.folder));
                self.writing = Some(opening_up(&self.top, &path, begin)?);
                Ok(Say::Done)
            }
            Ask::Data(bytes) => {
                self.writing.as_mut().ok_or_else(nothing_open)?.file.write_all(&bytes)?;
                Ok(Say::Done)
            }
            Ask::Hole(pieces) => {
                let ahead = i64::from(pieces).saturating_mul(PIECE as i64);
                self.writing.as_mut().ok_or_else(nothing_open)?.file.seek(SeekFrom::Current(ahead))?;
                Ok(Say::Done)
            }
            Ask::Close(size, mode, modified) => {
                let writing = self.writing.take().ok_or_else(nothing_open)?;
                let done = writing.finish(size, mode, modified);
                forget_draft(&writing.folder);
                done.map(|()| Say::Done)
            }
            Ask::Mend(path, mode, modified) => self.changing(&path, |top, path| mend(top, path, mode, modified)),
            Ask::Remove(path) => self.changing(&path, remove),
        }
    }

    fn changing(&self, path: &[u8], work: impl Fn(&Path, &Path) -> io::Result<()>) -> io::Result<Say> {
        opening_up(&self.top, Path::new(OsStr::from_bytes(path)), work).map(|()| Say::Done)
    }

    fn more(&mut self) -> Say {
        while self.walk.found.len() < MOST_AT_ONCE
            && let Some(folder) = self.walk.folders.pop_front()
        {
            self.walk.list(&self.top, &folder);
        }
        let some = self.walk.found.len().min(MOST_AT_ONCE);
        let entries = self.walk.found.drain(..some).collect();
        let end = self.walk.found.is_empty() && self.walk.folders.is_empty();
        Say::Entries(entries, end, self.walk.cut)
    }

    fn open(&mut self, path: &[u8]) -> io::Result<Say> {
        self.reading = None;
        let fd = beneath(&self.top, path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let found = rustix::fs::fstat(&fd)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("it is no regular file"));
        }
        let what = What::File(content(&found));
        let entry = entry(path.to_vec(), &found, what);
        let size = u64::try_from(found.st_size).unwrap_or(0);
        let file = File::from(fd);
        if size > PIECE as u64 {
            self.reading = Some(Reading { file, found, at: 0, size });
            return Ok(Say::Opened(entry));
        }
        let mut bytes = Vec::new();
        (&file).take(PIECE as u64).read_to_end(&mut bytes)?;
        let torn = bytes.len() as u64 != size || is_other(&file, &found);
        Ok(Say::Whole(entry, bytes, torn))
    }
}

impl Walk {
    /// What cannot be listed any more has gone meanwhile: what is closed was told with its own entry.
    fn list(&mut self, top: &Path, folder: &[u8]) {
        let path = if folder.is_empty() { b".".as_slice() } else { folder };
        let Ok(fd) = beneath(top, path, OFlags::RDONLY | OFlags::DIRECTORY) else { return };
        let Ok(entries) = Dir::read_from(&fd) else { return };
        for found in entries {
            let Ok(found) = found else { return };
            let name = found.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            if self.left == 0 {
                self.cut = true;
                self.folders.clear();
                return;
            }
            self.left -= 1;
            let path = if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() };
            if path.len() > LONGEST_PATH {
                self.cut = true;
            } else if let Some(entry) = look(&fd, path, name) {
                if entry.what == What::Folder {
                    self.folders.push_back(entry.path.clone());
                }
                self.found.push_back(entry);
            }
        }
    }
}

fn look(folder: &OwnedFd, path: Vec<u8>, name: &[u8]) -> Option<Entry> {
    let name = OsStr::from_bytes(name);
    let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let may = |access| rustix::fs::accessat(folder, name, access, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    let what = match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory if may(Access::READ_OK | Access::EXEC_OK) => What::Folder,
        FileType::RegularFile if may(Access::READ_OK) => What::File(content(&found)),
        FileType::Directory | FileType::RegularFile => What::Left(Left::Closed),
        FileType::Symlink => What::Link(rustix::fs::readlinkat(folder, name, Vec::new()).ok()?.into_bytes()),
        _ => What::Left(Left::Special),
    };
    Some(entry(path, &found, what))
}

fn entry(path: Vec<u8>, found: &Stat, what: What) -> Entry {
    Entry { path, mode: found.st_mode & 0o777, modified: (found.st_mtime, nanoseconds(found.st_mtime_nsec)), what }
}

fn content(found: &Stat) -> Content {
    Content {
        size: u64::try_from(found.st_size).unwrap_or(0),
        filled: u64::try_from(found.st_blocks).unwrap_or(0).saturating_mul(512),
        inode: found.st_ino,
        changed: (found.st_ctime, nanoseconds(found.st_ctime_nsec)),
        ..Content::default()
    }
}

fn nanoseconds(nsec: impl TryInto<u32>) -> u32 {
    nsec.try_into().ok().filter(|nsec| *nsec < 1_000_000_000).unwrap_or(0)
}

fn is_other(file: &File, before: &Stat) -> bool {
    rustix::fs::fstat(file).map_or(true, |now| {
        (now.st_size, now.st_mtime, now.st_mtime_nsec, now.st_ctime, now.st_ctime_nsec)
            != (before.st_size, before.st_mtime, before.st_mtime_nsec, before.st_ctime, before.st_ctime_nsec)
    })
}

impl Reading {
    fn next(&mut self) -> io::Result<Say> {
        let piece = PIECE as u64;
        if self.at >= self.size {
            return Ok(Say::End(is_other(&self.file, &self.found)));
        }
        // holes are not read
        let filled = match rustix::fs::seek(&self.file, Whence::Data(self.at)) {
            Ok(filled) => filled.min(self.size),
            Err(Errno::NXIO) => self.size,
            Err(_) => self.at,
        };
        let to = if filled >= self.size { self.size.next_multiple_of(piece) } else { filled - filled % piece };
        if to > self.at {
            let pieces = u32::try_from((to - self.at) / piece).unwrap_or(u32::MAX);
            self.at += u64::from(pieces) * piece;
            return Ok(Say::Hole(pieces));
        }
        let wanted = usize::try_from((self.size - self.at).min(piece)).unwrap_or(PIECE);
        let mut bytes = vec![0; wanted];
        let mut got = 0;
        while let Some(rest) = bytes.get_mut(got..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, self.at + got as u64)? {
                0 => break,
                read => got += read,
            }
        }
        if got < wanted {
            // it is shorter by now
            self.size = self.at + got as u64;
            bytes.truncate(got);
        }
        self.at += piece;
        Ok(if bytes.iter().all(|byte| *byte == 0) && got == wanted { Say::Hole(1) } else { Say::Data(bytes) })
    }
}

impl Writing {
    fn finish(&self, size: u64, mode: u32, modified: (i64, u32)) -> io::Result<()> {
        self.file.set_len(size)?;
        rustix::fs::fchmod(&self.file, Mode::from_raw_mode(mode))?;
        rustix::fs::futimens(&self.file, &times(modified))?;
        take_place(&self.folder, &self.name)
    }
}

fn begin(top: &Path, path: &Path) -> io::Result<Writing> {
    let (folder, name) = folder_of(top, path, true)?;
    let file = draft(&folder)?;
    Ok(Writing { folder, name, file })
}

fn make_folder(top: &Path, path: &Path) -> io::Result<()> {
    let (folder, name) = folder_of(top, path, true)?;
    let make = || rustix::fs::mkdirat(&folder, &*name, Mode::from_raw_mode(0o755));
    match make() {
        Err(Errno::EXIST) => {}
        done => return Ok(done?),
    }
    let found = rustix::fs::statat(&folder, &*name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        return Ok(());
    }
    put_aside(&folder, &name)?;
    Ok(make()?)
}

fn make_link(top: &Path, path: &Path, target: &[u8]) -> io::Result<()> {
    let (folder, name) = folder_of(top, path, true)?;
    forget_draft(&folder);
    rustix::fs::symlinkat(OsStr::from_bytes(target), &folder, &*aside(0))?;
    let done = take_place(&folder, &name);
    forget_draft(&folder);
    done
}

fn mend(top: &Path, path: &Path, mode: u32, modified: Option<(i64, u32)>) -> io::Result<()> {
    let (folder, name) = folder_of(top, path, false)?;
    let found = rustix::fs::statat(&folder, &*name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Symlink {
        return Err(io::Error::other("a link stands there now"));
    }
    // what this meets instead, if that is quick, is the agent's own: it runs with no right but his
    rustix::fs::chmodat(&folder, &*name, Mode::from_raw_mode(mode), AtFlags::empty())?;
    if let Some(modified) = modified {
        rustix::fs::utimensat(&folder, &*name, &times(modified), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

fn remove(top: &Path, path: &Path) -> io::Result<()> {
    let (folder, name) = match folder_of(top, path, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    match rustix::fs::unlinkat(&folder, &*name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => Ok(rustix::fs::unlinkat(&folder, &*name, AtFlags::REMOVEDIR)?),
        Err(error) => Err(error.into()),
    }
}

/// Tries again behind folders that nobody may pass.
fn opening_up<T>(top: &Path, path: &Path, work: impl Fn(&Path, &Path) -> io::Result<T>) -> io::Result<T> {
    match work(top, path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(top, path.parent().unwrap_or(Path::new("")));
            work(top, path)
        }
        done => done,
    }
}

fn times(modified: (i64, u32)) -> Timestamps {
    let time = Timespec { tv_sec: modified.0, tv_nsec: modified.1.into() };
    Timestamps { last_access: time, last_modification: time }
}

fn beneath(top: &Path, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let top = rustix::fs::open(top, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::openat2(top.as_fd(), OsStr::from_bytes(path), flags, Mode::empty(), resolve)?)
}

fn nothing_open() -> io::Error {
    io::Error::other("no file is open")
}
