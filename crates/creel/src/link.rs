//! One end of a message socket between two processes of ours, for async code.
//!
//! Owns [`Link`], a `SOCK_SEQPACKET` end that carries one JSON message with its descriptors a packet, bounded by
//! `jail_sys::seqpacket`. It never trusts the far end's form: what does not parse ends the link. Warden, guard and the
//! command line use it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use creel_jail_sys::seqpacket::Seq;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::unix::AsyncFd;

/// An async message socket.
#[derive(Debug)]
pub(crate) struct Link {
    io: AsyncFd<Raw>,
}

/// The socket as the runtime wants to see it.
#[derive(Debug)]
struct Raw(Seq);

impl AsRawFd for Raw {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Link {
    /// Takes over `seq`.
    ///
    /// # Errors
    /// When the runtime can't watch it.
    pub(crate) fn new(seq: Seq) -> io::Result<Self> {
        seq.set_nonblocking(true)?;
        Ok(Self { io: watch(Raw(seq))? })
    }

    /// The socket itself.
    #[must_use]
    pub(crate) fn seq(&self) -> &Seq {
        &self.io.get_ref().0
    }

    /// Sends one message and its descriptors.
    ///
    /// # Errors
    /// When the far end is gone.
    pub(crate) async fn send<T: Serialize + ?Sized>(&self, message: &T, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        loop {
            let mut ready = self.io.writable().await?;
            if let Ok(result) = ready.try_io(|io| io.get_ref().0.send(&bytes, fds)) {
                return result;
            }
        }
    }

    /// Receives one message; `None` when the far end is gone.
    ///
    /// # Errors
    /// When the socket fails or the message is not of the expected form.
    pub(crate) async fn recv<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        loop {
            let mut ready = self.io.readable().await?;
            let Ok(result) = ready.try_io(|io| io.get_ref().0.recv()) else { continue };
            let (bytes, fds) = result?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let message = serde_json::from_slice(&bytes)?;
            return Ok(Some((message, fds)));
        }
    }
}

/// Watches a descriptor that its owner keeps open for as long as it is watched.
///
/// # Errors
/// When the runtime can't watch it.
#[expect(deprecated, reason = "what replaces it is unsafe; every type handed in here owns its descriptor")]
pub(crate) fn watch<T: AsRawFd>(owner: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::new(owner)
}

/// A root-owned listening socket for message links.
#[derive(Debug)]
pub(crate) struct Listener {
    io: AsyncFd<OwnedFd>,
}

impl Listener {
    /// Takes over a listening `SOCK_SEQPACKET` descriptor.
    ///
    /// # Errors
    /// When the runtime can't watch it.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Self { io: watch(fd)? })
    }

    /// The next peer and its user id, by `SO_PEERCRED`.
    ///
    /// # Errors
    /// When accepting fails for another reason than a peer that went away.
    pub(crate) async fn accept(&self) -> io::Result<(Link, u32)> {
        loop {
            let mut ready = self.io.readable().await?;
            let accepted = ready.try_io(|io| {
                let flags = rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK;
                rustix::net::accept_with(io.get_ref(), flags).map_err(io::Error::from)
            });
            let fd = match accepted {
                Err(_) => continue,
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Ok(result) => result?,
            };
            let uid = rustix::net::sockopt::socket_peercred(&fd)?.uid.as_raw();
            return Ok((Link::new(Seq::from_fd(fd)?)?, uid));
        }
    }
}

/// Binds a message socket at `path`, with this mode, replacing a stale one.
///
/// # Errors
/// When the folder can't be written or the path is too long for a Unix socket (107 bytes, unix(7)).
pub(crate) fn bind(path: &std::path::Path, mode: u32) -> io::Result<OwnedFd> {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let fd = open_socket()?;
    rustix::net::bind(&fd, &rustix::net::SocketAddrUnix::new(path)?)?;
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    rustix::net::listen(&fd, 64)?;
    Ok(fd)
}

/// Connects to the message socket at `path`.
///
/// # Errors
/// When nobody listens there.
pub(crate) fn connect(path: &std::path::Path) -> io::Result<Link> {
    let fd = open_socket()?;
    rustix::net::connect(&fd, &rustix::net::SocketAddrUnix::new(path)?)?;
    Link::new(Seq::from_fd(fd)?)
}

fn open_socket() -> io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// A memory file holding `bytes`, read from its start by whoever gets it.
///
/// # Errors
/// When the kernel has no memory for it.
pub(crate) fn memory_file(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    use std::io::{Seek, Write};
    let fd = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// Reads a memory file to its end, at most `limit` bytes.
///
/// # Errors
/// When it is longer than `limit`.
pub(crate) fn read_memory_file(fd: OwnedFd, limit: u64) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::from(fd).take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other("a memory file is longer than agreed"));
    }
    Ok(bytes)
}
