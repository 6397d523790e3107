//! System calls that wait until somebody outside has looked at them: `seccomp_unotify(2)`.
//!
//! Owns the filter that brings a listener, and what is said over it. It never decides and never reads another process's
//! memory. PID 1 of a jail and the process behind its inner wall install it, the porter serves it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// One instruction of a classic BPF program: `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// How many to skip when it is so.
    pub jt: u8,
    /// How many to skip when it isn't.
    pub jf: u8,
    /// Its operand.
    pub k: u32,
}

/// A call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its number, never given twice.
    pub id: u64,
    /// The thread, as this process numbers it; 0 when it isn't visible here.
    pub thread: i32,
    /// The call.
    pub call: i64,
    /// Its arguments, as registers hold them.
    pub arguments: [u64; 6],
}

/// `SECCOMP_IOCTL_NOTIF_RECV`, `_SEND`, `_ID_VALID`, `_SET_FLAGS`: `linux/seccomp.h`.
const RECV: u64 = 0xc050_2100;
const SEND: u64 = 0xc018_2101;
const IS_VALID: u64 = 0x4008_2102;
const SET_FLAGS: u64 = 0x4008_2104;
/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`, since Linux 6.6.
const SYNC_WAKE_UP: u64 = 1;
/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`.
const CONTINUE: u32 = 1;

/// Installs a filter on the calling thread, and gives its listener (close-on-exec). no_new_privs is set first. A call that
/// waits can be ended by a fatal signal alone, on kernels that know that (5.19).
///
/// # Errors
/// `EBUSY` when this thread has a listener already; else what the kernel says.
pub fn install(program: &[Instruction]) -> io::Result<OwnedFd> {
    let mut filter: Vec<libc::sock_filter> =
        program.iter().map(|&Instruction { code, jt, jf, k }| libc::sock_filter { code, jt, jf, k }).collect();
    let len = u16::try_from(filter.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
    rustix::thread::set_no_new_privs(true)?;
    let try_it = |flags: libc::c_ulong| {
        // SAFETY: the program and its instructions outlive the call, which only reads them.
        let fd = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
        match RawFd::try_from(fd) {
            // SAFETY: the kernel has just made it for this process, and nobody else knows the number.
            Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
            _ => Err(io::Error::last_os_error()),
        }
    };
    let (listener, killable) = (libc::SECCOMP_FILTER_FLAG_NEW_LISTENER, libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    match try_it(listener | killable) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => try_it(listener),
        installed => installed,
    }
}

/// Where calls wait.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Serves what [`install`] gave.
    #[must_use]
    pub fn new(fd: OwnedFd) -> Self {
        // SAFETY: the request takes a number. An older kernel knows it not, which costs some time a call.
        let _older = unsafe { libc::ioctl(fd.as_raw_fd(), SET_FLAGS as _, SYNC_WAKE_UP) };
        Self(fd)
    }

    /// The next call that waits; none when it has gone again. Blocks while there is none: poll first.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn next(&self) -> io::Result<Option<Notice>> {
        // SAFETY: all zero is a value of this plain structure, and the kernel wants it so.
        let mut notif: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes no more than this structure.
        if unsafe { libc::ioctl(self.0.as_raw_fd(), RECV as _, &raw mut notif) } == -1 {
            let error = io::Error::last_os_error();
            let gone = matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR));
            return if gone { Ok(None) } else { Err(error) };
        }
        Ok(Some(Notice {
            id: notif.id,
            thread: i32::try_from(notif.pid).unwrap_or(0),
            call: notif.data.nr.into(),
            arguments: notif.data.args,
        }))
    }

    /// Whether the call still waits: only then was what was read under its thread's number the thread's own.
    #[must_use]
    pub fn is_waiting(&self, id: u64) -> bool {
        // SAFETY: the kernel reads one number.
        unsafe { libc::ioctl(self.0.as_raw_fd(), IS_VALID as _, &raw const id) == 0 }
    }

    /// Lets the call go on, by what the thread's registers and memory hold then.
    ///
    /// # Errors
    /// `ENOENT` when it has gone, `EINPROGRESS` when it was answered before and hasn't woken yet.
    pub fn go_on(&self, id: u64) -> io::Result<()> {
        self.answer(libc::seccomp_notif_resp { id, val: 0, error: 0, flags: CONTINUE })
    }

    /// Has the call fail.
    ///
    /// # Errors
    /// As of [`Self::go_on`].
    pub fn refuse(&self, id: u64, errno: i32) -> io::Result<()> {
        self.answer(libc::seccomp_notif_resp { id, val: 0, error: -errno.abs(), flags: 0 })
    }

    fn answer(&self, mut answer: libc::seccomp_notif_resp) -> io::Result<()> {
        // SAFETY: the kernel reads the structure.
        let sent = unsafe { libc::ioctl(self.0.as_raw_fd(), SEND as _, &raw mut answer) };
        if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::exit_now;
    use crate::seqpacket::Seq;
    use crate::socket::wait;
    use rustix::event::PollFlags;
    use rustix::process::{WaitOptions, waitpid};

    const LOAD_CALL: Instruction = Instruction { code: 0x20, jt: 0, jf: 0, k: 0 };
    const RETURN: u16 = 0x06;

    /// The child makes the call twice and ends with 1 for each that failed with EPERM. It is forked by a process of the
    /// test's own, for a fork needs a process with one thread.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test starts itself as a process with one thread")]
    fn a_call_waits_until_it_is_answered() {
        let me = std::env::current_exe().unwrap();
        let ran = std::process::Command::new(me)
            .args(["--exact", "notify::tests::in_a_process_of_its_own", "--nocapture", "--test-threads=1"])
            .env("CREEL_NOTIFY_TEST", "1")
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }

    #[test]
    fn in_a_process_of_its_own() {
        if std::env::var_os("CREEL_NOTIFY_TEST").is_none() {
            return;
        }
        let (ours, theirs) = Seq::pair().unwrap();
        // The test's harness has threads of its own; the child makes plain calls alone.
        // SAFETY: the child calls nothing that takes a lock.
        let child = match unsafe { libc::fork() } {
            0 => {
                let wanted = u32::try_from(libc::SYS_getppid).unwrap();
                let program = [
                    LOAD_CALL,
                    Instruction { code: 0x15, jt: 0, jf: 1, k: wanted },
                    Instruction { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_USER_NOTIF },
                    Instruction { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW },
                ];
                let Ok(listener) = install(&program) else { exit_now(100) };
                if theirs.send(b"here", &[listener.as_fd()]).is_err() {
                    exit_now(101);
                }
                drop(listener);
                // SAFETY: the call takes nothing.
                let failed = (0..2).filter(|_| unsafe { libc::syscall(libc::SYS_getppid) } == -1).count();
                exit_now(i32::try_from(failed).unwrap_or(102))
            }
            pid => rustix::process::Pid::from_raw(pid).unwrap(),
        };
        drop(theirs);
        let listener = Listener::new(ours.recv().unwrap().1.remove(0));
        for refuse in [false, true] {
            assert!(wait(&listener, PollFlags::IN, std::time::Duration::from_secs(30)).unwrap());
            let notice = listener.next().unwrap().unwrap();
            assert_eq!((notice.call, notice.thread), (libc::SYS_getppid, child.as_raw_nonzero().get()));
            assert!(listener.is_waiting(notice.id));
            if refuse {
                listener.refuse(notice.id, libc::EPERM).unwrap()
            } else {
                listener.go_on(notice.id).unwrap()
            }
            assert!(!listener.is_waiting(notice.id));
            // The caller may not have woken yet.
            let again = listener.go_on(notice.id).unwrap_err().raw_os_error();
            assert!(matches!(again, Some(libc::ENOENT | libc::EINPROGRESS)), "{again:?}");
        }
        let (_, status) = waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap();
        assert_eq!(status.exit_status(), Some(1));
    }
}
