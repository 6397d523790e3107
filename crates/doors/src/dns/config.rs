//! What the DNS door is given, and its limits.
//!
//! Owns [`Sockets`] and the table of limits, each with its reason. Never read from the agent's side.

use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};

/// The planted sockets: bound before the agent's first instruction, on exact loopback addresses.
#[derive(Debug, Default)]
pub struct Sockets {
    /// For datagrams.
    pub udp: Vec<UdpSocket>,
    /// For streams.
    pub tcp: Vec<TcpListener>,
}

/// Bytes of a question: one name is at most 255, EDNS options are short; 4 KiB is what resolvers advertise at most.
pub const MAX_MESSAGE: usize = 4096;
/// Questions at work at a time; more wait in the socket's buffer, which the kernel bounds.
pub(super) const MAX_QUERIES: usize = 128;
/// Messages of one kind that are no questions, in [`BAD_REST`]: enough to be seen in the ledger, too few to fill it.
pub(super) const BAD_MESSAGES: usize = 4;
/// After this such a message's place is free again.
pub(super) const BAD_REST: Duration = Duration::from_secs(1);
/// TCP connections at a time; more wait in the backlog.
pub(super) const MAX_CONNECTIONS: usize = 32;
/// Questions over one TCP connection.
pub(super) const QUERIES_A_CONNECTION: usize = 128;
/// A question over TCP must be there, and its answer taken, within this (RFC 7766, section 6.2.3: a few seconds).
pub(super) const QUERY_LIMIT: Duration = Duration::from_secs(5);
/// After a failed system call, so that a lasting failure does not spin.
pub(super) const PAUSE: Duration = Duration::from_millis(50);
/// Seconds that an answer may be kept: a name that is no longer approved must soon be asked for again.
pub(super) const TTL: u32 = 5;
/// What we say that we take over UDP (RFC 9715: 1232 fits every link).
pub(super) const EDNS_PAYLOAD: u16 = 1232;
