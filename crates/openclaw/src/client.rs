//! Speaks to a running gateway over a stream that someone else connected.
//!
//! Owns the readiness question and one conversation turn. Every byte that comes back is the agent's: frames are bounded,
//! unknown ones are passed over, and nothing it says can make the guard panic or wait for ever. It never opens a
//! connection itself; the guard hands it streams from the helper in the jail's network namespace.

mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod hook;
mod readiness;
mod turn;

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::Error;
pub use hook::hook;
pub use readiness::ready;

/// The conversation that `creel say` takes part in: the main session of the main agent.
pub const SESSION: &str = "agent:main:main";
/// The longest message to the agent, in bytes. OpenClaw itself takes frames of up to 25 MiB.
pub const LONGEST_MESSAGE: usize = 1024 * 1024;

/// What the agent said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The final text; escape it before it reaches a terminal. Empty when the agent chose to say nothing.
    pub text: String,
    /// OpenClaw's id of the run, as it claims.
    pub run_id: String,
}

/// Says one thing to the agent and waits for its final answer, at most `patience`. `on_delta` hears each new piece of
/// text as it comes; a piece may be taken back, the answer's text is what counts.
///
/// # Errors
/// [`Error::Starting`] while the gateway's sidecars start, [`Error::Late`] when time is over (the run goes on),
/// [`Error::Agent`] when it refuses or makes no sense.
pub async fn say<S>(
    stream: S,
    token: &str,
    text: &str,
    patience: Duration,
    on_delta: impl FnMut(&str),
) -> Result<Answer, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if text.len() > LONGEST_MESSAGE {
        return Err(Error::operator("the message is longer than 1 MiB", "put it into a file: `creel ws put`"));
    }
    let late = Error::Late { what: "answer", seconds: patience.as_secs() };
    match tokio::time::timeout(patience, turn::take(stream, token, text, on_delta)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(late),
    }
}

#[cfg(test)]
mod tests;
