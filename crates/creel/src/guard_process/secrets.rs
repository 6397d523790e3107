//! The tenant's secrets in the guard, and their exchange.
//!
//! Owns [`Secrets`]: it takes new values over while all doors serve. Whoever looks for values knows the new ones before the
//! first of them is filled in, and the old ones as long as the warden says. It never shows one. The desk calls it.

use std::sync::Arc;

use creel_scan::secrets::{Known, Scanner};
use creel_secrets::{Keyring, MemoryBroker};
use zeroize::Zeroizing;

use super::links;
use super::watch::{self, Watch};
use crate::config::Config;
use crate::memory::auditor::Auditor;
use crate::protocol::GuardSetup;

/// Values, and what is looked for beside them.
pub(crate) struct Secrets {
    pub(super) broker: Arc<MemoryBroker>,
    /// Canaries, what stands for secrets, and what links that answer begin with.
    aside: Vec<(String, String)>,
}

impl Secrets {
    /// What was handed over.
    pub(super) fn new(
        secrets: Zeroizing<Vec<u8>>,
        setup: &GuardSetup,
        config: &Config,
        stem: Option<&str>,
    ) -> Result<Self, String> {
        let ring = Keyring::parse(secrets).map_err(|error| error.to_string())?;
        let mints = config.mints().map_err(|error| error.to_string())?;
        let broker = Arc::new(MemoryBroker::of(ring).with_placeholders(setup.placeholders.clone()).with_mints(mints));
        let bait = setup.canaries.0.iter().map(|one| (one.name.clone(), one.value.clone()));
        let stand_ins = setup.placeholders.iter().flat_map(|one| {
            let pieces = creel_secrets::pieces(one.value.as_bytes());
            pieces.map(|piece| (watch::stand_in(one), String::from_utf8_lossy(piece).into_owned()))
        });
        let links = stem.map(|stem| (links::NAME.to_owned(), stem.to_owned()));
        Ok(Self { broker, aside: bait.chain(stand_ins).chain(links).collect() })
    }

    /// Every value that must not leave: secrets, canaries, and what stands for secrets.
    pub(super) fn known(&self) -> Known {
        self.broker.known_with(self.aside())
    }

    /// Has `watch` and `auditor` look for new values from now on, before the first of them is filled in.
    pub(super) fn tell(&self, watch: &Arc<Watch>, auditor: &Arc<Auditor>) {
        let (watch, auditor, aside) = (Arc::downgrade(watch), Arc::downgrade(auditor), self.aside.clone());
        self.broker.when_changed(Box::new(move |ring| {
            let aside = aside.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            if let (Some(watch), Some(auditor)) = (watch.upgrade(), auditor.upgrade()) {
                watch.look_for(ring.known_with(aside));
                auditor.look_for(Scanner::new(ring.known_with(std::iter::empty())));
            }
        }));
    }

    fn aside(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.aside.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }

    /// Has everybody work with these values from now on, and with those that answers minted.
    pub(super) fn exchange(&self, secrets: Zeroizing<Vec<u8>>) -> Result<(), String> {
        let ring = Keyring::parse(secrets).map_err(|error| error.to_string())?;
        self.broker.replace(ring);
        Ok(())
    }
}
