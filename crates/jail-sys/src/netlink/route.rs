//! The loopback interface of a jail: up, with its addresses, and the default route of both families through it.
//!
//! Owns the few rtnetlink requests that a jail's network needs (rtnetlink(7)). It never names another interface and
//! knows no gateway, so it can't open a way out. `jail`'s network set-up calls it, inside the new namespace.

use std::io;
use std::net::IpAddr;

use super::{CREATE, EXCL, Family, Message, Netlink, REQUEST, malformed, u32_at};

/// `lo` is the first interface of every network namespace (LOOPBACK_IFINDEX, include/net/flow.h).
pub const LOOPBACK_INDEX: u32 = 1;
const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const INTERFACE_UP: u32 = 1;
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;

/// Sets `lo` up in the calling thread's network namespace, gives it `addresses` (each alone, as /32 or /128), and sends
/// everything of both families there.
pub fn loopback_only(addresses: &[IpAddr]) -> io::Result<()> {
    let netlink = Netlink::open(Family::Route)?;
    netlink.transact(vec![link_up()], None)?;
    let mut messages: Vec<Message> = addresses.iter().map(address).collect();
    messages.extend([FAMILY_V4, FAMILY_V6].map(default_route));
    netlink.transact(messages, None)
}

/// The indices of all interfaces that are up: none in a network namespace that nobody has used yet.
pub fn interfaces_up() -> io::Result<Vec<u32>> {
    const GET_LINK: u16 = 18;
    let mut up = Vec::new();
    let mut readable = true;
    Netlink::open(Family::Route)?.dump(Message::new(GET_LINK, REQUEST, &[0; 16]), |payload| {
        match (u32_at(payload, 4), u32_at(payload, 8)) {
            (Some(index), Some(flags)) if flags & INTERFACE_UP != 0 => up.push(index),
            (Some(_), Some(_)) => {}
            _ => readable = false,
        }
    })?;
    if readable { Ok(up) } else { Err(malformed()) }
}

/// Whether packets to `address` are delivered here, as the routes stand now.
pub fn is_local(address: &IpAddr) -> io::Result<bool> {
    const GET_ROUTE: u16 = 26;
    const RTA_DST: u16 = 1;
    const LOCAL: u8 = 2;
    let (family, prefix, bytes) = parts(address);
    // struct rtmsg, of which a question needs the family and the length
    let mut request = Message::new(GET_ROUTE, REQUEST, &[family, prefix, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    request.attribute(RTA_DST, &bytes);
    let mut local = false;
    Netlink::open(Family::Route)?.ask(request, |payload| local = payload.get(7) == Some(&LOCAL))?;
    Ok(local)
}

fn parts(address: &IpAddr) -> (u8, u8, Vec<u8>) {
    match address {
        IpAddr::V4(v4) => (FAMILY_V4, 32, v4.octets().to_vec()),
        IpAddr::V6(v6) => (FAMILY_V6, 128, v6.octets().to_vec()),
    }
}

fn link_up() -> Message {
    // struct ifinfomsg: family, pad, type, index, flags, change mask
    let mut fixed = vec![0; 4];
    fixed.extend_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
    fixed.extend_from_slice(&INTERFACE_UP.to_ne_bytes());
    fixed.extend_from_slice(&INTERFACE_UP.to_ne_bytes());
    Message::new(NEW_LINK, REQUEST, &fixed)
}

fn address(address: &IpAddr) -> Message {
    let (family, prefix, bytes) = parts(address);
    // struct ifaddrmsg: family, prefix length, flags, scope, index. IFA_F_NODAD: there is nobody to collide with.
    const NO_DUPLICATE_DETECTION: u8 = 2;
    let mut fixed = vec![family, prefix, NO_DUPLICATE_DETECTION, 0];
    fixed.extend_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
    let mut message = Message::new(NEW_ADDRESS, REQUEST | CREATE | EXCL, &fixed);
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    message.attribute(IFA_LOCAL, &bytes);
    message.attribute(IFA_ADDRESS, &bytes);
    message
}

fn default_route(family: u8) -> Message {
    // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
    const MAIN_TABLE: u8 = 254;
    const BY_ADMINISTRATOR: u8 = 4;
    const UNICAST: u8 = 1;
    let fixed = [family, 0, 0, 0, MAIN_TABLE, BY_ADMINISTRATOR, 0, UNICAST, 0, 0, 0, 0];
    let mut message = Message::new(NEW_ROUTE, REQUEST | CREATE | EXCL, &fixed);
    const RTA_OIF: u16 = 4;
    message.attribute(RTA_OIF, &LOOPBACK_INDEX.to_ne_bytes());
    message
}

#[cfg(test)]
#[test]
fn link_up_is_what_rtnetlink_reads() {
    let bytes = link_up().finish(7, true);
    let (index, one) = (1u32.to_ne_bytes(), 1u32.to_ne_bytes());
    let expected: Vec<u8> = [
        &32u32.to_ne_bytes()[..],
        &16u16.to_ne_bytes(),
        &5u16.to_ne_bytes(),
        &7u32.to_ne_bytes(),
        &[0; 4],
        &[0; 4],
        &index,
        &one,
        &one,
    ]
    .concat();
    assert_eq!(bytes, expected);
}
