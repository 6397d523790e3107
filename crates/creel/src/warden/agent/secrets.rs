//! The values of an agent's secrets, and how they are exchanged.
//!
//! Owns what the next guard is handed, and the order of an exchange: recorded, kept in the store, handed to the guard that
//! serves. It shows no value. What a guard does not take, the next one starts with. The warden's desk asks for it.

use std::time::Duration;

use creel_guard::{Actor, Outcome};
use creel_secrets::{Keyring, Secret, SecretName};
use zeroize::Zeroizing;

use super::Agent;
use crate::clock::{utc, wall_ms};
use crate::config::{Fetch, Source};
use crate::protocol::SecretStatus;
use crate::safe::Safe;
use crate::warden::schedule::Schedule;

/// Where a new value comes from.
#[derive(Debug)]
pub(in crate::warden) enum Maker {
    /// A file has it.
    File(std::path::PathBuf),
    /// A program prints it.
    Program(Vec<String>),
    /// A place says it.
    Place(Box<Fetch>),
}

impl Agent {
    /// Where a new value of `name` comes from when nobody brings one.
    pub(in crate::warden) fn maker_of(&self, name: &SecretName) -> Option<Maker> {
        match self.rules.start.source_of(name.as_str()) {
            Source::File(path) => Some(Maker::File(path.clone())),
            Source::Command(words) => Some(Maker::Program(words.clone())),
            Source::Fetch(fetch) => Some(Maker::Place(fetch.clone())),
            Source::Usual | Source::Store => self.rules.start.rotation_of(name.as_str()).with.map(Maker::Program),
        }
    }

    /// Fills in `value` from now on, as a recorded act of `actor`'s. What came of it, in a line.
    ///
    /// # Errors
    /// Why the old value stays.
    pub(in crate::warden) async fn rotate(
        &mut self,
        name: &SecretName,
        value: Zeroizing<Vec<u8>>,
        actor: Actor,
    ) -> Result<String, String> {
        let fresh = Secret::given(name, value.clone()).map_err(|error| error.to_string())?;
        let ring = self.ring()?;
        if ring.has(name, &fresh) {
            return Err(creel_secrets::Error::Same { name: name.clone() }.to_string());
        }
        let loaded = ring.get(name).is_some();
        let act = crate::guard_process::administer(&self.tenant, actor, "secret-rotate", name.as_str());
        let ticket = self.admit(act).await;
        let ticket = ticket.map_err(|refusal| format!("refused by `{}`: {}", refusal.rule, refusal.to_ledger))?;
        let overlap = self.rules.start.rotation_of(name.as_str()).overlap;
        let done = match self.keep(name, value, overlap).await {
            Ok(kept) if !loaded && !kept => {
                Err(format!("nothing that runs has a secret `{name}`, and the store neither"))
            }
            Ok(kept) => self.exchange_secret(ring, name, fresh, (loaded, kept), overlap).await,
            Err(why) => Err(why),
        };
        ticket.settle(done.as_ref().map_or_else(|why| Outcome::failed(why.clone()), |_| Outcome::done())).await;
        done
    }

    /// Puts the value into the store, if that is where it belongs; whether it is.
    async fn keep(&self, name: &SecretName, value: Zeroizing<Vec<u8>>, overlap: Duration) -> Result<bool, String> {
        let stored = matches!(self.rules.start.source_of(name.as_str()), Source::Usual | Source::Store);
        let scheduled = self.rules.start.rotation_of(name.as_str()).every.is_some();
        let (safe, name) = (self.safe(), name.clone());
        let kept = tokio::task::spawn_blocking(move || {
            let kept = stored && keep(&safe, &name, &value, overlap)?;
            // Of what is kept elsewhere the store knows since when, and nothing else.
            if scheduled && !kept {
                let fresh = Secret::given(&name, value).map_err(|error| error.to_string())?;
                safe.change(|store| Ok(store.see(&name, &fresh, wall_ms())))?;
            }
            Ok(kept)
        });
        kept.await.unwrap_or_else(|_| Err("the store could not be changed".to_owned()))
    }

    /// When each secret is due, by what the store says of it.
    ///
    /// # Errors
    /// When the store can't be read or changed.
    pub(in crate::warden) async fn schedule(&self) -> Result<Schedule, String> {
        let ring = self.ring()?;
        let every = |name: &SecretName| Some((name.clone(), self.rules.start.rotation_of(name.as_str()).every?));
        let scheduled: Vec<(SecretName, Duration)> = ring.names().filter_map(every).collect();
        if scheduled.is_empty() {
            return Ok(Schedule::default());
        }
        let safe = self.safe();
        let read = tokio::task::spawn_blocking(move || schedule(&safe, &ring, scheduled));
        read.await.unwrap_or_else(|_| Err("the store could not be read".to_owned()))
    }

    async fn exchange_secret(
        &mut self,
        mut ring: Keyring,
        name: &SecretName,
        fresh: Secret,
        (loaded, kept): (bool, bool),
        overlap: Duration,
    ) -> Result<String, String> {
        if !loaded {
            return Ok(format!("`{name}` has a new value; nothing that runs uses it"));
        }
        let until = wall_ms().saturating_add(millis(overlap));
        ring.rotate(name, fresh, until).map_err(|error| error.to_string())?;
        self.hand_secrets(&ring).await?;
        let again = match self.rules.start.source_of(name.as_str()) {
            Source::Usual if !kept => "; `creel up` must find it in its place at the next start",
            _ => "",
        };
        Ok(format!("`{name}` has a new value; the old one is looked for until {}{again}", utc(until)))
    }

    /// Every guard works with these from now on.
    async fn hand_secrets(&mut self, ring: &Keyring) -> Result<(), String> {
        let bytes = ring.write().map_err(|error| error.to_string())?;
        let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
        self.orders.secrets = Zeroizing::new(text.to_owned());
        self.lapses = ring.next_lapse();
        let Some(running) = &mut self.running else { return Ok(()) };
        running.kit.secrets = bytes.clone();
        let Some(guard) = &mut running.guard else { return Ok(()) };
        let (code, why) = guard.exchange_secrets(&bytes).await;
        if code != 0 {
            tracing::warn!(why, "the guard did not take new values: it is ended, the next one starts with them");
            guard.kill();
        }
        Ok(())
    }

    /// Forgets old values whose time is over. Called at each turn of the clock.
    pub(in crate::warden) async fn lapse_secrets(&mut self) {
        if self.lapses.is_none_or(|at| at > wall_ms()) {
            return;
        }
        self.lapses = None;
        if let Err(why) = self.forget_lapsed().await {
            tracing::warn!("old values of secrets are still looked for: {why}");
        }
    }

    async fn forget_lapsed(&mut self) -> Result<(), String> {
        let mut ring = self.ring()?;
        if ring.lapse(wall_ms()) {
            return self.hand_secrets(&ring).await;
        }
        self.lapses = ring.next_lapse();
        Ok(())
    }

    fn ring(&self) -> Result<Keyring, String> {
        let text = Zeroizing::new(self.orders.secrets.as_bytes().to_vec());
        Keyring::parse(text).map_err(|error| error.to_string())
    }

    fn safe(&self) -> Safe {
        Safe::new(&self.site, self.tenant.as_str(), self.rules.start.key_file())
    }

    pub(super) fn secrets_status(&self) -> Vec<SecretStatus> {
        let Ok(ring) = self.ring() else { return Vec::new() };
        let status = |name: &SecretName| SecretStatus {
            name: name.to_string(),
            source: self.rules.start.source_of(name.as_str()).word().to_owned(),
            by_itself: self.maker_of(name).is_some(),
            old: ring.old_of(name),
            ..SecretStatus::default()
        };
        ring.names().map(status).collect()
    }
}

/// Exchanges the value in the store; `false` when the store has none of this name.
fn keep(safe: &Safe, name: &SecretName, value: &Zeroizing<Vec<u8>>, overlap: Duration) -> Result<bool, String> {
    let told = |error: creel_secrets::Error| error.to_string();
    if !safe.read()?.has(name) {
        return Ok(false);
    }
    safe.change(|store| {
        let fresh = Secret::given(name, value.clone()).map_err(told)?;
        match store.rotate(name, fresh, wall_ms(), millis(overlap)) {
            // It got there, and no further, before.
            Ok(()) | Err(creel_secrets::Error::Same { .. }) => Ok(true),
            Err(error) => Err(told(error)),
        }
    })
}

/// Since when each value is in force: the store's own say so, of the others it knows what it saw.
fn schedule(safe: &Safe, ring: &Keyring, scheduled: Vec<(SecretName, Duration)>) -> Result<Schedule, String> {
    let mut schedule = Schedule::default();
    let (store, now) = (safe.read()?, wall_ms());
    let is_stored = |name: &SecretName| {
        let mut own = Keyring::default();
        let handed = store.hand(name, now, &mut own).is_ok();
        handed && own.get(name).is_some_and(|value| ring.has(name, value))
    };
    let (stored, others): (Vec<_>, Vec<_>) = scheduled.into_iter().partition(|(name, _)| is_stored(name));
    for (name, every) in stored {
        let since = store.since_ms(&name).unwrap_or(now);
        schedule.add(name, millis(every), since);
    }
    if others.is_empty() {
        return Ok(schedule);
    }
    let names: Vec<SecretName> = others.iter().map(|(name, _)| name.clone()).collect();
    let seen = safe.change(|store| {
        store.see_only(&names);
        let mut since = |name: &SecretName| ring.get(name).map_or(now, |value| store.see(name, value, now).0);
        Ok(names.iter().map(&mut since).collect::<Vec<u64>>())
    })?;
    for ((name, every), since) in others.into_iter().zip(seen) {
        schedule.add(name, millis(every), since);
    }
    Ok(schedule)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
