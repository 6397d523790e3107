//! What the agent sees in a secret's place.
//!
//! Owns [`Placeholder`]: random, of its secret's form (beginning, length, letters), so that clients that check the form take
//! it, and unlike every other. It opens nothing: the broker takes it for its secret in the one place that the policy knows.
//! The warden makes and keeps them; the guard looks for them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::secret::{Secret, SecretName};

/// A placeholder holds this much chance at least; what the form of its secret has no room for gets another form.
const LEAST_BITS: f64 = 96.0;

/// Letters of a placeholder whose secret is too short to be imitated.
const PLAIN: usize = 32;

const DIGITS: &[u8] = b"0123456789";
const LOWER_HEX: &[u8] = b"0123456789abcdef";
const UPPER_HEX: &[u8] = b"0123456789ABCDEF";
const LOWER: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const UPPER: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const BOTH: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What stands between the parts of a credential, and stays. All of them pass through a URL as they are.
const BETWEEN: &[u8] = b"-_.:=";

/// The stand-in for one secret in one skill.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placeholder {
    /// The secret.
    pub secret: SecretName,
    /// The skill that it was given to; `None` for the one that belongs to no skill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill: Option<String>,
    /// What the agent sees.
    pub value: String,
}

impl Placeholder {
    /// A new one for `secret`.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn new(name: &SecretName, skill: Option<&str>, secret: &Secret) -> Result<Self, Error> {
        let value = like(secret.bytes())?;
        Ok(Self { secret: name.clone(), skill: skill.map(str::to_owned), value })
    }
}

impl fmt::Debug for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placeholder").field("secret", &self.secret).field("skill", &self.skill).finish_non_exhaustive()
    }
}

/// Random text of the form of `value`. Of the value itself nothing goes in but its issuer's own beginning, its length, what
/// separates its parts, and which letters each part is made of.
fn like(value: &[u8]) -> Result<String, Error> {
    let start = creel_scan::secrets::beginning(value).unwrap_or_default();
    let rest = value.get(start.len()..).unwrap_or_default();
    let mut letters: Vec<&[u8]> = Vec::with_capacity(rest.len());
    for part in rest.chunk_by(|left, right| BETWEEN.contains(left) == BETWEEN.contains(right)) {
        let of = alphabet(part);
        letters.extend(part.iter().map(|byte| {
            BETWEEN.iter().position(|one| one == byte).map_or(of, |at| BETWEEN.get(at..=at).unwrap_or(of))
        }));
    }
    let bits: f64 = letters.iter().map(|of| f64::from(u32::try_from(of.len()).unwrap_or(1)).log2()).sum();
    if bits < LEAST_BITS {
        letters = vec![BOTH; PLAIN];
    }
    let mut out = String::with_capacity(start.len() + letters.len());
    out.push_str(start);
    let mut chance = Chance::default();
    for of in letters {
        out.push(char::from(chance.of(of)?));
    }
    Ok(out)
}

/// So many random letters and digits.
pub(crate) fn random(length: usize) -> Result<String, Error> {
    let mut chance = Chance::default();
    (0..length).map(|_| chance.of(BOTH).map(char::from)).collect()
}

/// The narrowest letters that a part is made of.
fn alphabet(part: &[u8]) -> &'static [u8] {
    let all = |of: &&[u8]| part.iter().all(|byte| of.contains(byte));
    // A short part is hexadecimal by chance.
    let hex = |of: &&[u8]| *of == DIGITS || part.len() >= 8 || of.len() > 16;
    [DIGITS, LOWER_HEX, UPPER_HEX, LOWER, UPPER].into_iter().filter(hex).find(all).unwrap_or(BOTH)
}

/// Random letters, each as likely as the others.
#[derive(Default)]
struct Chance(Vec<u8>);

impl Chance {
    fn of(&mut self, letters: &[u8]) -> Result<u8, Error> {
        // The greatest multiple of the number of letters that a byte can hold.
        let fair = 256 - 256 % letters.len().max(1);
        loop {
            let Some(byte) = self.0.pop() else {
                let mut fresh = [0_u8; 128];
                getrandom::fill(&mut fresh).map_err(|_| Error::NoChance)?;
                self.0.extend_from_slice(&fresh);
                continue;
            };
            if let Some(letter) = letters.get(usize::from(byte) % letters.len().max(1))
                && usize::from(byte) < fair
            {
                return Ok(*letter);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_has_the_form_of_its_secret_and_nothing_else_of_it() {
        for (value, form) in [
            ("ghp_0123456789abcdefghijABCDEFGHIJ012345", r"^ghp_[0-9A-Za-z]{36}$"),
            ("123456789:AAF0123456789_bcdefghij-KLMNOPQRST", r"^[0-9]{9}:[0-9A-Za-z]{13}_[0-9a-z]{9}-[0-9A-Z]{10}$"),
            ("0f1e2d3c4b5a69788796a5b4c3d2e1f0", r"^[0-9a-f]{32}$"),
            ("xoxb-1234567890-ABCDEFGHIJKLMNOP", r"^xoxb-[0-9]{10}-[0-9A-Z]{16}$"),
            ("short", r"^[0-9A-Za-z]{32}$"),
            ("12345678", r"^[0-9A-Za-z]{32}$"),
            ("p@ss/with+signs and blanks=", r"^[0-9A-Za-z]{26}=$"),
        ] {
            let made = like(value.as_bytes()).unwrap();
            assert!(regex::Regex::new(form).unwrap().is_match(&made), "{value}: {made}");
            assert_ne!(made, value);
            assert_ne!(made, like(value.as_bytes()).unwrap());
        }
    }

    #[test]
    fn no_text_shows_it() {
        let name = SecretName::parse("KEY").unwrap();
        let secret = Secret::load(&name, zeroize::Zeroizing::new(b"hunter2".to_vec())).unwrap();
        let made = Placeholder::new(&name, Some("mail"), &secret).unwrap();
        assert!(!format!("{made:?}").contains(&made.value));
    }

    proptest::proptest! {
        #[test]
        fn any_value_gets_one_that_fits_an_environment_and_a_header(value in proptest::collection::vec(1_u8.., 1..200)) {
            let made = like(&value).unwrap();
            proptest::prop_assert!(made.bytes().all(|byte| byte.is_ascii_alphanumeric() || BETWEEN.contains(&byte) || made.starts_with(creel_scan::secrets::beginning(&value).unwrap_or(" "))));
            proptest::prop_assert!(made.len() >= 16);
        }
    }
}
