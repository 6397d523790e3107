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

/// The shortest value that is taken into the store: a shorter one is guessed, and found in everything.
const LEAST_CHARACTERS: usize = 8;

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

    /// Takes over a value that a person or a program gave to be kept. One line end behind it is no part of it.
    ///
    /// # Errors
    /// [`Error::Value`] when it is shorter than 8 characters, longer than 64 KiB, no text in UTF-8, or holds a control
    /// character.
    pub fn given(name: &SecretName, value: Zeroizing<Vec<u8>>) -> Result<Self, Error> {
        let mut value = value;
        if value.ends_with(b"\r\n") {
            let length = value.len() - 1;
            value.truncate(length);
            if let Some(last) = value.last_mut() {
                *last = b'\n';
            }
        }
        let secret = Self::load(name, value)?;
        let fault = |why| Err(Error::Value { name: name.clone(), why });
        let Ok(text) = std::str::from_utf8(secret.bytes()) else { return fault("it is no text in UTF-8") };
        if text.chars().any(char::is_control) {
            return fault("it holds a control character");
        }
        if text.chars().count() < LEAST_CHARACTERS {
            return fault("it is shorter than 8 characters");
        }
        Ok(secret)
    }

    /// Whether `guess` is this secret; the time taken tells its length at most.
    #[must_use]
    pub fn matches(&self, guess: &[u8]) -> bool {
        same(&self.0, guess)
    }

    /// Whether it is a key of AWS: `KEY_ID:SECRET_KEY`, perhaps with `:SESSION_TOKEN` behind it.
    #[must_use]
    pub fn is_aws_key(&self) -> bool {
        crate::aws::parts(&self.0).is_some()
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
    fn what_is_given_to_be_kept_is_a_text_of_some_length() {
        let given = |value: &[u8]| Secret::given(&SecretName::parse("KEY").unwrap(), Zeroizing::new(value.to_vec()));
        for (bad, why) in [
            (&b"1234567"[..], "shorter than 8"),
            ("ä".repeat(7).as_bytes(), "shorter than 8"),
            (b"", "empty"),
            (b"12345678\x1b", "control"),
            (b"1234\t5678", "control"),
            ("12345678\u{85}".as_bytes(), "control"),
            (b"12345678\xff", "UTF-8"),
            (b"12345678\n\n", "CR, LF or NUL"),
            (&[b'x'; MAX_VALUE_BYTES + 1], "longer"),
        ] {
            let told = given(bad).err().unwrap().to_string();
            assert!(told.contains(why), "{told}");
        }
        for good in [&b"12345678"[..], b"12345678\n", b"12345678\r\n"] {
            assert!(given(good).unwrap().matches(b"12345678"), "{good:?}");
        }
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
