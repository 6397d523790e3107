//! The one mount call that `rustix` lacks: `mount_setattr`.
//!
//! Owns the call and its structure. It never mounts anything itself. `jail` uses it to make mounts read-only in place, and to
//! show a second user of the jail the first one's files as its own.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use rustix::path::Arg;

/// Attributes to set on a mount; the numbers are those of `mount_setattr(2)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MountAttributes(u64);

impl MountAttributes {
    /// No writes through this mount.
    pub const READ_ONLY: Self = Self(0x1);
    /// Set-user-ID bits and file capabilities have no effect.
    pub const NO_SUID: Self = Self(0x2);
    /// Device nodes can't be opened.
    pub const NO_DEV: Self = Self(0x4);
    /// Nothing on it can be executed.
    pub const NO_EXEC: Self = Self(0x8);

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The layout of `struct mount_attr`, `mount_setattr(2)`, version 0.
#[repr(C)]
struct RawAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// `MOUNT_ATTR_IDMAP`, `mount_setattr(2)`.
const MAP_IDS: u64 = 0x0010_0000;

/// Has a mount that is attached nowhere show each owner on disk as the id that the user namespace maps it to.
///
/// # Errors
/// What the kernel says: `EINVAL` where the file system knows no such mounts or the mount is attached, `EPERM` without power
/// over the file system.
pub fn map_owners(mount: impl AsFd, namespace: impl AsFd) -> io::Result<()> {
    let userns = u64::try_from(namespace.as_fd().as_raw_fd()).map_err(io::Error::other)?;
    set_raw(
        mount,
        Path::new(""),
        &RawAttributes { set: MAP_IDS, clear: 0, propagation: 0, userns },
        libc::AT_EMPTY_PATH,
    )
}

/// Sets attributes on the mount at `path` below `dir`; with `recursive` on those below it too. Symbolic links in the last
/// component are not followed. An empty path names `dir` itself.
///
/// # Errors
/// What the kernel says, `ENOSYS` before 5.12.
pub fn set_attributes(dir: impl AsFd, path: &Path, set: MountAttributes, recursive: bool) -> io::Result<()> {
    let raw = RawAttributes { set: set.0, clear: 0, propagation: 0, userns: 0 };
    let mut flags = libc::AT_SYMLINK_NOFOLLOW;
    if recursive {
        flags |= libc::AT_RECURSIVE;
    }
    if path.as_os_str().is_empty() {
        flags |= libc::AT_EMPTY_PATH;
    }
    set_raw(dir, path, &raw, flags)
}

fn set_raw(dir: impl AsFd, path: &Path, raw: &RawAttributes, flags: libc::c_int) -> io::Result<()> {
    let path = path.into_c_str()?;
    // SAFETY: `path` is a C string and `raw` a structure of the size given, both alive for the call; the kernel reads only.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dir.as_fd().as_raw_fd(),
            path.as_ptr(),
            flags,
            std::ptr::from_ref(raw),
            size_of::<RawAttributes>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
