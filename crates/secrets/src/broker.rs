//! Fills one slot for one redeemed obligation.
//!
//! Owns the [`Broker`] trait, shaped so that it can become a process of its own (one question, one answer, no shared
//! memory), and [`MemoryBroker`], its first form. It never hands out a bare secret. Doors call it with a permit's
//! obligation in hand.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use creel_guard::{BoxFuture, Content, Inject, RecordId};
use creel_scan::secrets::Known;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::aws::{self, Signing};
use crate::error::Error;
use crate::keyring::Keyring;
use crate::mint::{self, Mint};
use crate::placeholder::Placeholder;
use crate::scrub::{Current, Needles, Scrubber};
use crate::secret::{Secret, SecretName};
use crate::spot::Placeholders;

/// Where a secret goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// The value of an `authorization` header: `Bearer `, then the secret (RFC 6750, section 2.1).
    Bearer,
    /// A header's whole value.
    Header,
    /// The value of an `authorization` header: `Basic `, then the obligation's user and the secret (RFC 7617, section 2).
    Basic,
    /// A part of a URL or of a URL-encoded body: all but unreserved characters escaped (RFC 3986, section 2.3).
    Escaped,
    /// A text as it is, for whoever writes it into JSON.
    Text,
    /// The value of an `x-amz-security-token` header: the token of a key's session; empty for a key that lasts.
    Session,
}

/// One question: fill `slot` for the obligation `inject` of the act recorded as `record`.
#[derive(Clone, Copy, Debug)]
pub struct Fill<'a> {
    /// The obligation, straight from the permit.
    pub inject: &'a Inject,
    /// The permit's record: what this use of the secret is accounted to.
    pub record: RecordId,
    /// Where the secret goes.
    pub slot: Slot,
}

/// A filled slot: wiped when dropped, shown by nothing.
pub struct Filled(Zeroizing<Vec<u8>>);

impl Filled {
    /// The bytes to put into the slot. Mark the header as sensitive.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Holds secrets and fills slots.
pub trait Broker: Send + Sync {
    /// Takes the placeholders out of the slots of a request, and says where each stood.
    fn take(&self, send: &mut creel_guard::Send) -> Vec<Inject>;

    /// Whether a placeholder stands anywhere in these bytes, as it is.
    fn stand_in(&self, bytes: &[u8]) -> bool;

    /// Takes the placeholders out of a message in JSON, and says where each stood.
    fn take_message(&self, message: &mut Content) -> Vec<Inject>;

    /// Whose placeholder `user` signs in with; `None` when it is none.
    fn take_login(&self, user: &str, password: &str) -> Option<Inject>;

    /// Fills one slot.
    ///
    /// # Errors
    /// [`Error::NotLoaded`], or [`Error::Value`] when the secret does not fit the slot: the act must then fail.
    fn fill<'a>(&'a self, fill: Fill<'a>) -> BoxFuture<'a, Result<Filled, Error>>;

    /// Signs a request to AWS: the value of its `authorization` header.
    ///
    /// # Errors
    /// [`Error::NotLoaded`], or [`Error::Value`] when the secret is no key: the act must then fail.
    fn sign<'a>(&'a self, signing: Signing<'a>) -> BoxFuture<'a, Result<Filled, Error>>;

    /// Whether the answer to a request in which `used` stood may hold a new credential.
    fn mints(&self, used: &[Inject]) -> bool;

    /// Takes the new credentials out of such an answer, in JSON: placeholders stand in their places then. Their names; `now_ms` is
    /// the time, in milliseconds since 1970.
    ///
    /// # Errors
    /// When one can't be taken out; the answer must then be withheld.
    fn take_minted(&self, used: &[Inject], answer: &mut Value, now_ms: u64) -> Result<BTreeSet<SecretName>, Error>;

    /// Takes every secret out of `bytes` before they reach the agent.
    ///
    /// # Errors
    /// When that can't be done; the bytes must then be withheld.
    fn scrub(&self, bytes: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, Error>>;

    /// The same for bytes that come in pieces.
    fn scrubber(&self) -> Scrubber;
}

/// Secrets in this process's memory. They may be exchanged while it serves.
#[derive(Default)]
pub struct MemoryBroker {
    ring: RwLock<Keyring>,
    needles: Current,
    placeholders: Placeholders,
    mints: Vec<Mint>,
    /// Who is told of new values.
    told: OnceLock<Told>,
}

/// Hears of all values when there are new ones.
pub type Told = Box<dyn Fn(&Keyring) + Send + Sync>;

impl MemoryBroker {
    /// Takes over what was handed over.
    ///
    /// # Errors
    /// [`Error::Twice`] when a name comes twice.
    pub fn new(handed: impl IntoIterator<Item = (SecretName, Secret)>) -> Result<Self, Error> {
        let mut ring = Keyring::default();
        handed.into_iter().try_for_each(|(name, secret)| ring.add(name, secret))?;
        Ok(Self::of(ring))
    }

    /// The same with values that were replaced: they are scrubbed and known, and never filled in.
    #[must_use]
    pub fn of(ring: Keyring) -> Self {
        let needles = Arc::new(RwLock::new(Arc::new(Needles::of(ring.values().map(|(_, secret)| secret)))));
        Self { ring: RwLock::new(ring), needles, ..Self::default() }
    }

    /// The same with what stands for its secrets in the jail.
    #[must_use]
    pub fn with_placeholders(self, all: Vec<Placeholder>) -> Self {
        Self { placeholders: Placeholders::new(all), ..self }
    }

    /// The same where answers mint new values.
    #[must_use]
    pub fn with_mints(self, mints: Vec<Mint>) -> Self {
        Self { mints, ..self }
    }

    /// Has `told`, the first that is given, hear of all values whenever there are new ones: before one is filled in, and before an
    /// answer that minted one goes on.
    pub fn when_changed(&self, told: Told) {
        let _ = self.told.set(told);
    }

    /// Puts other values in the place of all but those that were minted. What is to come back is scrubbed of them before the first is
    /// filled in.
    pub fn replace(&self, ring: Keyring) {
        let mut ring = ring;
        let mut held = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.carry_minted(&mut held);
        self.look_for(&ring);
        *held = ring;
    }

    /// What comes back is scrubbed of these from now on, and whoever looks for them knows.
    fn look_for(&self, ring: &Keyring) {
        if let Some(told) = self.told.get() {
            told(ring);
        }
        let needles = Arc::new(Needles::of(ring.values().map(|(_, secret)| secret)));
        *self.needles.write().unwrap_or_else(PoisonError::into_inner) = needles;
    }

    fn ring(&self) -> RwLockReadGuard<'_, Keyring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The values, for whoever looks for them in what leaves or is kept.
    #[must_use]
    pub fn known(&self) -> Known {
        self.ring().known_with(std::iter::empty())
    }

    /// The same with `more` values.
    #[must_use]
    pub fn known_with<'a>(&self, more: impl Iterator<Item = (&'a str, &'a [u8])>) -> Known {
        self.ring().known_with(more)
    }

    fn fill_now(&self, fill: Fill<'_>) -> Result<Filled, Error> {
        let name = SecretName::parse(&fill.inject.secret)?;
        let ring = self.ring();
        let Some(secret) = ring.get(&name) else { return Err(Error::NotLoaded { name }) };
        match fill.slot {
            Slot::Escaped => return Ok(Filled(escaped(secret))),
            Slot::Text if std::str::from_utf8(secret.bytes()).is_err() => {
                return Err(Error::Value { name, why: "it is no text in UTF-8" });
            }
            Slot::Text => return Ok(Filled(Zeroizing::new(secret.bytes().to_vec()))),
            Slot::Session => {
                let token = aws::parts(secret.bytes()).ok_or(Error::Value { name, why: NO_KEY })?.token;
                return Ok(Filled(Zeroizing::new(token.unwrap_or_default().as_bytes().to_vec())));
            }
            Slot::Bearer | Slot::Header | Slot::Basic => {}
        }
        // RFC 9110, section 5.5: visible characters and spaces; opaque bytes above 0x7f are left out on purpose.
        if !secret.bytes().iter().all(|b| matches!(b, 0x20..=0x7e)) {
            return Err(Error::Value { name, why: "a header can't hold all of its characters" });
        }
        let prefix: &[u8] = match fill.slot {
            Slot::Bearer => b"Bearer ",
            Slot::Header | Slot::Escaped | Slot::Text | Slot::Session => b"",
            Slot::Basic => return Ok(Filled(basic(fill.inject, secret))),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(prefix.len() + secret.bytes().len()));
        bytes.extend_from_slice(prefix);
        bytes.extend_from_slice(secret.bytes());
        Ok(Filled(bytes))
    }

    fn sign_now(&self, signing: Signing<'_>) -> Result<Filled, Error> {
        let name = SecretName::parse(&signing.inject.secret)?;
        let ring = self.ring();
        let Some(secret) = ring.get(&name) else { return Err(Error::NotLoaded { name }) };
        let Some(parts) = aws::parts(secret.bytes()) else { return Err(Error::Value { name, why: NO_KEY }) };
        Ok(Filled(aws::signed(&parts, &signing)))
    }
}

/// What is said of a secret that should sign for AWS.
const NO_KEY: &str = "it is no key of AWS, `KEY_ID:SECRET_KEY`";

/// All but RFC 3986's unreserved characters as `%XX`. Written into its final room: nothing is left behind by growing.
fn escaped(secret: &Secret) -> Zeroizing<Vec<u8>> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble & 15)).copied().unwrap_or(b'0');
    let mut out = Zeroizing::new(Vec::with_capacity(secret.bytes().len() * 3));
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(*byte)]);
        }
    }
    out
}

/// `Basic `, then user and secret in base64.
fn basic(inject: &Inject, secret: &Secret) -> Zeroizing<Vec<u8>> {
    let user = match &inject.slot {
        Some(creel_guard::Slot::Basic(user)) => user.as_str(),
        _ => "",
    };
    let mut pair = Zeroizing::new(Vec::with_capacity(user.len() + 1 + secret.bytes().len()));
    pair.extend_from_slice(user.as_bytes());
    pair.push(b':');
    pair.extend_from_slice(secret.bytes());
    // Encoded into its final room: nothing is left behind by growing.
    let mut bytes = Zeroizing::new(vec![0; 6 + pair.len().div_ceil(3) * 4]);
    let (head, tail) = bytes.split_at_mut(6);
    head.copy_from_slice(b"Basic ");
    let written = STANDARD.encode_slice(pair.as_slice(), tail).unwrap_or_default();
    bytes.truncate(6 + written);
    bytes
}

impl Broker for MemoryBroker {
    fn take(&self, send: &mut creel_guard::Send) -> Vec<Inject> {
        self.placeholders.take(send)
    }

    fn stand_in(&self, bytes: &[u8]) -> bool {
        self.placeholders.stand_in(bytes)
    }

    fn take_message(&self, message: &mut Content) -> Vec<Inject> {
        self.placeholders.take_message(message)
    }

    fn take_login(&self, user: &str, password: &str) -> Option<Inject> {
        self.placeholders.take_login(user, password)
    }

    fn fill<'a>(&'a self, fill: Fill<'a>) -> BoxFuture<'a, Result<Filled, Error>> {
        Box::pin(std::future::ready(self.fill_now(fill)))
    }

    fn sign<'a>(&'a self, signing: Signing<'a>) -> BoxFuture<'a, Result<Filled, Error>> {
        Box::pin(std::future::ready(self.sign_now(signing)))
    }

    fn mints(&self, used: &[Inject]) -> bool {
        mint::mints(&self.mints, used)
    }

    fn take_minted(&self, used: &[Inject], answer: &mut Value, now_ms: u64) -> Result<BTreeSet<SecretName>, Error> {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = false;
        let taken = mint::take(&self.mints, used, answer, &self.placeholders, (&mut ring, now_ms, &mut changed));
        // Also after a fault: what was taken before it is a value like any other.
        if changed {
            self.look_for(&ring);
        }
        taken
    }

    fn scrub(&self, bytes: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, Error>> {
        let needles = Arc::clone(&self.needles.read().unwrap_or_else(PoisonError::into_inner));
        let clean = match needles.scrub(&bytes) {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => Some(clean),
        };
        Box::pin(std::future::ready(Ok(clean.unwrap_or(bytes))))
    }

    fn scrubber(&self) -> Scrubber {
        Scrubber::new(Arc::clone(&self.needles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"sk-test-0123456789abcdef";

    fn broker(value: &[u8]) -> MemoryBroker {
        let name = SecretName::parse("KEY").unwrap();
        let secret = Secret::load(&name, Zeroizing::new(value.to_vec())).unwrap();
        MemoryBroker::new([(name, secret)]).unwrap()
    }

    fn fill(broker: &MemoryBroker, secret: &str, slot: Slot) -> Result<Vec<u8>, Error> {
        let inject =
            Inject { secret: secret.to_owned(), skill: None, slot: Some(creel_guard::Slot::Basic("u".to_owned())) };
        broker.fill_now(Fill { inject: &inject, record: RecordId(7), slot }).map(|filled| filled.expose().to_vec())
    }

    #[test]
    fn fills_the_slot_and_no_other_name() {
        let broker = broker(KEY);
        assert_eq!(fill(&broker, "KEY", Slot::Bearer).unwrap(), [b"Bearer ", KEY].concat());
        assert_eq!(fill(&broker, "KEY", Slot::Header).unwrap(), KEY);
        let pair = STANDARD.encode([b"u:", KEY].concat());
        assert_eq!(fill(&broker, "KEY", Slot::Basic).unwrap(), format!("Basic {pair}").into_bytes());
        assert_eq!(fill(&broker, "KEY", Slot::Text).unwrap(), KEY);
        assert_eq!(fill(&self::broker(b"a/b+c~:\xc3"), "KEY", Slot::Escaped).unwrap(), b"a%2Fb%2Bc~%3A%C3");
        assert!(fill(&self::broker(b"a\xff"), "KEY", Slot::Text).is_err());
        assert!(matches!(fill(&broker, "OTHER", Slot::Header), Err(Error::NotLoaded { .. })));
        assert!(matches!(fill(&broker, "no name", Slot::Header), Err(Error::Name { .. })));
    }

    #[test]
    fn a_value_that_no_header_holds_is_refused() {
        assert!(matches!(fill(&broker("kéy".as_bytes()), "KEY", Slot::Header), Err(Error::Value { .. })));
        assert!(matches!(fill(&broker(b"k\x07y"), "KEY", Slot::Header), Err(Error::Value { .. })));
    }

    #[test]
    fn scrubs_long_values_and_leaves_short_ones() {
        let text = [b"bad key ", KEY, b"!"].concat();
        assert_eq!(scrubbed(&broker(KEY), &text), b"bad key [scrubbed by creel]!");
        assert_eq!(scrubbed(&broker(b"short"), b"short"), b"short");
    }

    fn scrubbed(broker: &MemoryBroker, text: &[u8]) -> Vec<u8> {
        broker.needles.read().unwrap().scrub(text).into_owned()
    }

    #[test]
    fn the_new_value_is_filled_in_and_the_old_one_is_still_scrubbed_and_known() {
        const FRESH: &[u8] = b"sk-test-fedcba9876543210";
        let broker = broker(KEY);
        let mut streaming = broker.scrubber();
        let name = SecretName::parse("KEY").unwrap();
        let mut ring = Keyring::default();
        ring.add(name.clone(), Secret::load(&name, Zeroizing::new(FRESH.to_vec())).unwrap()).unwrap();
        ring.keep_old(name.clone(), Secret::load(&name, Zeroizing::new(KEY.to_vec())).unwrap(), 1);
        broker.replace(ring);
        assert_eq!(fill(&broker, "KEY", Slot::Header).unwrap(), FRESH);
        for value in [KEY, FRESH] {
            assert_eq!(scrubbed(&broker, value), b"[scrubbed by creel]");
            assert_eq!(streaming.push(value), b"[scrubbed by creel]", "also in what streams since before");
            assert!(!broker.known().find(value).is_empty());
        }
    }

    #[test]
    fn what_an_answer_mints_becomes_a_secret_and_a_placeholder_stands_there() {
        const TOKEN: &str = "tok-0123456789abcdefghij";
        let name = |text: &str| SecretName::parse(text).unwrap();
        let secret = |one: &str, value: &str| {
            (name(one), Secret::load(&name(one), Zeroizing::new(value.as_bytes().to_vec())).unwrap())
        };
        let value = crate::unborn().unwrap();
        let mint = |at: &str| Mint { by: name("CLIENT"), at: at.to_owned(), name: name("TOKEN") };
        let stand_in = Placeholder { secret: name("TOKEN"), skill: None, value: "stands-for-the-token".to_owned() };
        let broker =
            MemoryBroker::new([secret("CLIENT", "client-secret-0123456789"), secret("TOKEN", &value)]).unwrap();
        let broker = broker.with_placeholders(vec![stand_in]).with_mints(vec![mint("/access_token"), mint("/a/b")]);
        let used = |one: &str| [Inject { secret: one.to_owned(), skill: Some("crm".to_owned()), slot: None }];
        assert!(broker.mints(&used("CLIENT")) && !broker.mints(&used("TOKEN")));
        let heard = Arc::new(std::sync::Mutex::new(0));
        let counts = Arc::clone(&heard);
        broker.when_changed(Box::new(move |ring| {
            *counts.lock().unwrap() += ring.known_with(std::iter::empty()).find(TOKEN.as_bytes()).len();
        }));
        let mut answer = serde_json::json!({"access_token": TOKEN, "expires_in": 3600, "a": {"b": null}});
        assert_eq!(broker.take_minted(&used("CLIENT"), &mut answer, 0).unwrap(), BTreeSet::from([name("TOKEN")]));
        assert_eq!(
            answer,
            serde_json::json!({"access_token": "stands-for-the-token", "expires_in": 3600, "a": {"b": null}})
        );
        assert_eq!(fill(&broker, "TOKEN", Slot::Header).unwrap(), TOKEN.as_bytes());
        assert_eq!(scrubbed(&broker, TOKEN.as_bytes()), b"[scrubbed by creel]");
        assert!(*heard.lock().unwrap() > 0);
        for wrong in [serde_json::json!({"access_token": 7}), serde_json::json!({"access_token": "short"})] {
            assert!(broker.take_minted(&used("CLIENT"), &mut wrong.clone(), 0).is_err(), "{wrong}");
        }
        // The others are exchanged, and the token stays.
        let mut ring = Keyring::default();
        for (one, value) in [secret("CLIENT", "client-secret-9876543210"), secret("TOKEN", &value)] {
            ring.add(one, value).unwrap();
        }
        broker.replace(ring);
        assert_eq!(fill(&broker, "TOKEN", Slot::Header).unwrap(), TOKEN.as_bytes());
    }

    #[test]
    fn a_name_given_twice_is_refused() {
        let name = SecretName::parse("KEY").unwrap();
        let one = || Secret::load(&name, Zeroizing::new(KEY.to_vec())).unwrap();
        assert!(matches!(MemoryBroker::new([(name.clone(), one()), (name.clone(), one())]), Err(Error::Twice { .. })));
    }
}
