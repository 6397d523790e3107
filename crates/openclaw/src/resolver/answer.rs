//! The warden's end: one connection, one question, one answer, then nobody is there any more.
//!
//! It reads at most 4 KiB from the jail, waits no longer than it is told, and takes nothing but a question for the one
//! reference it knows. The warden runs it on a thread of its own at each start of OpenClaw.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Deserialize;
use serde_json::json;

use super::{LONGEST, PROVIDER, TOKEN_ID};
use crate::{Error, clock::Deadline};

/// Answers the first connection with `token`, and no other: `listener` is closed before the answer goes out. Gives up
/// after `patience`.
pub fn answer(listener: UnixListener, token: &str, patience: Duration) -> Result<(), Error> {
    let deadline = Deadline::after(patience);
    let late = || Error::Late { what: "ask for its token", seconds: patience.as_secs() };
    listener.set_nonblocking(true).map_err(Error::host("use the secrets' socket"))?;
    let stream = loop {
        if !readable(listener.as_fd(), deadline)? {
            return Err(late());
        }
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(Error::host("accept on the secrets' socket")(error)),
        }
    };
    drop(listener);
    let question = read(&stream, deadline)?.ok_or_else(late)?;
    check(&question)?;
    let reply = json!({ "protocolVersion": 1, "values": { TOKEN_ID: token } }).to_string();
    // The buffer of a fresh Unix socket holds this much: the write can't stall.
    stream.set_write_timeout(Some(Duration::from_secs(5))).map_err(Error::host("use the secrets' socket"))?;
    (&stream).write_all(reply.as_bytes()).map_err(Error::host("hand OpenClaw its token"))
}

/// The whole question, or nothing when the time is over.
fn read(stream: &UnixStream, deadline: Deadline) -> Result<Option<Vec<u8>>, Error> {
    let mut question = Vec::new();
    let mut chunk = [0u8; 1024];
    loop {
        if !readable(stream.as_fd(), deadline)? {
            return Ok(None);
        }
        let count = (&*stream).read(&mut chunk).map_err(Error::host("read the question for the token"))?;
        if count == 0 {
            return Ok(Some(question));
        }
        question.extend(chunk.iter().take(count));
        if question.len() > LONGEST {
            return Err(Error::agent("asks for its token in more than 4 KiB"));
        }
    }
}

fn readable(fd: std::os::fd::BorrowedFd<'_>, deadline: Deadline) -> Result<bool, Error> {
    while !deadline.passed() {
        let wait = PollTimeout::try_from(deadline.left().min(Duration::from_secs(60))).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], wait) {
            Ok(0) | Err(nix::Error::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(Error::host("wait on the secrets' socket")(error)),
        }
    }
    Ok(false)
}

/// The question of OpenClaw's exec protocol, version 1.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    protocol_version: u64,
    provider: String,
    ids: Vec<String>,
}

pub(super) fn check(question: &[u8]) -> Result<(), Error> {
    let question: Question =
        serde_json::from_slice(question).map_err(|_| Error::agent("asks for its token in a form that is none"))?;
    let Question { protocol_version, provider, ids } = question;
    if protocol_version == 1 && provider == PROVIDER && ids == [TOKEN_ID] {
        return Ok(());
    }
    Err(Error::agent("asks for a secret that it has no reference to"))
}
