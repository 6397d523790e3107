//! Whose socket a port of the jail is, before we speak to it.
//!
//! Owns the question whether the listener on a port is the one that a known process holds. It never connects, and takes no
//! listener's word. The helper in the jail's network namespace asks before it connects to the agent's gateway and once more
//! after: the same lone socket both times means that this socket got the connection.

use std::io;
use std::path::Path;

use creel_jail_sys::sock_diag::{Listener, tcp_listeners};

/// The agent's gateway port in the jail, held by one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway(pub Listener);

/// The one listener on `port` in the calling thread's network namespace that a connection to 127.0.0.1 would meet. None
/// if nobody listens there, or more than one does: then it isn't certain who would answer. (A gateway that listens on
/// [::1] as well counts once for each family; the one for 127.0.0.1 is given.)
pub fn lone_listener(port: u16) -> io::Result<Option<Gateway>> {
    let mut reached = tcp_listeners(port)?.into_iter().filter(|listener| {
        // [::] may take IPv4 as well; sock_diag doesn't say, so it counts.
        let ip = listener.address.ip();
        ip == std::net::Ipv4Addr::LOCALHOST || ip.is_unspecified()
    });
    Ok(match (reached.next(), reached.next()) {
        (Some(listener), None) => Some(Gateway(listener)),
        _ => None,
    })
}

/// Whether the process `pid` (as the caller's /proc numbers it) holds the socket `inode`. At most 65,536 descriptors are
/// looked at; a process with more is taken not to hold it.
pub fn holds_socket(pid: i32, inode: u32) -> io::Result<bool> {
    const MOST: usize = 65_536;
    let wanted = format!("socket:[{inode}]");
    let folder = format!("/proc/{pid}/fd");
    for entry in std::fs::read_dir(&folder)?.take(MOST) {
        // A descriptor that was closed meanwhile is no longer there to be read.
        if std::fs::read_link(entry?.path()).is_ok_and(|target| target == Path::new(&wanted)) {
            return Ok(true);
        }
    }
    Ok(false)
}
