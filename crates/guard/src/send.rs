//! Bytes leaving, as a door sees them.
//!
//! Owns [`Send`] and what it carries of a request: its headers and, where an entry declares the body's form, the body
//! itself. Never judges. Values of headers and bodies are judged and not recorded, since they may hold credentials.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::action::Target;
use crate::urlencoded;

/// Bytes leaving.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    /// `https`, `http`, `wss`, `ws`, the word of a [`Mode`] that is no HTTP, or `tcp`.
    pub scheme: String,
    /// Where to.
    pub to: Target,
    /// The port.
    pub port: u16,
    /// The HTTP method in capitals; `None` for what is no HTTP request (a connection refused before its first byte).
    pub method: Option<String>,
    /// Path and query as they would be sent ([`crate::CleanPath`], or as they came when they have no clean form); empty
    /// for what is no HTTP request.
    pub path: String,
    /// Declared body length in bytes: 0 without a body, `None` when a body of unknown length follows.
    pub body: Option<u64>,
    /// The headers as they came.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// The body, where a rule asked for it ([`crate::Needs`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

impl Send {
    /// A connection on which no request was read yet.
    #[must_use]
    pub fn connection(to: Target, port: u16) -> Self {
        Self {
            scheme: "tcp".to_owned(),
            to,
            port,
            method: None,
            path: String::new(),
            body: Some(0),
            headers: Headers::default(),
            content: None,
        }
    }

    /// A body, or a method that is no plain read (RFC 9110, section 9.2.1). Nothing leaves by a `CONNECT`: what comes on it is
    /// judged by itself.
    #[must_use]
    pub fn has_effect(&self) -> bool {
        self.body != Some(0) || !matches!(self.method.as_deref(), Some("CONNECT" | "GET" | "HEAD" | "OPTIONS"))
    }
}

impl fmt::Display for Send {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(method) = &self.method {
            write!(f, "{method} ")?;
        }
        write!(f, "{}://{}:{}{}", self.scheme, self.to, self.port, self.path)
    }
}

/// What is spoken on an entry's connections, and so how far a door looks into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// HTTP, over TLS that Creel terminates: each request is judged.
    #[default]
    Http,
    /// TLS of the agent's own, for the approved name, which nobody looks into.
    Tunnel,
    /// Any bytes, which nobody looks into.
    Tcp,
    /// Mail that is sent (RFC 5321), with TLS from the first byte or by `STARTTLS`; Creel terminates it.
    Smtp,
    /// Mail that is read (RFC 9051), likewise.
    Imap,
    /// PostgreSQL, with TLS by `SSLRequest` or from the first byte; Creel terminates it.
    Postgres,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 6] = [Self::Http, Self::Tunnel, Self::Tcp, Self::Smtp, Self::Imap, Self::Postgres];

    /// Its stable word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tunnel => "tunnel",
            Self::Tcp => "tcp",
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Postgres => "postgres",
        }
    }

    /// The mode with this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.word() == word)
    }
}

/// A request's header lines. Names are recorded, values are not.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Box<str>);

impl Headers {
    /// Takes header lines: names in lower case, values decoded lossily. A line feed can't stand in either.
    #[must_use]
    pub fn new<'a>(lines: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut text = String::with_capacity(512);
        for (name, value) in lines {
            text.extend(name.chars().filter(|c| *c != '\n' && *c != ':').map(|c| c.to_ascii_lowercase()));
            text.push(':');
            let start = text.len();
            text.push_str(&String::from_utf8_lossy(value));
            if text.get(start..).is_some_and(|value| value.contains('\n')) {
                let flat = text.split_off(start).replace('\n', " ");
                text.push_str(&flat);
            }
            text.push('\n');
        }
        Self(text.into())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name and value of each line, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim()))
    }

    /// The values of this header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The value of a header that stands once; `None` when it is missing or stands twice.
    #[must_use]
    pub fn one(&self, name: &str) -> Option<&str> {
        let mut found = self.iter().filter(|(own, _)| *own == name).map(|(_, value)| value);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    fn names(&self) -> String {
        self.iter().map(|(name, _)| name).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Headers({})", self.names())
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.serialize_str(&self.names())
    }
}

/// What was recorded comes back with empty values, so that a condition on a value fails when it is judged again.
impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let names = String::deserialize(reader)?;
        Ok(Self::new(names.split(',').filter(|name| !name.is_empty()).map(|name| (name, &b""[..]))))
    }
}

/// Which strict form a body is read in before it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// One JSON value, each key once.
    Json,
    /// A GraphQL request in JSON.
    Graphql,
    /// JSON-RPC 2.0, MCP among it.
    JsonRpc,
    /// URL-encoded pairs, each name once.
    Urlencoded,
}

/// A body that was read whole. What is sent is exactly `text`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The form that it was read in.
    pub form: Form,
    /// SHA-256 of the text, lower-case hex.
    pub digest: String,
    /// The body as it is sent: written anew from what was read.
    #[serde(skip)]
    pub text: Arc<str>,
    /// What it says; null in a record that is read back.
    #[serde(skip)]
    pub value: Arc<serde_json::Value>,
}

impl Content {
    /// What was read, and the text that it is written anew in.
    #[must_use]
    pub fn new(form: Form, value: serde_json::Value, digest: String) -> Self {
        let text = match form {
            Form::Json | Form::Graphql | Form::JsonRpc => value.to_string(),
            Form::Urlencoded => urlencoded::written(&value),
        };
        Self { form, digest, text: text.into(), value: Arc::new(value) }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({:?}, {} bytes)", self.form, self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostName;

    #[test]
    fn values_of_headers_and_bodies_are_judged_and_not_recorded() {
        let to = Target::Host(HostName::parse("a.test").unwrap());
        let headers = Headers::new([("Authorization", &b"Bearer hunter2"[..]), ("x", b"a\nb: c"), ("x", b"\xff")]);
        assert_eq!(headers.one("authorization"), Some("Bearer hunter2"));
        assert_eq!((headers.one("x"), headers.all("x").count(), headers.iter().count()), (None, 2, 3));
        let content = Content::new(Form::Json, "hunter2".into(), "00".to_owned());
        let send = Send { headers, content: Some(content), ..Send::connection(to, 443) };
        let written = format!("{} {send:?}", serde_json::to_string(&send).unwrap());
        assert!(written.contains("authorization,x,x") && !written.contains("hunter2"), "{written}");
        let again: Send = serde_json::from_str(&serde_json::to_string(&send).unwrap()).unwrap();
        assert_eq!((again.headers.one("authorization"), again.content.unwrap().text.len()), (Some(""), 0));
    }
}
