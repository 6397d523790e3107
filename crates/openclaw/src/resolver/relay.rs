//! The end in the jail: one question from OpenClaw to the warden, one answer back.
//!
//! It runs as the agent's user, holds nothing of its own and never keeps what passes. OpenClaw starts it once a start.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::LONGEST;
use crate::layout;

/// The warden answers at once or not at all.
const PATIENCE: Duration = Duration::from_secs(15);

/// The hidden sub-command `resolve-secrets`: relays standard input to the warden and its answer to standard output.
/// Gives the exit code.
pub fn main() -> i32 {
    let outcome = relay(Path::new(layout::SECRETS_SOCKET), io::stdin().lock()).and_then(|answer| {
        let mut out = io::stdout().lock();
        out.write_all(&answer)?;
        out.flush()
    });
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(io::stderr(), "creel: the token can't be fetched: {error}");
            1
        }
    }
}

pub(super) fn relay(socket: &Path, question: impl io::Read) -> io::Result<Vec<u8>> {
    let question = bounded(question)?;
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&question)?;
    stream.shutdown(Shutdown::Write)?;
    let answer = bounded(stream)?;
    if answer.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it was fetched before, restart OpenClaw"));
    }
    Ok(answer)
}

fn bounded(source: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than 4 KiB"));
    }
    Ok(bytes)
}
