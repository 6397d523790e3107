//! Secrets at rest.
//!
//! Owns [`Store`], what the sealed file holds: values with the ones before them, and what was seen of values that are kept
//! elsewhere. It does no IO, and opens nothing that was not written by whoever has the key. The command line and the
//! warden read and write the file.

mod seal;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::keyring::{Keyring, MOST_OLD};
use crate::secret::{Secret, SecretName, same};

pub use seal::StoreKey;

/// More secrets than any tenant has.
pub(crate) const MOST_SECRETS: usize = 1024;

/// The longest that all of it may be, unsealed, in bytes.
pub(crate) const LONGEST: usize = 16 << 20;

/// Values by name.
#[derive(Default)]
pub struct Store {
    entries: BTreeMap<SecretName, Entry>,
    seen: BTreeMap<SecretName, Seen>,
}

/// The value that is filled in, and those before it, the oldest first.
struct Entry {
    value: Secret,
    since_ms: u64,
    old: Vec<Old>,
}

struct Old {
    value: Secret,
    until_ms: u64,
}

/// What a value that is kept elsewhere was, as a digest, and since when.
struct Seen {
    digest: [u8; 32],
    since_ms: u64,
}

/// What may be shown of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<'a> {
    /// Its name.
    pub name: &'a SecretName,
    /// Since when the value is in force, in milliseconds since 1970.
    pub since_ms: u64,
    /// Until when an old value is looked for at the longest; none when there is no old one.
    pub until_ms: Option<u64>,
}

impl Store {
    /// Takes a new secret in.
    ///
    /// # Errors
    /// [`Error::Stored`] when there is one of this name, [`Error::Full`].
    pub fn put(&mut self, name: &SecretName, value: Secret, now_ms: u64) -> Result<(), Error> {
        if self.entries.contains_key(name) {
            return Err(Error::Stored { name: name.clone() });
        }
        if self.entries.len() >= MOST_SECRETS {
            return Err(Error::Full { why: "it holds 1024 secrets" });
        }
        self.entries.insert(name.clone(), Entry { value, since_ms: now_ms, old: Vec::new() });
        Ok(())
    }

    /// Exchanges the value of a secret; the one before stays for `overlap_ms`.
    ///
    /// # Errors
    /// [`Error::NotStored`], or [`Error::Same`] when nothing would change.
    pub fn rotate(&mut self, name: &SecretName, fresh: Secret, now_ms: u64, overlap_ms: u64) -> Result<(), Error> {
        self.lapse(now_ms);
        let Some(entry) = self.entries.get_mut(name) else { return Err(Error::NotStored { name: name.clone() }) };
        if entry.value.matches(fresh.bytes()) {
            return Err(Error::Same { name: name.clone() });
        }
        let value = std::mem::replace(&mut entry.value, fresh);
        entry.since_ms = now_ms;
        // One that comes back is no old one.
        let fresh = &entry.value;
        entry.old.retain(|old| !old.value.matches(fresh.bytes()));
        entry.old.push(Old { value, until_ms: now_ms.saturating_add(overlap_ms) });
        let surplus = entry.old.len().saturating_sub(MOST_OLD);
        entry.old.drain(..surplus);
        Ok(())
    }

    /// Takes a secret out, with all of its values.
    ///
    /// # Errors
    /// [`Error::NotStored`].
    pub fn remove(&mut self, name: &SecretName) -> Result<(), Error> {
        self.entries.remove(name).map(drop).ok_or_else(|| Error::NotStored { name: name.clone() })
    }

    /// Forgets old values whose time is over.
    pub fn lapse(&mut self, now_ms: u64) {
        for entry in self.entries.values_mut() {
            entry.old.retain(|old| old.until_ms > now_ms);
        }
    }

    /// Whether it holds a secret of this name.
    #[must_use]
    pub fn has(&self, name: &SecretName) -> bool {
        self.entries.contains_key(name)
    }

    /// Everything that may be shown.
    pub fn list(&self) -> impl Iterator<Item = Kept<'_>> {
        self.entries.iter().map(|(name, entry)| {
            let until_ms = entry.old.iter().map(|old| old.until_ms).max();
            Kept { name, since_ms: entry.since_ms, until_ms }
        })
    }

    /// Since when the value of `name` is in force, in milliseconds since 1970.
    #[must_use]
    pub fn since_ms(&self, name: &SecretName) -> Option<u64> {
        self.entries.get(name).map(|entry| entry.since_ms)
    }

    /// Hands a secret on, with its old values whose time is not over.
    ///
    /// # Errors
    /// [`Error::NotStored`], or [`Error::Twice`] when `ring` has one of this name.
    pub fn hand(&self, name: &SecretName, now_ms: u64, ring: &mut Keyring) -> Result<(), Error> {
        let Some(entry) = self.entries.get(name) else { return Err(Error::NotStored { name: name.clone() }) };
        ring.add(name.clone(), copy(name, &entry.value)?)?;
        for old in entry.old.iter().filter(|old| old.until_ms > now_ms) {
            ring.keep_old(name.clone(), copy(name, &old.value)?, old.until_ms);
        }
        Ok(())
    }

    /// Since when a value that is kept elsewhere is what it is, as far as anybody noticed; `true` when that was news.
    pub fn see(&mut self, name: &SecretName, value: &Secret, now_ms: u64) -> (u64, bool) {
        let digest = seal::digest(value.bytes());
        match self.seen.get(name) {
            Some(seen) if same(&seen.digest, &digest) => (seen.since_ms, false),
            _ => {
                self.seen.insert(name.clone(), Seen { digest, since_ms: now_ms });
                (now_ms, true)
            }
        }
    }

    /// Forgets what was seen of values that are kept elsewhere, but for `names`.
    pub fn see_only(&mut self, names: &[SecretName]) {
        self.seen.retain(|name, _| names.contains(name));
    }

    /// Opens what [`Store::seal`] wrote for the tenant `of`.
    ///
    /// # Errors
    /// [`Error::OtherKey`], or [`Error::Damaged`] whatever else is wrong.
    pub fn open(sealed: &[u8], key: &StoreKey, of: &str) -> Result<Self, Error> {
        text::read(&seal::open(sealed, key, of)?)
    }

    /// All of it, for the file.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::NoChance`].
    pub fn seal(&self, key: &StoreKey, of: &str) -> Result<Vec<u8>, Error> {
        seal::seal(text::write(self)?, key, of)
    }
}

fn copy(name: &SecretName, value: &Secret) -> Result<Secret, Error> {
    Secret::load(name, Zeroizing::new(value.bytes().to_vec()))
}

/// What was unsealed is read as the same again, or refused.
#[cfg(any(test, fuzzing))]
pub(crate) fn drive(bytes: &[u8]) {
    let Ok(read) = text::read(bytes) else { return };
    let Ok(written) = text::write(&read) else { return };
    let again = text::read(&written).and_then(|read| text::write(&read));
    assert!(again.is_ok_and(|again| again == written), "a store means the same again");
}
