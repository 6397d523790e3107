//! Fork, descriptor hand-over and immediate exit.
//!
//! Owns what needs `unsafe` when one process becomes another. It never decides what is started. `jail`'s launcher, stage
//! and init call it, and the binary for the descriptor that it inherits.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;

/// The descriptor number at which every process of ours finds its link to the one that started it.
pub const LINK_FD: RawFd = 3;

/// Which side of a fork we are.
#[derive(Debug)]
pub enum Fork {
    /// The parent, with the child's pid as the parent sees it.
    Parent(Pid),
    /// The child.
    Child,
}

/// Forks this process, which must have one thread: with more, the child could hang on a lock that another thread held.
///
/// # Errors
/// `Other` when there is more than one thread; else what the kernel says.
pub fn fork() -> io::Result<Fork> {
    lone_thread()?;
    // SAFETY: this is the only thread, as checked above, so no lock is held by a thread that the child lacks.
    sides(i64::from(unsafe { libc::fork() }))
}

/// The same, with the child in this control group of version 2 from its first instruction on (`CLONE_INTO_CGROUP`): to move
/// it there later waits for every processor of the host.
///
/// # Errors
/// As [`fork`]; `ENOSYS` before 5.3, `EINVAL` before 5.7, `EACCES` or `EBUSY` when the group can't take it.
pub fn fork_into(group: impl AsFd) -> io::Result<Fork> {
    lone_thread()?;
    let raw = |number: i32| u64::try_from(number).unwrap_or_default();
    // SAFETY: a structure of integers, for which all zero means that nothing is asked for (clone3(2)).
    let mut asked: libc::clone_args = unsafe { std::mem::zeroed() };
    asked.flags = CLONE_INTO_CGROUP;
    asked.exit_signal = raw(libc::SIGCHLD);
    asked.cgroup = raw(group.as_fd().as_raw_fd());
    // SAFETY: without CLONE_VM the child has memory of its own, as after fork. This is the only thread, as checked above; the
    // C library's note of the child's number stays the parent's, which nothing of ours reads before the next execve.
    sides(unsafe { libc::syscall(libc::SYS_clone3, &raw const asked, size_of::<libc::clone_args>()) })
}

/// `linux/sched.h`; the C library's crate has it in too narrow a type.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

fn lone_thread() -> io::Result<()> {
    if thread_count()? == 1 { Ok(()) } else { Err(io::Error::other("fork needs a process with one thread")) }
}

/// What the kernel gave back, at once: it may be an error number's companion.
fn sides(result: i64) -> io::Result<Fork> {
    match i32::try_from(result) {
        Ok(0) => Ok(Fork::Child),
        Ok(pid) if pid > 0 => Pid::from_raw(pid).map(Fork::Parent).ok_or_else(io::Error::last_os_error),
        _ => Err(io::Error::last_os_error()),
    }
}

/// How many threads this process has, by `/proc/self/task`.
///
/// # Errors
/// When `/proc` can't be read.
pub fn thread_count() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

/// Takes a descriptor that this process was started with; call it once per number, before anything else opens files.
///
/// # Errors
/// `EBADF` when nothing is open there.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl reads the descriptor table only; the result says whether the number is open.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, as just seen, and the caller takes each number once, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Moves a descriptor to the fixed number, where it stays open across the next `execve`; whatever was there is closed.
/// The number then belongs to the program that is about to be executed.
///
/// # Errors
/// What `dup2` says.
pub fn place(fd: OwnedFd, number: RawFd) -> io::Result<()> {
    if fd.as_raw_fd() == number {
        let number = fd.into_raw_fd();
        // SAFETY: fcntl on an open number; it clears close-on-exec.
        let result = unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
        return if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) };
    }
    // SAFETY: dup2 on an open descriptor. The target's former owner may not use it again: this runs only between fork and
    // exec, where every earlier object is about to vanish.
    let result = unsafe { libc::dup2(fd.as_raw_fd(), number) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The path that this process's program was executed by, as the caller of `execve` wrote it: AT_EXECFN of `getauxval(3)`. A
/// script's own path, where the program is its interpreter.
///
/// # Errors
/// `NotFound` when the kernel gave none.
pub fn called_as() -> io::Result<PathBuf> {
    // SAFETY: it reads the auxiliary vector, which the kernel put on the stack.
    let text = unsafe { libc::getauxval(libc::AT_EXECFN) };
    if text == 0 {
        return Err(io::ErrorKind::NotFound.into());
    }
    // SAFETY: the kernel's C string, which lies above the stack for the process's whole life.
    let text = unsafe { CStr::from_ptr(text as *const libc::c_char) };
    Ok(PathBuf::from(OsStr::from_bytes(text.to_bytes())))
}

/// Lets go of the terminal that this process's session has, if it is this one: `TIOCNOTTY` of `ioctl_tty(2)`. A session's
/// leader gets SIGHUP and SIGCONT by it.
///
/// # Errors
/// `ENOTTY` when it is not the session's terminal.
pub fn leave_terminal(terminal: impl AsFd) -> io::Result<()> {
    // SAFETY: this request takes no argument.
    let result = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCNOTTY) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes standard input, output and error lead to `/dev/null`. No other descriptor is left open by it.
///
/// # Errors
/// When `/dev/null` can't be opened.
pub fn empty_streams() -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(rustix::stdio::dup2_stderr(&null)?)
}

/// Marks every descriptor from `first` on close-on-exec.
///
/// # Errors
/// What `close_range(2)` says: `ENOSYS` before 5.9, `EINVAL` before 5.11.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    let cloexec = libc::CLOSE_RANGE_CLOEXEC as libc::c_int;
    // SAFETY: the call changes flags of descriptors, no memory.
    let result = unsafe { libc::close_range(first, u32::MAX, cloexec) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives every signal its default action and empties the mask: Rust's runtime ignores SIGPIPE, and what is ignored stays
/// so across `execve`. The C library's own two signals are among them, so this asks the kernel directly.
pub fn reset_signals() {
    /// `struct sigaction` of the kernel, all zero: SIG_DFL, no flags, an empty mask.
    const DEFAULT: [u64; 4] = [0; 4];
    /// The size of the kernel's signal set.
    const SET: usize = 8;
    let nothing = std::ptr::null_mut::<libc::c_void>();
    for number in 1..=64 {
        // SAFETY: the structure is as large as the kernel's and is only read; SIG_DFL is no function that could run. SIGKILL
        // and SIGSTOP give EINVAL, which is harmless.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, number, DEFAULT.as_ptr(), nothing, SET) };
    }
    // SAFETY: the first eight bytes of the array are an empty set, which is only read.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, DEFAULT.as_ptr(), nothing, SET) };
}

/// Ends this process at once: no destructor and no exit handler runs. For a forked child that must not run the parent's.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes an integer and does not return.
    unsafe { libc::_exit(code) }
}

/// Starts `exe` with one argument and an empty environment, standard input and output at /dev/null, standard error
/// shared, and `link` at [`LINK_FD`]. The child gets SIGKILL when the calling **thread** ends (`PR_SET_PDEATHSIG`). With a
/// `group`, the `cgroup.procs` of a control group, it is in that from its first instruction on.
///
/// # Errors
/// When the program can't be started.
#[expect(clippy::disallowed_methods, reason = "this is the one place where the warden starts a stage")]
pub fn spawn_with_link(
    exe: &Path,
    argument: impl AsRef<OsStr>,
    link: impl AsFd,
    group: Option<BorrowedFd<'_>>,
) -> io::Result<Child> {
    let (link, group) = (link.as_fd().as_raw_fd(), group.map(|group| group.as_raw_fd()));
    let mut command = Command::new(exe);
    command.arg(argument).env_clear().current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    // SAFETY: between fork and exec the closure makes system calls only, no allocation and no lock. `link` and `group` stay
    // open in the child: the parent's descriptors outlive this call.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) == -1 {
                return Err(io::Error::last_os_error());
            }
            // by itself, for to be moved by another waits for every processor
            if group.is_some_and(|group| libc::write(group, c"0".as_ptr().cast(), 1) != 1) {
                return Err(io::Error::last_os_error());
            }
            if libc::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int) == -1 {
                return Err(io::Error::last_os_error());
            }
            let moved = if link == LINK_FD { libc::fcntl(link, libc::F_SETFD, 0) } else { libc::dup2(link, LINK_FD) };
            if moved == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
        });
    }
    command.spawn()
}
