//! Private keys and seeds.
//!
//! Owns their rows. Bitcoin's, Nostr's, age's and Stellar's forms carry checksums.

use super::kind::{Row, Seen, named, summed};
use crate::secrets::{checks, excused};

pub(super) static KINDS: &[Row] = &[
    Row::token("private-key", &["-----BEGIN "], r"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----[\s\S]{0,200}?[A-Za-z0-9+/]{24}[A-Za-z0-9+/=\s\\]*").check(pem),
    Row::token("putty-key", &["PuTTY-User-Key-File-"], r"PuTTY-User-Key-File-[23]: [a-z0-9-]{3,40}[\s\S]{0,2000}?Private-Lines: [0-9]+\s+[A-Za-z0-9+/=]{40}[A-Za-z0-9+/=]*").check(sure),
    Row::token("age-key", &["AGE-SECRET-KEY-1"], r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}").check(bech32),
    Row::token("age-pq-key", &["AGE-SECRET-KEY-PQ-1"], r"AGE-SECRET-KEY-PQ-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}").check(bech32),
    Row::token("nostr-key", &["nsec1"], r"nsec1[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{58}").check(bech32),
    Row::token("bitcoin-extended-key", &["xprv", "yprv", "zprv"], r"[xyz]prv[1-9A-HJ-NP-Za-km-z]{107}").check(base58),
    Row::labelled("bitcoin-wif", &["wif", "bitcoin", "btc", "private"], r"[5KL][1-9A-HJ-NP-Za-km-z]{50,51}").check(base58),
    Row::labelled("ethereum-key", &["eth", "wallet", "private", "deployer", "account", "signer"], r"(?:0x)?[a-fA-F0-9]{64}").check(private_hex),
    Row::labelled("solana-key", &["solana", "phantom", "wallet", "private"], r"[1-9A-HJ-NP-Za-km-z]{86,88}"),
    Row::labelled("stellar-seed", &["stellar", "seed", "secret", "lumen"], r"S[A-Z2-7]{55}"),
    Row::labelled("ripple-seed", &["ripple", "xrp", "seed"], r"s[rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz]{28}"),
    Row::labelled("wireguard-key", &["PrivateKey", "PresharedKey", "private_key", "preshared"], r"[A-Za-z0-9+/]{43}="),
    Row::token("jwk-private", &["\"d\":"], r#""d": ?"[A-Za-z0-9_-]{40,700}""#),
    Row::token("onepassword-service-token", &["ops_eyJ"], r"ops_eyJ[A-Za-z0-9+/=_-]{200,900}"),
    Row::token("onepassword-secret-key", &["A3-"], r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}"),
    Row::token("vault-token", &["hvs.", "hvb.", "hvr."], r"hv[sbr]\.[A-Za-z0-9_-]{24,300}"),
    Row::labelled("vault-old-token", &["vault"], r"s\.[A-Za-z0-9]{24}"),
    Row::token("doppler-token", &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."], r"dp\.(?:pt|ct|sa|scim|audit|st(?:\.[a-z0-9_-]{2,35})?)\.[A-Za-z0-9]{40,44}"),
    Row::token("infisical-token", &["st."], r"st\.[a-f0-9]{24}\.[a-f0-9]{32}\.[a-f0-9]{32}"),
    Row::token("terraform-token", &[".atlasv1."], r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}").back(14),
    Row::token("pulumi-token", &["pul-"], r"pul-[a-f0-9]{40}"),
    Row::token("tailscale-key", &["tskey-"], r"tskey-(?:[a-z]+-)?[A-Za-z0-9]{10,20}-[A-Za-z0-9]{20,40}"),
    Row::token("teleport-token", &["teleport_"], r"teleport_[a-f0-9]{32,64}"),
    Row::labelled("zerotier-token", &["zerotier"], r"[A-Za-z0-9]{32}"),
    Row::labelled("ngrok-token", &["ngrok"], r"[A-Za-z0-9]{25,30}_[A-Za-z0-9]{15,25}"),
];

/// A block with a body of its own: documents show the first line alone, or dots.
fn pem(seen: &Seen<'_>) -> Option<f32> {
    let body = seen.value.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
    (body >= 80 && !excused::is_example(seen.value.get(30..).unwrap_or_default().get(..400).unwrap_or_default()))
        .then_some(0.97)
}

fn sure(_: &Seen<'_>) -> Option<f32> {
    Some(0.97)
}

fn bech32(seen: &Seen<'_>) -> Option<f32> {
    summed(seen, checks::bech32(seen.value))
}

fn base58(seen: &Seen<'_>) -> Option<f32> {
    if checks::base58check(seen.value) { summed(seen, true) } else { None }
}

/// 64 hex digits are a hash, too: the name must say that they are a key.
fn private_hex(seen: &Seen<'_>) -> Option<f32> {
    let name = seen.text.get(seen.label.saturating_sub(24)..seen.start)?.to_ascii_lowercase();
    let has = |part: &[u8]| memchr::memmem::find(&name, part).is_some();
    ((has(b"priv") || has(b"secret") || has(b"_pk") || has(b"mnemonic")) && has(b"key") || has(b"_pk"))
        .then(|| named(seen))
        .flatten()
}
