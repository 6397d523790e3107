//! Licences of everything we depend on, and crates that are there twice.
//!
//! Owns the list of licences and the list of doubles, each double with its reason. The list may only shrink: a double
//! that is gone is a finding too.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::packages::Packages;

/// Licences that an Apache-2.0 binary may be built from with no further duty than naming their authors.
const ALLOWED: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Crates that are there in more than one version: name, why.
const DOUBLES: [(&str, &str); 25] = [
    ("arrayvec", "cedar-policy's printer `pretty` wants 0.5"),
    ("bit-set", "cedar-policy's parser generator wants 0.8; compiled at build time only"),
    ("darling", "cedar-policy's serde_with derives with an older one; compiled at build time only"),
    ("darling_core", "below darling"),
    ("darling_macro", "below darling"),
    ("hashbrown", "optional below cedar-policy's serde_with, never built"),
    ("indexmap", "optional below cedar-policy's serde_with, never built"),
    ("itertools", "cedar-policy wants 0.14"),
    ("jiff", "optional below cedar-policy's serde_with, never built"),
    ("jiff-core", "below jiff"),
    ("schemars", "optional below cedar-policy's serde_with, never built"),
    ("base64", "rcgen's pem 4 wants 0.23, ours is 0.22"),
    ("block-buffer", "below digest"),
    ("cpufeatures", "chacha20 and sha1 want 0.3, sha2 0.10 wants 0.2"),
    ("crypto-common", "below digest"),
    ("digest", "tungstenite's sha1 0.11 wants 0.11, sha2 0.10 wants 0.10"),
    ("getrandom", "ring wants 0.2, rand 0.10 wants 0.4, ours is 0.3"),
    ("syn", "the derives are half-way from 2 to 3; compiled at build time only"),
    ("synstructure", "yoke and asn1-rs derive with different ones; compiled at build time only"),
    ("unicode-width", "miette wants 0.1, its textwrap 0.2"),
    ("const-oid", "signed_note's ed25519-dalek wants 0.9; tests only"),
    ("rand_core", "signed_note's ed25519-dalek wants 0.6; tests only"),
    ("thiserror", "signed_note and tlog_tiles want 1; tests only"),
    ("thiserror-impl", "signed_note and tlog_tiles want 1; tests only"),
    ("bit-vec", "proptest and x509-parser's asn1 want different ones; tests only"),
];

pub(crate) fn licences(packages: &Packages) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages.0.values() {
        let legal = match &package.licence {
            Some(expression) => Expression::new(expression).either().unwrap_or(false),
            None => false,
        };
        if !legal {
            let licence = package.licence.as_deref().unwrap_or("none");
            let place = format!("{} {}", package.name, package.version);
            findings.push(Finding::new(&place, 0, format!("its licence `{licence}` is not on the list")));
        }
    }
    findings
}

pub(crate) fn duplicates(packages: &Packages) -> Vec<Finding> {
    duplicates_but(packages, &DOUBLES)
}

fn duplicates_but(packages: &Packages, exceptions: &[(&str, &str)]) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages.0.values() {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let mut findings = Vec::new();
    for (name, versions) in &versions {
        if !exceptions.iter().any(|(known, _)| known == name) {
            let versions: Vec<&str> = versions.iter().copied().collect();
            findings.push(Finding::new(name, 0, format!("is there as {}: one is enough", versions.join(" and "))));
        }
    }
    let gone = exceptions.iter().filter(|(name, _)| !versions.contains_key(name));
    findings.extend(gone.map(|(name, _)| Finding::new(name, 0, "is no double any more: take its exception out")));
    findings
}

/// An SPDX expression (SPDX 3.0, annex B): `OR`, `AND`, `WITH`, brackets, and `/` as old crates write `OR`.
struct Expression<'a> {
    words: std::iter::Peekable<std::vec::IntoIter<&'a str>>,
}

impl<'a> Expression<'a> {
    fn new(text: &'a str) -> Self {
        let mut words = Vec::new();
        for part in text.split_whitespace() {
            let mut rest = part;
            while !rest.is_empty() {
                let end = rest.find(['(', ')', '/']).map_or(rest.len(), |at| at.max(1));
                let (word, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
                words.push(word);
                rest = tail;
            }
        }
        Self { words: words.into_iter().peekable() }
    }

    /// Whether one side of each `OR` is allowed; `None` for what is no expression.
    fn either(mut self) -> Option<bool> {
        let legal = self.any()?;
        self.words.next().is_none().then_some(legal)
    }

    fn any(&mut self) -> Option<bool> {
        let mut legal = self.all()?;
        while self.words.next_if(|word| *word == "OR" || *word == "/").is_some() {
            legal |= self.all()?;
        }
        Some(legal)
    }

    fn all(&mut self) -> Option<bool> {
        let mut legal = self.one()?;
        while self.words.next_if(|word| *word == "AND").is_some() {
            legal &= self.one()?;
        }
        Some(legal)
    }

    fn one(&mut self) -> Option<bool> {
        let word = self.words.next()?;
        if word == "(" {
            let legal = self.any()?;
            return (self.words.next() == Some(")")).then_some(legal);
        }
        if self.words.next_if(|word| *word == "WITH").is_some() {
            let exception = self.words.next()?;
            return Some(ALLOWED.contains(&format!("{word} WITH {exception}").as_str()));
        }
        Some(ALLOWED.contains(&word))
    }
}

#[cfg(test)]
mod tests {
    use super::super::packages::made;
    use super::*;

    #[test]
    fn expressions_are_read() {
        for (text, legal) in [
            ("MIT", Some(true)),
            ("MIT/Apache-2.0", Some(true)),
            ("GPL-3.0-or-later", Some(false)),
            ("GPL-3.0 OR MIT", Some(true)),
            ("GPL-3.0 AND MIT", Some(false)),
            ("(MIT OR GPL-2.0) AND Unicode-3.0", Some(true)),
            ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", Some(true)),
            ("GPL-2.0 WITH Classpath-exception-2.0", Some(false)),
            ("MIT OR", None),
            ("(MIT", None),
            ("MIT MIT", None),
            ("", None),
        ] {
            assert_eq!(Expression::new(text).either(), legal, "{text}");
        }
    }

    #[test]
    fn a_licence_off_the_list_is_found() {
        let mut packages = made(&[("a 1", &[], &[]), ("b 1", &[], &[])]);
        assert_eq!(licences(&packages), []);
        packages.0.get_mut("a 1").unwrap().licence = Some("AGPL-3.0".to_owned());
        packages.0.get_mut("b 1").unwrap().licence = None;
        assert_eq!(licences(&packages).len(), 2);
    }

    #[test]
    fn doubles_are_found_and_so_are_stale_exceptions() {
        let packages = made(&[("a 1", &[], &[]), ("a 2", &[], &[]), ("b 1", &[], &[])]);
        assert_eq!(duplicates_but(&packages, &[]).len(), 1);
        assert_eq!(duplicates_but(&packages, &[("a", "x")]), []);
        assert_eq!(duplicates_but(&packages, &[("a", "x"), ("b", "y")]).len(), 1);
    }
}
