//! A tenant's disk: one ext4 image of fixed size, so that everything the agent writes has one limit, kept by the kernel.
//!
//! Owns the image's life: made fully allocated (a sparse one could fill the file system beside it), checked, tied to a loop
//! device, mounted by system calls. It never mounts an image that root didn't make here, and runs one program, `mkfs.ext4`,
//! when an image is made. The warden and `creel jail` call it.

mod layout;
mod mkfs;
mod superblock;
mod trash;

use std::ffi::OsStr;
use std::fs::File;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_jail_sys::loopdev::LoopDevice;
use rustix::fs::{AtFlags, FallocateFlags, OFlags, RenameFlags, fallocate, fstatvfs, renameat_with, statat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen, move_mount,
};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::folder::{Folder, try_lock};

pub use layout::{FOLDERS, lay_out};

/// An image file and its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Where the image lies: in an existing folder that root alone can write.
    pub image: PathBuf,
    /// Its size in bytes, 16 MiB or more.
    pub bytes: u64,
}

/// The smallest image that holds a journal and something beside it.
const LEAST_BYTES: u64 = 16 << 20;
/// What an image must leave free beside it, for the ledger and everybody else.
const LEAST_FREE: u64 = 1 << 30;

impl Volume {
    /// Whether the image file is there (not whether it is fit).
    pub fn exists(&self) -> Result<bool, Error> {
        let (folder, name) = self.place()?;
        match statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.failed("look at")(error)),
        }
    }

    /// Makes the image: its whole size allocated, an empty ext4 with a journal. It appears under its name when it is
    /// complete, or not at all. Refused where it would leave too little room beside it.
    pub fn create(&self) -> Result<(), Error> {
        self.is_large_enough()?;
        let (folder, name) = self.place()?;
        let new = format!("{name}.new");
        let file = self.claim(&folder, &new)?;
        let made = self.fill(&folder, &file, 1).and_then(|()| {
            renameat_with(&folder, &new, &folder, name, RenameFlags::NOREPLACE).map_err(self.failed("give a name to"))
        });
        if made.is_err() {
            folder.remove(&new)?;
        }
        made.and_then(|()| folder.sync())
    }

    /// Ties the image to a loop device, after checking that it is ours. Only one device has it at a time: the device keeps
    /// a lock on the image until it is freed.
    pub fn attach(&self) -> Result<LoopDevice, Error> {
        let (folder, name) = self.place()?;
        let file = folder.file(name, OFlags::empty())?;
        if !self.lock_soon(&file)? {
            return Err(Error::operator(
                format!("disk `{}` is in use", self.image.display()),
                "stop what runs on it with `creel down` first",
            ));
        }
        self.check(&file, 1)?;
        self.allocate(&folder, &file)?;
        self.tie(&file)
    }

    fn tie(&self, file: &File) -> Result<LoopDevice, Error> {
        LoopDevice::attach(file).map_err(Error::host(
            format!("tie `{}` to a loop device", self.image.display()),
            "run Creel as root on a kernel with loop devices (BLK_DEV_LOOP)",
        ))
    }

    fn is_large_enough(&self) -> Result<(), Error> {
        if self.bytes >= LEAST_BYTES {
            return Ok(());
        }
        Err(Error::operator(
            format!("a disk of {} bytes is too small", self.bytes),
            format!("make it {LEAST_BYTES} bytes or more"),
        ))
    }

    /// A jail that just ended lets go of its disk some milliseconds later.
    fn lock_soon(&self, file: &File) -> Result<bool, Error> {
        for _ in 0..50 {
            if try_lock(file, &self.image)? {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(false)
    }

    /// Removes the image. What is mounted stays until it is unmounted; a missing image is fine.
    pub fn remove(&self) -> Result<(), Error> {
        let (folder, name) = self.place()?;
        folder.remove(name)?;
        folder.sync()
    }

    fn place(&self) -> Result<(Folder, &str), Error> {
        let name = self.image.file_name().and_then(OsStr::to_str);
        match (self.image.parent(), name) {
            (Some(parent), Some(name)) if self.image.is_absolute() => Ok((Folder::open(parent)?, name)),
            _ => Err(Error::operator(
                format!("`{}` can't be the name of a disk", self.image.display()),
                "give an absolute path of a file",
            )),
        }
    }

    /// The file that will become the image, locked. What a killed process left under this name is taken over.
    fn claim(&self, folder: &Folder, new: &str) -> Result<File, Error> {
        let file = folder.file(new, OFlags::CREATE)?;
        let mine = try_lock(&file, &self.image)?
            // Whoever made it may have finished since we opened it; then it goes by another name.
            && statat(folder, new, AtFlags::SYMLINK_NOFOLLOW).ok().map(|stat| stat.st_ino)
                == Some(file.metadata().map_err(self.failed("look at"))?.ino());
        if mine && !self.exists()? {
            return Ok(file);
        }
        Err(Error::operator(format!("disk `{}` exists already", self.image.display()), "use it, or remove it first"))
    }

    fn fill(&self, folder: &Folder, file: &File, names: u64) -> Result<(), Error> {
        file.set_len(0).map_err(self.failed("empty"))?;
        self.allocate(folder, file)?;
        mkfs::ext4(file)?;
        self.check(file, names)?;
        file.sync_all().map_err(self.failed("sync"))
    }

    /// Sees to it that every byte of the image has its place, as long as enough stays free for others.
    fn allocate(&self, folder: &Folder, file: &File) -> Result<(), Error> {
        let allocated = file.metadata().map_err(self.failed("look at"))?.blocks().saturating_mul(512);
        let missing = self.bytes.saturating_sub(allocated);
        if missing == 0 {
            return Ok(());
        }
        admit(folder, missing)?;
        fallocate(file, FallocateFlags::empty(), 0, self.bytes).map_err(Error::host(
            format!("allocate {} bytes for `{}`", self.bytes, self.image.display()),
            "keep the state folder on ext4, xfs or another file system that can allocate ahead",
        ))?;
        // Another image may have been made meanwhile: look again, now that the space is taken.
        admit(folder, 0)
    }

    fn check(&self, file: &File, names: u64) -> Result<(), Error> {
        let metadata = file.metadata().map_err(self.failed("look at"))?;
        let mut bytes = [0; superblock::LENGTH];
        file.read_exact_at(&mut bytes, superblock::OFFSET).map_err(self.failed("read"))?;
        let next = "move it away, and a new one is made";
        if metadata.nlink() != names || !superblock::is_ours(&bytes, metadata.len()) {
            return Err(Error::unfit(format!("`{}` is no disk that Creel made", self.image.display()), next));
        }
        if metadata.len() != self.bytes {
            let (has, wanted) = (metadata.len(), self.bytes);
            return Err(Error::operator(
                format!("disk `{}` has {has} bytes, and {wanted} are configured", self.image.display()),
                "configure its present size, or move it away and a new one is made",
            ));
        }
        Ok(())
    }

    fn failed<E: Into<std::io::Error>>(&self, verb: &str) -> impl FnOnce(E) -> Error + use<E> {
        Error::host(format!("{verb} `{}`", self.image.display()), "check the state folder and its file system")
    }
}

/// Makes an image in `dir` that has no name at any time, and ties it to a loop device: it is gone with the last that uses it,
/// also when this process is killed meanwhile. What [`Volume::create`] says about room and size holds here too.
pub(crate) fn scratch(dir: &Path, bytes: u64) -> Result<LoopDevice, Error> {
    // for messages only
    let volume = Volume { image: dir.join("(scratch)"), bytes };
    volume.is_large_enough()?;
    let folder = Folder::open(dir)?;
    let file = folder.unnamed()?;
    volume.fill(&folder, &file, 0)?;
    volume.tie(&file)
}

/// Mounts the device's file system in no place yet (nosuid, nodev): usable by descriptor, and ready to be moved. It is
/// unmounted when the descriptor is closed before that.
///
/// Inode tables are not zeroed in the background and nothing is discarded, because a loop device would answer both by
/// punching holes into the image (drivers/block/loop.c), which would then no longer be allocated. What is not `kept` is never
/// flushed to the disk (barrier=0, ext4(5)): after a power cut nobody reads it, and at its end nobody waits for it.
///
/// # Errors
/// `Host` when the kernel refuses.
pub fn mount(device: &LoopDevice, kept: bool) -> Result<OwnedFd, Error> {
    let attempt = || -> rustix::io::Result<OwnedFd> {
        let context = fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(context.as_fd(), "source", device.path())?;
        fsconfig_set_string(context.as_fd(), "errors", "remount-ro")?;
        fsconfig_set_flag(context.as_fd(), "nodiscard")?;
        fsconfig_set_flag(context.as_fd(), "noinit_itable")?;
        if !kept {
            fsconfig_set_string(context.as_fd(), "barrier", "0")?;
        }
        fsconfig_create(context.as_fd())?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    attempt().map_err(Error::host(
        format!("mount `{}`", device.path().display()),
        "run Creel as root on a kernel of 5.17 or newer with ext4; `dmesg` says more",
    ))
}

/// Moves a mount made by [`mount`] to `dir`, in the caller's mount namespace.
pub fn place(mounted: impl AsFd, dir: &Path) -> Result<(), Error> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(mounted.as_fd(), "", rustix::fs::CWD, dir, flags)
        .map_err(Error::host(format!("place the disk at `{}`", dir.display()), "run Creel as root"))
}

/// How many bytes a new volume in `dir` (an existing folder of root's) may take: what is free there, but for 1 GiB.
///
/// # Errors
/// `Unfit` when others can write the folder, `Host` when it can't be asked.
pub fn room(dir: &Path) -> Result<u64, Error> {
    Ok(free(&Folder::open(dir)?)?.saturating_sub(LEAST_FREE))
}

/// What a user other than root could still take.
fn free(folder: &Folder) -> Result<u64, Error> {
    let path = folder.path().display();
    let stat =
        fstatvfs(folder).map_err(Error::host(format!("ask for the free space of `{path}`"), "check the disk"))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Refuses to take `more` bytes where that would leave too little.
fn admit(folder: &Folder, more: u64) -> Result<(), Error> {
    let free = free(folder)?;
    if free >= more.saturating_add(LEAST_FREE) {
        return Ok(());
    }
    let mib = |bytes: u64| bytes >> 20;
    Err(Error::unfit(
        format!(
            "a disk that takes {} MiB more leaves less than {} MiB of the {} MiB free at `{}`",
            mib(more),
            mib(LEAST_FREE),
            mib(free),
            folder.path().display()
        ),
        "free some space, or configure a smaller disk",
    ))
}

#[cfg(test)]
mod tests;
