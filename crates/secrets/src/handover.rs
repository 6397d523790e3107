//! How the warden hands values to the guard, once, over a pipe.
//!
//! Owns the form: one JSON object `{"name", "value"}` a line, with `until_ms` for a value that was replaced. It does no IO of its own and keeps no copy. The warden
//! writes it, the guard process reads it before it serves anything.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::keyring::{Keyring, MOST_OLD};
use crate::secret::{Secret, SecretName};

/// More secrets than any tenant has.
const MAX_SECRETS: usize = 1024;

/// More old values than all of them have.
const MAX_LINES: usize = MAX_SECRETS * (MOST_OLD + 1);

/// A named value on its way to the broker.
pub type Handed = (SecretName, Secret);

/// A line, read.
pub(crate) struct Line {
    pub(crate) name: SecretName,
    pub(crate) secret: Secret,
    /// Of an old value: until when it is looked for.
    pub(crate) until_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineIn {
    name: SecretName,
    value: String,
    until_ms: Option<u64>,
}

#[derive(Serialize)]
struct LineOut<'a> {
    name: &'a SecretName,
    value: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
}

pub(crate) fn parse_lines(bytes: &[u8]) -> Result<Vec<Line>, Error> {
    let (mut lines, mut secrets) = (Vec::new(), 0);
    for (at, line) in bytes.split(|b| *b == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        // The parser's own text could quote the line: it is dropped.
        let Ok(line) = serde_json::from_slice::<LineIn>(line) else {
            return Err(Error::Handover { line: at + 1, why: "it is no JSON object of a name and a value" });
        };
        let LineIn { name, value, until_ms } = line;
        secrets += usize::from(until_ms.is_none());
        if secrets > MAX_SECRETS || lines.len() == MAX_LINES {
            return Err(Error::Handover { line: at + 1, why: "there are more than 1024 secrets" });
        }
        let secret = Secret::load(&name, Zeroizing::new(value.into_bytes()))?;
        lines.push(Line { name, secret, until_ms });
    }
    Ok(lines)
}

/// Reads the values in force from everything that came, and wipes it. Empty lines are allowed.
///
/// # Errors
/// [`Error::Handover`] with the line's number, or what is wrong with a value.
pub fn parse_handover(bytes: Zeroizing<Vec<u8>>) -> Result<Vec<Handed>, Error> {
    let lines = parse_lines(&bytes)?.into_iter().filter(|line| line.until_ms.is_none());
    Ok(lines.map(|line| (line.name, line.secret)).collect())
}

/// Writes what [`parse_handover`] reads. The values are checked, so that a bad one is named where it was set.
///
/// # Errors
/// [`Error::Value`] for a value that [`Secret::load`] refuses.
pub fn write_handover<'a>(
    values: impl IntoIterator<Item = (&'a SecretName, &'a str)>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut ring = Keyring::default();
    for (name, value) in values {
        ring.add(name.clone(), Secret::load(name, Zeroizing::new(value.as_bytes().to_vec()))?)?;
    }
    ring.write()
}

pub(crate) fn write_lines<'a>(
    lines: impl Iterator<Item = (&'a SecretName, &'a Secret, Option<u64>)> + Clone,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    // Room for all of it at once, each character escaped: a buffer that grows leaves copies behind.
    let room = lines.clone().map(|(name, secret, _)| name.as_str().len() + secret.bytes().len() * 6 + 64).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(room));
    for (name, secret, until_ms) in lines {
        let Ok(value) = std::str::from_utf8(secret.bytes()) else {
            return Err(Error::Value { name: name.clone(), why: "it is no text in UTF-8" });
        };
        serde_json::to_writer(&mut *out, &LineOut { name, value, until_ms })
            .map_err(|_| Error::Handover { line: 0, why: "it can't be written as JSON" })?;
        out.push(b'\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Handed>, Error> {
        parse_handover(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn round_trip() {
        let name = SecretName::parse("A/b.c").unwrap();
        let bytes = write_handover([(&name, "va\"l\\ue")]).unwrap();
        let handed = parse_handover(bytes).unwrap();
        assert_eq!(handed.len(), 1);
        assert_eq!(handed[0].0, name);
        assert!(handed[0].1.matches(b"va\"l\\ue"));
    }

    #[test]
    fn bad_lines_are_named_by_number_and_not_quoted() {
        let good = r#"{"name":"A","value":"x"}"#;
        for bad in [
            "hunter2",
            r#"{"name":"A"}"#,
            r#"{"name":"A","value":"hunter2","x":1}"#,
            r#"{"name":"a b","value":"hunter2"}"#,
        ] {
            let error = parse(&format!("{good}\n\n{bad}\n")).err().unwrap();
            assert!(matches!(error, Error::Handover { line: 3, .. }), "{error}");
            assert!(!error.to_string().contains("hunter2"));
        }
        assert!(matches!(parse(r#"{"name":"A","value":"a\r\nb"}"#), Err(Error::Value { .. })));
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn too_many_are_refused() {
        let text: String = (0..=MAX_SECRETS).map(|n| format!("{{\"name\":\"n{n}\",\"value\":\"x\"}}\n")).collect();
        assert!(matches!(parse(&text), Err(Error::Handover { line, .. }) if line == MAX_SECRETS + 1));
    }
}
