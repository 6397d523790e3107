//! Bytes of a DNS message → the question in it.
//!
//! Owns [`Question`]. Never answers. Everything in a message is the agent's: one question of one class is read, and
//! whatever else stands there is not looked at.

use creel_guard::{HostName, Resolve};
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, Name, RecordType};

use super::config::MAX_MESSAGE;
use super::flaw::{BadMessage, Kind};

/// One well-formed question.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) id: u16,
    pub(super) recursion_desired: bool,
    /// Whether EDNS was used: the answer then says so too (RFC 6891, section 6.1.1).
    pub(super) edns: bool,
    /// As it was asked, upper and lower case kept: clients compare it.
    pub(super) query: Query,
    /// The name, when it is a host name.
    pub(super) host: Option<HostName>,
}

impl Question {
    pub(super) fn as_resolve(&self) -> Resolve {
        let name = match &self.host {
            Some(host) => host.to_string(),
            None => self.query.name().to_ascii(),
        };
        Resolve { name, host: self.host.clone(), kind: self.query.query_type().to_string() }
    }
}

/// Reads a message.
///
/// # Errors
/// [`BadMessage`] says what it is instead of a question.
pub(super) fn question(message: &[u8]) -> Result<Question, BadMessage> {
    let bad = |kind| BadMessage::raw(kind, message);
    if message.len() > MAX_MESSAGE {
        return Err(bad(Kind::TooLong));
    }
    // RFC 1035, section 4.1.1: id, flags, then four counts. Looked at first, so that the parser is never asked to walk
    // through sections that a question has no use for.
    let Some(([_, _, flags, _], counts)) = message.get(..12).and_then(|header| header.split_first_chunk::<4>()) else {
        return Err(bad(Kind::TooShort));
    };
    if flags & 0x80 != 0 {
        return Err(bad(Kind::Response));
    }
    if flags & 0x78 != 0 {
        return Err(bad(Kind::Opcode));
    }
    let sections: Vec<u16> =
        counts.chunks_exact(2).map(|pair| pair.iter().fold(0, |n, b| n << 8 | u16::from(*b))).collect();
    // One question; of the additional section EDNS takes one place, a signature (ignored) another.
    if !matches!(sections.as_slice(), [1, 0, 0, 0..=2]) {
        return Err(bad(Kind::Counts));
    }
    let read = Message::from_vec(message).map_err(|_| bad(Kind::Unreadable))?;
    let [query] = read.queries.as_slice() else { return Err(bad(Kind::Counts)) };
    if read.metadata.message_type != MessageType::Query || read.metadata.op_code != OpCode::Query {
        return Err(bad(Kind::Unreadable));
    }
    if query.query_class() != DNSClass::IN {
        return Err(BadMessage::asking(Kind::Class, query));
    }
    // Zone transfers are no look-ups (RFC 5936).
    if matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR) {
        return Err(BadMessage::asking(Kind::Transfer, query));
    }
    Ok(Question {
        id: read.metadata.id,
        recursion_desired: read.metadata.recursion_desired,
        edns: read.edns.is_some(),
        host: host(query.name()),
        query: query.clone(),
    })
}

/// The name as a host name. Labels are bytes: one with a dot or a non-ASCII byte in it is no part of a host name.
fn host(name: &Name) -> Option<HostName> {
    let mut text = String::new();
    for label in name.iter() {
        if !label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
            return None;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(std::str::from_utf8(label).ok()?);
    }
    HostName::parse(&text).ok()
}
