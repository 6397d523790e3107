//! A secret's place in a request.
//!
//! Owns [`Slot`], the places that a secret can fill and how they are written, and [`Inject`], which names a secret and its
//! place. Never knows a value. Written in the configuration, found by the egress door, owed by permits.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A secret's place in a request, by name: the value is known to the `secrets` crate alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Inject {
    /// The secret's name.
    pub secret: String,
    /// The skill whose placeholder stood there, as far as the placeholder says; `None` for what belongs to no skill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill: Option<String>,
    /// The one place that it may fill; `None` means the door's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
}

impl Inject {
    /// What stands for it in records, texts and judged requests: its name as a shell writes a variable.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("${}", self.secret)
    }
}

impl fmt::Display for Inject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.secret)?;
        self.skill.as_ref().map_or(Ok(()), |skill| write!(f, " of the skill `{skill}`"))?;
        self.slot.as_ref().map_or(Ok(()), |slot| write!(f, " in {slot}"))
    }
}

/// Where in a request a secret goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// `authorization: Bearer`, then the secret (RFC 6750, section 2.1).
    Bearer,
    /// `authorization: Basic`, this user with the secret for a password (RFC 7617, section 2).
    Basic(String),
    /// The whole value of the header of this name, in lower case.
    Header(String),
    /// One segment of the path, at the `*`: `bot*` is `bot`, then the secret.
    Path(String),
    /// The value of this query parameter.
    Query(String),
    /// The text at this JSON Pointer (RFC 6901) of a JSON body.
    Json(String),
    /// The value of this field of a URL-encoded body.
    Form(String),
    /// The text at this JSON Pointer of a text message that the agent sends over a WebSocket.
    Message(String),
    /// The password or token of this user, where he signs in to SMTP or IMAP.
    Login(String),
    /// The key that a request to AWS is signed with, for this region and service: `us-east-1 s3`.
    Aws(String),
}

impl Slot {
    /// What is said of a slot elsewhere, where only a header will do.
    pub const IN_HEADERS: &str = "here a secret goes into a header: `bearer`, `basic USER` or `header NAME`";

    /// Reads a slot as it is displayed; a path's segment has a `*` in the secret's place.
    ///
    /// # Errors
    /// Says what is wrong, in a few words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let visible = |b: u8| matches!(b, 0x21..=0x7e) && b != b'"' && b != b'\\';
        let named = |name: &str| !name.is_empty() && name.len() <= 128 && !name.chars().any(char::is_control);
        match text.split_once(' ') {
            None if text == "bearer" => Ok(Self::Bearer),
            Some(("basic", user)) if user.bytes().all(|b| matches!(b, 0x20..=0x7e) && b != b':') => {
                Ok(Self::Basic(user.to_owned()))
            }
            Some(("basic", _)) => Err("a user has no `:` and no character outside of ASCII"),
            Some(("header", name)) if !name.is_empty() && name.bytes().all(token) => {
                let name = name.to_ascii_lowercase();
                if Self::FRAMING.contains(&name.as_str()) || name.starts_with("proxy-") || name.starts_with("sec-") {
                    return Err("that header says where a request goes or where it ends");
                }
                Ok(Self::Header(name))
            }
            Some(("login", user)) if (1..=128).contains(&user.len()) && user.bytes().all(visible) => {
                Ok(Self::Login(user.to_owned()))
            }
            Some(("login", _)) => Err("a user has no blank, no quote and no character outside of ASCII"),
            Some(("aws", scope)) => {
                let part = |part: &str| {
                    !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                };
                match scope.split_once(' ') {
                    Some((region, service)) if scope.len() <= 128 && part(region) && part(service) => {
                        Ok(Self::Aws(scope.to_owned()))
                    }
                    _ => Err("a key of AWS is for one region and service: `aws us-east-1 s3`"),
                }
            }
            Some(("path", segment)) => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~*".contains(&b);
                if segment.matches('*').count() != 1 || !segment.bytes().all(plain) {
                    return Err("a segment has one `*` and else letters, digits, `-`, `.`, `_` and `~`");
                }
                Ok(Self::Path(segment.to_owned()))
            }
            Some(("query", name)) if named(name) => Ok(Self::Query(name.to_owned())),
            Some(("form", name)) if named(name) => Ok(Self::Form(name.to_owned())),
            Some((kind @ ("json" | "message"), pointer)) if pointer.starts_with('/') && named(pointer) => {
                if !pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1'])) {
                    return Err("a `~` in a JSON Pointer is `~0`");
                }
                Ok(if kind == "json" { Self::Json } else { Self::Message }(pointer.to_owned()))
            }
            _ => Err(
                "legal is `bearer`, `basic USER`, `header NAME`, `path *`, `query NAME`, `json /MEMBER`, `form NAME`, `message /MEMBER`, `login USER` and `aws REGION SERVICE`",
            ),
        }
    }

    /// The header that it fills, if it is one.
    #[must_use]
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Bearer | Self::Basic(_) | Self::Aws(_) => Some("authorization"),
            Self::Header(name) => Some(name),
            Self::Path(_) | Self::Query(_) | Self::Json(_) | Self::Form(_) | Self::Message(_) | Self::Login(_) => None,
        }
    }

    /// Whether the secret itself stands in a header there.
    #[must_use]
    pub fn is_value(&self) -> bool {
        matches!(self, Self::Bearer | Self::Basic(_) | Self::Header(_))
    }

    /// Headers that are the door's own.
    const FRAMING: [&'static str; 11] = [
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "if-range",
        "range",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer => f.write_str("bearer"),
            Self::Basic(user) => write!(f, "basic {user}"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Path(segment) => write!(f, "path {segment}"),
            Self::Query(name) => write!(f, "query {name}"),
            Self::Json(pointer) => write!(f, "json {pointer}"),
            Self::Form(name) => write!(f, "form {name}"),
            Self::Message(pointer) => write!(f, "message {pointer}"),
            Self::Login(user) => write!(f, "login {user}"),
            Self::Aws(scope) => write!(f, "aws {scope}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_reads_as_it_is_written() {
        for text in [
            "bearer",
            "basic deploy",
            "header x-api-key",
            "path *",
            "path bot*",
            "query api_key",
            "json /auth/token",
            "json /a~1b/0",
            "form client_secret",
            "message /d/token",
            "login me@example.com",
            "aws eu-central-1 dynamodb",
        ] {
            assert_eq!(Slot::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "Bearer",
            "basic",
            "basic a:b",
            "header ",
            "header host",
            "header sec-fetch-site",
            "path",
            "path a",
            "path **",
            "path a/*",
            "path %2f*",
            "query ",
            "json a",
            "json ",
            "json /a~2",
            "form ",
            "message a",
            "login ",
            "login a b",
            "login \"a",
            "aws s3",
            "aws us-east-1 s3 x",
            "aws us-east-1 S3",
            "message /a~",
            "cookie a",
        ] {
            assert!(Slot::parse(text).is_err(), "{text}");
        }
    }
}
