//! The synthetic addresses of one jail: each approved name has one IPv4 and one IPv6 address that stand for it.
//!
//! Owns [`Names`]. An address is never re-used in a jail's life, and is written down before it is given out. It never
//! decides who gets one: the DNS door assigns, permit in hand, and the egress door looks up.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{PoisonError, RwLock};

use creel_guard::HostName;

use crate::Error;

/// A jail has at most so many names: half of 198.18.0.0/15, and about 16 MiB of memory at worst.
pub const MAX_NAMES: usize = 65_536;

/// 198.18.0.0/15 (RFC 2544): meant for benchmarks, never routed.
const V4_NET: u32 = 0xC612_0000;
/// The netmask of a /15.
const V4_MASK: u32 = 0xFFFE_0000;
/// fd00:c4ee:1::/64, a unique local prefix (RFC 4193).
const V6_NET: u128 = 0xFD00_C4EE_0001_0000_0000_0000_0000_0000;
/// Addresses start at .2: .0 and .1 look like a network and a gateway.
const FIRST: u32 = 2;

/// Appends one line to the journal of names, durably enough to survive the death of the process.
pub type Keep = Box<dyn Fn(&str) -> io::Result<()> + Send + Sync>;

/// Which name an address stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It stands for this name.
    Name(HostName),
    /// It is no synthetic address.
    Literal,
    /// It is synthetic, and was never given out.
    Unassigned,
}

/// The address book of one jail.
pub struct Names {
    book: RwLock<Book>,
    keep: Keep,
    cap: usize,
}

#[derive(Default)]
struct Book {
    places: HashMap<HostName, u32>,
    hosts: Vec<HostName>,
}

/// Why a name got no address.
#[derive(Debug, thiserror::Error)]
pub enum Unassignable {
    /// The book is full.
    #[error("the jail has used up its `{MAX_NAMES}` names; restart it for a fresh book")]
    Full,
    /// The journal can't be written.
    #[error("the journal of names can't be written: {0}")]
    Journal(#[from] io::Error),
}

impl Names {
    /// An empty book. `keep` gets each line of the journal before its address is given out.
    #[must_use]
    pub fn new(keep: Keep) -> Self {
        Self { book: RwLock::default(), keep, cap: MAX_NAMES }
    }

    /// The book that a journal tells of: JSON text of one name a line, in the order of their addresses. A last line
    /// without its line feed was never given out and is left out: rewrite the file with [`Names::journal`] before
    /// `keep` appends to it.
    ///
    /// # Errors
    /// [`Error::Operator`] when a line is none of ours: nothing may then be guessed about who has which address.
    pub fn restore(journal: &str, keep: Keep) -> Result<Self, Error> {
        let mut book = Book::default();
        let whole = journal.rfind('\n').and_then(|end| journal.get(..=end)).unwrap_or_default();
        for (index, line) in whole.lines().enumerate() {
            let damaged = |why: &dyn fmt::Display| {
                Error::Operator(format!(
                    "line {} of the journal of names is damaged: {why}; restart the jail",
                    index + 1
                ))
            };
            let host: HostName = serde_json::from_str(line).map_err(|error| damaged(&error))?;
            if book.places.contains_key(&host) {
                return Err(damaged(&"the name stands there twice"));
            }
            book.push(host);
        }
        if book.hosts.len() > MAX_NAMES {
            return Err(Error::Operator("the journal of names is too long; restart the jail".to_owned()));
        }
        Ok(Self { book: RwLock::new(book), keep, cap: MAX_NAMES })
    }

    /// The whole journal, as [`Names::restore`] reads it.
    #[must_use]
    pub fn journal(&self) -> String {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        book.hosts.iter().map(line).collect()
    }

    /// Whether `host` has addresses or there is room for it.
    #[must_use]
    pub fn has_room(&self, host: &HostName) -> bool {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        book.hosts.len() < self.cap || book.places.contains_key(host)
    }

    /// How many names below `suffix` have addresses; 0 when `host` is one of them. Only names that were admitted have, so
    /// that the book is as short as the policy keeps it.
    #[must_use]
    pub fn others_below(&self, suffix: &HostName, host: &HostName) -> u64 {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        if book.places.contains_key(host) {
            return 0;
        }
        book.hosts.iter().filter(|other| other.is_below(suffix)).count() as u64
    }

    /// The two addresses of `host`, given out now if it has none.
    ///
    /// # Errors
    /// [`Unassignable`] when the book is full or its journal can't be written.
    pub fn assign(&self, host: &HostName) -> Result<(Ipv4Addr, Ipv6Addr), Unassignable> {
        if let Some(place) = self.book.read().unwrap_or_else(PoisonError::into_inner).places.get(host) {
            return Ok(addresses(*place));
        }
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = book.places.get(host) {
            return Ok(addresses(*place));
        }
        if book.hosts.len() >= self.cap {
            return Err(Unassignable::Full);
        }
        (self.keep)(&line(host))?;
        Ok(addresses(book.push(host.clone())))
    }

    /// What `address` stands for.
    #[must_use]
    pub fn meaning(&self, address: IpAddr) -> Meaning {
        let place = match address.to_canonical() {
            IpAddr::V4(v4) if u32::from(v4) & V4_MASK == V4_NET => u128::from(u32::from(v4) - V4_NET),
            IpAddr::V6(v6) if u128::from(v6) >> 64 == V6_NET >> 64 => u128::from(v6) - V6_NET,
            _ => return Meaning::Literal,
        };
        let index = place.checked_sub(u128::from(FIRST)).and_then(|index| usize::try_from(index).ok());
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        match index.and_then(|index| book.hosts.get(index)) {
            Some(host) => Meaning::Name(host.clone()),
            None => Meaning::Unassigned,
        }
    }
}

impl Book {
    /// Adds a name and says its place. The caller has checked the cap, so that places fit.
    fn push(&mut self, host: HostName) -> u32 {
        let place = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        self.places.insert(host.clone(), place);
        self.hosts.push(host);
        place
    }
}

fn line(host: &HostName) -> String {
    // A canonical host name holds nothing that JSON escapes.
    format!("\"{host}\"\n")
}

fn addresses(place: u32) -> (Ipv4Addr, Ipv6Addr) {
    let offset = place.saturating_add(FIRST);
    (Ipv4Addr::from(V4_NET.saturating_add(offset)), Ipv6Addr::from(V6_NET + u128::from(offset)))
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Names").field("len", &book.hosts.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn host(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    #[test]
    fn a_name_keeps_its_addresses_and_no_other_gets_them() {
        let kept = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&kept);
        let names = Names::new(Box::new(move |line| {
            sink.lock().unwrap().push_str(line);
            Ok(())
        }));
        let (a4, a6) = names.assign(&host("a.test")).unwrap();
        let (b4, b6) = names.assign(&host("b.test")).unwrap();
        assert_eq!((a4.to_string(), a6.to_string()), ("198.18.0.2".into(), "fd00:c4ee:1::2".into()));
        assert_eq!(names.assign(&host("a.test")).unwrap(), (a4, a6));
        assert_eq!(names.meaning(b4.into()), Meaning::Name(host("b.test")));
        assert_eq!(names.meaning(b6.into()), Meaning::Name(host("b.test")));
        assert_eq!(names.meaning(IpAddr::V6(b4.to_ipv6_mapped())), Meaning::Name(host("b.test")));
        for unassigned in
            ["198.18.0.0", "198.18.0.1", "198.18.0.4", "198.19.255.255", "fd00:c4ee:1::4", "fd00:c4ee:1:0:ffff::2"]
        {
            assert_eq!(names.meaning(unassigned.parse().unwrap()), Meaning::Unassigned, "{unassigned}");
        }
        for literal in ["198.17.255.255", "198.20.0.0", "fd00:c4ee:2::2", "127.0.0.1", "::1"] {
            assert_eq!(names.meaning(literal.parse().unwrap()), Meaning::Literal, "{literal}");
        }
        assert_eq!(*kept.lock().unwrap(), names.journal());
        let again = Names::restore(&format!("{}\"torn.te", names.journal()), Box::new(|_| Ok(()))).unwrap();
        assert_eq!(again.assign(&host("b.test")).unwrap(), (b4, b6));
        assert_eq!(again.assign(&host("c.test")).unwrap().0.to_string(), "198.18.0.4");
    }

    #[test]
    fn a_full_book_a_dead_journal_and_a_damaged_one_give_nothing_out() {
        let mut names = Names::new(Box::new(|_| Ok(())));
        names.cap = 1;
        names.assign(&host("a.test")).unwrap();
        assert!(names.has_room(&host("a.test")) && !names.has_room(&host("b.test")));
        assert!(matches!(names.assign(&host("b.test")), Err(Unassignable::Full)));
        let dead = Names::new(Box::new(|_| Err(io::Error::other("disk full"))));
        assert!(matches!(dead.assign(&host("a.test")), Err(Unassignable::Journal(_))));
        assert_eq!(dead.meaning("198.18.0.2".parse().unwrap()), Meaning::Unassigned);
        for damaged in ["a.test\n", "\"a.test\"\n\"a.test\"\n", "\"127.0.0.1\"\n", "\n"] {
            assert!(Names::restore(damaged, Box::new(|_| Ok(()))).is_err(), "{damaged:?}");
        }
    }

    #[test]
    fn the_last_place_lies_inside_the_ranges() {
        let last = u32::try_from(MAX_NAMES).unwrap() - 1;
        let (v4, v6) = addresses(last);
        assert_eq!(v4.to_string(), "198.19.0.1");
        assert_eq!(u128::from(v6) >> 64, V6_NET >> 64);
    }
}
