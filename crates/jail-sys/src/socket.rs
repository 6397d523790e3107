//! Sockets on the loopback addresses and in the file system, as the doors need them.
//!
//! Owns how they are made: on exactly 127.0.0.1 or [::1] (a wildcard would answer DNS from another address, which
//! conntrack drops), without REUSEADDR or REUSEPORT, close-on-exec, non-blocking. It never connects anywhere but to
//! loopback. `jail`'s network set-up and its helper call it, doors ask it for original destinations.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::net::sockopt::{
    ip_original_dst, ipv6_original_dst, set_ipv6_v6only, set_tcp_nodelay, socket_domain, socket_error,
};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, getsockname, ipproto, listen,
    socket_with,
};

use crate::seqpacket::Seq;

/// Connections that wait to be accepted; the kernel lowers it to net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// One of the two loopback addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loopback {
    /// 127.0.0.1
    V4,
    /// ::1
    V6,
}

impl Loopback {
    /// The address with a port.
    pub fn at(self, port: u16) -> SocketAddr {
        match self {
            Self::V4 => (Ipv4Addr::LOCALHOST, port).into(),
            Self::V6 => (Ipv6Addr::LOCALHOST, port).into(),
        }
    }

    fn family(self) -> AddressFamily {
        match self {
            Self::V4 => AddressFamily::INET,
            Self::V6 => AddressFamily::INET6,
        }
    }

    fn socket(self, kind: SocketType) -> io::Result<OwnedFd> {
        let protocol = if kind == SocketType::DGRAM { ipproto::UDP } else { ipproto::TCP };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(self.family(), kind, flags, Some(protocol))?;
        if self == Self::V6 {
            set_ipv6_v6only(&fd, true)?;
        }
        Ok(fd)
    }
}

/// A listening TCP socket in the calling thread's network namespace. Port 0 lets the kernel choose.
pub fn tcp_listener(address: Loopback, port: u16) -> io::Result<OwnedFd> {
    let fd = address.socket(SocketType::STREAM)?;
    bind(&fd, &address.at(port))?;
    listen(&fd, BACKLOG)?;
    Ok(fd)
}

/// A bound UDP socket in the calling thread's network namespace. Port 0 lets the kernel choose.
pub fn udp_socket(address: Loopback, port: u16) -> io::Result<OwnedFd> {
    let fd = address.socket(SocketType::DGRAM)?;
    bind(&fd, &address.at(port))?;
    Ok(fd)
}

/// A connected TCP socket to a loopback port of the calling thread's network namespace. It stays non-blocking.
pub fn connect_loopback(address: Loopback, port: u16, patience: Duration) -> io::Result<OwnedFd> {
    let fd = address.socket(SocketType::STREAM)?;
    match connect(&fd, &address.at(port)) {
        Ok(()) => {}
        Err(Errno::INPROGRESS) => {
            if !wait(&fd, PollFlags::OUT, patience)? {
                return Err(io::ErrorKind::TimedOut.into());
            }
            socket_error(&fd)??;
        }
        Err(error) => return Err(error.into()),
    }
    set_tcp_nodelay(&fd, true)?;
    Ok(fd)
}

/// Where an accepted connection was going before the redirect (SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST). One that was never
/// redirected gives its own local address. An error means that conntrack doesn't know it: refuse it.
pub fn original_destination(accepted: impl AsFd) -> io::Result<SocketAddr> {
    let fd = accepted.as_fd();
    match socket_domain(fd)? {
        AddressFamily::INET => Ok(ip_original_dst(fd)?.into()),
        AddressFamily::INET6 => Ok(ipv6_original_dst(fd)?.into()),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Where an IP socket is bound.
pub fn local_address(socket: impl AsFd) -> io::Result<SocketAddr> {
    SocketAddr::try_from(getsockname(socket)?).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// A listening Unix stream socket at `path`, which must not exist. The file has `mode` from its first instant.
pub fn unix_listener(path: &Path, mode: u32) -> io::Result<OwnedFd> {
    listener_of(SocketType::STREAM, path, mode)
}

/// The same for messages ([`crate::seqpacket`]).
pub fn seqpacket_listener(path: &Path, mode: u32) -> io::Result<OwnedFd> {
    listener_of(SocketType::SEQPACKET, path, mode)
}

/// The next connection of a [`seqpacket_listener`], blocking and close-on-exec; none when nobody waits.
pub fn accept_seqpacket(listener: impl AsFd) -> io::Result<Option<Seq>> {
    match rustix::io::retry_on_intr(|| accept_with(&listener, SocketFlags::CLOEXEC)) {
        Ok(fd) => Seq::from_fd(fd).map(Some),
        Err(Errno::WOULDBLOCK | Errno::CONNABORTED) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Connects to a [`seqpacket_listener`].
pub fn connect_seqpacket(path: &Path) -> io::Result<Seq> {
    let fd = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    rustix::io::retry_on_intr(|| connect(&fd, &SocketAddrUnix::new(path)?))?;
    Seq::from_fd(fd)
}

fn listener_of(kind: SocketType, path: &Path, mode: u32) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(AddressFamily::UNIX, kind, flags, None)?;
    // Linux makes the file with the socket's own mode, less the umask (net/unix/af_unix.c, unix_bind_bsd).
    fchmod(&fd, Mode::from_raw_mode(mode))?;
    bind(&fd, &SocketAddrUnix::new(path)?)?;
    listen(&fd, BACKLOG)?;
    Ok(fd)
}

/// Waits until one of `events` (or an error) is there; false when `patience` ran out. A signal starts the wait again.
pub fn wait(fd: impl AsFd, events: PollFlags, patience: Duration) -> io::Result<bool> {
    let timeout = Timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(patience.subsec_nanos()),
    };
    loop {
        match poll(&mut [PollFd::new(&fd, events)], Some(&timeout)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};

    const SECOND: Duration = Duration::from_secs(1);

    fn port_of(fd: &OwnedFd) -> u16 {
        UdpSocket::from(fd.try_clone().unwrap()).local_addr().unwrap().port()
    }

    #[test]
    fn a_listener_binds_one_loopback_address_alone() {
        for address in [Loopback::V4, Loopback::V6] {
            let fd = tcp_listener(address, 0).unwrap();
            let port = port_of(&fd);
            let listener = TcpListener::from(fd);
            assert_eq!(listener.local_addr().unwrap(), address.at(port));
            assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
            assert_eq!(tcp_listener(address, port).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
    }

    #[test]
    fn udp_ports_are_not_shared() {
        let fd = udp_socket(Loopback::V6, 0).unwrap();
        let again = udp_socket(Loopback::V6, port_of(&fd)).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn connecting_works_and_a_closed_port_is_refused() {
        let fd = tcp_listener(Loopback::V4, 0).unwrap();
        let port = port_of(&fd);
        let mut near = TcpStream::from(connect_loopback(Loopback::V4, port, SECOND).unwrap());
        let (mut far, _) = TcpListener::from(fd).accept().unwrap();
        near.write_all(b"hello").unwrap();
        let mut got = [0; 5];
        far.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"hello");
        let error = connect_loopback(Loopback::V4, port, SECOND).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_unix_listener_has_its_mode_and_takes_no_ones_place() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("creel-socket-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("s");
        let _listener = unix_listener(&path, 0o600).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(unix_listener(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
