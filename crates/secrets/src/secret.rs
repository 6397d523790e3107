//! A real credential and its name.
//!
//! Owns [`Secret`]: wiped when dropped, without Debug, Display, Clone or Serialize. Its bytes leave this crate only
//! inside a [`crate::Filled`] slot.

use std::fmt;
use std::hint::black_box;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::Error;

/// The longest value: no header of any provider comes near it.
pub(crate) const MAX_VALUE_BYTES: usize = 64 * 1024;

/// A secret's name: 1 to 128 of `a-z A-Z 0-9 _ - . /`. Names are no secrets; they stand in records and texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

impl SecretName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::Name`] when it is none.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/');
        if (1..=128).contains(&name.len()) && name.bytes().all(legal) {
            Ok(Self(name.to_owned()))
        } else {
            Err(Error::Name { name: name.chars().take(128).collect::<String>().escape_debug().to_string() })
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SecretName {
    type Error = Error;
    fn try_from(name: String) -> Result<Self, Error> {
        Self::parse(&name)
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A real credential.
///
/// ```compile_fail,E0277
/// fn shows(secret: creel_secrets::Secret) -> String { format!("{secret:?}") }
/// ```
/// ```compile_fail,E0599
/// fn copies(secret: &creel_secrets::Secret) -> creel_secrets::Secret { secret.clone() }
/// ```
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes a value over. One trailing line feed (as `echo` leaves it in a file) is no part of it.
    ///
    /// # Errors
    /// [`Error::Value`] when it is empty, longer than 64 KiB, or holds CR, LF or NUL, which would break out of a slot.
    pub fn load(name: &SecretName, value: Zeroizing<Vec<u8>>) -> Result<Self, Error> {
        let mut value = value;
        if value.last() == Some(&b'\n') {
            value.pop();
        }
        let fault = |why| Err(Error::Value { name: name.clone(), why });
        if value.is_empty() {
            return fault("it is empty");
        }
        if value.len() > MAX_VALUE_BYTES {
            return fault("it is longer than 64 KiB");
        }
        if value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return fault("it holds CR, LF or NUL");
        }
        Ok(Self(value))
    }

    /// Whether `guess` is this secret; the time taken tells its length at most.
    #[must_use]
    pub fn matches(&self, guess: &[u8]) -> bool {
        same(&self.0, guess)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Compares in a time that depends on the lengths alone.
#[must_use]
pub fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let difference = left.iter().zip(right).fold(0u8, |sum, (l, r)| black_box(sum | (l ^ r)));
    black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(value: &[u8]) -> Result<Secret, Error> {
        Secret::load(&SecretName::parse("KEY").unwrap(), Zeroizing::new(value.to_vec()))
    }

    #[test]
    fn refuses_what_breaks_out_of_a_slot() {
        for bad in [&b""[..], b"\n", b"a\rb", b"a\nb", b"a\0b", b"a\n\n"] {
            assert!(matches!(load(bad), Err(Error::Value { .. })), "{bad:?}");
        }
        assert!(load(&vec![b'x'; MAX_VALUE_BYTES + 1]).is_err());
        assert!(load(b"sk-1\n").unwrap().matches(b"sk-1"));
    }

    #[test]
    fn errors_never_hold_the_value() {
        let text = load(b"hunter2\r").err().unwrap().to_string();
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn compares() {
        assert!(same(b"", b""));
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd"));
        assert!(!same(b"abc", b"ab"));
    }

    #[test]
    fn names_are_wrapped() {
        assert!(SecretName::parse("OPENAI_API_KEY").is_ok());
        for bad in ["", "a b", "a\n", "ä"] {
            assert!(SecretName::parse(bad).is_err());
        }
    }
}
