//! The hand in the jail that puts a protected file back.
//!
//! Owns the exchange of what stands at a path for what a person accepted. It runs as the agent's user, follows no link, leaves no
//! file system, and lets nothing stand in its way that is not where it belongs: a link, a folder, a pipe at that path is put
//! aside. It knows nothing of versions.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// The longest content.
const LONGEST: u64 = 64 << 20;

/// Puts what `input` gives at `path` below `top`, whole; what stood there is gone, or put aside when it was no file.
///
/// # Errors
/// What the kernel said.
pub(crate) fn put(top: &Path, path: &str, input: &mut dyn Read) -> io::Result<()> {
    let mut content = Vec::new();
    input.take(LONGEST).read_to_end(&mut content)?;
    match place(top, path, &content) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(top, Path::new(path));
            place(top, path, &content)
        }
        done => done,
    }
}

fn place(top: &Path, path: &str, content: &[u8]) -> io::Result<()> {
    let (folder, name) = folder_of(top, Path::new(path), true)?;
    let mut file = draft(&folder)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    let done = written.and_then(|()| take_place(&folder, &name));
    forget_draft(&folder);
    done
}

/// A file beside others that takes the place of one when it is whole.
pub(crate) fn draft(folder: &OwnedFd) -> io::Result<File> {
    forget_draft(folder);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(folder, &*aside(0), flags, Mode::from_raw_mode(0o644))?))
}

/// Puts the draft where it belongs; what stood there is in its place then.
pub(crate) fn take_place(folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let draft = aside(0);
    match rustix::fs::renameat_with(folder, &*draft, folder, name, RenameFlags::NOREPLACE) {
        Err(Errno::EXIST) => Ok(rustix::fs::renameat_with(folder, &*draft, folder, name, RenameFlags::EXCHANGE)?),
        other => Ok(other?),
    }
}

/// A folder can't be unlinked: it stays aside.
pub(crate) fn forget_draft(folder: &OwnedFd) {
    let _ = rustix::fs::unlinkat(folder, &*aside(0), AtFlags::empty());
}

/// Takes away what stands at `path` below `top`; a folder is put aside.
///
/// # Errors
/// What the kernel said.
pub(crate) fn remove(top: &Path, path: &str) -> io::Result<()> {
    match take_away(top, path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(top, Path::new(path));
            take_away(top, path)
        }
        done => done,
    }
}

fn take_away(top: &Path, path: &str) -> io::Result<()> {
    let (folder, name) = match folder_of(top, Path::new(path), false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    match rustix::fs::unlinkat(&folder, &*name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => put_aside(&folder, &name),
        Err(error) => Err(error.into()),
    }
}

/// Gives the owner back what was taken from him on the way: folders that nobody may pass.
pub(crate) fn open_up(top: &Path, path: &Path) {
    let mut folder = top.to_owned();
    for part in std::iter::once(Component::CurDir).chain(path.components()) {
        folder.push(part);
        let is_folder = std::fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir());
        // what this meets instead, if that is quick, is the agent's own: it runs with no right but his
        if is_folder && rustix::fs::chmodat(CWD, &folder, Mode::RWXU, AtFlags::empty()).is_err() {
            return;
        }
    }
}

/// The folder that `path` lies in, step by step; one that is missing is made, and what is no folder put aside, where `make` says
/// so.
pub(crate) fn folder_of(top: &Path, path: &Path, make: bool) -> io::Result<(OwnedFd, OsString)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut folder = rustix::fs::openat(CWD, top, flags, Mode::empty())?;
    let device = rustix::fs::fstat(&folder)?.st_dev;
    let mut names = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => names.push(name.to_owned()),
            _ => return Err(io::Error::other("it names no file")),
        }
    }
    let last = names.pop().ok_or_else(|| io::Error::other("it names no file"))?;
    for name in names {
        let open = || rustix::fs::openat(&folder, &*name, flags, Mode::empty());
        let next = match open() {
            Err(Errno::NOENT) if make => {
                rustix::fs::mkdirat(&folder, &*name, Mode::from_raw_mode(0o755))?;
                open()?
            }
            Err(Errno::NOTDIR | Errno::LOOP) if make => {
                put_aside(&folder, &name)?;
                rustix::fs::mkdirat(&folder, &*name, Mode::from_raw_mode(0o755))?;
                open()?
            }
            // beyond it there is nothing of ours
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(io::ErrorKind::NotFound.into()),
            other => other?,
        };
        if rustix::fs::fstat(&next)?.st_dev != device {
            return Err(io::Error::other("it leads to another file system"));
        }
        folder = next;
    }
    Ok((folder, last))
}

pub(crate) fn put_aside(folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
    if let Ok(found) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        && FileType::from_raw_mode(found.st_mode) != FileType::Directory
    {
        return Ok(rustix::fs::unlinkat(folder, name, AtFlags::empty())?);
    }
    for number in 1..1000 {
        match rustix::fs::renameat_with(folder, name, folder, &*aside(number), RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            other => return Ok(other?),
        }
    }
    Err(io::Error::other("there is no free name to put it aside"))
}

pub(crate) fn aside(number: u32) -> String {
    format!(".creel-undone-{}-{number}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::scratch::Scratch;

    fn restored(top: &Path, path: &str) {
        put(top, path, &mut &b"good"[..]).unwrap();
        assert_eq!(std::fs::read_to_string(top.join(path)).unwrap(), "good", "{path}");
        assert!(std::fs::symlink_metadata(top.join(path)).unwrap().is_file());
    }

    #[test]
    fn whatever_stands_in_its_place_a_file_is_put_back() {
        let scratch = Scratch::new();
        let (top, outside) = (scratch.0.join("top"), scratch.0.join("outside"));
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::create_dir_all(top.join("folder/full")).unwrap();
        std::fs::write(outside.join("file"), "untouched").unwrap();
        std::fs::write(top.join("file"), "evil").unwrap();
        std::fs::write(top.join("no-folder"), "evil").unwrap();
        std::os::unix::fs::symlink("../outside/file", top.join("link")).unwrap();
        std::os::unix::fs::symlink("../outside", top.join("way")).unwrap();
        nix::unistd::mkfifo(&top.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in ["file", "link", "pipe", "none", "folder", "way/file", "no-folder/a/b", "new/a"] {
            restored(&top, path);
        }
        assert_eq!(std::fs::read_to_string(outside.join("file")).unwrap(), "untouched");
        assert!(std::fs::read_dir(&top).unwrap().flatten().any(|one| one.path().join("full").is_dir()));
        for path in ["../outside/file", "/etc/passwd", "", "."] {
            put(&top, path, &mut &b"x"[..]).unwrap_err();
            remove(&top, path).unwrap_err();
        }
    }

    #[test]
    fn what_should_not_stand_there_is_taken_away() {
        let scratch = Scratch::new();
        let (top, outside) = (scratch.0.join("top"), scratch.0.join("outside"));
        std::fs::create_dir_all(top.join("folder/full")).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::write(outside.join("file"), "untouched").unwrap();
        std::fs::write(top.join("file"), "evil").unwrap();
        std::os::unix::fs::symlink("../outside/file", top.join("link")).unwrap();
        std::os::unix::fs::symlink("../outside", top.join("way")).unwrap();
        for path in ["file", "link", "none", "none/none", "folder", "way/file"] {
            remove(&top, path).unwrap();
            assert!(std::fs::symlink_metadata(top.join(path)).is_err() || path == "way/file", "{path}");
        }
        assert_eq!(std::fs::read_to_string(outside.join("file")).unwrap(), "untouched");
    }

    #[test]
    fn a_folder_that_nobody_may_pass_is_no_obstacle() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = Scratch::new();
        let top = scratch.0.join("top");
        std::fs::create_dir_all(top.join("skills/deep")).unwrap();
        for folder in ["skills/deep", "skills", ""] {
            std::fs::set_permissions(top.join(folder), std::fs::Permissions::from_mode(0o000)).unwrap();
        }
        open_up(&top, Path::new("skills/deep/SKILL.md"));
        let mode = std::fs::metadata(top.join("skills/deep")).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700);
        restored(&top, "skills/deep/SKILL.md");
    }
}
