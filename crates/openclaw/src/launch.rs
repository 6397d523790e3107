//! The command line and the environment of OpenClaw, and the environment that every program in a jail gets.
//!
//! Owns these lists. No secret ever stands in them: argv and environment are readable to every command the agent runs.
//! The warden calls it when it starts the agent, `creel jail` for the clean environment of CONTRACT.md.

use crate::layout;

/// OpenClaw's gateway in the foreground, as PID 1 of the jail starts it.
pub fn argv() -> Vec<String> {
    [layout::NODE, layout::ENTRY, "gateway", "run"].map(str::to_owned).to_vec()
}

/// The whole environment of OpenClaw.
pub fn env() -> Vec<(String, String)> {
    // `NO_RESPAWN`: the process that we watch stays the gateway. `SHELL_SNAPSHOT=0`: no login shell of the agent's
    // making is read at start (docs/gateway/embedding.md of the npm package). The compile cache lies in /tmp, which
    // the agent can write: whoever fills it writes OpenClaw's code.
    let own = [
        ("OPENCLAW_STATE_DIR", layout::STATE),
        ("OPENCLAW_CONFIG_PATH", layout::CONFIG),
        ("OPENCLAW_NO_AUTO_UPDATE", "1"),
        ("OPENCLAW_DISABLE_BONJOUR", "1"),
        ("OPENCLAW_NO_RESPAWN", "1"),
        ("OPENCLAW_EXEC_SHELL_SNAPSHOT", "0"),
        ("DO_NOT_TRACK", "1"),
        ("NODE_DISABLE_COMPILE_CACHE", "1"),
    ];
    let mut env = jail_environment();
    env.extend(pairs(&own));
    env
}

/// The clean environment of every program in a jail: where things are, and whom to trust for TLS.
pub fn jail_environment() -> Vec<(String, String)> {
    pairs(&[
        ("PATH", "/opt/openclaw/node/bin:/usr/bin:/bin"),
        ("HOME", layout::HOME),
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
        ("SHELL", "/bin/sh"),
        ("TMPDIR", "/tmp"),
        // Node adds the file to its own roots; the others replace theirs by it.
        ("NODE_EXTRA_CA_CERTS", layout::TENANT_CA),
        ("SSL_CERT_FILE", layout::CA_BUNDLE),
        ("CURL_CA_BUNDLE", layout::CA_BUNDLE),
        ("REQUESTS_CA_BUNDLE", layout::CA_BUNDLE),
        ("GIT_SSL_CAINFO", layout::CA_BUNDLE),
    ])
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_twice_and_nothing_looks_like_a_secret() {
        let env = env();
        let mut names: Vec<_> = env.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for (name, value) in env {
            assert!(!value.contains(crate::resolver::TOKEN_PREFIX), "{name}");
            assert!(!name.contains("TOKEN") && !name.contains("KEY"), "{name}");
        }
        assert!(argv().iter().all(|word| !word.contains("token")));
    }

    #[test]
    fn every_client_of_tls_is_told_about_the_ca() {
        let env = jail_environment();
        for name in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO"] {
            assert!(env.iter().any(|(key, value)| key == name && value.starts_with("/etc/ssl/")), "{name}");
        }
    }
}
