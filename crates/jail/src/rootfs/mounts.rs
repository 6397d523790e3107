//! Mounts by descriptor: made, given their attributes, and only then attached.
//!
//! Owns the few calls of the kernel's mount interface that the jail is built with. It never attaches anything that could be
//! seen before its attributes are set. `rootfs` and its views use it.

use std::os::fd::OwnedFd;
use std::path::Path;

use creel_jail_sys::mount::{MountAttributes, set_attributes};
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

/// Separates what is set on the mount from what the file system reads itself.
pub(super) fn split_options<'a>(options: &[&'a str]) -> (MountAttrFlags, Vec<&'a str>) {
    let mut flags = MountAttrFlags::MOUNT_ATTR_NOATIME;
    let mut data = Vec::new();
    for &option in options {
        match option {
            "ro" => flags |= MountAttrFlags::MOUNT_ATTR_RDONLY,
            "nosuid" => flags |= MountAttrFlags::MOUNT_ATTR_NOSUID,
            "nodev" => flags |= MountAttrFlags::MOUNT_ATTR_NODEV,
            "noexec" => flags |= MountAttrFlags::MOUNT_ATTR_NOEXEC,
            "rw" | "bind" => {}
            other => data.push(other),
        }
    }
    (flags, data)
}

/// A new file system of that kind, not attached anywhere yet.
pub(super) fn new_mount(kind: &str, data: &[&str], flags: MountAttrFlags) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for option in data {
        match option.split_once('=') {
            Some((key, value)) => fsconfig_set_string(&context, key, value)?,
            None => fsconfig_set_flag(&context, *option)?,
        }
    }
    fsconfig_create(&context)?;
    match fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags) {
        // Without root a /proc may be mounted only with the attributes of one that is there already, its access times
        // included (fs/namespace.c, mnt_already_visible).
        Err(rustix::io::Errno::PERM) if kind == "proc" => {
            fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags & !MountAttrFlags::MOUNT_ATTR_NOATIME)
        }
        other => other,
    }
}

/// The same, attached at `place`.
pub(super) fn attach_new(kind: &str, data: &[&str], flags: MountAttrFlags, place: &Path) -> rustix::io::Result<()> {
    attach_at(&new_mount(kind, data, flags)?, place)
}

/// Attaches a mount at a path of ours.
pub(super) fn attach_at(made: &OwnedFd, place: &Path) -> rustix::io::Result<()> {
    move_mount(made, "", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// A copy of what is mounted at `path`, without what is mounted below, not attached anywhere yet.
pub(super) fn copy_of(path: &Path) -> rustix::io::Result<OwnedFd> {
    open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
}

/// The same of what is called `name` in a mount.
pub(super) fn part_of(mount: &OwnedFd, name: &std::ffi::OsStr) -> rustix::io::Result<OwnedFd> {
    open_tree(mount, name, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
}

/// Sets attributes on a mount that exists, by `mount_setattr`.
pub(super) fn set(mount: &OwnedFd, flags: MountAttrFlags) -> rustix::io::Result<()> {
    let mut attributes = MountAttributes::default();
    for (flag, attribute) in [
        (MountAttrFlags::MOUNT_ATTR_RDONLY, MountAttributes::READ_ONLY),
        (MountAttrFlags::MOUNT_ATTR_NOSUID, MountAttributes::NO_SUID),
        (MountAttrFlags::MOUNT_ATTR_NODEV, MountAttributes::NO_DEV),
        (MountAttrFlags::MOUNT_ATTR_NOEXEC, MountAttributes::NO_EXEC),
    ] {
        if flags.contains(flag) {
            attributes = attributes.and(attribute);
        }
    }
    let errno = |error: std::io::Error| rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO);
    set_attributes(mount, Path::new(""), attributes, false).map_err(errno)
}
