//! Which hosts an entry speaks of.
//!
//! Owns [`HostPattern`]. Never compares raw text: both sides are canonical before they meet. Configuration parses into
//! it, the rules and the doors' settings ask it.

use std::fmt;
use std::net::IpAddr;

use creel_guard::{HostName, Target};

/// Top-level names below which a wildcard may stand at once: nobody can register there (RFC 2606, RFC 6761, RFC 9476,
/// and the ones that home and office networks use).
const PRIVATE_TOP_LEVELS: [&str; 9] =
    ["corp", "example", "home", "internal", "invalid", "lan", "local", "localhost", "test"];

/// The host part of an allow entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This name alone.
    Exact(HostName),
    /// Every name below this one on a label boundary, never itself: `*.example.com`.
    Below(HostName),
    /// This very address, reached without a name.
    Address(IpAddr),
}

/// Why a text is no host pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPattern {
    text: String,
    why: String,
}

impl fmt::Display for InvalidPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no host: {}", self.text.escape_debug(), self.why)
    }
}

impl std::error::Error for InvalidPattern {}

impl HostPattern {
    /// Reads `example.com`, `*.example.com`, `192.0.2.7`, `2001:db8::7` or `[2001:db8::7]`.
    ///
    /// # Errors
    /// [`InvalidPattern`] says what is wrong and what to write instead.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let refuse = |why: String| InvalidPattern { text: text.chars().take(300).collect(), why };
        if text == "*" || text == "*." {
            return Err(refuse("`*` would open every host; name them, or use `*.example.com`".to_owned()));
        }
        if let Some(suffix) = text.strip_prefix("*.") {
            let suffix = HostName::parse(suffix).map_err(|error| refuse(error.to_string()))?;
            if !suffix.as_str().contains('.') && !PRIVATE_TOP_LEVELS.contains(&suffix.as_str()) {
                return Err(refuse("it would open a whole top-level domain; use `*.example.com`".to_owned()));
            }
            return Ok(Self::Below(suffix));
        }
        if text.contains('*') {
            return Err(refuse("`*` stands for whole labels at the front only, as in `*.example.com`".to_owned()));
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        HostName::parse(text).map(Self::Exact).map_err(|error| refuse(error.to_string()))
    }

    /// Whether it speaks of this target.
    #[must_use]
    pub fn covers(&self, target: &Target) -> bool {
        match (self, target) {
            (Self::Exact(name), Target::Host(host)) => name == host,
            (Self::Below(suffix), Target::Host(host)) => host.is_below(suffix),
            (Self::Address(address), Target::Address(other)) => *address == other.to_canonical(),
            _ => false,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => write!(f, "{name}"),
            Self::Below(suffix) => write!(f, "*.{suffix}"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> Target {
        Target::Host(HostName::parse(name).unwrap())
    }

    #[test]
    fn a_wildcard_matches_on_label_boundaries_and_never_itself() {
        let pattern = HostPattern::parse("*.Example.com").unwrap();
        assert!(pattern.covers(&host("a.example.com")));
        assert!(pattern.covers(&host("b.a.example.com")));
        for other in ["example.com", "evil-example.com", "xexample.com", "a.example.com.evil.io"] {
            assert!(!pattern.covers(&host(other)), "{other}");
        }
    }

    #[test]
    fn what_would_open_too_much_is_refused() {
        for text in ["*", "*.", "*.com", "a.*.com", "*example.com", "", "2852039166", "0251.0376.0251.0376", "a b"] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
        assert!(HostPattern::parse("*.test").is_ok());
    }

    #[test]
    fn an_address_is_compared_in_its_canonical_form() {
        let pattern = HostPattern::parse("[::ffff:192.0.2.7]").unwrap();
        assert_eq!(pattern.to_string(), "192.0.2.7");
        assert!(pattern.covers(&Target::Address("192.0.2.7".parse().unwrap())));
        assert!(pattern.covers(&Target::Address("::ffff:c000:207".parse().unwrap())));
        assert!(!pattern.covers(&host("a.test")));
    }

    // Here and not in `guard`, whose dev-dependencies are few (see its Cargo.toml).
    proptest::proptest! {
        #[test]
        fn a_host_name_is_canonical_or_refused(text in "\\PC{0,80}|[a-zA-Z0-9.*_%@:\\[\\]-]{0,80}|[0-9.x]{0,20}") {
            if let Ok(name) = HostName::parse(&text) {
                let again = HostName::parse(name.as_str());
                proptest::prop_assert_eq!(again.as_ref(), Ok(&name));
                let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
                proptest::prop_assert!(name.as_str().bytes().all(plain), "{}", name);
                proptest::prop_assert!(name.as_str().parse::<IpAddr>().is_err());
                proptest::prop_assert!(!name.as_str().is_empty() && name.as_str().len() <= 253);
            }
            let _ = HostPattern::parse(&text);
        }
    }
}
