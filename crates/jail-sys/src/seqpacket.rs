//! A local link that keeps message boundaries and carries descriptors: how our own processes speak to each other.
//!
//! Owns one end of an AF_UNIX SOCK_SEQPACKET pair. Both directions are bounded ([`MAX_BYTES`], [`MAX_FDS`]); a message
//! that doesn't fit is an error and its descriptors are closed, so no part of one is ever acted upon. The warden, stage,
//! init and guard call it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::sockopt::{set_socket_send_buffer_size, socket_domain, socket_type};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// The longest message in bytes.
pub const MAX_BYTES: usize = 128 * 1024;
/// The most descriptors with one message.
pub const MAX_FDS: usize = 16;

/// One end of the link. Dropping it is what the peer sees as its end.
#[derive(Debug)]
pub struct Seq {
    fd: OwnedFd,
}

/// Who made the other end of a socket pair or connection, as the kernel says (SO_PEERCRED).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCredentials {
    /// Process id in the reader's pid namespace; 0 if it has none there.
    pub pid: i32,
    /// User id in the reader's user namespace.
    pub uid: u32,
    /// Group id in the reader's user namespace.
    pub gid: u32,
}

impl Seq {
    /// Both ends, blocking and close-on-exec.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        // A message must fit the send buffer whole; the usual default of 208 KiB does, a lowered one might not.
        for fd in [&one, &other] {
            set_socket_send_buffer_size(fd, 2 * MAX_BYTES)?;
        }
        Ok((Self { fd: one }, Self { fd: other }))
    }

    /// Takes an inherited descriptor, after checking that it is such a socket.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        if socket_domain(&fd)? != AddressFamily::UNIX || socket_type(&fd)? != SocketType::SEQPACKET {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptor is no local seqpacket socket"));
        }
        Ok(Self { fd })
    }

    /// Gives the descriptor away, to be inherited.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Sends one message, whole or not at all. It can't be empty: an empty message reads like the end.
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        if bytes.is_empty() || bytes.len() > MAX_BYTES || fds.len() > MAX_FDS {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a message of no or too many bytes or descriptors",
            ));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = SendFlags::NOSIGNAL;
        let sent = rustix::io::retry_on_intr(|| sendmsg(&self.fd, &[IoSlice::new(bytes)], &mut control, flags))?;
        if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Receives one message with its descriptors (close-on-exec). Empty bytes mean that the peer is gone.
    pub fn recv(&self) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
        let mut bytes = vec![0; MAX_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = rustix::io::retry_on_intr(|| {
            recvmsg(&self.fd, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)
        })?;
        let mut fds = Vec::new();
        for item in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = item {
                fds.extend(received);
            }
        }
        if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) || fds.len() > MAX_FDS {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message longer than the link allows"));
        }
        bytes.truncate(message.bytes);
        bytes.shrink_to_fit();
        Ok((bytes, fds))
    }

    /// With true, `send` and `recv` give `WouldBlock` instead of waiting. It holds for every copy of this end.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        let mut flags = fcntl_getfl(&self.fd)?;
        flags.set(OFlags::NONBLOCK, on);
        Ok(fcntl_setfl(&self.fd, flags)?)
    }

    /// Who made the pair.
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        peer_credentials(&self.fd)
    }
}

impl AsFd for Seq {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Who is at the other end of any connected local socket.
pub fn peer_credentials(socket: impl AsFd) -> io::Result<PeerCredentials> {
    // rustix' type can't hold the pid 0 of a peer that isn't visible here.
    let found = nix::sys::socket::getsockopt(&socket, nix::sys::socket::sockopt::PeerCredentials)?;
    Ok(PeerCredentials { pid: found.pid(), uid: found.uid(), gid: found.gid() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::fstat;

    #[test]
    fn messages_keep_their_bounds_and_descriptors() {
        let (near, far) = Seq::pair().unwrap();
        near.send(b"one", &[near.as_fd()]).unwrap();
        near.send(&[7; MAX_BYTES], &[near.as_fd(); MAX_FDS]).unwrap();
        let (bytes, fds) = far.recv().unwrap();
        assert_eq!((bytes.as_slice(), fds.len()), (&b"one"[..], 1));
        assert_eq!(fstat(&fds[0]).unwrap().st_ino, fstat(&near).unwrap().st_ino);
        let (bytes, fds) = far.recv().unwrap();
        assert_eq!((bytes.len(), fds.len()), (MAX_BYTES, MAX_FDS));
    }

    #[test]
    fn an_empty_or_oversized_message_is_not_sent() {
        let (near, _far) = Seq::pair().unwrap();
        for (bytes, fds) in [(0, 0), (MAX_BYTES + 1, 0), (1, MAX_FDS + 1)] {
            let error = near.send(&vec![0; bytes], &vec![near.as_fd(); fds]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn a_message_cut_short_is_an_error() {
        let (near, far) = Seq::pair().unwrap();
        let long = vec![1; MAX_BYTES + 1];
        rustix::net::send(&near, &long, SendFlags::empty()).unwrap();
        assert_eq!(far.recv().unwrap_err().kind(), io::ErrorKind::InvalidData);
        near.send(b"next", &[]).unwrap();
        assert_eq!(far.recv().unwrap().0, b"next");
    }

    #[test]
    fn too_many_descriptors_are_an_error_and_none_stays_open() {
        let (near, far) = Seq::pair().unwrap();
        let (probe, watched) = Seq::pair().unwrap();
        let fds = vec![watched.as_fd(); MAX_FDS + 1];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS + 1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(&near, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
        assert_eq!(far.recv().unwrap_err().kind(), io::ErrorKind::InvalidData);
        drop(watched);
        assert!(probe.recv().unwrap().0.is_empty(), "a copy of the other end is still open");
    }

    #[test]
    fn the_end_reads_empty_and_waiting_can_be_refused() {
        let (near, far) = Seq::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        assert_eq!(far.recv().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(far.peer_credentials().unwrap().pid, i32::try_from(std::process::id()).unwrap());
        drop(near);
        assert!(far.recv().unwrap().0.is_empty());
        assert_eq!(far.send(b"x", &[]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn another_kind_of_descriptor_is_refused() {
        let (one, _) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(Seq::from_fd(one.into()).is_err());
        let (near, _far) = Seq::pair().unwrap();
        assert!(Seq::from_fd(near.into_fd()).is_ok());
    }
}
