//! Requests to the kernel over netlink: what a network namespace needs, and nothing else.
//!
//! Owns the message encoding, the acknowledged batch and the bounded read; [`route`] and [`nft`] build messages on top.
//! It never starts a binary, never waits without a limit, and acts on the calling thread's network namespace. `jail`'s
//! network set-up calls it, and `sock_diag` reads through it.

pub mod nft;
pub mod route;

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send};
use rustix::net::{netlink, socket_with};

/// Flags of `nlmsghdr`, linux/netlink.h.
pub(crate) const REQUEST: u16 = 1;
const ACK: u16 = 4;
/// `NLM_F_ROOT | NLM_F_MATCH`.
const DUMP: u16 = 0x300;
pub(crate) const EXCL: u16 = 0x200;
pub(crate) const CREATE: u16 = 0x400;
pub(crate) const APPEND: u16 = 0x800;

const HEADER: usize = 16;
const MESSAGE_ERROR: u16 = 2;
const MESSAGE_DONE: u16 = 3;
/// The kernel answers a batch with at most one datagram an acknowledgement; a dump of sockets comes in 32 KiB pages.
const MAX_DATAGRAMS: usize = 4096;
const DATAGRAM: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// One message under construction: header, fixed part, attributes.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A message of type `kind` with `flags` and the family's fixed part.
    pub(crate) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.resize(HEADER, 0);
        let mut message = Self { bytes };
        message.padded(fixed);
        message
    }

    fn padded(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    pub(crate) fn attribute(&mut self, kind: u16, data: &[u8]) {
        self.bytes.extend_from_slice(&short(4 + data.len()).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.padded(data);
    }

    /// A string attribute, with the closing NUL that nfnetlink wants.
    pub(crate) fn string(&mut self, kind: u16, text: &str) {
        let mut data = text.as_bytes().to_vec();
        data.push(0);
        self.attribute(kind, &data);
    }

    pub(crate) fn be32(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_be_bytes());
    }

    /// An attribute that holds what `fill` adds (`NLA_F_NESTED`).
    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&(kind | 0x8000).to_ne_bytes());
        fill(self);
        let length = short(self.bytes.len() - start);
        self.patch(start, &length.to_ne_bytes());
    }

    fn patch(&mut self, at: usize, data: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + data.len()) {
            place.copy_from_slice(data);
        }
    }

    /// The finished bytes, with length, sequence number and, if asked for, the wish for an acknowledgement.
    pub(crate) fn finish(mut self, sequence: u32, acknowledge: bool) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.patch(0, &length.to_ne_bytes());
        self.patch(8, &sequence.to_ne_bytes());
        if acknowledge {
            let flags = u16_at(&self.bytes, 6).unwrap_or(0) | ACK;
            self.patch(6, &flags.to_ne_bytes());
        }
        self.bytes
    }
}

/// The kernel refuses a length that doesn't match, so a message that is too long fails there.
fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// Which kernel subsystem a [`Netlink`] speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Route,
    Netfilter,
    SockDiag,
}

/// A netlink socket of the calling thread's network namespace.
#[derive(Debug)]
pub(crate) struct Netlink {
    fd: OwnedFd,
}

impl Netlink {
    pub(crate) fn open(family: Family) -> io::Result<Self> {
        let protocol: Option<Protocol> = match family {
            // NETLINK_ROUTE is 0, the default.
            Family::Route => None,
            Family::Netfilter => Some(netlink::NETFILTER),
            Family::SockDiag => Some(netlink::SOCK_DIAG),
        };
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        set_socket_timeout(&fd, Timeout::Recv, Some(PATIENCE))?;
        set_socket_timeout(&fd, Timeout::Send, Some(PATIENCE))?;
        connect(&fd, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self { fd })
    }

    /// Sends all messages as one datagram and waits until each was acknowledged; the first refusal is the error.
    /// `brackets` go before and after without an acknowledgement: nfnetlink's begin and end of a transaction.
    pub(crate) fn transact(&self, messages: Vec<Message>, brackets: Option<(Message, Message)>) -> io::Result<()> {
        let batch = encode(messages, brackets);
        send(&self.fd, &batch.bytes, SendFlags::empty())?;
        let mut waiting = batch.expected;
        for _ in 0..MAX_DATAGRAMS {
            if waiting == 0 {
                return Ok(());
            }
            let datagram = self.receive()?;
            for reply in replies(&datagram) {
                let reply = reply?;
                if reply.kind == MESSAGE_ERROR {
                    reply.status()?;
                    waiting = waiting.saturating_sub(1);
                }
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Sends a request for all there is of something, and hands each answer's payload to `each`.
    pub(crate) fn dump(&self, mut request: Message, each: impl FnMut(&[u8])) -> io::Result<()> {
        let flags = u16_at(&request.bytes, 6).unwrap_or(0) | DUMP;
        request.patch(6, &flags.to_ne_bytes());
        self.answers(&request.finish(1, false), each)
    }

    /// Sends a request for one thing, and hands the answer's payload to `each`.
    pub(crate) fn ask(&self, request: Message, each: impl FnMut(&[u8])) -> io::Result<()> {
        self.answers(&request.finish(1, true), each)
    }

    fn answers(&self, request: &[u8], mut each: impl FnMut(&[u8])) -> io::Result<()> {
        send(&self.fd, request, SendFlags::empty())?;
        for _ in 0..MAX_DATAGRAMS {
            let datagram = self.receive()?;
            for reply in replies(&datagram) {
                let reply = reply?;
                match reply.kind {
                    MESSAGE_DONE => return Ok(()),
                    MESSAGE_ERROR => return reply.status(),
                    _ => each(reply.payload),
                }
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    fn receive(&self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; DATAGRAM];
        let (kept, whole) = recv(&self.fd, buffer.as_mut_slice(), RecvFlags::TRUNC)?;
        if whole > kept {
            return Err(malformed());
        }
        buffer.truncate(kept);
        Ok(buffer)
    }
}

#[derive(Debug)]
struct Batch {
    bytes: Vec<u8>,
    expected: usize,
}

fn encode(messages: Vec<Message>, brackets: Option<(Message, Message)>) -> Batch {
    let expected = messages.len();
    let (first, last) = brackets.unzip();
    let mut bytes = Vec::new();
    let all = first.map(|m| (m, false)).into_iter();
    let all = all.chain(messages.into_iter().map(|m| (m, true))).chain(last.map(|m| (m, false)));
    for ((message, acknowledge), sequence) in all.zip(0..) {
        bytes.extend(message.finish(sequence, acknowledge));
    }
    Batch { bytes, expected }
}

#[derive(Debug)]
struct Reply<'a> {
    kind: u16,
    payload: &'a [u8],
}

impl Reply<'_> {
    /// `nlmsgerr` opens with 0 or a negative errno.
    fn status(&self) -> io::Result<()> {
        match i32_at(self.payload, 0).ok_or_else(malformed)? {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        }
    }
}

struct Replies<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Replies<'a> {
    type Item = io::Result<Reply<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let reply = split(self.rest);
        match reply {
            Some((reply, rest)) => {
                self.rest = rest;
                Some(Ok(reply))
            }
            None => {
                self.rest = &[];
                Some(Err(malformed()))
            }
        }
    }
}

fn replies(datagram: &[u8]) -> Replies<'_> {
    Replies { rest: datagram }
}

fn split(bytes: &[u8]) -> Option<(Reply<'_>, &[u8])> {
    let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
    let kind = u16_at(bytes, 4)?;
    let payload = bytes.get(HEADER..length)?;
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    Some((Reply { kind, payload }, rest))
}

pub(crate) fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel's netlink answer can't be read")
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|raw| u16::from_ne_bytes(*raw))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|raw| u32::from_ne_bytes(*raw))
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|raw| i32::from_ne_bytes(*raw))
}

/// Splitting a datagram always ends, and every reply lies in it.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_replies(bytes: &[u8]) {
    let mut total = 0;
    for reply in replies(bytes).map_while(Result::ok) {
        total += HEADER + reply.payload.len();
        let _ = (reply.status(), reply.kind);
    }
    assert!(total <= bytes.len(), "replies do not overlap");
}

#[cfg(test)]
mod tests;
