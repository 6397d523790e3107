//! The disk of one jail, from its image to the moment when its loop device is free again.
//!
//! Owns the attachment. It gives a scratch image no name, and mounts nothing into the host's tree: the mount is a
//! descriptor until the stage places it in the jail's own namespace. `launch` calls it.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use creel_jail_sys::loopdev::LoopDevice;

use crate::error::Error;
use crate::plan::Disk;
use crate::volume::{self, Volume};

/// A mounted image.
#[derive(Debug)]
pub(super) struct AttachedDisk {
    /// Its folder in /sys/block.
    device: PathBuf,
    /// The kernel gives a new number each time that an image is tied to a device (`ABI/testing/sysfs-block`).
    sequence: Option<String>,
    /// Until the jail has the mount: afterwards that alone keeps the device, so that it goes with the jail.
    held: Option<Held>,
    /// It outlives the jail.
    kept: bool,
}

/// How long what is unwritten may take to reach a disk that outlives its jail. The kernel goes on writing whoever waits.
const UNWRITTEN: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Held {
    mounted: OwnedFd,
    _device: LoopDevice,
}

impl AttachedDisk {
    /// Makes, attaches and mounts what the plan wants; none for a disk in memory.
    pub(super) fn attach(disk: &Disk) -> Result<Option<Self>, Error> {
        match disk {
            Disk::Memory => Ok(None),
            Disk::Volume { image, bytes } => {
                let volume = Volume { image: image.clone(), bytes: *bytes };
                if !volume.exists()? {
                    volume.create()?;
                }
                Self::mount(volume.attach()?, true).map(Some)
            }
            Disk::Scratch { dir, bytes } => Self::mount(volume::scratch(dir, *bytes)?, false).map(Some),
        }
    }

    fn mount(device: LoopDevice, kept: bool) -> Result<Self, Error> {
        let mounted = volume::mount(&device, kept)?;
        let name = device.path().file_name().ok_or_else(|| Error::bug("a device without a name"))?;
        let folder = Path::new("/sys/block").join(name);
        let sequence = sequence(&folder);
        Ok(Self { device: folder, sequence, held: Some(Held { mounted, _device: device }), kept })
    }

    /// The mount, in no place yet.
    pub(super) fn mounted(&self) -> Option<BorrowedFd<'_>> {
        self.held.as_ref().map(|held| held.mounted.as_fd())
    }

    /// The jail has the mount now.
    pub(super) fn let_go(&mut self) {
        self.held = None;
    }

    /// Waits until the device is free: it is once the jail's last mount is gone and what was written there is on disk, which takes a
    /// disk that outlives the jail longer than `patience`.
    pub(super) fn release(mut self, patience: Duration) -> Result<(), Error> {
        /// Between two looks.
        const PAUSE: Duration = Duration::from_millis(5);
        self.let_go();
        let mut left = if self.kept { patience.max(UNWRITTEN) } else { patience };
        while self.is_ours() {
            if left.is_zero() {
                let device = self.device.display();
                return Err(Error::unfit(format!("`{device}` is still in use"), "look for what has it mounted"));
            }
            sleep(PAUSE);
            left = left.saturating_sub(PAUSE);
        }
        Ok(())
    }

    /// Whether the device still has our image: another jail may have taken the device meanwhile.
    fn is_ours(&self) -> bool {
        self.device.join("loop").exists() && sequence(&self.device) == self.sequence
    }
}

fn sequence(device: &Path) -> Option<String> {
    fs::read_to_string(device.join("diskseq")).ok()
}
