//! The sockets that stand in the jail's network namespace and are served from outside.
//!
//! Owns their making and the fixed order in which they cross from process to process. They are bound once, before the
//! agent's first instruction, and never again: the warden keeps a duplicate of each for the jail's life, so that nobody can
//! take the place of a dead guard. `net` makes them; stage, warden and guard pass them on.

use std::io;
use std::os::fd::OwnedFd;

use creel_jail_sys::socket::{Loopback, local_address, tcp_listener, udp_socket};

use super::{DNS_PORT, EXPLICIT_PORT, MODEL_PORT, PROXY_PORT};
use crate::Error;

/// All planted sockets, each on 127.0.0.1 and then on [::1]. TCP ones listen; all are non-blocking and close-on-exec.
#[derive(Debug)]
pub struct PlantedSockets {
    /// UDP 53.
    pub dns_udp: [OwnedFd; 2],
    /// TCP 53.
    pub dns_tcp: [OwnedFd; 2],
    /// TCP 981: connections to anywhere arrive here.
    pub proxy: [OwnedFd; 2],
    /// TCP 982: the explicit proxy.
    pub explicit: [OwnedFd; 2],
    /// TCP 983: the model endpoint.
    pub model: [OwnedFd; 2],
}

impl PlantedSockets {
    /// How many sockets there are; they fit one message of a `Seq`.
    pub const COUNT: usize = 10;

    pub(super) fn bind() -> Result<Self, Error> {
        Ok(Self {
            dns_udp: both(udp_socket, DNS_PORT)?,
            dns_tcp: both(tcp_listener, DNS_PORT)?,
            proxy: both(tcp_listener, PROXY_PORT)?,
            explicit: both(tcp_listener, EXPLICIT_PORT)?,
            model: both(tcp_listener, MODEL_PORT)?,
        })
    }

    /// The sockets in the order of the fields, v4 before v6.
    pub fn into_fds(self) -> Vec<OwnedFd> {
        let Self { dns_udp, dns_tcp, proxy, explicit, model } = self;
        [dns_udp, dns_tcp, proxy, explicit, model].into_iter().flatten().collect()
    }

    /// Takes back what [`into_fds`](Self::into_fds) gave. Each must be bound where its place says.
    pub fn from_fds(fds: Vec<OwnedFd>) -> Result<Self, Error> {
        let [a, b, c, d, e, f, g, h, i, j] = <[OwnedFd; Self::COUNT]>::try_from(fds)
            .map_err(|fds| Error::Bug { what: format!("{} planted sockets instead of {}", fds.len(), Self::COUNT) })?;
        let sockets = Self { dns_udp: [a, b], dns_tcp: [c, d], proxy: [e, f], explicit: [g, h], model: [i, j] };
        for (pair, port) in sockets.places() {
            for (fd, address) in pair.iter().zip(BOTH) {
                if local_address(fd).ok() != Some(address.at(port)) {
                    return Err(Error::Bug { what: format!("a planted socket is not bound to {}", address.at(port)) });
                }
            }
        }
        Ok(sockets)
    }

    /// A duplicate of each, for another process: the sockets stay the same.
    pub fn try_clone(&self) -> io::Result<Self> {
        let copy = |pair: &[OwnedFd; 2]| -> io::Result<[OwnedFd; 2]> {
            let [v4, v6] = pair;
            Ok([v4.try_clone()?, v6.try_clone()?])
        };
        let Self { dns_udp, dns_tcp, proxy, explicit, model } = self;
        Ok(Self {
            dns_udp: copy(dns_udp)?,
            dns_tcp: copy(dns_tcp)?,
            proxy: copy(proxy)?,
            explicit: copy(explicit)?,
            model: copy(model)?,
        })
    }

    fn places(&self) -> [(&[OwnedFd; 2], u16); 5] {
        let Self { dns_udp, dns_tcp, proxy, explicit, model } = self;
        [(dns_udp, DNS_PORT), (dns_tcp, DNS_PORT), (proxy, PROXY_PORT), (explicit, EXPLICIT_PORT), (model, MODEL_PORT)]
    }
}

const BOTH: [Loopback; 2] = [Loopback::V4, Loopback::V6];

fn both(make: fn(Loopback, u16) -> io::Result<OwnedFd>, port: u16) -> Result<[OwnedFd; 2], Error> {
    let [v4, v6] = BOTH.map(|address| {
        make(address, port).map_err(Error::host(
            format!("bind {} in the jail's network namespace", address.at(port)),
            "run Creel as root on a kernel with IPv6",
        ))
    });
    Ok([v4?, v6?])
}
