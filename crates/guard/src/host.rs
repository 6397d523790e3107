//! Host names, wrapped at the edge: past it nobody compares raw text.
//!
//! Owns [`HostName`]. Never resolves. Doors and configuration parse into it.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A DNS host name in its one canonical form: lower-case A-labels (IDNA 2008 by UTS 46, strict, non-transitional), no
/// trailing dot, at most 253 bytes (RFC 1035, section 2.3.4), never an IP address in any spelling.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

/// Why a text is no host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidHostName {
    name: String,
    why: &'static str,
}

impl fmt::Display for InvalidHostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no host name: {}", self.name.escape_debug(), self.why)
    }
}

impl std::error::Error for InvalidHostName {}

impl HostName {
    /// Reads a host name; one trailing dot is taken off.
    ///
    /// # Errors
    /// [`InvalidHostName`] says what is wrong with it: an empty or too long label or name, a character that UTS 46
    /// (STD3 rules) forbids, or an IP address.
    pub fn parse(text: &str) -> Result<Self, InvalidHostName> {
        let refuse = |why| Err(InvalidHostName { name: text.chars().take(300).collect(), why });
        let bare = text.strip_suffix('.').unwrap_or(text);
        if bare.is_empty() {
            return refuse("it is empty");
        }
        // A name may not be longer than 253 bytes in A-labels; the input bound keeps the IDNA work small.
        if bare.len() > 1024 {
            return refuse("it is longer than 253 bytes");
        }
        let Ok(ascii) = idna::domain_to_ascii_cow(bare.as_bytes(), idna::AsciiDenyList::STD3) else {
            return refuse("it holds a character or label that IDNA forbids");
        };
        if ascii.len() > 253 {
            return refuse("it is longer than 253 bytes");
        }
        if ascii.split('.').any(|label| label.is_empty() || label.len() > 63) {
            return refuse("a label is empty or longer than 63 bytes");
        }
        if ascii.split('.').any(|label| label.starts_with('-') || label.ends_with('-')) {
            return refuse("a label starts or ends with `-`");
        }
        // WHATWG: a last label of digits (or 0x…) makes the whole text an IPv4 address.
        if ascii.parse::<IpAddr>().is_ok() || ascii.rsplit('.').next().is_some_and(is_numeric_label) {
            return refuse("it is an address, not a name");
        }
        Ok(Self(ascii.into_owned()))
    }

    /// The canonical form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this name lies below `suffix` on a label boundary (`a.example.com` below `example.com`; never itself).
    #[must_use]
    pub fn is_below(&self, suffix: &Self) -> bool {
        self.0.strip_suffix(suffix.as_str()).is_some_and(|head| head.len() > 1 && head.ends_with('.'))
    }
}

fn is_numeric_label(label: &str) -> bool {
    label.bytes().all(|b| b.is_ascii_digit())
        || label.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for HostName {
    type Error = InvalidHostName;
    fn try_from(text: String) -> Result<Self, InvalidHostName> {
        Self::parse(&text)
    }
}

impl From<HostName> for String {
    fn from(host: HostName) -> Self {
        host.0
    }
}
