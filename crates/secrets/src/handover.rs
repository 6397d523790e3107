//! How the warden hands values to the guard, once, over a pipe.
//!
//! Owns the form: one JSON object `{"name", "value"}` a line. It does no IO of its own and keeps no copy. The warden
//! writes it, the guard process reads it before it serves anything.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;
use crate::secret::{Secret, SecretName};

/// More secrets than any tenant has.
const MAX_SECRETS: usize = 1024;

/// A named value on its way to the broker.
pub type Handed = (SecretName, Secret);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: SecretName,
    value: String,
}

#[derive(Serialize)]
struct LineOut<'a> {
    name: &'a SecretName,
    value: &'a str,
}

/// Reads everything that came through the pipe and wipes it. Empty lines are allowed.
///
/// # Errors
/// [`Error::Handover`] with the line's number, or what is wrong with a value.
pub fn parse_handover(bytes: Zeroizing<Vec<u8>>) -> Result<Vec<Handed>, Error> {
    let mut handed: Vec<Handed> = Vec::new();
    for (at, line) in bytes.split(|b| *b == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        if handed.len() == MAX_SECRETS {
            return Err(Error::Handover { line: at + 1, why: "there are more than 1024 secrets" });
        }
        // The parser's own text could quote the line: it is dropped.
        let Ok(line) = serde_json::from_slice::<Line>(line) else {
            return Err(Error::Handover { line: at + 1, why: "it is no JSON object of a name and a value" });
        };
        let secret = Secret::load(&line.name, Zeroizing::new(line.value.into_bytes()))?;
        handed.push((line.name, secret));
    }
    Ok(handed)
}

/// Writes what [`parse_handover`] reads. The values are checked, so that a bad one is named where it was set.
///
/// # Errors
/// [`Error::Value`] for a value that [`Secret::load`] refuses.
pub fn write_handover<'a>(
    values: impl IntoIterator<Item = (&'a SecretName, &'a str)>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut out = Zeroizing::new(Vec::new());
    for (name, value) in values {
        Secret::load(name, Zeroizing::new(value.as_bytes().to_vec()))?;
        let mut line = serde_json::to_vec(&LineOut { name, value })
            .map_err(|_| Error::Handover { line: 0, why: "it can't be written as JSON" })?;
        out.extend_from_slice(&line);
        out.push(b'\n');
        line.zeroize();
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
