//! Block devices over a file: how a tenant's volume becomes a file system of its own.
//!
//! Owns claiming a free loop device and tying it to an open file (loop(4)). The device frees itself when nothing holds
//! it any more (autoclear), so that a killed warden leaves none behind once its mounts are gone. `jail`'s volume calls
//! it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};

/// From linux/loop.h.
const LOOP_CLR_FD: libc::Ioctl = 0x4C01;
const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// Others may claim the device between our finding it free and configuring it.
const ATTEMPTS: u32 = 64;

/// struct loop_info64
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// struct loop_config
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// An attached loop device. It is freed when this is dropped and nothing has it mounted.
#[derive(Debug)]
pub struct LoopDevice {
    fd: OwnedFd,
    path: PathBuf,
}

impl LoopDevice {
    /// Whether this process can get a free device at all.
    #[must_use]
    pub fn is_possible() -> bool {
        let free = open(Path::new("/dev/loop-control")).and_then(|control| free_number(&control));
        free.is_ok_and(|number| Path::new(&format!("/dev/loop{number}")).exists())
    }

    /// Ties a free device to `file`, which must be open for reading and writing. The device keeps the very open file, and
    /// with it any flock(2) on it, until it is freed.
    pub fn attach(file: impl AsFd) -> io::Result<Self> {
        let control = open(Path::new("/dev/loop-control"))?;
        for _ in 0..ATTEMPTS {
            let path = PathBuf::from(format!("/dev/loop{}", free_number(&control)?));
            let fd = open(&path)?;
            match configure(&fd, file.as_fd()) {
                Ok(()) => return Ok(Self { fd, path }),
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// The device's path, such as `/dev/loop3`. It stays the same device as long as this or a mount of it lives.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Frees the device now, or as soon as it is unmounted.
    pub fn detach(self) -> io::Result<()> {
        // SAFETY: LOOP_CLR_FD takes no argument; the descriptor is open.
        match unsafe { libc::ioctl(self.fd.as_raw_fd(), LOOP_CLR_FD, 0) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

impl AsFd for LoopDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())?)
}

fn free_number(control: &OwnedFd) -> io::Result<i32> {
    // SAFETY: LOOP_CTL_GET_FREE takes no argument and returns a device number.
    match unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE, 0) } {
        -1 => Err(io::Error::last_os_error()),
        number => Ok(number),
    }
}

fn configure(device: &OwnedFd, file: BorrowedFd<'_>) -> io::Result<()> {
    let config = LoopConfig {
        fd: u32::try_from(file.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?,
        block_size: 0,
        info: LoopInfo {
            device: 0,
            inode: 0,
            rdevice: 0,
            offset: 0,
            size_limit: 0,
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags: LO_FLAGS_AUTOCLEAR,
            file_name: [0; 64],
            crypt_name: [0; 64],
            encrypt_key: [0; 32],
            init: [0; 2],
        },
        reserved: [0; 8],
    };
    // SAFETY: LOOP_CONFIGURE reads a struct loop_config, whose layout LoopConfig has, and keeps no pointer to it.
    match unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, SeekFrom, Write};

    #[test]
    fn the_layout_is_the_kernels() {
        assert_eq!(size_of::<LoopInfo>(), 232);
        assert_eq!(size_of::<LoopConfig>(), 304);
        assert_eq!(std::mem::offset_of!(LoopInfo, flags), 52);
    }

    #[test]
    fn a_device_shows_its_file_and_frees_itself() {
        let path = std::env::temp_dir().join(format!("creel-loop-{}", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.set_len(1 << 20).unwrap();
        file.write_all(b"through the device").unwrap();
        let devices: Vec<LoopDevice> = (0..3).map(|_| LoopDevice::attach(&file).unwrap()).collect();
        for device in &devices {
            let mut block = std::fs::File::from(device.as_fd().try_clone_to_owned().unwrap());
            block.seek(SeekFrom::Start(0)).unwrap();
            let mut got = [0; 18];
            block.read_exact(&mut got).unwrap();
            assert_eq!(&got, b"through the device");
        }
        let backing = Path::new("/sys/block").join(devices[0].path().file_name().unwrap()).join("loop/backing_file");
        let name = path.file_name().unwrap().to_str().unwrap();
        let ours = || std::fs::read_to_string(&backing).is_ok_and(|text| text.contains(name));
        assert!(ours());
        drop(devices);
        let freed = (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            !ours()
        });
        assert!(freed, "the device is still tied to its file");
    }
}
