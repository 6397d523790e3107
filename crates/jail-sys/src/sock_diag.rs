//! Who listens on a TCP port: asked of the kernel, not of the listener.
//!
//! Owns one question over NETLINK_SOCK_DIAG (sock_diag(7)), in the calling thread's network namespace. It never decides
//! whose listener is the right one. The warden's helper calls it before and after it connects to the agent's gateway: the
//! same lone inode both times means that this very listener got the connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::netlink::{Family, Message, Netlink, REQUEST, malformed, u32_at};

/// A listening TCP socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens; a wildcard address receives what is sent to loopback too.
    pub address: SocketAddr,
    /// Its inode, as in `socket:[…]` of /proc/PID/fd.
    pub inode: u32,
    /// Its owner, as the reader's user namespace numbers users.
    pub uid: u32,
}

/// All listeners on `port`, of both families and on any address. More than 64 are an error: nobody listens so often on one
/// port without REUSEPORT.
pub fn tcp_listeners(port: u16) -> io::Result<Vec<Listener>> {
    const MOST: usize = 64;
    let netlink = Netlink::open(Family::SockDiag)?;
    let mut found = Vec::new();
    let mut readable = true;
    for family in [FAMILY_V4, FAMILY_V6] {
        netlink.dump(request(family), |payload| match parse(payload) {
            Some(listener) if listener.address.port() != port || found.len() > MOST => {}
            Some(listener) => found.push(listener),
            None => readable = false,
        })?;
    }
    if readable && found.len() <= MOST { Ok(found) } else { Err(malformed()) }
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;

/// struct inet_diag_req_v2: family, protocol, extensions, padding, states, and 48 bytes of socket id left empty.
fn request(family: u8) -> Message {
    const TCP: u8 = 6;
    /// 1 << TCP_LISTEN
    const LISTENING: u32 = 1 << 10;
    let mut fixed = vec![family, TCP, 0, 0];
    fixed.extend_from_slice(&LISTENING.to_ne_bytes());
    fixed.resize(fixed.len() + 48, 0);
    Message::new(SOCK_DIAG_BY_FAMILY, REQUEST, &fixed)
}

/// struct inet_diag_msg: family, state, timer, retransmits; id of source port, destination port, source, destination,
/// interface, cookie; expires, two queues, uid, inode.
fn parse(payload: &[u8]) -> Option<Listener> {
    let port = u16::from_be_bytes(*payload.get(4..)?.first_chunk()?);
    let address: IpAddr = match *payload.first()? {
        FAMILY_V4 => Ipv4Addr::from(*payload.get(8..)?.first_chunk::<4>()?).into(),
        FAMILY_V6 => Ipv6Addr::from(*payload.get(8..)?.first_chunk::<16>()?).into(),
        _ => return None,
    };
    Some(Listener { address: SocketAddr::new(address, port), uid: u32_at(payload, 64)?, inode: u32_at(payload, 68)? })
}

/// Reading a listener never panics, and needs a whole message.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_listener(bytes: &[u8]) {
    assert!(parse(bytes).is_none() || bytes.len() >= 72, "a listener has 72 bytes");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::{Loopback, tcp_listener};
    use rustix::fs::fstat;

    #[test]
    fn a_listener_is_found_with_its_inode_and_owner() {
        for address in [Loopback::V4, Loopback::V6] {
            let fd = tcp_listener(address, 0).unwrap();
            let inode = u32::try_from(fstat(&fd).unwrap().st_ino).unwrap();
            let local = std::net::TcpListener::from(fd.try_clone().unwrap()).local_addr().unwrap();
            let uid = rustix::process::geteuid().as_raw();
            assert_eq!(tcp_listeners(local.port()).unwrap(), [Listener { address: local, inode, uid }]);
            drop(fd);
        }
    }

    #[test]
    fn a_wildcard_listener_is_found_too() {
        let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let found = tcp_listeners(port).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].address.ip().is_unspecified());
    }

    #[test]
    fn short_answers_are_no_listener() {
        for length in 0..72 {
            assert_eq!(parse(&vec![2; length]), None);
        }
        assert!(parse(&[2; 72]).is_some());
    }
}
