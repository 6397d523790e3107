//! Credentials that an answer newly mints: tokens of OAuth, of sessions, of the cloud's STS.
//!
//! Owns [`Mint`], which says whose answers hold a credential and where, and the exchange of each for the placeholder of the secret
//! that it becomes. It never lets one pass: what can't be taken out is an error, and the answer is withheld. The broker lends
//! it to the egress door.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use creel_guard::Inject;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::keyring::Keyring;
use crate::secret::{Secret, SecretName};
use crate::spot::Placeholders;

/// Where a secret's value comes from: the answers to requests that another was used in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mint {
    /// The secret that the request was made with.
    pub by: SecretName,
    /// Where the new value stands in the answer: a JSON Pointer (RFC 6901).
    pub at: String,
    /// The secret that it becomes.
    pub name: SecretName,
}

/// A new value of fewer bytes would come back unseen (it is not scrubbed), and one of more is no token.
const LENGTHS: RangeInclusive<usize> = crate::scrub::MIN_BYTES..=8 * 1024;

/// Letters of a value that stands for one that is not minted yet.
const UNBORN: usize = 43;

/// A value for a secret that has none before the first is minted: random, so that nothing is ever taken for it by chance.
///
/// # Errors
/// When the system has no random bytes.
pub fn unborn() -> Result<Zeroizing<String>, Error> {
    crate::placeholder::random(UNBORN).map(Zeroizing::new)
}

/// Whether the answer to a request in which `used` stood may hold a new credential.
pub(crate) fn mints(all: &[Mint], used: &[Inject]) -> bool {
    all.iter().any(|mint| used.iter().any(|inject| inject.secret == mint.by.as_str()))
}

/// Puts placeholders into the place of the new credentials in `answer`, and the credentials into `ring`. The names of the secrets that
/// stood there; `changed` becomes true when one of them has another value than before.
///
/// # Errors
/// [`Error::Value`] when one fits no slot, has no placeholder, or is one of too many: the answer must then be withheld.
pub(crate) fn take(
    all: &[Mint],
    used: &[Inject],
    answer: &mut Value,
    placeholders: &Placeholders,
    (ring, now_ms, changed): (&mut Keyring, u64, &mut bool),
) -> Result<BTreeSet<SecretName>, Error> {
    let mut taken = BTreeSet::new();
    for mint in all {
        let Some(inject) = used.iter().find(|inject| inject.secret == mint.by.as_str()) else { continue };
        let Some(place) = answer.pointer_mut(&mint.at).filter(|place| !place.is_null()) else { continue };
        let fault = |why| Error::Value { name: mint.name.clone(), why };
        let Some(stand_in) = placeholders.of(&mint.name, inject.skill.as_deref()) else {
            return Err(fault("it has no placeholder for whom it was minted"));
        };
        let put = Value::String(stand_in.to_owned());
        let Value::String(value) = std::mem::replace(place, put) else { return Err(fault("it is no text")) };
        if !LENGTHS.contains(&value.len()) {
            return Err(fault("it is shorter than 16 bytes or longer than 8 KiB"));
        }
        let fresh = Secret::load(&mint.name, Zeroizing::new(value.into_bytes()))?;
        *changed |= ring.mint(&mint.name, fresh, now_ms)?;
        taken.insert(mint.name.clone());
    }
    Ok(taken)
}
