//! Which addresses nothing may reach unless an entry pins the very address.
//!
//! Owns the table of closed ranges and the unwrapping of addresses that carry another one inside. Never resolves.
//! The rules ask it about every address that a name resolved to, and configuration about every pinned one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is closed: a few words and where they come from.
pub type Closed = &'static str;

/// Closed IPv4 ranges: first address, prefix length, why (IANA IPv4 Special-Purpose Address Registry).
const CLOSED_V4: [(Ipv4Addr, u8, Closed); 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network (RFC 791)"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private (RFC 1918)"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "carrier-grade NAT (RFC 6598)"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback (RFC 1122)"),
    (Ipv4Addr::new(168, 63, 129, 16), 32, "a cloud's metadata service (Azure)"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local (RFC 3927)"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private (RFC 1918)"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "protocol assignments (RFC 6890)"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation (RFC 5737)"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "6to4 relays (RFC 7526)"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private (RFC 1918)"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarking, and Creel's own synthetic addresses (RFC 2544)"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation (RFC 5737)"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation (RFC 5737)"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast (RFC 5771)"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved (RFC 1112)"),
    (Ipv4Addr::new(255, 255, 255, 255), 32, "broadcast (RFC 919)"),
];

/// Closed ranges within 2000::/3; outside of it all is closed (IANA IPv6 Special-Purpose Address Registry).
const CLOSED_V6: [(Ipv6Addr, u8, Closed); 5] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "protocol assignments and Teredo (RFC 2928, RFC 4380)"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation (RFC 3849)"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "6to4 (RFC 7526)"),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, "the former 6bone (RFC 3701)"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "documentation (RFC 9637)"),
];

/// Well-known metadata services that no entry opens, besides the link-local ranges: Alibaba, Azure, Oracle, AWS, GCP.
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Why this address is closed, looking through every form that carries an IPv4 address; `None` when it is open.
#[must_use]
pub fn closed(address: IpAddr) -> Option<Closed> {
    match address {
        IpAddr::V4(v4) => closed_v4(v4),
        IpAddr::V6(v6) => closed_v6(v6),
    }
}

/// Why no entry may open this address, not even by pinning it; `None` when an entry may.
#[must_use]
pub fn never(address: IpAddr) -> Option<Closed> {
    if METADATA.contains(&address) {
        return Some("a cloud's metadata service");
    }
    match address {
        IpAddr::V4(v4) if v4.is_link_local() => Some("link-local, where metadata services live (RFC 3927)"),
        IpAddr::V4(v4) if v4.octets()[0] == 0 => Some("this network (RFC 791)"),
        IpAddr::V4(v4) if v4.octets()[0] >= 224 => Some("multicast, reserved or broadcast"),
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some("link-local (RFC 4291)"),
        IpAddr::V6(v6) if v6.is_multicast() => Some("multicast (RFC 4291)"),
        IpAddr::V6(v6) if v6.is_unspecified() => Some("unspecified (RFC 4291)"),
        IpAddr::V6(v6) => embedded(v6).into_iter().flatten().find_map(|v4| never(IpAddr::V4(v4))),
    }
}

fn closed_v4(address: Ipv4Addr) -> Option<Closed> {
    let bits = address.to_bits();
    CLOSED_V4.iter().find(|(base, prefix, _)| (bits ^ base.to_bits()) >> (32 - prefix) == 0).map(|(_, _, why)| *why)
}

fn closed_v6(address: Ipv6Addr) -> Option<Closed> {
    if let Some(why) = embedded(address).into_iter().flatten().find_map(closed_v4) {
        return Some(why);
    }
    if address.to_ipv4_mapped().is_some() || is_nat64(address) {
        return None;
    }
    let bits = address.to_bits();
    if bits >> 125 != 0b001 {
        return Some(name_of_non_global(address));
    }
    CLOSED_V6.iter().find(|(base, prefix, _)| (bits ^ base.to_bits()) >> (128 - prefix) == 0).map(|(_, _, why)| *why)
}

fn name_of_non_global(address: Ipv6Addr) -> Closed {
    if address.is_loopback() {
        "loopback (RFC 4291)"
    } else if address.is_unspecified() {
        "unspecified (RFC 4291)"
    } else if address.is_unique_local() {
        "unique local, Creel's own synthetic addresses among them (RFC 4193)"
    } else if address.is_unicast_link_local() {
        "link-local (RFC 4291)"
    } else if address.is_multicast() {
        "multicast (RFC 4291)"
    } else {
        "not global unicast (RFC 4291)"
    }
}

/// The well-known NAT64 prefix 64:ff9b::/96 (RFC 6052). The local-use 64:ff9b:1::/48 (RFC 8215) stays closed as a whole.
fn is_nat64(address: Ipv6Addr) -> bool {
    address.to_bits() >> 32 == 0x0064_ff9b_0000_0000_0000_0000
}

/// The IPv4 addresses that may sit inside: mapped, compatible, translated, NAT64, 6to4, Teredo (server and client),
/// ISATAP. At most two.
fn embedded(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let bits = address.to_bits();
    let low = Ipv4Addr::from_bits(truncate(bits));
    let head = bits >> 32;
    // ::/96 (RFC 4291, 2.5.5.1), ::ffff:0:0/96 (2.5.5.2), ::ffff:0:0:0/96 (RFC 2765), 64:ff9b::/96 (RFC 6052).
    let in_low = (head == 0 && !address.is_loopback() && !address.is_unspecified())
        || head == 0xffff
        || head == 0xffff_0000
        || is_nat64(address)
        || bits >> 80 == 0x0064_ff9b_0001;
    if in_low {
        return [Some(low), None];
    }
    if bits >> 112 == 0x2002 {
        return [Some(Ipv4Addr::from_bits(truncate(bits >> 80))), None];
    }
    // Teredo obscures the client's address by inverting it (RFC 4380, section 4).
    if bits >> 96 == 0x2001_0000 {
        return [Some(Ipv4Addr::from_bits(truncate(bits >> 64))), Some(Ipv4Addr::from_bits(!truncate(bits)))];
    }
    // ISATAP: the interface identifier is 0[02]00:5efe followed by the address (RFC 5214, section 6.1).
    if truncate(bits >> 32) & 0xfdff_ffff == 0x0000_5efe {
        return [Some(low), None];
    }
    [None, None]
}

#[expect(clippy::cast_possible_truncation, reason = "the lowest 32 bits are what is asked for")]
fn truncate(bits: u128) -> u32 {
    bits as u32
}

#[cfg(test)]
mod tests;
