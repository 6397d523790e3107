//! Where people reach a tenant's guard.
//!
//! Owns the sockets that are bound before a guard starts and outlive it: whoever starts guards keeps them and hands each guard
//! the very same ones. It never reads from them. None lies where a jail could see it.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use crate::config::Approvals;
use crate::link;
use crate::site::Site;

/// The sockets of one tenant.
#[derive(Debug)]
pub(crate) struct Reception {
    /// The operator's own: everything can be asked there.
    control: OwnedFd,
    /// For those who may answer questions, and nothing else.
    people: Option<OwnedFd>,
    /// Where browsers come, by links in messages.
    page: Option<OwnedFd>,
}

/// Which of them travel along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Along {
    people: bool,
    page: bool,
}

impl Reception {
    /// The operator's socket alone.
    ///
    /// # Errors
    /// When it can't be bound.
    pub(crate) fn private(site: &Site, tenant: &str) -> io::Result<Self> {
        Ok(Self { control: link::bind(&site.control_socket(tenant), OWNER)?, people: None, page: None })
    }

    /// The same, with a socket for other users and a page where the configuration wants them.
    ///
    /// # Errors
    /// When one can't be bound.
    pub(crate) fn open(site: &Site, tenant: &str, approvals: &Approvals) -> io::Result<Self> {
        let path = site.people_socket(tenant);
        let people = if approvals.people.is_empty() {
            let _ = std::fs::remove_file(path);
            None
        } else {
            // Whoever connects is known by the kernel, and let in by number.
            Some(link::bind(&path, EVERYBODY)?)
        };
        let page = approvals.page.as_ref().map(|page| {
            let bound = TcpListener::bind(page.listen).map(OwnedFd::from);
            bound.map_err(|error| io::Error::new(error.kind(), format!("`approvals.listen` {}: {error}", page.listen)))
        });
        Ok(Self { people, page: page.transpose()?, ..Self::private(site, tenant)? })
    }

    /// What to hand over.
    pub(crate) fn along(&self) -> (Along, Vec<BorrowedFd<'_>>) {
        let fds = std::iter::once(&self.control).chain(&self.people).chain(&self.page).map(AsFd::as_fd).collect();
        (Along { people: self.people.is_some(), page: self.page.is_some() }, fds)
    }

    /// What was handed over.
    ///
    /// # Errors
    /// When a descriptor is missing.
    pub(crate) fn take(along: Along, mut fds: impl Iterator<Item = OwnedFd>) -> io::Result<Self> {
        let mut next = || fds.next().ok_or_else(|| io::Error::other("a descriptor is missing"));
        let control = next()?;
        let mut maybe = |there: bool| there.then(&mut next).transpose();
        Ok(Self { control, people: maybe(along.people)?, page: maybe(along.page)? })
    }

    /// Each socket.
    pub(crate) fn into_parts(self) -> (OwnedFd, Option<OwnedFd>, Option<TcpListener>) {
        (self.control, self.people, self.page.map(TcpListener::from))
    }

    /// Whether there is a page for links to lead to.
    pub(crate) fn has_page(&self) -> bool {
        self.page.is_some()
    }

    /// Takes their files away.
    pub(crate) fn clear(site: &Site, tenant: &str) {
        let _ = std::fs::remove_file(site.control_socket(tenant));
        let _ = std::fs::remove_file(site.people_socket(tenant));
    }
}

const OWNER: u32 = 0o600;
const EVERYBODY: u32 = 0o666;
