//! What the operator approved, as far as this door must know it, and the door's limits.
//!
//! Owns [`Config`]: where to resolve, what to pin, whom to trust. It says nothing about what is allowed: `policy` does.
//! Read at every request, so that a reload reaches open connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use creel_guard::{HostName, Mode, Target};
use rustls::pki_types::CertificateDer;

use crate::upstream::Identity;

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
    hosts: Vec<HostSettings>,
    /// Places in `hosts`, by what they name. A look-up is one step a label, however many entries there are.
    exact: HashMap<Target, Vec<usize>>,
    below: HashMap<Box<str>, Vec<usize>>,
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
    /// Whom Creel shows itself as to these hosts, where they ask.
    pub identity: Option<Identity>,
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
    /// One entry a rule, in the order of the file.
    #[must_use]
    pub fn new(hosts: Vec<HostSettings>) -> Self {
        let (mut exact, mut below) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for (place, one) in hosts.iter().enumerate() {
            match &one.pattern {
                HostPattern::Address(address) => exact.entry(Target::Address(*address)).or_default().push(place),
                HostPattern::Exact(name) => exact.entry(Target::Host(name.clone())).or_default().push(place),
                HostPattern::Below(suffix) => below.entry(suffix.as_str().into()).or_default().push(place),
            }
        }
        Self { hosts, exact, below }
    }

    /// The entries, in the order of the file.
    #[must_use]
    pub fn hosts(&self) -> &[HostSettings] {
        &self.hosts
    }

    /// The settings for `target` and `port`: an exact entry before a pattern, else the first in the file.
    #[must_use]
    pub fn settings(&self, target: &Target, port: u16) -> Option<&HostSettings> {
        let open = |places: &[usize]| {
            places.iter().copied().find(|place| self.hosts.get(*place).is_some_and(|one| one.ports.contains(&port)))
        };
        let exact = self.exact.get(target).and_then(|places| open(places));
        let place = exact.or_else(|| {
            let Target::Host(host) = target else { return None };
            let dots = host.as_str().match_indices('.');
            dots.filter_map(|(at, _)| open(self.below.get(host.as_str().get(at + 1..)?)?)).min()
        });
        self.hosts.get(place?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn it_agrees_with_asking_each_entry(
            entries in proptest::collection::vec(("(\\*\\.)?([ab]\\.){0,3}test", 0_u16..3), 0..12),
            name in "([abc]\\.){0,4}(test|com)",
            port in 0_u16..3,
        ) {
            let entry = |(pattern, port): &(String, u16)| HostSettings {
                pattern: HostPattern::parse(pattern).unwrap(),
                ports: vec![*port],
                address: None,
                ca: Vec::new(),
                identity: None,
                mode: Mode::Http,
            };
            let hosts: Vec<HostSettings> = entries.iter().map(entry).collect();
            let target = Target::Host(HostName::parse(&name).unwrap());
            let matching = || hosts.iter().filter(|one| one.ports.contains(&port) && one.pattern.matches(&target));
            let slow = matching().find(|one| !matches!(one.pattern, HostPattern::Below(_))).or_else(|| matching().next());
            let config = Config::new(hosts.clone());
            proptest::prop_assert_eq!(config.settings(&target, port), slow);
        }
    }
}
