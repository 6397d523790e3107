//! What can go wrong while a jail is built, held or taken down, grouped by who is at fault.
//!
//! Owns the crate's only error type and its texts, which say what to do next. It holds nothing that the agent wrote.
//! Every module of `jail` returns it; the binary turns it into an exit code.

use std::io;

use crate::plan::OciRuntime;

/// Why a jail couldn't be built, held or taken down.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The person asked for something that makes no sense or is refused.
    #[error("{what}; {next}")]
    Operator {
        /// What is wrong.
        what: String,
        /// What to do about it.
        next: String,
    },
    /// A call to this host's kernel or file system failed.
    #[error("cannot {doing}: {source}; {next}")]
    Host {
        /// What was tried.
        doing: String,
        /// What the host answered.
        #[source]
        source: io::Error,
        /// What to do about it.
        next: String,
    },
    /// This host is in a state in which going on would be unsafe.
    #[error("{what}; {next}")]
    Unfit {
        /// What was found.
        what: String,
        /// What to do about it.
        next: String,
    },
    /// A layer of the jail can't be enforced on this host.
    #[error("this host can't enforce {}; {}", list(.layers), way_out(.accept))]
    Missing {
        /// The layers' ids, as `check --json` names them.
        layers: Vec<&'static str>,
        /// What would have to be accepted, what is accepted already included; empty where no jail stands without the layers.
        accept: Vec<&'static str>,
    },
    /// An OCI runtime that was to build the jail refused, or is not there.
    #[error("the engine `{}` can't build the jail: {said}; leave `--runtime` out to use the embedded one", .runtime.name())]
    Engine {
        /// Which.
        runtime: OciRuntime,
        /// Its own words, or what is wrong with it.
        said: String,
    },
    /// The process that builds the jail, or the jail's first process, gave up.
    #[error("the jail could not be built: {why}; see the warden's log")]
    Stage {
        /// What it said.
        why: String,
    },
    /// The jail, or the process that keeps its network, is gone or doesn't answer.
    #[error("the jail is gone: {why}; start it again")]
    Gone {
        /// What was seen.
        why: String,
    },
    /// Creel contradicts itself.
    #[error("`{what}` should never happen; please report it")]
    Bug {
        /// What happened.
        what: String,
    },
}

impl Error {
    /// Turns an `io::Error` into [`Error::Host`]: `.map_err(Error::host("open `x`", "run Creel as root"))`.
    pub fn host<E: Into<io::Error>>(doing: impl Into<String>, next: impl Into<String>) -> impl FnOnce(E) -> Self {
        let (doing, next) = (doing.into(), next.into());
        move |source| Self::Host { doing, source: source.into(), next }
    }

    /// [`Error::Unfit`] from two texts.
    pub fn unfit(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Unfit { what: what.into(), next: next.into() }
    }

    /// [`Error::Operator`] from two texts.
    pub fn operator(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Operator { what: what.into(), next: next.into() }
    }

    /// [`Error::Missing`] for one layer; the reason goes to the log, where the operator finds it.
    pub(crate) fn missing(layer: &'static str, why: impl std::fmt::Display) -> Self {
        tracing::warn!(layer, %why, "a layer can't be enforced");
        Self::Missing { layers: vec![layer], accept: Vec::new() }
    }

    /// [`Error::Stage`] from a text.
    pub(crate) fn stage(why: impl std::fmt::Display) -> Self {
        Self::Stage { why: why.to_string() }
    }

    /// [`Error::Gone`] from a text.
    pub(crate) fn gone(why: impl std::fmt::Display) -> Self {
        Self::Gone { why: why.to_string() }
    }

    /// [`Error::Bug`] from a text.
    pub(crate) fn bug(what: impl std::fmt::Display) -> Self {
        Self::Bug { what: what.to_string() }
    }
}

fn way_out(accept: &[&str]) -> String {
    if accept.is_empty() {
        return "no jail stands without it: use another host".to_owned();
    }
    format!("go without by `--allow-degraded={}`, or use another host", accept.join(","))
}

fn list(layers: &[&str]) -> String {
    layers.iter().map(|layer| format!("`{layer}`")).collect::<Vec<_>>().join(", ")
}
