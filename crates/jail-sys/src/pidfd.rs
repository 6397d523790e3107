//! Processes by descriptor, so that a signal never meets another process that got the same number.
//!
//! Owns opening, signalling, waiting on and naming a pidfd (pidfd_open(2)). It never reaps: waiting tells that a process
//! ended, not how. The warden, `jail`'s cgroups and its volume call it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::process::{Pid, PidfdFlags, Signal};

/// A descriptor of the process `pid` (close-on-exec). `ESRCH` when there is none.
pub fn open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Some(pid).filter(|pid| *pid > 0).and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(rustix::process::pidfd_open(pid, PidfdFlags::empty())?)
}

/// Sends a signal by its number. `ESRCH` when the process is gone.
pub fn send_signal(pidfd: impl AsFd, signal: i32) -> io::Result<()> {
    let signal = Signal::from_named_raw(signal).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(rustix::process::pidfd_send_signal(pidfd, signal)?)
}

/// Kills for good.
pub fn kill(pidfd: impl AsFd) -> io::Result<()> {
    send_signal(pidfd, libc::SIGKILL)
}

/// Waits until the process has ended (it may still be a zombie); false when `patience` ran out.
pub fn wait_ended(pidfd: impl AsFd, patience: Duration) -> io::Result<bool> {
    crate::socket::wait(pidfd, PollFlags::IN, patience)
}

/// The process's number in the reader's pid namespace, from /proc/self/fdinfo: how a pidfd that came from inside a jail is
/// named outside. None when it has ended or isn't visible here.
pub fn pid_of(pidfd: impl AsFd) -> io::Result<Option<i32>> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_fd().as_raw_fd()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"));
    let number = line.and_then(|rest| rest.trim().parse::<i32>().ok());
    number.map(|pid| (pid > 0).then_some(pid)).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// How the process ended, as `wait(2)` gives it, once somebody has reaped it; none before that, and on kernels before 6.15,
/// which do not keep it.
///
/// # Errors
/// `ENOTTY` or `EINVAL` where the kernel does not know the question.
pub fn exit_status(pidfd: impl AsFd) -> io::Result<Option<i32>> {
    /// `struct pidfd_info` in its first form, and its request: `linux/pidfd.h`.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        mask: u64,
        cgroup: u64,
        ids: [u32; 11],
        exit_code: i32,
    }
    const GET_INFO: u64 = 0xc040_ff0b;
    const EXIT: u64 = 1 << 3;
    let mut info = Info { mask: EXIT, ..Info::default() };
    // SAFETY: the request bears the structure's size, so the kernel writes no more than it.
    let asked = unsafe { libc::ioctl(pidfd.as_fd().as_raw_fd(), GET_INFO as _, &raw mut info) };
    if asked == -1 {
        let error = io::Error::last_os_error();
        return if error.raw_os_error() == Some(libc::ESRCH) { Ok(None) } else { Err(error) };
    }
    Ok((info.mask & EXIT != 0).then_some(info.exit_code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test needs a process of its own")]
    fn a_process_is_named_signalled_and_seen_to_end() {
        let mut child = std::process::Command::new("/bin/sleep").arg("600").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let pidfd = open(pid).unwrap();
        assert_eq!(pid_of(&pidfd).unwrap(), Some(pid));
        assert!(!wait_ended(&pidfd, Duration::ZERO).unwrap());
        kill(&pidfd).unwrap();
        assert!(wait_ended(&pidfd, Duration::from_secs(10)).unwrap());
        let early = exit_status(&pidfd);
        child.wait().unwrap();
        // 6.15 and newer keep it
        if let Ok(before) = early {
            assert_eq!((before, exit_status(&pidfd).unwrap()), (None, Some(libc::SIGKILL)));
        }
        assert_eq!(send_signal(&pidfd, libc::SIGTERM).unwrap_err().raw_os_error(), Some(libc::ESRCH));
        assert_eq!(pid_of(&pidfd).unwrap(), None);
    }

    #[test]
    fn what_is_no_pidfd_or_no_process_is_an_error() {
        assert!(open(0).is_err());
        assert!(open(-1).is_err());
        assert!(pid_of(std::io::stdin()).is_err());
    }
}
