//! What makes programs in the jail believe the tenant's authority, with no act of the user.
//!
//! Owns the list of made files that carry it: the bundle at the system's path, the certificate alone for the variables that
//! tools read, and the policies of Chromium, which asks neither. Holds no key. `run` puts them into each jail.

use std::path::PathBuf;

use creel_jail::{MadeFile, Owner};

use crate::run::Failure;

/// Where the host keeps the roots that it trusts (Debian's ca-certificates), and where the jail's bundle stands.
pub(crate) const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where builds of Chromium look for what an administrator decided: Debian's and Playwright's, Google's, Chrome for Testing.
const CHROMIUM: [&str; 3] = ["/etc/chromium", "/etc/opt/chrome", "/etc/opt/chrome_for_testing"];

/// What Debian's start script of Chromium reads, and fails without. Its sandbox needs namespaces that nobody in a jail may make.
const DEBIANS_FLAGS: &str = "export CHROMIUM_FLAGS=\"$CHROMIUM_FLAGS --no-sandbox\"\n";

/// The files that make `ca`, one certificate as PEM, trusted.
///
/// # Errors
/// When the host has no roots to begin with.
pub(crate) fn files(ca: &str) -> Result<Vec<MadeFile>, Failure> {
    let roots = std::fs::read_to_string(BUNDLE).map_err(|error| {
        Failure::host(format!("`{BUNDLE}`: {error}; install `ca-certificates` (`make setup` does)"))
    })?;
    let file = |path: String, text: String| MadeFile {
        path: PathBuf::from(path),
        bytes: text.into_bytes(),
        mode: 0o444,
        owner: Owner::Root,
    };
    let mut files = vec![
        file(BUNDLE.to_owned(), format!("{}\n{ca}", roots.trim_end())),
        file("/etc/ssl/creel-ca.pem".to_owned(), ca.to_owned()),
    ];
    let policy = chromium(ca);
    files.extend(CHROMIUM.map(|place| file(format!("{place}/policies/managed/creel.json"), policy.clone())));
    files.push(file("/etc/chromium.d/creel".to_owned(), DEBIANS_FLAGS.to_owned()));
    Ok(files)
}

/// Chromium keeps roots of its own. Names are resolved by the jail's resolver alone and QUIC goes nowhere, so it need not try.
fn chromium(ca: &str) -> String {
    let der: String = ca.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    serde_json::json!({ "CACertificates": [der], "DnsOverHttpsMode": "off", "QuicAllowed": false }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_told_the_certificate_and_nothing_else() {
        let pem = "-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----\n";
        let policy: serde_json::Value = serde_json::from_str(&chromium(pem)).unwrap();
        assert_eq!(policy["CACertificates"], serde_json::json!(["MIIBAAAA"]));
        assert_eq!(policy["QuicAllowed"], false);
    }
}
