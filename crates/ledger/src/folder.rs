//! A ledger's folder: which files it holds, and every opening of one.
//!
//! Owns file names, modes and the lock. Never reads what is in them, and never follows or waits for what is no regular
//! file: root reads here, and the folder is the guard's. Used by the writer and by readers.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

use crate::error::Error;

/// What a writer holds (flock(2)).
pub(crate) const LOCK: &str = "lock";

/// The largest segment, in bytes: four of the ordinary ones. Nobody reads on behind it, so that a sparse file keeps no
/// reader busy.
pub(crate) const LARGEST_SEGMENT: u64 = 64 * 1024 * 1024;

/// Where a ledger of the first form is put aside.
pub(crate) const ASIDE: &str = "before-1";

const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A ledger's folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Names a folder without looking at it.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder, with mode 0700, when there is none.
    pub(crate) fn create(&self) -> Result<(), Error> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path).map_err(Error::io("make", &self.path))
    }

    /// Whether a ledger lives here.
    pub(crate) fn holds_a_ledger(&self) -> bool {
        is_there(&self.head_path()) || self.last_segment().is_ok_and(|last| last.is_some())
    }

    pub(crate) fn head_path(&self) -> PathBuf {
        self.path.join("head")
    }

    pub(crate) fn segment_path(&self, number: u32) -> PathBuf {
        self.path.join(format!("{number:08}.seg"))
    }

    /// The highest number of the segments that are there.
    pub(crate) fn last_segment(&self) -> Result<Option<u32>, Error> {
        Ok(self.segments()?.into_iter().max())
    }

    /// The lowest number of the segments that are there.
    pub(crate) fn first_segment(&self) -> Result<Option<u32>, Error> {
        Ok(self.segments()?.into_iter().min())
    }

    fn segments(&self) -> Result<Vec<u32>, Error> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(Error::io("read", &self.path))? {
            let name = entry.map_err(Error::io("read", &self.path))?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(".seg"));
            let digits = stem.filter(|stem| stem.len() == 8 && stem.bytes().all(|byte| byte.is_ascii_digit()));
            found.extend(digits.and_then(|stem| stem.parse::<u32>().ok()).filter(|number| *number > 0));
        }
        Ok(found)
    }

    /// Takes a segment away, and puts that on disk: none that is younger may be missed before it.
    pub(crate) fn remove_segment(&self, number: u32) -> Result<(), Error> {
        let path = self.segment_path(number);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| self.sync()).map_err(Error::io("remove", &path)),
        }
    }

    /// Takes the lock that keeps a second writer out; it is held until the file is dropped (flock(2)).
    ///
    /// Tries for half a second: a process that another thread is just starting holds a copy of every descriptor until it
    /// has executed its program (fork(2)), and a writer that was killed may still be dying.
    pub(crate) fn lock(&self) -> Result<File, Error> {
        let path = self.path.join(LOCK);
        let file = open_plain(options().create(true).truncate(false), &path)?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(source)) => return Err(Error::io("lock", &path)(source)),
            }
        }
        Err(Error::Locked(self.path.clone()))
    }

    pub(crate) fn open_head(&self) -> Result<File, Error> {
        open_plain(options().create(true).truncate(false), &self.head_path())
    }

    pub(crate) fn open_segment(&self, number: u32) -> Result<File, Error> {
        open_plain(&mut options(), &self.segment_path(number))
    }

    /// Makes a segment with its room allocated; nothing of it is left when that fails.
    pub(crate) fn create_segment(&self, number: u32, bytes: u64) -> Result<File, Error> {
        let path = self.segment_path(number);
        let file = options().create_new(true).open(&path).map_err(Error::io("make", &path))?;
        let made = allocate(&file, 0, bytes).and_then(|()| file.sync_all()).and_then(|()| self.sync());
        if let Err(source) = made {
            // Best effort: an empty segment is harmless, and the first error is the one to tell.
            let _ = fs::remove_file(&path);
            return Err(Error::io("allocate room for", &path)(source));
        }
        Ok(file)
    }

    /// Puts the folder's own entries on disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        OpenOptions::new().read(true).open(&self.path)?.sync_all()
    }
}

/// Whether anything has this name; a link counts, wherever it leads.
pub(crate) fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Opens a file for reading alone; `None` when nothing has this name.
pub(crate) fn open_to_read(path: &Path) -> Result<Option<File>, Error> {
    match open_plain(OpenOptions::new().read(true), path) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Opens a regular file and nothing else: without `O_NONBLOCK` a pipe would make the caller wait for its other end.
fn open_plain(options: &mut OpenOptions, path: &Path) -> Result<File, Error> {
    let opened = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
    let file = opened.map_err(|source| match source.raw_os_error() {
        // What open(2) says of a link, a socket and a folder.
        Some(libc::ELOOP | libc::ENXIO | libc::EISDIR) => Error::NotAFile(path.to_path_buf()),
        _ => Error::io("open", path)(source),
    })?;
    let found = file.metadata().map_err(Error::io("look at", path))?;
    if found.is_file() { Ok(file) } else { Err(Error::NotAFile(path.to_path_buf())) }
}

/// Makes sure that `bytes` from `from` on can be written without asking for room again (fallocate(2)); where the file
/// system can't promise that, zeros are written, which comes close.
pub(crate) fn allocate(file: &File, from: u64, bytes: u64) -> io::Result<()> {
    let (Ok(start), Ok(len)) = (i64::try_from(from), i64::try_from(bytes)) else {
        return Err(io::ErrorKind::FileTooLarge.into());
    };
    match fallocate(file, FallocateFlags::empty(), start, len) {
        Ok(()) => Ok(()),
        Err(Errno::EOPNOTSUPP) => {
            let zeros = [0; 64 * 1024];
            let mut at = from;
            while let Some(left) = (from + bytes).checked_sub(at).filter(|left| *left > 0) {
                let chunk = zeros.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(&zeros);
                file.write_all_at(chunk, at)?;
                at += chunk.len() as u64;
            }
            Ok(())
        }
        Err(errno) => Err(errno.into()),
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}
