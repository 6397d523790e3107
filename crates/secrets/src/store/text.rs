//! What is sealed, as text.
//!
//! Owns the form: one JSON object, values in base64, so that nothing of a value passes through a buffer that is not wiped. It
//! takes what it would write and nothing else. `store` calls it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use super::{Entry, LONGEST, MOST_SECRETS, Old, Seen, Store};
use crate::error::Error;
use crate::keyring::MOST_OLD;
use crate::secret::{Secret, SecretName};

/// Base64 of a value has no character that JSON escapes: it is read where it lies.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text<V> {
    secrets: Vec<EntryText<V>>,
    seen: Vec<SeenText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryText<V> {
    name: SecretName,
    value: V,
    since_ms: u64,
    old: Vec<OldText<V>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OldText<V> {
    value: V,
    until_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenText {
    name: SecretName,
    digest: [u8; 32],
    since_ms: u64,
}

/// A value on its way out.
struct Out<'a>(&'a Secret);

impl Serialize for Out<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(STANDARD.encode(self.0.bytes()));
        serializer.serialize_str(&text)
    }
}

/// Reads it.
pub(super) fn read(text: &[u8]) -> Result<Store, Error> {
    let damaged = |why| Error::Damaged { why };
    // The parser's own text could quote a value: it is dropped.
    let text: Text<&str> = serde_json::from_slice(text).map_err(|_| damaged("it is sealed, and of no known form"))?;
    if text.secrets.len() > MOST_SECRETS || text.seen.len() > MOST_SECRETS {
        return Err(damaged("it holds more than 1024 secrets"));
    }
    let mut store = Store::default();
    for EntryText { name, value, since_ms, old } in text.secrets {
        if old.len() > MOST_OLD {
            return Err(damaged("it holds too many old values"));
        }
        let old = old.into_iter().map(|old| Ok(Old { value: secret(&name, old.value)?, until_ms: old.until_ms }));
        let entry = Entry { value: secret(&name, value)?, since_ms, old: old.collect::<Result<_, Error>>()? };
        if store.entries.insert(name, entry).is_some() {
            return Err(damaged("it holds a name twice"));
        }
    }
    for SeenText { name, digest, since_ms } in text.seen {
        if store.seen.insert(name, Seen { digest, since_ms }).is_some() {
            return Err(damaged("it holds a name twice"));
        }
    }
    Ok(store)
}

fn secret(name: &SecretName, value: &str) -> Result<Secret, Error> {
    let bad = || Error::Damaged { why: "it holds a value of no known form" };
    let mut bytes = Zeroizing::new(vec![0; value.len() / 4 * 3 + 3]);
    let length = STANDARD.decode_slice(value, &mut bytes).map_err(|_| bad())?;
    bytes.truncate(length);
    let secret = Secret::load(name, bytes)?;
    // `load` forgives a line feed at the end; what is kept has none.
    if secret.bytes().len() == length { Ok(secret) } else { Err(bad()) }
}

/// Writes it into its final room: nothing is left behind by growing.
pub(super) fn write(store: &Store) -> Result<Zeroizing<Vec<u8>>, Error> {
    let room = room(&store.entries) + store.seen.len() * 400 + 64;
    if room > LONGEST {
        return Err(Error::Full { why: "all of it would be longer than 16 MiB" });
    }
    let secrets = store.entries.iter().map(|(name, entry)| EntryText {
        name: name.clone(),
        value: Out(&entry.value),
        since_ms: entry.since_ms,
        old: entry.old.iter().map(|old| OldText { value: Out(&old.value), until_ms: old.until_ms }).collect(),
    });
    let seen = store.seen.iter().map(|(name, seen)| SeenText {
        name: name.clone(),
        digest: seen.digest,
        since_ms: seen.since_ms,
    });
    let text = Text { secrets: secrets.collect(), seen: seen.collect() };
    let mut out = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *out, &text).map_err(|_| Error::Full { why: "it can't be written" })?;
    Ok(out)
}

/// At least what the entries take: base64, names, numbers and the words around them.
fn room(entries: &BTreeMap<SecretName, Entry>) -> usize {
    let value = |secret: &Secret| secret.bytes().len().div_ceil(3) * 4 + 80;
    let entry = |(name, entry): (&SecretName, &Entry)| {
        name.as_str().len() + 80 + value(&entry.value) + entry.old.iter().map(|old| value(&old.value)).sum::<usize>()
    };
    entries.iter().map(entry).sum()
}
