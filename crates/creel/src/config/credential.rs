//! Does a text of the configuration look like a credential?
//!
//! Owns that one guess. It is there so that nobody keeps a key in a file by mistake, not to stop an attacker: it knows
//! the prefixes of common providers and what random text looks like. `walk` asks it about every text of the file.

/// Prefixes of keys and tokens that their issuers document, with the least length of a whole one.
const PREFIXES: [(&str, usize); 22] = [
    ("sk-", 20),
    ("sk_live_", 20),
    ("rk_live_", 20),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("xapp-", 20),
    ("AKIA", 20),
    ("ASIA", 20),
    ("AIza", 30),
    ("ya29.", 20),
    ("hf_", 20),
    ("npm_", 20),
    ("pypi-", 20),
    ("SG.", 20),
    ("AGE-SECRET-KEY-", 20),
];

/// Keys whose value is a credential, whatever it looks like.
const NAMES: [&str; 8] =
    ["apikey", "accesskey", "authorization", "credential", "password", "passwd", "secret", "token"];

/// Random text in base64 of 24 bytes or more has more than this many bits a character (a word has about 3.3).
const RANDOM_BITS: f64 = 4.2;

/// Whether `value` looks like a key, a token or a private key.
pub(in crate::config) fn is_likely(value: &str) -> bool {
    // a public key, with a checksum that no secret has by chance
    if creel_ledger::VerifierKey::parse(value).is_some() {
        return false;
    }
    let value = value.trim();
    value.contains("PRIVATE KEY-----")
        || PREFIXES.iter().any(|(prefix, least)| value.len() >= *least && value.starts_with(prefix) && is_token(value))
        || is_web_token(value)
        || is_random(value)
}

/// Whether a key of that name would hold a credential.
pub(super) fn is_named(key: &str) -> bool {
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    NAMES.iter().any(|name| plain.ends_with(name))
}

/// A JSON web token: three base64url parts, the first an object (RFC 7519).
fn is_web_token(value: &str) -> bool {
    value.starts_with("eyJ") && value.matches('.').count() == 2 && is_token(value)
}

/// Long, in one piece, of mixed classes, and as uneven as chance makes it.
fn is_random(value: &str) -> bool {
    if value.len() < 32 || !is_token(value) || value.contains('/') && value.split('/').count() > 3 {
        return false;
    }
    if value.bytes().all(|b| b.is_ascii_hexdigit()) {
        return value.bytes().any(|b| b.is_ascii_digit()) && value.bytes().any(|b| b.is_ascii_alphabetic());
    }
    let classes = [u8::is_ascii_digit, u8::is_ascii_lowercase, u8::is_ascii_uppercase];
    classes.iter().all(|class| value.bytes().any(|b| class(&b))) && bits_a_character(value) > RANDOM_BITS
}

fn is_token(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+/=:".contains(&b))
}

/// Shannon entropy of the characters.
fn bits_a_character(value: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a text of the file is at most 1 MiB long")]
    let length = value.len() as f64;
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / length).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::{is_likely, is_named};

    #[test]
    fn credentials_are_seen() {
        // Put together here, so that no file of this repository holds what looks like a key.
        let mixed = "Ab3dEf6hIj9";
        let made = [
            format!("sk-ant-{}", mixed.repeat(3)),
            format!("ghp_{}", mixed.repeat(3)),
            format!("AKIA{}", "EXAMPLE7".repeat(2)),
            format!("eyJ{mixed}.eyJ{mixed}.{mixed}"),
            "9f86d081884c7d65".repeat(4),
            ["qT8vZr1LmWx0", "Yb7Kc3Nd5Pf9", "Hg2Js4Ua6Ei"].concat(),
            format!("-----BEGIN {} KEY-----\nMIG", "PRIVATE"),
        ];
        for value in made {
            assert!(is_likely(&value), "{value}");
        }
    }

    #[test]
    fn ordinary_values_are_not() {
        for value in [
            "witness.example.com+00651b21+BAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
            "default",
            "api.example.com",
            "*.very-long-subdomain-name-for-a-service.internal.example.com",
            "https://llm.example.com:8443/v1/deployments/production",
            "/var/lib/creel/tenants/default/certificates/root-2026.pem",
            "claude-sonnet-4-5-20250929",
            "sk-8",
            "/v1/**",
            "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        ] {
            assert!(!is_likely(value), "{value}");
        }
    }

    #[test]
    fn names_of_credentials() {
        for key in ["api_key", "API-KEY", "openai_api_key", "token", "client_secret", "password"] {
            assert!(is_named(key), "{key}");
        }
        for key in ["ca", "model", "tokens_a_day", "host"] {
            assert!(!is_named(key), "{key}");
        }
    }
}
