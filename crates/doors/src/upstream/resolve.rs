//! Creel's own name resolution: never the agent's.
//!
//! Owns [`Resolve`], the system's resolver and our own ([`DnsResolver`]). Never judges addresses: `policy` does, before
//! anything connects. Called by doors, after the name was admitted.

mod dns;
mod transport;

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use creel_guard::{BoxFuture, HostName};
use tokio::time::timeout;

pub use dns::DnsResolver;
pub use transport::{Over, Servers};

/// Patience with the host's resolver: glibc gives up after 5 s a server, twice.
const RESOLVE_LIMIT: Duration = Duration::from_secs(10);
/// More addresses than this for one name are refused, not cut: all of them are judged.
const MAX_ADDRESSES: usize = 64;

/// Turns a name into addresses.
pub trait Resolve: Send + Sync {
    /// Every address of `host`, without doubles.
    fn resolve<'a>(&'a self, host: &'a HostName) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;

    /// The same, and whether they were vouched for.
    fn look_up<'a>(&'a self, host: &'a HostName) -> BoxFuture<'a, io::Result<Resolved>> {
        Box::pin(async move { Ok(Resolved { addresses: self.resolve(host).await?, ..Resolved::default() }) })
    }
}

/// What a name leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Every address, without doubles.
    pub addresses: Vec<IpAddr>,
    /// Whether the resolver validated the answers (the AD bit); `None` when it can't say.
    pub dnssec: Option<bool>,
    /// Who said so; `None` when nobody was asked.
    pub resolver: Option<String>,
}

/// The host's own resolver (`getaddrinfo`).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a HostName) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            // No trailing dot: glibc would then overlook /etc/hosts.
            let found = match timeout(RESOLVE_LIMIT, tokio::net::lookup_host((host.as_str(), 0))).await {
                Ok(found) => found?,
                Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the resolver did not answer in time")),
            };
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in found.map(|socket| socket.ip()) {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
                if addresses.len() > MAX_ADDRESSES {
                    return Err(io::Error::other("the name has too many addresses"));
                }
            }
            Ok(addresses)
        })
    }

    fn look_up<'a>(&'a self, host: &'a HostName) -> BoxFuture<'a, io::Result<Resolved>> {
        Box::pin(async move {
            let addresses = self.resolve(host).await?;
            Ok(Resolved { addresses, dnssec: None, resolver: Some("system".to_owned()) })
        })
    }
}
