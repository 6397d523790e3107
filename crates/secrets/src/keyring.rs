//! The values that a guard works with, and those that they replaced.
//!
//! Owns [`Keyring`]: of each secret the one value that is filled in, and for a while the ones before it, which are still
//! looked for and taken out of answers. It never fills in an old one. The warden keeps and changes it, the guard reads it.

use std::collections::BTreeMap;

use creel_scan::secrets::Known;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::handover::{Line, parse_lines, write_lines};
use crate::secret::{Secret, SecretName};

/// So many old values of one secret are kept; the oldest goes first.
pub(crate) const MOST_OLD: usize = 15;

/// What is looked for of a secret, by its name.
fn pieces<'a>((name, secret): (&'a SecretName, &'a Secret)) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    crate::aws::pieces(secret.bytes()).map(move |piece| (name.as_str(), piece))
}

/// Values by name, and old values.
#[derive(Default)]
pub struct Keyring {
    current: BTreeMap<SecretName, Secret>,
    /// The oldest first.
    old: Vec<(SecretName, Secret, u64)>,
    /// Of those whose value an answer brought: what was handed over.
    minted: BTreeMap<SecretName, Secret>,
}

/// So many values of one secret may be minted within [`MINTED_MS`]: each is looked for so long after the next one came.
const MOST_MINTED: usize = 7;

/// An hour, as a value that was exchanged is looked for where nobody says otherwise.
const MINTED_MS: u64 = 3_600_000;

impl Keyring {
    /// Reads what [`Keyring::write`] wrote, and wipes it.
    ///
    /// # Errors
    /// [`Error::Handover`] with the line's number, what is wrong with a value, or [`Error::Twice`].
    pub fn parse(bytes: Zeroizing<Vec<u8>>) -> Result<Self, Error> {
        let mut ring = Self::default();
        for Line { name, secret, until_ms } in parse_lines(&bytes)? {
            match until_ms {
                None => ring.add(name, secret)?,
                Some(until_ms) => ring.keep_old(name, secret, until_ms),
            }
        }
        Ok(ring)
    }

    /// All of it, for the hand-over.
    ///
    /// # Errors
    /// [`Error::Value`] for a value that is no text in UTF-8.
    pub fn write(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let current = self.current.iter().map(|(name, secret)| (name, secret, None));
        write_lines(current.chain(self.old.iter().map(|(name, secret, until_ms)| (name, secret, Some(*until_ms)))))
    }

    /// A secret that it did not hold.
    ///
    /// # Errors
    /// [`Error::Twice`] when it does.
    pub fn add(&mut self, name: SecretName, secret: Secret) -> Result<(), Error> {
        match self.current.contains_key(&name) {
            true => Err(Error::Twice { name }),
            false => {
                self.current.insert(name, secret);
                Ok(())
            }
        }
    }

    /// A value of `name` that is still looked for until then, in milliseconds since 1970.
    pub fn keep_old(&mut self, name: SecretName, secret: Secret, until_ms: u64) {
        let same = |(one, value, _): &(SecretName, Secret, u64)| *one == name && value.matches(secret.bytes());
        self.old.retain(|old| !same(old));
        if self.old.iter().filter(|(one, ..)| *one == name).count() >= MOST_OLD
            && let Some(at) = self.old.iter().position(|(one, ..)| *one == name)
        {
            self.old.remove(at);
        }
        self.old.push((name, secret, until_ms));
    }

    /// `fresh` is filled in from now on; what it replaces is looked for until then, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`Error::NotLoaded`] when there is nothing to replace, [`Error::Same`] when it is the same.
    pub fn rotate(&mut self, name: &SecretName, fresh: Secret, until_ms: u64) -> Result<(), Error> {
        let Some(value) = self.current.get_mut(name) else { return Err(Error::NotLoaded { name: name.clone() }) };
        if value.matches(fresh.bytes()) {
            return Err(Error::Same { name: name.clone() });
        }
        let before = std::mem::replace(value, fresh);
        // One that comes back is no old one.
        let value: &Secret = value;
        self.old.retain(|(one, old, _)| one != name || !old.matches(value.bytes()));
        self.keep_old(name.clone(), before, until_ms);
        Ok(())
    }

    /// `fresh` was minted by an answer and is filled in from now on; what it replaces is still looked for. Whether it is another
    /// value than before.
    ///
    /// # Errors
    /// [`Error::NotLoaded`] when there is nothing to replace, [`Error::Value`] when too many came within an hour: none of them is
    /// forgotten before its time.
    pub(crate) fn mint(&mut self, name: &SecretName, fresh: Secret, now_ms: u64) -> Result<bool, Error> {
        if self.has(name, &fresh) {
            return Ok(false);
        }
        self.old.retain(|(one, _, until_ms)| one != name || *until_ms > now_ms);
        if self.old_of(name) >= MOST_MINTED {
            return Err(Error::Value { name: name.clone(), why: "too many were minted within an hour" });
        }
        let Some(value) = self.current.get_mut(name) else { return Err(Error::NotLoaded { name: name.clone() }) };
        let before = std::mem::replace(value, fresh);
        if self.minted.contains_key(name) {
            self.keep_old(name.clone(), before, now_ms.saturating_add(MINTED_MS));
        } else {
            self.minted.insert(name.clone(), before);
        }
        Ok(true)
    }

    /// Takes over what was minted in `before`, for the secrets that are still there. What was handed over meanwhile counts more.
    pub(crate) fn carry_minted(&mut self, before: &mut Self) {
        for (name, handed) in std::mem::take(&mut before.minted) {
            let Some(minted) = before.current.remove(&name).filter(|_| self.current.contains_key(&name)) else {
                continue;
            };
            let (own, others) =
                std::mem::take(&mut before.old).into_iter().partition::<Vec<_>, _>(|(one, ..)| *one == name);
            before.old = others;
            own.into_iter().for_each(|(name, value, until_ms)| self.keep_old(name, value, until_ms));
            match self.current.get_mut(&name) {
                Some(value) if value.matches(handed.bytes()) => {
                    *value = minted;
                    self.minted.insert(name, handed);
                }
                // As long as this guard lives: nobody says how long it is good for.
                _ => self.keep_old(name, minted, u64::MAX),
            }
        }
    }

    /// Forgets the old values whose time is over; whether there were any.
    pub fn lapse(&mut self, now_ms: u64) -> bool {
        let before = self.old.len();
        self.old.retain(|(.., until_ms)| *until_ms > now_ms);
        self.old.len() < before
    }

    /// When the next old value lapses.
    #[must_use]
    pub fn next_lapse(&self) -> Option<u64> {
        self.old.iter().map(|(.., until_ms)| *until_ms).min()
    }

    /// Whether `fresh` is the value that is filled in.
    #[must_use]
    pub fn has(&self, name: &SecretName, fresh: &Secret) -> bool {
        self.current.get(name).is_some_and(|value| value.matches(fresh.bytes()))
    }

    /// The value that is filled in.
    #[must_use]
    pub fn get(&self, name: &SecretName) -> Option<&Secret> {
        self.current.get(name)
    }

    /// The names of what is filled in.
    pub fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.current.keys()
    }

    /// How many old values of `name` are still looked for.
    #[must_use]
    pub fn old_of(&self, name: &SecretName) -> usize {
        self.old.iter().filter(|(one, ..)| one == name).count()
    }

    /// Every value, old ones too, and `more`, for whoever looks for them.
    pub fn known_with<'a>(&self, more: impl Iterator<Item = (&'a str, &'a [u8])>) -> Known {
        let more: Vec<(&str, &[u8])> = more.collect();
        // Those first that are looked for in most forms: whatever is minted or exchanged takes none of their places.
        let current: Vec<(&str, &[u8])> = self.current.iter().flat_map(pieces).collect();
        let before: Vec<(&str, &[u8])> = self.replaced().flat_map(pieces).collect();
        Known::new(current.into_iter().chain(more).chain(before))
    }

    /// Every value that is filled in no more.
    fn replaced(&self) -> impl Iterator<Item = (&SecretName, &Secret)> {
        self.old.iter().map(|(name, secret, _)| (name, secret)).chain(&self.minted)
    }

    /// Every value, old ones too, with its name.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&SecretName, &Secret)> {
        self.current.iter().chain(self.replaced())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> SecretName {
        SecretName::parse("KEY").unwrap()
    }

    fn secret(value: &str) -> Secret {
        Secret::load(&name(), Zeroizing::new(value.as_bytes().to_vec())).unwrap()
    }

    fn ring(value: &str) -> Keyring {
        let mut ring = Keyring::default();
        ring.add(name(), secret(value)).unwrap();
        ring
    }

    #[test]
    fn what_was_replaced_is_kept_for_a_while() {
        let mut ring = ring("value-0");
        assert!(matches!(ring.add(name(), secret("other")), Err(Error::Twice { .. })));
        ring.rotate(&name(), secret("value-1"), 100).unwrap();
        assert!(matches!(ring.rotate(&name(), secret("value-1"), 100), Err(Error::Same { .. })));
        let other = SecretName::parse("OTHER").unwrap();
        assert!(matches!(ring.rotate(&other, secret("value-1"), 100), Err(Error::NotLoaded { .. })));
        assert!(ring.has(&name(), &secret("value-1")) && !ring.has(&name(), &secret("value-0")));
        assert_eq!((ring.old_of(&name()), ring.next_lapse()), (1, Some(100)));
        let again = Keyring::parse(ring.write().unwrap()).unwrap();
        assert_eq!((again.old_of(&name()), again.next_lapse()), (1, Some(100)));
        assert!(again.has(&name(), &secret("value-1")));
        assert!(!ring.lapse(99) && ring.lapse(100));
        assert_eq!(ring.old_of(&name()), 0);
    }

    #[test]
    fn what_was_minted_outlives_an_exchange_of_the_others() {
        let mut before = ring("value-0");
        assert!(before.mint(&name(), secret("value-1"), 5).unwrap());
        assert!(!before.mint(&name(), secret("value-1"), 5).unwrap());
        assert!(before.mint(&name(), secret("value-2"), 5).unwrap());
        let mut after = ring("value-0");
        after.carry_minted(&mut before);
        assert!(after.has(&name(), &secret("value-2")));
        assert_eq!(after.values().count(), 3, "the first, the second, and what was handed over");
        // Somebody brings another one.
        let mut third = ring("value-3");
        third.carry_minted(&mut after);
        assert!(third.has(&name(), &secret("value-3")));
        assert_eq!(third.old_of(&name()), 2, "what was minted is still looked for");
        let mut gone = Keyring::default();
        gone.carry_minted(&mut ring("value-0"));
        assert_eq!(gone.names().count(), 0);
        assert!(matches!(gone.mint(&name(), secret("value-1"), 5), Err(Error::NotLoaded { .. })));
    }

    #[test]
    fn none_that_was_minted_is_forgotten_before_its_hour_is_over() {
        let mut ring = ring("value-0");
        for number in 1..=8 {
            ring.mint(&name(), secret(&format!("value-{number}")), 1000).unwrap();
        }
        assert!(matches!(ring.mint(&name(), secret("value-9"), 1000 + MINTED_MS - 1), Err(Error::Value { .. })));
        assert!(ring.has(&name(), &secret("value-8")) && ring.values().count() == 9);
        assert!(ring.mint(&name(), secret("value-9"), 1000 + MINTED_MS).unwrap());
        assert_eq!(ring.values().count(), 3, "the new one, the one before, and what was handed over");
    }

    #[test]
    fn one_that_comes_back_is_no_old_one_and_old_ones_are_bounded() {
        let mut ring = ring("value-0");
        ring.rotate(&name(), secret("value-1"), 100).unwrap();
        ring.rotate(&name(), secret("value-0"), 200).unwrap();
        assert_eq!((ring.old_of(&name()), ring.next_lapse()), (1, Some(200)));
        for number in 2..40 {
            ring.rotate(&name(), secret(&format!("value-{number}")), 200 + number).unwrap();
        }
        assert_eq!((ring.old_of(&name()), ring.next_lapse()), (MOST_OLD, Some(225)));
    }
}
