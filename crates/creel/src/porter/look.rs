//! Reads what a waiting process is about to execute.
//!
//! Owns every look into another process: its memory, its folders, its family. Each is bounded, follows links in the process's
//! own root alone, and opens nothing for more than its name. What is read may change behind it, so [`super::image`] looks again.
//! The porter calls it.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;

use creel_doors::exec::Sight;
use creel_jail_sys::notify::Notice;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

use super::image::Image;
use super::memory::Memory;
use super::processes::Processes;

/// PATH_MAX, with its NUL.
const LONGEST_PATH: usize = 4096;
/// How far up the family of a process is looked for one that runs a program of its own.
const GENERATIONS: usize = 16;

/// What was found.
pub(super) enum Looked {
    Gone,
    /// The call fails with this error.
    Fails(i32),
    /// This process may not be looked into.
    Closed {
        pid: i32,
    },
    Seen {
        sight: Sight,
        image: Image,
    },
}

pub(super) use crate::clock::monotonic as now;

/// Reads the arguments of an `execve` or `execveat` that waits.
pub(super) fn at_exec(notice: &Notice, processes: &Processes) -> Looked {
    let thread = notice.thread;
    let Some((pid, parent)) = status(thread) else { return Looked::Gone };
    let parent = ancestor(pid, parent, processes);
    let memory = match OpenOptions::new().read(true).open(format!("/proc/{thread}/mem")) {
        Ok(file) => Memory(file),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Looked::Closed { pid },
        Err(_) => return Looked::Gone,
    };
    let [a, b, c, _, flags, _] = notice.arguments;
    let at = notice.call == libc::SYS_execveat;
    let (folder, path, argv) = if at { (Some(a), b, c) } else { (None, a, b) };
    let Some((path, whole)) = memory.text(path, LONGEST_PATH) else { return Looked::Fails(libc::EFAULT) };
    if !whole {
        return Looked::Fails(libc::ENAMETOOLONG);
    }
    let Some((arguments, cut)) = memory.vector(argv) else { return Looked::Fails(libc::EFAULT) };
    let place = match Place::of(thread, folder, &path, flags) {
        Ok(place) => place,
        Err(errno) => return Looked::Fails(errno),
    };
    let program = match place.program(thread) {
        Ok(program) => program,
        Err(errno) => return Looked::Fails(errno),
    };
    let image = Image::new(&place.called, &arguments, cut, &program);
    let sight = Sight {
        pid,
        parent,
        program,
        argv: arguments.iter().map(|word| lossy(word)).collect(),
        cut,
        cwd: link(&format!("/proc/{thread}/cwd")),
        changed: false,
    };
    Looked::Seen { sight, image }
}

/// How many netlink sockets there are in the network namespace of a thread, bound or not; none when nobody can tell.
/// `/proc/net/protocols`: a line for each protocol, its name, the size of a socket, how many there are.
pub(super) fn netlink_sockets(thread: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{thread}/net/protocols")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("NETLINK "))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The process that a thread belongs to.
pub(super) fn leader(thread: i32) -> Option<i32> {
    status(thread).map(|(pid, _)| pid)
}

/// The file that a process runs.
pub(super) fn program_of(pid: i32) -> String {
    link(&format!("/proc/{pid}/exe"))
}

/// The process's parent, or the nearest of its ancestors that runs a program which was looked at.
pub(super) fn parent_of(pid: i32, processes: &Processes) -> i32 {
    status(pid).map_or(0, |(pid, parent)| ancestor(pid, parent, processes))
}

fn ancestor(pid: i32, parent: i32, processes: &Processes) -> i32 {
    let mut candidate = parent;
    for _ in 0..GENERATIONS {
        if candidate <= 1 || candidate == pid {
            break;
        }
        if processes.knows(candidate) {
            return candidate;
        }
        let Some((_, next)) = status(candidate) else { break };
        candidate = next;
    }
    parent
}

/// Process and parent of a thread.
fn status(thread: i32) -> Option<(i32, i32)> {
    let mut bytes = [0; 512];
    let file = OpenOptions::new().read(true).open(format!("/proc/{thread}/status")).ok()?;
    let read = file.read_at(&mut bytes, 0).ok()?;
    let text = String::from_utf8_lossy(bytes.get(..read)?);
    let number = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).and_then(|text| text.trim().parse::<i32>().ok())
    };
    Some((number("Tgid:")?, number("PPid:")?))
}

/// Where the program is said to be.
struct Place {
    /// As the kernel calls it, for a script's interpreter too.
    called: Vec<u8>,
    /// The same from the process's root.
    path: Vec<u8>,
    /// An open file of the process itself.
    open: Option<i32>,
}

impl Place {
    fn of(thread: i32, folder: Option<u64>, path: &[u8], flags: u64) -> Result<Self, i32> {
        // the kernel takes the lower half
        let folder =
            folder.map(|number| (number & 0xffff_ffff) as u32 as i32).filter(|number| *number != libc::AT_FDCWD);
        let empty = flags & u64::from(libc::AT_EMPTY_PATH.unsigned_abs()) != 0;
        if path.is_empty() {
            // `execveat(2)`: what is open there, called /dev/fd/N
            return match folder {
                Some(number) if empty => {
                    let called = format!("/dev/fd/{number}").into_bytes();
                    Ok(Self { called, path: Vec::new(), open: Some(number) })
                }
                _ => Err(libc::ENOENT),
            };
        }
        if path.starts_with(b"/") {
            return Ok(Self { called: path.to_vec(), path: path.to_vec(), open: None });
        }
        let (base, called) = match folder {
            None => (format!("/proc/{thread}/cwd"), path.to_vec()),
            Some(number) => {
                let called = [format!("/dev/fd/{number}/").as_bytes(), path].concat();
                (format!("/proc/{thread}/fd/{number}"), called)
            }
        };
        let base = std::fs::read_link(base).map_err(|_| libc::EBADF)?;
        Ok(Self { called, path: [base.as_os_str().as_bytes(), b"/", path].concat(), open: None })
    }

    /// The program's file, links followed in the process's own root. What lies in its `/proc` means something else here, so
    /// it is called by its name.
    fn program(&self, thread: i32) -> Result<String, i32> {
        if let Some(number) = self.open {
            return Ok(link(&format!("/proc/{thread}/fd/{number}")));
        }
        if self.path.starts_with(b"/proc/") {
            let own = self.path == b"/proc/self/exe";
            return Ok(if own { link(&format!("/proc/{thread}/exe")) } else { lossy(&self.path) });
        }
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(root) = rustix::fs::openat(CWD, format!("/proc/{thread}/root"), folder, Mode::empty()) else {
            return Ok(lossy(&self.path));
        };
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(&root, self.path.as_slice(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), within) {
            Ok(file) => Ok(name(&file)),
            Err(error @ (rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR)) => Err(error.raw_os_error()),
            // The kernel will say the same, or knows better.
            Err(_) => Ok(lossy(&self.path)),
        }
    }
}

fn name(file: &OwnedFd) -> String {
    link(&format!("/proc/self/fd/{}", file.as_raw_fd()))
}

pub(super) fn link(path: &str) -> String {
    let mut text = std::fs::read_link(path).map_or_else(|_| String::new(), |path| lossy(path.as_os_str().as_bytes()));
    text.truncate(text.floor_char_boundary(LONGEST_PATH));
    text
}

pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
