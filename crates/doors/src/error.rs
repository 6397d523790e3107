//! What can go wrong at a door, by who is at fault.
//!
//! Owns [`Error`]. A refusal is no error: see each door's `refuse.rs`. Returned by the doors' entry points.

use std::io;

/// What went wrong, by who is at fault.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The agent sent what can't be worked with.
    #[error("{0}")]
    Agent(String),
    /// The agent sent more than may pass.
    #[error("{0}")]
    AgentTooMuch(String),
    /// A bug of ours.
    #[error("{0}; this is a bug in Creel, please report it")]
    Bug(String),
    /// The host refused something that a door needs.
    #[error("{what}: {source}")]
    Host {
        /// What was tried.
        what: String,
        /// What the host said.
        source: io::Error,
    },
    /// What the operator configured can't be used.
    #[error("{0}")]
    Operator(String),
    /// The upstream failed or broke the protocol.
    #[error("{0}")]
    Upstream(String),
    /// The upstream did not answer in time.
    #[error("{0}")]
    UpstreamSlow(String),
}

impl Error {
    /// The host refused `what`.
    pub(crate) fn host(what: impl Into<String>, source: io::Error) -> Self {
        Self::Host { what: what.into(), source }
    }
}
