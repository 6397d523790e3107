//! nftables rules as values, and their way into the kernel as one transaction.
//!
//! Owns the encoding of tables, base chains, rules and the few expressions that a jail needs (nfnetlink, linux/netfilter/
//! nf_tables.h). It decides nothing about what is let through, and either all of a table is installed or none of it.
//! `jail`'s network set-up calls it, inside the new namespace.

use std::io;

use super::route::LOOPBACK_INDEX;
use super::{APPEND, CREATE, EXCL, Family, Message, Netlink, REQUEST};

/// A table of family `inet` (both IPv4 and IPv6), with all that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The table's name.
    pub name: &'static str,
    /// Its base chains.
    pub chains: Vec<Chain>,
}

/// A base chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The chain's name.
    pub name: &'static str,
    /// What the chain may do.
    pub kind: Kind,
    /// Where packets meet it.
    pub hook: Hook,
    /// What becomes of a packet that no rule decides.
    pub policy: Verdict,
    /// Rules, first match first.
    pub rules: Vec<Vec<Expression>>,
}

/// A chain's type, with the priority that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rewrites destinations, at priority -100 (NF_IP_PRI_NAT_DST).
    Nat,
    /// Lets through or not, at priority 0 (NF_IP_PRI_FILTER).
    Filter,
}

/// The place in the packet's way (enum nf_inet_hooks).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// To a local socket.
    Input = 1,
    /// Through this host to another.
    Forward = 2,
    /// From a local socket.
    Output = 3,
}

/// What a rule or a policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// NF_DROP.
    Drop = 0,
    /// NF_ACCEPT.
    Accept = 1,
}

/// One step of a rule: a match, or an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// The transport protocol is this IP protocol number.
    Protocol(u8),
    /// The transport header's destination port is this.
    DestinationPort(u16),
    /// The destination lies in 127.0.0.0/8.
    ToLoopback4,
    /// The destination is ::1.
    ToLoopback6,
    /// The packet came in by `lo`.
    FromLoopbackInterface,
    /// The sending socket is of this user, as the user namespace that owns the network namespace numbers it.
    SocketOwner(u32),
    /// Conntrack calls the flow established, or related to one.
    Established,
    /// Go to this port of the local host instead.
    Redirect(u16),
    /// Answer with ICMP port unreachable.
    Reject,
    /// Accept or drop.
    Verdict(Verdict),
}

/// Installs `table` in the calling thread's network namespace, whole or not at all. An existing table of that name is an
/// error.
pub fn install(table: &Table) -> io::Result<()> {
    let (messages, brackets) = messages(table);
    Netlink::open(Family::Netfilter)?.transact(messages, Some(brackets))
}

const SUBSYSTEM: u16 = 10 << 8;
const NEW_TABLE: u16 = SUBSYSTEM;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const NEW_RULE: u16 = SUBSYSTEM | 6;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
/// NFPROTO_INET, version, resource id.
const INET: [u8; 4] = [1, 0, 0, 0];
/// The batch brackets name the subsystem as resource id, big endian.
const NF_TABLES: [u8; 4] = [0, 0, 0, 10];

fn messages(table: &Table) -> (Vec<Message>, (Message, Message)) {
    let mut all = Vec::new();
    let mut message = Message::new(NEW_TABLE, REQUEST | CREATE | EXCL, &INET);
    message.string(1, table.name);
    all.push(message);
    for chain in &table.chains {
        all.push(new_chain(table.name, chain));
        all.extend(chain.rules.iter().map(|rule| new_rule(table.name, chain.name, rule)));
    }
    let bracket = |kind| Message::new(kind, REQUEST, &NF_TABLES);
    (all, (bracket(BATCH_BEGIN), bracket(BATCH_END)))
}

fn new_chain(table: &str, chain: &Chain) -> Message {
    let (kind, priority) = match chain.kind {
        Kind::Nat => ("nat", -100_i32),
        Kind::Filter => ("filter", 0),
    };
    let mut message = Message::new(NEW_CHAIN, REQUEST | CREATE | EXCL, &INET);
    message.string(1, table);
    message.string(3, chain.name);
    message.nest(4, |m| {
        m.be32(1, chain.hook as u32);
        m.be32(2, priority.cast_unsigned());
    });
    message.be32(5, chain.policy as u32);
    message.string(7, kind);
    message
}

fn new_rule(table: &str, chain: &str, rule: &[Expression]) -> Message {
    let mut message = Message::new(NEW_RULE, REQUEST | CREATE | APPEND, &INET);
    message.string(1, table);
    message.string(2, chain);
    message.nest(4, |m| rule.iter().for_each(|expression| expression.encode(m)));
    message
}

/// NFT_REG_1, 16 bytes wide.
const REGISTER: u32 = 1;
const VALUE: u16 = 1;

impl Expression {
    fn encode(&self, m: &mut Message) {
        match self {
            Self::Protocol(number) => {
                load_meta(m, 16);
                equal(m, &[*number]);
            }
            Self::DestinationPort(port) => {
                load_payload(m, 2, 2, 2);
                equal(m, &port.to_be_bytes());
            }
            Self::ToLoopback4 => {
                load_meta(m, 15);
                equal(m, &[2]);
                load_payload(m, 1, 16, 1);
                equal(m, &[127]);
            }
            Self::ToLoopback6 => {
                load_meta(m, 15);
                equal(m, &[10]);
                load_payload(m, 1, 24, 16);
                equal(m, &std::net::Ipv6Addr::LOCALHOST.octets());
            }
            Self::FromLoopbackInterface => {
                load_meta(m, 4);
                equal(m, &LOOPBACK_INDEX.to_ne_bytes());
            }
            Self::SocketOwner(user) => {
                load_meta(m, 10);
                equal(m, &user.to_ne_bytes());
            }
            Self::Established => established(m),
            Self::Redirect(port) => redirect(m, *port),
            Self::Reject => step(m, "reject", |m| {
                // NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH: fits both families.
                m.be32(1, 2);
                m.attribute(2, &[1]);
            }),
            Self::Verdict(verdict) => step(m, "immediate", |m| {
                m.be32(1, 0);
                m.nest(2, |m| m.nest(2, |m| m.be32(1, *verdict as u32)));
            }),
        }
    }
}

fn step(m: &mut Message, name: &str, fill: impl FnOnce(&mut Message)) {
    m.nest(1, |m| {
        m.string(1, name);
        m.nest(2, fill);
    });
}

fn load_meta(m: &mut Message, key: u32) {
    step(m, "meta", |m| {
        m.be32(1, REGISTER);
        m.be32(2, key);
    });
}

/// `base` 1 is the network header, 2 the transport header.
fn load_payload(m: &mut Message, base: u32, offset: u32, length: u32) {
    step(m, "payload", |m| {
        m.be32(1, REGISTER);
        m.be32(2, base);
        m.be32(3, offset);
        m.be32(4, length);
    });
}

fn equal(m: &mut Message, data: &[u8]) {
    compare(m, 0, data);
}

fn compare(m: &mut Message, operation: u32, data: &[u8]) {
    step(m, "cmp", |m| {
        m.be32(1, REGISTER);
        m.be32(2, operation);
        m.nest(3, |m| m.attribute(VALUE, data));
    });
}

fn established(m: &mut Message) {
    /// NF_CT_STATE_BIT of IP_CT_ESTABLISHED and IP_CT_RELATED.
    const STATES: u32 = 2 | 4;
    const STATE_KEY: u32 = 0;
    const NOT_EQUAL: u32 = 1;
    step(m, "ct", |m| {
        m.be32(1, REGISTER);
        m.be32(2, STATE_KEY);
    });
    step(m, "bitwise", |m| {
        m.be32(1, REGISTER);
        m.be32(2, REGISTER);
        m.be32(3, 4);
        m.nest(4, |m| m.attribute(VALUE, &STATES.to_ne_bytes()));
        m.nest(5, |m| m.attribute(VALUE, &[0; 4]));
    });
    compare(m, NOT_EQUAL, &[0; 4]);
}

fn redirect(m: &mut Message, port: u16) {
    /// NF_NAT_RANGE_PROTO_SPECIFIED.
    const PORT_GIVEN: u32 = 2;
    step(m, "immediate", |m| {
        m.be32(1, REGISTER);
        m.nest(2, |m| m.attribute(VALUE, &port.to_be_bytes()));
    });
    step(m, "redir", |m| {
        m.be32(1, REGISTER);
        m.be32(2, REGISTER);
        m.be32(3, PORT_GIVEN);
    });
}

#[cfg(test)]
mod tests;
