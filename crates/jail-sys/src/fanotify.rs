//! What happens to the files of one file system, from outside of whoever does it: `fanotify(7)`.
//!
//! Owns the group, its marks, the reading of its events ([`events`]) and files by handle. It opens no file by a name, and
//! never decides. The sentry of a jail uses it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A file's or folder's handle, `open_by_handle_at(2)`: its type and its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    kind: i32,
    bytes: Box<[u8]>,
}

/// A name in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The folder's handle.
    pub folder: HandleRef<'a>,
    /// The name there; `.` for the folder itself.
    pub name: &'a [u8],
}

/// A handle within the bytes that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandleRef<'a> {
    kind: i32,
    bytes: &'a [u8],
}

impl HandleRef<'_> {
    /// One to keep.
    #[must_use]
    pub fn to_owned(self) -> Handle {
        Handle { kind: self.kind, bytes: self.bytes.into() }
    }
}

/// One event. The kernel merges events of one process on one file, so several bits may stand in it, in no order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event<'a> {
    mask: u64,
    /// The process, as this one numbers it; 0 when it isn't visible here.
    pub pid: i32,
    /// Where; for a rename none.
    pub place: Option<Place<'a>>,
    /// What a renamed one was called.
    pub from: Option<Place<'a>>,
    /// What it is called now.
    pub to: Option<Place<'a>>,
    /// The file itself.
    pub file: Option<HandleRef<'a>>,
}

impl Event<'_> {
    /// The queue was full, and events were lost.
    #[must_use]
    pub fn is_overflow(&self) -> bool {
        self.mask & OVERFLOW != 0
    }

    /// It is about a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.mask & FOLDER != 0
    }

    /// It was made, or linked.
    #[must_use]
    pub fn created(&self) -> bool {
        self.mask & CREATE != 0
    }

    /// Bytes were written, its length changed, or it was mapped for writing and given back.
    #[must_use]
    pub fn written(&self) -> bool {
        self.mask & (MODIFY | CLOSE_WRITE) != 0
    }

    /// Whoever wrote has closed it.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.mask & CLOSE_WRITE != 0
    }

    /// It got another name.
    #[must_use]
    pub fn renamed(&self) -> bool {
        self.mask & RENAME != 0
    }

    /// A name of it is gone.
    #[must_use]
    pub fn deleted(&self) -> bool {
        self.mask & DELETE != 0
    }

    /// It was opened.
    #[must_use]
    pub fn opened(&self) -> bool {
        self.mask & OPEN != 0
    }
}

/// A group. Its queue holds what the host allows (`fs.fanotify.max_queued_events`), and says when it held no more.
#[derive(Debug)]
pub struct Group(OwnedFd);

impl Group {
    /// A group that nothing is watched by yet. Reading never waits.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN`, `EINVAL` before Linux 5.17, `EMFILE` when the host has too many.
    pub fn new() -> io::Result<Self> {
        const FLAGS: libc::c_uint = libc::FAN_CLOEXEC | libc::FAN_NONBLOCK | libc::FAN_CLASS_NOTIF | DFID_NAME_TARGET;
        // SAFETY: the call takes numbers alone.
        let fd = unsafe { libc::fanotify_init(FLAGS, (libc::O_RDONLY | libc::O_CLOEXEC).unsigned_abs()) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made it for this process, and nobody else knows the number.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Watches the whole file system that `folder` lies on for what is made, written, renamed and deleted.
    ///
    /// # Errors
    /// What the kernel says: `EPERM` without `CAP_SYS_ADMIN`, `ENODEV` or `EOPNOTSUPP` where it has no handles.
    pub fn watch_file_system(&self, folder: BorrowedFd<'_>) -> io::Result<()> {
        let mask = MODIFY | CLOSE_WRITE | CREATE | DELETE | RENAME | FOLDER;
        self.mark(libc::FAN_MARK_ADD | libc::FAN_MARK_FILESYSTEM, mask, folder)
    }

    /// Watches the files of one folder for being opened.
    ///
    /// # Errors
    /// What the kernel says; `ENOSPC` when the host's limit on marks is reached.
    pub fn watch_opens(&self, folder: BorrowedFd<'_>) -> io::Result<()> {
        self.mark(libc::FAN_MARK_ADD | libc::FAN_MARK_ONLYDIR, OPEN | ON_CHILD, folder)
    }

    fn mark(&self, flags: libc::c_uint, mask: u64, folder: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: the path is a constant C string; the rest are numbers.
        let done = unsafe { libc::fanotify_mark(self.0.as_raw_fd(), flags, mask, folder.as_raw_fd(), c".".as_ptr()) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Reads as many whole events as fit; 0 when there is none. [`events`] takes them apart.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match rustix::io::retry_on_intr(|| rustix::io::read(&self.0, &mut *buffer)) {
            Ok(read) => Ok(read),
            Err(rustix::io::Errno::AGAIN) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Opens what a handle names on the file system of `mount`, as a mere place (`O_PATH`). Needs `CAP_DAC_READ_SEARCH`.
///
/// # Errors
/// `ESTALE` when it is gone.
pub fn open(mount: BorrowedFd<'_>, handle: &Handle) -> io::Result<OwnedFd> {
    let length = u32::try_from(handle.bytes.len()).map_err(io::Error::other)?;
    let mut raw = Raw { length, kind: handle.kind, ..Raw::default() };
    let Some(bytes) = raw.bytes.get_mut(..handle.bytes.len()) else { return Err(io::ErrorKind::InvalidInput.into()) };
    bytes.copy_from_slice(&handle.bytes);
    // SAFETY: the structure is as long as the kernel's longest, and says how much of it counts; it lives for the call.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            mount.as_raw_fd(),
            std::ptr::from_mut(&mut raw),
            libc::O_PATH | libc::O_CLOEXEC | libc::O_NOFOLLOW,
        )
    };
    match RawFd::try_from(fd) {
        // SAFETY: the kernel has just made it for this process, and nobody else knows the number.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The handle of an open file, `name_to_handle_at(2)`.
///
/// # Errors
/// `EOPNOTSUPP` where the file system has none.
pub fn handle_of(file: BorrowedFd<'_>) -> io::Result<Handle> {
    let mut raw = Raw { length: u32::try_from(LONGEST_HANDLE).map_err(io::Error::other)?, ..Raw::default() };
    let mut mount: libc::c_int = 0;
    // SAFETY: the path is a constant C string, the structure has the room that it says, and both outlive the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            file.as_raw_fd(),
            c"".as_ptr(),
            std::ptr::from_mut(&mut raw),
            std::ptr::from_mut(&mut mount),
            libc::AT_EMPTY_PATH,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    let bytes = raw.bytes.get(..usize::try_from(raw.length).unwrap_or(usize::MAX));
    let bytes = bytes.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Handle { kind: raw.kind, bytes: bytes.into() })
}

/// `struct file_handle` with room for the longest.
#[repr(C)]
struct Raw {
    length: u32,
    kind: i32,
    bytes: [u8; LONGEST_HANDLE],
}

impl Default for Raw {
    fn default() -> Self {
        Self { length: 0, kind: 0, bytes: [0; LONGEST_HANDLE] }
    }
}

/// `MAX_HANDLE_SZ`, `open_by_handle_at(2)`.
const LONGEST_HANDLE: usize = 128;

/// `FAN_REPORT_DFID_NAME_TARGET`: folder and name, and the file's own handle (`fanotify_init(2)`, Linux 5.17).
const DFID_NAME_TARGET: libc::c_uint = 0x1000 | 0x800 | 0x400 | 0x200;

// Bits of an event, `fanotify_mark(2)`.
const MODIFY: u64 = 0x2;
const CLOSE_WRITE: u64 = 0x8;
const OPEN: u64 = 0x20;
const CREATE: u64 = 0x100;
const DELETE: u64 = 0x200;
const OVERFLOW: u64 = 0x4000;
const ON_CHILD: u64 = 0x0800_0000;
const RENAME: u64 = 0x1000_0000;
const FOLDER: u64 = 0x4000_0000;

// Kinds of what goes with an event, `linux/fanotify.h`.
const FILE: u8 = 1;
const FOLDER_AND_NAME: u8 = 2;
const OLD_NAME: u8 = 10;
const NEW_NAME: u8 = 12;

/// `struct fanotify_event_metadata` is so long, and this its version (`fanotify(7)`).
const HEADER: usize = 24;
const VERSION: u8 = 3;
/// `struct fanotify_event_info_fid` up to its handle's bytes.
const INFO: usize = 20;

/// Takes apart what was read. What is of another form ends it.
pub fn events(bytes: &[u8]) -> impl Iterator<Item = Event<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (event, after) = split(rest)?;
        rest = after;
        Some(event)
    })
}

fn split(bytes: &[u8]) -> Option<(Event<'_>, &[u8])> {
    let header = bytes.get(..HEADER)?;
    let length = usize::try_from(u32::from_ne_bytes(header.get(..4)?.try_into().ok()?)).ok()?;
    let begins = usize::from(u16::from_ne_bytes(header.get(6..8)?.try_into().ok()?));
    if *header.get(4)? != VERSION || begins < HEADER || begins > length {
        return None;
    }
    let mut event = Event {
        mask: u64::from_ne_bytes(header.get(8..16)?.try_into().ok()?),
        pid: i32::from_ne_bytes(header.get(20..24)?.try_into().ok()?),
        ..Event::default()
    };
    let mut infos = bytes.get(begins..length)?;
    while let Some((kind, info, after)) = info(infos) {
        infos = after;
        let Some((handle, name)) = handle(info) else { continue };
        let place = Place { folder: handle, name };
        match kind {
            FILE => event.file = Some(handle),
            FOLDER_AND_NAME => event.place = Some(place),
            OLD_NAME => event.from = Some(place),
            NEW_NAME => event.to = Some(place),
            _ => {}
        }
    }
    Some((event, bytes.get(length..)?))
}

fn info(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let kind = *bytes.first()?;
    let length = usize::from(u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?));
    if length < 4 {
        return None;
    }
    Some((kind, bytes.get(..length)?, bytes.get(length..)?))
}

/// The handle in one of these, and the name behind it.
fn handle(info: &[u8]) -> Option<(HandleRef<'_>, &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(info.get(12..16)?.try_into().ok()?)).ok()?;
    let kind = i32::from_ne_bytes(info.get(16..INFO)?.try_into().ok()?);
    let end = INFO.checked_add(length).filter(|_| length <= LONGEST_HANDLE)?;
    let name = info.get(end..)?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    Some((HandleRef { kind, bytes: info.get(INFO..end)? }, name))
}

/// Whatever the bytes are, what is found lies within them and the walk ends.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_events(bytes: &[u8]) {
    let mut longest = 0;
    for event in events(bytes) {
        longest += 1;
        for place in [event.place, event.from, event.to].into_iter().flatten() {
            assert!(place.name.len() <= bytes.len() && !place.name.contains(&0), "a name lies within");
            assert!(place.folder.to_owned().bytes.len() <= LONGEST_HANDLE, "a handle is no longer than any");
        }
    }
    assert!(longest * HEADER <= bytes.len(), "no event is shorter than its header");
}

#[cfg(test)]
mod tests;
