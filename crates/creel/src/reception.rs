//! Where people reach a tenant's guard.
//!
//! Owns the sockets that are bound before a guard starts and outlive it: whoever starts guards keeps them and hands each guard
//! the very same ones. It never reads from them. None lies where a jail could see it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use crate::link;
use crate::site::Site;

/// The sockets of one tenant.
#[derive(Debug)]
pub(crate) struct Reception {
    /// The operator's own: everything can be asked there.
    control: OwnedFd,
    /// For those who may answer questions, and nothing else.
    people: Option<OwnedFd>,
}

/// Which of them travel along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Along {
    people: bool,
}

impl Reception {
    /// The operator's socket alone.
    ///
    /// # Errors
    /// When it can't be bound.
    pub(crate) fn private(site: &Site, tenant: &str) -> io::Result<Self> {
        Ok(Self { control: link::bind(&site.control_socket(tenant), OWNER)?, people: None })
    }

    /// The same, with a socket for these users where there are any.
    ///
    /// # Errors
    /// When one can't be bound.
    pub(crate) fn open(site: &Site, tenant: &str, people: &[u32]) -> io::Result<Self> {
        let path = site.people_socket(tenant);
        let people = if people.is_empty() {
            let _ = std::fs::remove_file(path);
            None
        } else {
            // Whoever connects is known by the kernel, and let in by number.
            Some(link::bind(&path, EVERYBODY)?)
        };
        Ok(Self { people, ..Self::private(site, tenant)? })
    }

    /// What to hand over.
    pub(crate) fn along(&self) -> (Along, Vec<BorrowedFd<'_>>) {
        let fds = std::iter::once(&self.control).chain(&self.people).map(AsFd::as_fd).collect();
        (Along { people: self.people.is_some() }, fds)
    }

    /// What was handed over.
    ///
    /// # Errors
    /// When a descriptor is missing.
    pub(crate) fn take(along: Along, mut fds: impl Iterator<Item = OwnedFd>) -> io::Result<Self> {
        let mut next = || fds.next().ok_or_else(|| io::Error::other("a descriptor is missing"));
        Ok(Self { control: next()?, people: if along.people { Some(next()?) } else { None } })
    }

    /// Each socket.
    pub(crate) fn into_parts(self) -> (OwnedFd, Option<OwnedFd>) {
        (self.control, self.people)
    }

    /// Takes their files away.
    pub(crate) fn clear(site: &Site, tenant: &str) {
        let _ = std::fs::remove_file(site.control_socket(tenant));
        let _ = std::fs::remove_file(site.people_socket(tenant));
    }
}

const OWNER: u32 = 0o600;
const EVERYBODY: u32 = 0o666;
