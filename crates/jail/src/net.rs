//! The jail's network: a namespace with `lo` alone, our sockets planted in it, and rules that send everything to them.
//!
//! Owns what is set up in a fresh network namespace before the agent's first instruction, and the addresses and ports that
//! the doors share. It never reads a byte of traffic and leaves no route to anywhere. `creel stage` calls
//! [`build_in_this_namespace`] and hands the sockets outside.

mod listener;
mod planted;
mod rules;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use creel_jail_sys::netlink::{nft, route};

use crate::Error;

pub use listener::{Gateway, holds_socket, lone_listener};
pub use planted::PlantedSockets;

/// Our resolver, UDP and TCP.
pub const DNS_PORT: u16 = 53;
/// Where every other TCP connection arrives.
pub const PROXY_PORT: u16 = 981;
/// The explicit proxy (CONNECT and absolute form).
pub const EXPLICIT_PORT: u16 = 982;
/// The model endpoint.
pub const MODEL_PORT: u16 = 983;

/// `lo`'s own addresses beside loopback, which give packets to elsewhere a source that answers come back to. They are the
/// first of the synthetic ranges (198.18.0.0/15 of RFC 2544, and our ULA of RFC 4193) and stand for no name.
pub const OWN_ADDRESSES: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(198, 18, 0, 1)), IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc4ee, 1, 0, 0, 0, 0, 1))];

/// A port of the jail that one of its users can't connect to: the gateway's, for the commands behind the inner wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The user, as the builder of the network namespace calls it.
    pub user: u32,
    /// The TCP port, on every address.
    pub port: u16,
}

/// Settings of the namespace, each written only if it isn't so already.
const SETTINGS: [(&str, &str); 4] = [
    // An engine may have switched IPv6 off, and then [::1] can't be bound.
    ("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0"),
    ("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "0"),
    // No group may open ICMP sockets (icmp(7)).
    ("/proc/sys/net/ipv4/ping_group_range", "1\t0"),
    // Only what we planted can stand below 1024 (ip(7)).
    ("/proc/sys/net/ipv4/ip_unprivileged_port_start", "1024"),
];

/// Sets the calling thread's network namespace up and plants our sockets. The namespace must be fresh: one in which any
/// interface is up already is refused, so that a mistake can't touch the host's.
pub fn build_in_this_namespace(fence: Option<Fence>) -> Result<PlantedSockets, Error> {
    let up = route::interfaces_up().map_err(Error::host("list the jail's interfaces", KERNEL))?;
    if !up.is_empty() {
        return Err(Error::Bug { what: "a jail's network was to be built in a namespace already in use".to_owned() });
    }
    for (path, value) in SETTINGS {
        set(Path::new(path), value)?;
    }
    route::loopback_only(&OWN_ADDRESSES).map_err(Error::host("set up the jail's loopback interface", KERNEL))?;
    wait_for_addresses()?;
    let sockets = PlantedSockets::bind()?;
    nft::install(&rules::table(fence)).map_err(Error::host("install the jail's nftables rules", KERNEL))?;
    Ok(sockets)
}

/// IPv6 puts a new address's route in from a work queue (net/ipv6/addrconf.c, addrconf_dad_work); until then answers to it
/// are lost.
fn wait_for_addresses() -> Result<(), Error> {
    for address in &OWN_ADDRESSES {
        let mut rounds = 0..2000;
        while !route::is_local(address).map_err(Error::host(format!("look for the route to {address}"), KERNEL))? {
            if rounds.next().is_none() {
                return Err(Error::unfit(format!("the address {address} does not come up in the jail"), KERNEL));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

const KERNEL: &str = "run Creel as root on a kernel with IPv6 and nf_tables (NF_TABLES_INET, NFT_NAT, NFT_REDIR, \
                      NFT_REJECT_INET, NFT_CT, NF_CONNTRACK)";

fn set(path: &Path, value: &str) -> Result<(), Error> {
    let read = || std::fs::read_to_string(path);
    // Where the groups 0 and 1 have no name, a range of nobody's reads as the two of those who have none.
    let foreign = |found: &str| {
        path.ends_with("ping_group_range") && found.split_whitespace().eq(["65534", "65534"]) && !maps_all_groups()
    };
    let is_so = |found: &str| found.split_whitespace().eq(value.split_whitespace()) || foreign(found);
    let failed =
        |verb: &str| Error::host(format!("{verb} `{}` in the jail's network namespace", path.display()), KERNEL);
    if is_so(&read().map_err(failed("read"))?) {
        return Ok(());
    }
    std::fs::write(path, value).map_err(failed("write"))?;
    if is_so(&read().map_err(failed("read"))?) {
        return Ok(());
    }
    Err(Error::unfit(format!("`{}` does not take the value `{value}`", path.display()), KERNEL))
}

/// Whether this user namespace knows the groups of the host by their own numbers.
fn maps_all_groups() -> bool {
    let map = std::fs::read_to_string("/proc/self/gid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests;
