//! Which crate may know which.
//!
//! Owns the table of arrows and the list of what pure crates must stay ignorant of. The table is the one in
//! ARCHITECTURE.md; a crate that is not in it is a finding.

use super::Finding;
use super::packages::{Package, Packages};

/// Our crates, and which of ours each may depend on.
const ARROWS: [(&str, &[&str]); 16] = [
    ("creel-guard", &[]),
    ("creel-policy", &["creel-guard"]),
    ("creel-provenance", &["creel-guard", "creel-scan"]),
    ("creel-ledger", &["creel-guard"]),
    ("creel-secrets", &["creel-guard", "creel-scan"]),
    ("creel-doors", &["creel-guard", "creel-provenance", "creel-scan", "creel-secrets"]),
    ("creel-scan", &[]),
    ("creel-scripted-model", &[]),
    ("creel-openclaw", &[]),
    ("creel-jail-sys", &[]),
    ("creel-jail", &["creel-jail-sys"]),
    (
        "creel",
        &[
            "creel-doors",
            "creel-guard",
            "creel-jail",
            "creel-jail-sys",
            "creel-ledger",
            "creel-openclaw",
            "creel-policy",
            "creel-provenance",
            "creel-scan",
            "creel-scripted-model",
            "creel-secrets",
        ],
    ),
    ("creel-testkit", &[]),
    ("creel-e2e", &["creel-testkit"]),
    (
        "creel-fuzz",
        &[
            "creel",
            "creel-doors",
            "creel-guard",
            "creel-jail",
            "creel-jail-sys",
            "creel-ledger",
            "creel-openclaw",
            "creel-policy",
            "creel-scan",
            "creel-scripted-model",
            "creel-secrets",
        ],
    ),
    ("xtask", &["creel-scan"]),
];

/// Crates and what they must stay ignorant of, however far down.
const KEPT_OUT: [(&str, &[&str]); 6] = [
    ("creel-provenance", &["tokio", "hyper", "rustls", "nix", "rustix", "time"]),
    ("creel-guard", &["tokio", "hyper", "rustls", "nix", "rustix", "time"]),
    ("creel-policy", &["tokio", "hyper", "rustls", "nix", "rustix", "time"]),
    ("creel-scan", &["tokio", "hyper", "rustls", "nix", "rustix", "time"]),
    ("creel-ledger", &["tokio", "hyper", "rustls"]),
    ("creel-jail", &["tokio", "hyper", "rustls"]),
];

/// What is below a crate and does nothing there: crate, what, why.
const IDLE: [(&str, &str, &str); 2] = [
    (
        "creel-policy",
        "rustix",
        "cedar-policy names its errors with miette, whose printer, which is creel's, asks for the terminal's width",
    ),
    ("creel-policy", "time", "optional below cedar-policy's serde_with, in the lock file and never built"),
];

/// Errors without a type are for the two crates at the top.
const ANYHOW: [&str; 2] = ["creel", "xtask"];

pub(crate) fn arrows(packages: &Packages) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages.ours() {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
            findings.push(Finding::new(&package.name, 0, "is not in the table of xtask/src/tidy/arrows.rs"));
            continue;
        };
        let refuse = |other: &Package| Finding::new(&package.name, 0, format!("must not know `{}`", other.name));
        let ours = |other: &&Package| other.ours && !allowed.contains(&other.name.as_str());
        findings.extend(packages.names(&package.needs).filter(ours).map(refuse));
        // Tests may use the test kit besides; what a crate must not know, its tests must not know either.
        let for_tests = packages.names(&package.tests_need).filter(|other| other.name != "creel-testkit");
        findings.extend(for_tests.filter(ours).filter(|other| other.name != package.name).map(refuse));
    }
    findings
}

pub(crate) fn kept_out(packages: &Packages) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages.ours() {
        let all = packages.all_needs(package);
        let banned = KEPT_OUT.iter().find(|(name, _)| *name == package.name).map_or(&[][..], |(_, banned)| *banned);
        let idle = |name: &str| IDLE.iter().any(|(own, below, _)| *own == package.name && *below == name);
        let known = |other: &&Package| banned.contains(&other.name.as_str()) && !idle(&other.name);
        for other in packages.names(&all).filter(known) {
            findings.push(Finding::new(&package.name, 0, format!("must stay ignorant of `{}`", other.name)));
        }
        if packages.names(&package.needs).any(|other| other.name == "anyhow")
            && !ANYHOW.contains(&package.name.as_str())
        {
            findings.push(Finding::new(&package.name, 0, "has errors of its own instead of `anyhow`"));
        }
    }
    findings
}

/// Each crate takes the workspace's lints.
pub(crate) fn lint_tables(packages: &Packages) -> Vec<Finding> {
    let without = packages.ours().filter(|package| !package.manifest.contains("[lints]\nworkspace = true"));
    without.map(|package| Finding::new(&package.name, 0, "its Cargo.toml needs `[lints] workspace = true`")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::packages::made;
    use super::*;

    #[test]
    fn arrows_that_point_the_wrong_way_are_found() {
        let good = made(&[
            ("creel-guard", &[], &[]),
            ("creel-policy", &["creel-guard"], &["creel-testkit"]),
            ("creel-testkit", &[], &[]),
        ]);
        assert_eq!(arrows(&good), []);
        let bad = made(&[
            ("creel-guard", &["creel-policy"], &[]),
            ("creel-policy", &[], &[]),
            ("creel-doors", &[], &["creel-ledger"]),
            ("creel-ledger", &["creel-testkit"], &[]),
            ("creel-testkit", &[], &[]),
            ("creel-new", &[], &[]),
        ]);
        let found: Vec<String> = arrows(&bad).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn what_must_be_kept_out_is_found_however_far_down() {
        let bad = made(&[("creel-policy", &["a 1"], &[]), ("a 1", &["tokio 1"], &[]), ("tokio 1", &[], &[])]);
        assert_eq!(kept_out(&bad).len(), 1);
        let for_tests = made(&[("creel-policy", &[], &["tokio 1"]), ("tokio 1", &[], &[])]);
        assert_eq!(kept_out(&for_tests), []);
        let anyhow = made(&[("creel-jail", &["anyhow 1"], &[]), ("anyhow 1", &[], &[])]);
        assert_eq!(kept_out(&anyhow).len(), 1);
    }

    #[test]
    fn a_crate_without_the_lints_is_found() {
        let mut packages = made(&[("creel-guard", &[], &[])]);
        assert_eq!(lint_tables(&packages), []);
        packages.0.values_mut().for_each(|package| package.manifest.clear());
        assert_eq!(lint_tables(&packages).len(), 1);
    }
}
