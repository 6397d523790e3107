//! Creel's own stub resolver: questions to the operator's servers, answers kept for their time.
//!
//! Owns [`DnsResolver`]: the cache, the chain of aliases and its bounds. Never follows a referral and never uses what it did
//! not ask for, so that a hostile zone costs a bounded number of questions. Doors call it through [`super::Resolve`].

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use creel_guard::{BoxFuture, HostName};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::time::{Instant, timeout};

use super::transport::{Reply, Servers};
use super::{MAX_ADDRESSES, RESOLVE_LIMIT, Resolve, Resolved};

/// Aliases in a row; resolvers stop at 8 to 16.
const MAX_ALIASES: usize = 8;
/// Questions for one name and type: the name itself, and targets of aliases that came without their addresses.
const MAX_QUESTIONS: usize = 3;
/// Names that are kept; beyond it the stale go, then all.
const MAX_KEPT: usize = 4096;
/// The longest that an answer is kept, whatever it says.
const LONGEST: Duration = Duration::from_secs(3600);

/// Asks the operator's servers.
#[derive(Debug)]
pub struct DnsResolver {
    servers: Servers,
    kept: Mutex<HashMap<HostName, Kept>>,
}

#[derive(Clone, Debug)]
struct Kept {
    found: Resolved,
    until: Instant,
}

/// The addresses of one type, for how long, and whether the resolver vouched for them.
struct Found {
    addresses: Vec<IpAddr>,
    ttl: u32,
    authentic: bool,
}

impl DnsResolver {
    /// A resolver that asks `servers`.
    #[must_use]
    pub fn new(servers: Servers) -> Self {
        Self { servers, kept: Mutex::default() }
    }

    async fn ask(&self, host: &HostName) -> io::Result<Resolved> {
        #[expect(clippy::disallowed_methods, reason = "this file owns the clock of the cache")]
        let now = Instant::now();
        if let Some(kept) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(host)
            && kept.until > now
        {
            return Ok(kept.found.clone());
        }
        let both = async { tokio::join!(self.follow(host, RecordType::A), self.follow(host, RecordType::AAAA)) };
        let (v4, v6) = timeout(RESOLVE_LIMIT, both)
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the resolver did not answer in time"))?;
        // One type that fails may not hide addresses that would have been judged.
        let (v4, v6) = (v4?, v6?);
        let ttl = v4.ttl.min(v6.ttl);
        let authentic = v4.authentic && v6.authentic;
        let mut addresses = v4.addresses;
        addresses.extend(v6.addresses);
        if addresses.len() > MAX_ADDRESSES {
            return Err(io::Error::other("the name has too many addresses"));
        }
        let found = Resolved { addresses, dnssec: Some(authentic), resolver: Some(self.servers.to_string()) };
        let ttl = Duration::from_secs(u64::from(ttl)).min(LONGEST);
        if !ttl.is_zero() && !found.addresses.is_empty() {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= MAX_KEPT {
                kept.retain(|_, one| one.until > now);
            }
            if kept.len() >= MAX_KEPT {
                kept.clear();
            }
            kept.insert(host.clone(), Kept { found: found.clone(), until: now + ttl });
        }
        Ok(found)
    }

    /// Asks for one type and follows aliases to their end.
    async fn follow(&self, host: &HostName, kind: RecordType) -> io::Result<Found> {
        let broken = |why: &str| io::Error::other(format!("the answer for `{host}` {why}"));
        let read = |name: &str| Name::from_ascii(format!("{name}.")).map_err(|_| broken("has no readable name"));
        let mut name = read(host.as_str())?;
        let mut found = Found { addresses: Vec::new(), ttl: u32::MAX, authentic: true };
        let mut passed: Vec<Name> = vec![name.clone()];
        for _ in 0..MAX_QUESTIONS {
            let reply = self.servers.ask(&name, kind).await?;
            match reply.code {
                ResponseCode::NoError => {}
                ResponseCode::NXDomain => return Ok(found),
                code => return Err(broken(&format!("is {code}"))),
            }
            found.authentic &= reply.authentic;
            while let Some((ttl, target)) = alias(&reply, &name) {
                // A target that is no host name can't be judged as one.
                HostName::parse(&target.to_ascii()).map_err(|_| broken("leads to what is no host name"))?;
                if passed.len() > MAX_ALIASES || passed.contains(&target) {
                    return Err(broken("holds too many aliases, or a loop of them"));
                }
                found.ttl = found.ttl.min(ttl);
                passed.push(target.clone());
                name = target;
            }
            for record in reply.answers.iter().filter(|record| record.name == name) {
                let address: IpAddr = match (&record.data, kind) {
                    (RData::A(a), RecordType::A) => a.0.into(),
                    (RData::AAAA(aaaa), RecordType::AAAA) => aaaa.0.into(),
                    _ => continue,
                };
                found.ttl = found.ttl.min(record.ttl);
                if !found.addresses.contains(&address) {
                    found.addresses.push(address);
                }
            }
            // Addresses, or nothing of this type: the end. An alias whose target the server left out is asked for.
            let asked_for = reply.asked == name;
            if !found.addresses.is_empty() || asked_for {
                return Ok(found);
            }
        }
        Ok(found)
    }
}

fn alias(reply: &Reply, name: &Name) -> Option<(u32, Name)> {
    reply.answers.iter().filter(|record| record.name == *name).find_map(|record| match &record.data {
        RData::CNAME(target) => Some((record.ttl, target.0.clone())),
        _ => None,
    })
}

impl Resolve for DnsResolver {
    fn resolve<'a>(&'a self, host: &'a HostName) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(self.ask(host).await?.addresses) })
    }

    fn look_up<'a>(&'a self, host: &'a HostName) -> BoxFuture<'a, io::Result<Resolved>> {
        Box::pin(self.ask(host))
    }
}
