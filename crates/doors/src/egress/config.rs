//! What the operator approved, as far as this door must know it, and the door's limits.
//!
//! Owns [`Config`]: where to resolve, what to pin, whom to trust. It says nothing about what is allowed: `policy` does.
//! Read at every request, so that a reload reaches open connections.

use std::net::IpAddr;
use std::time::Duration;

use creel_guard::{HostName, Mode, Target};
use rustls::pki_types::CertificateDer;

/// Connections of one tenant at a time; more wait in the backlog.
pub const MAX_CONNECTIONS: usize = 512;
/// From the accept to the end of the TLS handshake; also how long a client may stay silent.
pub(super) const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// A request's head must be whole within this, and a connection without a request ends after it.
pub(super) const HEAD_LIMIT: Duration = Duration::from_secs(15);
/// No byte either way for so long ends a connection. Above the four minutes that a person may take to answer.
pub(super) const IDLE_LIMIT: Duration = Duration::from_secs(300);
/// Body bytes of one request, when no obligation says less: a large git push fits.
pub(super) const MAX_BODY: u64 = 4 * 1024 * 1024 * 1024;

/// Every host that the operator approved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// One entry a rule, in the order of the file.
    pub hosts: Vec<HostSettings>,
}

/// How one rule's hosts are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSettings {
    /// Which names.
    pub pattern: HostPattern,
    /// Which ports.
    pub ports: Vec<u16>,
    /// Pins resolution to this address.
    pub address: Option<IpAddr>,
    /// Roots for these hosts, over and above the host's.
    pub ca: Vec<CertificateDer<'static>>,
    /// What is spoken there.
    pub mode: Mode,
}

/// Which names a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This literal address.
    Address(IpAddr),
    /// This name alone.
    Exact(HostName),
    /// Every name below this one, at any depth, not the name itself.
    Below(HostName),
}

impl std::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Exact(name) => write!(f, "{name}"),
            Self::Below(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

impl HostPattern {
    /// Reads `name`, `*.name` or a literal address.
    ///
    /// # Errors
    /// Says why the text is no pattern.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read = |name: &str| HostName::parse(name).map_err(|error| error.to_string());
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        match text.strip_prefix("*.") {
            Some(below) => read(below).map(Self::Below),
            None => read(text).map(Self::Exact),
        }
    }

    /// Whether `target` is one of them.
    #[must_use]
    pub fn matches(&self, target: &Target) -> bool {
        match (self, target) {
            (Self::Address(one), Target::Address(address)) => one == address,
            (Self::Exact(name), Target::Host(host)) => name == host,
            (Self::Below(suffix), Target::Host(host)) => host.is_below(suffix),
            _ => false,
        }
    }
}

impl Config {
    /// The settings for `target` and `port`: an exact entry before a pattern, else the first in the file.
    #[must_use]
    pub fn settings(&self, target: &Target, port: u16) -> Option<&HostSettings> {
        let matching = || self.hosts.iter().filter(|one| one.ports.contains(&port) && one.pattern.matches(target));
        matching().find(|one| !matches!(one.pattern, HostPattern::Below(_))).or_else(|| matching().next())
    }
}
