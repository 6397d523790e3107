//! What is driven of the egress door with any bytes.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use creel_guard::{HostName, Target};
use http::{Method, Uri};
use tokio::io::{AsyncRead, ReadBuf};

use super::aim::Aim;
use super::chunks::Chunks;
use super::gate::{Gate, Ruling, Rulings};
use super::head::{Switch, Wrong};
use super::mail;
use super::see::request;
use super::websocket::{Sender, again, heard};
use crate::fuzzing::pieces;
use crate::upstream::Scheme;

/// However a connection's bytes are cut, the gate lets the same ones by with the same rulings; without a wrong head they
/// are the agent's own bytes from the first one on.
pub(crate) fn requests(bytes: &[u8]) {
    let whole = bytes.get(1..).unwrap_or_default();
    let (passed, rulings) = through(bytes);
    let (at_once, same) = through(&[&[255][..], whole].concat());
    // What is wrong first depends on what is there to look at; that something is does not.
    let whether = |rulings: &[Ruling]| rulings.iter().map(|ruling| ruling.clone().ok()).collect::<Vec<_>>();
    assert_eq!(whether(&rulings), whether(&same), "rulings do not depend on how bytes arrive");
    // of a message that is not whole yet, more may wait in one way of cutting than in another
    assert!(passed.starts_with(&at_once) || at_once.starts_with(&passed), "nor does what passes");
    if !rulings.iter().any(Result::is_err) {
        assert!(whole.starts_with(&passed), "nothing is changed");
    }
    assert!(rulings.iter().rev().skip(1).all(Result::is_ok), "nothing is read behind a wrong head");
    for head in rulings.iter().flatten() {
        assert!(head.host.bytes().all(|byte| byte > b' ' && byte != 0x7f), "a host holds no white space or control");
    }
}

/// The chunk framing does not depend on how bytes arrive.
pub(crate) fn chunks(bytes: &[u8]) {
    let whole = bytes.get(1..).unwrap_or_default();
    let at_once = Chunks::default().read(whole).map(|step| (step.passed, step.ended));
    let mut cut = Chunks::default();
    let mut total = Ok((0, false));
    for piece in pieces(bytes) {
        let Ok((passed, false)) = total else { break };
        total = cut.read(piece).map(|step| (passed + step.passed, step.ended));
    }
    assert_eq!(at_once, total);
}

/// A request head's target and host: what has no flaw goes where the connection goes, by a path of its own host.
pub(crate) fn aim(bytes: &[u8]) {
    let Ok(host) = HostName::parse("origin.test") else { return };
    let to_name = Aim { to: Target::Host(host), port: 443, flaw: None };
    let to_address = Aim { to: Target::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))), port: 8080, flaw: None };
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let (Some(target), Some(host)) = (lines.next(), lines.next()) else { return };
    let (Ok(uri), Ok(host)) = (Uri::try_from(target), std::str::from_utf8(host)) else { return };
    for (aim, scheme) in [(&to_name, Scheme::Https), (&to_address, Scheme::Http)] {
        let head = super::head::Head {
            framing: super::head::Framing::Length(0),
            length_declared: false,
            host: host.to_owned(),
            switch: Switch::None,
        };
        let seen = request(aim, scheme, &Method::GET, &uri, &http::HeaderMap::new(), Ok(head));
        assert!(seen.send.to == aim.to && seen.send.port == aim.port, "a request goes where its connection goes");
        if seen.flaw.is_none() {
            let lower = host.to_ascii_lowercase();
            let bare = lower.split(':').next().unwrap_or_default().trim_end_matches('.').to_owned();
            let same = HostName::parse(&bare).map(Target::Host).or_else(|_| bare.parse().map(Target::Address));
            // An address may be spelt in other ways: `aim`'s own tests say which.
            let respelt =
                matches!(aim.to, Target::Address(_)) && bare.starts_with(|first: char| first.is_ascii_digit());
            assert!(same.as_ref() == Ok(&aim.to) || respelt, "its host is the connection's");
            assert!(seen.send.path.starts_with('/'), "its path is one");
        }
        aim.agrees_with_sni(Some(host));
    }
}

/// Reading a TLS hello never panics, a name in it is compared in its one form, and a tunnel's look at it sees what a TLS
/// server sees.
pub(crate) fn client_hello(bytes: &[u8]) {
    let Ok(host) = HostName::parse("origin.test") else { return };
    let aim = Aim { to: Target::Host(host), port: 443, flaw: None };
    let mut acceptor = rustls::server::Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() && acceptor.read_tls(&mut rest).is_ok_and(|read| read > 0) {
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                let said = hello.server_name().map(str::to_ascii_lowercase);
                if let Ok(Some(own)) = super::hello::parse(bytes) {
                    let own = own.server_name.map(|name| name.to_ascii_lowercase());
                    // The dot of the root names the same server, and some readers take it away.
                    let bare =
                        |name: &Option<String>| name.as_deref().map(|name| name.trim_end_matches('.').to_owned());
                    // What is no host name is no name to a TLS server.
                    assert!(bare(&own) == bare(&said) || said.is_none(), "a tunnel is for the server that it names");
                }
                let agrees = aim.agrees_with_sni(hello.server_name());
                assert_eq!(agrees, said.as_deref().is_some_and(|name| name.trim_end_matches('.') == "origin.test"));
                return;
            }
            Err(_) => return,
        }
    }
}

/// However a WebSocket's bytes are cut, they hold the same messages, and so do those written anew.
pub(crate) fn frames(bytes: &[u8]) {
    let whole = bytes.get(1..).unwrap_or_default();
    for from in [Sender::Client, Sender::Server] {
        for deflate in [false, true] {
            let (cut, total) = heard::all(from, deflate, pieces(bytes));
            let (at_once, same) = heard::all(from, deflate, std::iter::once(whole));
            let same_is_ok = same.is_ok();
            assert_eq!(total.is_ok(), same_is_ok, "whether they are frames does not depend on how they arrive");
            if total.is_ok() {
                assert_eq!((&cut, total), (&at_once, same), "nor does what they say");
            }
            let anew = again::all(from, deflate, pieces(bytes));
            assert_eq!(anew.is_ok(), same_is_ok, "what is no frame is not written anew");
            if let Ok(anew) = anew {
                assert_eq!(
                    heard::all(from, false, std::iter::once(anew.as_slice())).0,
                    cut,
                    "what is written says the same"
                );
            }
        }
    }
}

/// However the lines of a sign-in to mail are cut, they say the same, and what is written anew signs the same user in.
pub(crate) fn sign_in(bytes: &[u8]) {
    let whole = bytes.get(1..).unwrap_or_default();
    for imap in [false, true] {
        let (cut, good) = mail::fuzzing::lines(imap, pieces(bytes));
        let (at_once, same) = mail::fuzzing::lines(imap, std::iter::once(whole));
        // A line without an end is too long as soon as so much of it is there.
        assert!(cut == at_once || !good || !same, "what lines say does not depend on how they arrive");
    }
}

/// What gets through the gate of bytes that come in pieces, and the rulings on their heads.
pub(super) fn through(bytes: &[u8]) -> (Vec<u8>, Vec<Ruling>) {
    let rulings = Rulings::default();
    let mut gate = Gate::new(Pieces(pieces(bytes)), rulings.clone());
    let mut cx = Context::from_waker(Waker::noop());
    let mut passed = Vec::new();
    let mut space = [0; 777];
    loop {
        let mut buffer = ReadBuf::new(&mut space);
        match Pin::new(&mut gate).poll_read(&mut cx, &mut buffer) {
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => passed.extend_from_slice(buffer.filled()),
            // The end, a fault, or nothing further after a wrong head.
            Poll::Ready(_) | Poll::Pending => return (passed, all(&rulings)),
        }
    }
}

/// [`Rulings::next`] says so when there is none left.
const NONE_LEFT: Ruling = Err(Wrong::Malformed("the request was not seen at the gate"));

fn all(rulings: &Rulings) -> Vec<Ruling> {
    std::iter::from_fn(|| Some(rulings.next()).filter(|ruling| *ruling != NONE_LEFT)).collect()
}

/// The agent's end: a piece a read.
struct Pieces<I>(I);

impl<'a, I: Iterator<Item = &'a [u8]> + Unpin> AsyncRead for Pieces<I> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        out.put_slice(self.0.next().unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}
