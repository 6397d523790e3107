//! What of the host may be bound into a jail at all.
//!
//! Owns the places and kinds of file system that show the kernel or its devices, not files: they are refused wherever they are
//! mounted and by whatever link they are reached. It never says that a source is a good idea. `plan` asks it early, and
//! `rootfs` again about what it has opened.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, StatFs, fstat, fstatfs, openat, stat};
use rustix::io::Errno;

/// Everything in them speaks to the kernel.
const CLOSED: [&str; 3] = ["/proc", "/sys", "/dev"];

/// File systems that the kernel makes up, by their magic (`statfs(2)`, `linux/magic.h`); devtmpfs has the one of tmpfs.
const MADE_UP: [(u32, &str); 14] = [
    (0x9fa0, "proc"),
    (0x6265_6572, "sysfs"),
    (0x1cd1, "devpts"),
    (0x0027_e0eb, "cgroup"),
    (0x6367_7270, "cgroup2"),
    (0x6462_6720, "debugfs"),
    (0x7472_6163, "tracefs"),
    (0x7363_6673, "securityfs"),
    (0xcafe_4a11, "bpf"),
    (0xde5e_81e4, "efivarfs"),
    (0x6265_6570, "configfs"),
    (0x4249_4e4d, "binfmt_misc"),
    (0x6e73_6673, "nsfs"),
    (0x6165_676c, "pstore"),
];

/// Refuses a source, with what it is. One that can't be opened is left to the mount, which says why.
pub(super) fn check(path: &Path) -> Result<(), String> {
    // As written too: a link in /proc may lead to a place whose name tells nothing.
    let closed = |path: &Path| CLOSED.iter().find(|place| path.starts_with(place)).copied();
    let real = std::fs::canonicalize(path).ok();
    if let Some(place) = closed(path).or(real.as_deref().and_then(closed)) {
        return Err(format!("what is in `{place}` of the host"));
    }
    let Some(real) = real else { return Ok(()) };
    if real == Path::new("/") {
        return Err("the whole host".to_owned());
    }
    match openat(CWD, &real, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(opened) => check_opened(&opened),
        Err(_) => Ok(()),
    }
}

/// The same for what is open already, by its file system and its kind.
pub(crate) fn check_opened(source: impl AsFd) -> Result<(), String> {
    let told = |error: Errno| format!("what can't be looked at ({error})");
    let (about, system) = (fstat(&source).map_err(told)?, fstatfs(&source).map_err(told)?);
    if let Some(name) = made_up(&system) {
        return Err(format!("the kernel's own `{name}`"));
    }
    let same = |place: &str| stat(place).is_ok_and(|other| other.st_dev == about.st_dev);
    if same("/dev") && !same("/") {
        return Err("the host's devices".to_owned());
    }
    match FileType::from_raw_mode(about.st_mode) {
        FileType::RegularFile | FileType::Directory => Ok(()),
        _ => Err("what is neither a file nor a folder".to_owned()),
    }
}

fn made_up(system: &StatFs) -> Option<&'static str> {
    let magic = system.f_type;
    MADE_UP.iter().find(|(number, _)| i64::from(*number) == magic).map(|(_, name)| *name)
}
