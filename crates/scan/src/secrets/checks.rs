//! Checksums that credentials carry.
//!
//! Owns them: CRC-32 in base 62 (GitHub, npm), the account number in an AWS key, Bitcoin's base58check, bech32, and the
//! decoding of base64 that some kinds need. Each says whether a value is whole, nothing about whose it is.

use sha2::{Digest, Sha256};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Whether the last six characters are the CRC-32 of those between the prefix and them.
pub(super) fn crc62(token: &[u8]) -> bool {
    let Some(body) = token.iter().position(|byte| *byte == b'_').and_then(|at| token.get(at + 1..)) else {
        return false;
    };
    let Some(at) = body.len().checked_sub(6) else { return false };
    let (text, sum) = body.split_at(at);
    sum == base62(crc32fast::hash(text))
}

fn base62(mut number: u32) -> [u8; 6] {
    let mut out = [b'0'; 6];
    for slot in out.iter_mut().rev() {
        *slot = BASE62.get((number % 62) as usize).copied().unwrap_or_default();
        number /= 62;
    }
    out
}

/// Whether sixteen characters are base32 and hold an account number of at most twelve digits in their first 48 bits.
pub(super) fn aws_account(body: &[u8]) -> bool {
    let mut bits = 0_u128;
    for byte in body {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return false,
        };
        bits = bits << 5 | u128::from(digit);
    }
    // 80 bits: the number stands in bits 1 to 40 of the first 48.
    body.len() == 16 && (bits >> 39 & 0xff_ffff_ffff) < 1_000_000_000_000
}

/// Bitcoin's: the last four bytes are the head of a double SHA-256.
pub(super) fn base58check(text: &[u8]) -> bool {
    let mut bytes: Vec<u8> = Vec::new();
    for byte in text {
        let Some(digit) = base58(*byte) else { return false };
        let mut carry = digit;
        for byte in &mut bytes {
            carry += u32::from(*byte) * 58;
            *byte = u8::try_from(carry & 0xff).unwrap_or_default();
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push(u8::try_from(carry & 0xff).unwrap_or_default());
            carry >>= 8;
        }
    }
    bytes.reverse();
    let Some(at) = bytes.len().checked_sub(4) else { return false };
    let (body, sum) = bytes.split_at(at);
    let digest = Sha256::digest(Sha256::digest(body));
    digest.get(..4) == Some(sum)
}

fn base58(byte: u8) -> Option<u32> {
    let alphabet = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    alphabet.iter().position(|letter| *letter == byte).and_then(|at| u32::try_from(at).ok())
}

/// BIP 173: the polynomial of the whole word leaves 1.
pub(super) fn bech32(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    let Some(one) = memchr::memrchr(b'1', &lower) else { return false };
    let (name, data) = (lower.get(..one).unwrap_or_default(), lower.get(one + 1..).unwrap_or_default());
    let alphabet = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let mut values: Vec<u32> = name.iter().map(|byte| u32::from(byte >> 5)).collect();
    values.push(0);
    values.extend(name.iter().map(|byte| u32::from(byte & 31)));
    for byte in data {
        let Some(digit) = alphabet.iter().position(|letter| letter == byte) else { return false };
        values.push(u32::try_from(digit).unwrap_or_default());
    }
    data.len() >= 6 && polynomial(&values) == 1
}

fn polynomial(values: &[u32]) -> u32 {
    let generator = [0x3b6a_57b2_u32, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.iter().fold(1_u32, |sum, value| {
        let top = sum >> 25;
        let next = (sum & 0x01ff_ffff) << 5 ^ value;
        generator.iter().enumerate().fold(next, |next, (at, term)| if top >> at & 1 == 1 { next ^ term } else { next })
    })
}

/// Base64 in either alphabet, padded or not; `None` for anything else.
pub(super) fn base64url(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let (mut held, mut count) = (0_u32, 0);
    for byte in text.iter().filter(|byte| **byte != b'=') {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        held = held << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(held >> count & 0xff).unwrap_or_default());
            held &= (1 << count) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A whole token with its checksum, for tests.
    pub(crate) fn with_crc62(prefix: &str, body: &str) -> String {
        format!("{prefix}{body}{}", String::from_utf8(base62(crc32fast::hash(body.as_bytes())).to_vec()).unwrap())
    }

    #[test]
    fn checksums() {
        let body = "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ";
        let token = with_crc62("ghp_", body);
        // The pair that is published with the form of GitHub's tokens.
        assert!(token.ends_with("0mLq17"), "{token}");
        assert!(crc62(token.as_bytes()) && !crc62(token.replace('z', "y").as_bytes()));
        assert!(bech32(b"A12UEL5L") && !bech32(b"A12UEL5M"));
        let wif = ["5HueCGU8rMjxEXxiPuD5BDku4", "MkFqeZyd4dZ1jvhTVqvbTLvyTJ"].concat();
        assert!(base58check(wif.as_bytes()) && !base58check(wif.replace('J', "K").as_bytes()));
        assert!(
            aws_account(b"QYLPMN5HHHFPZAM2") && !aws_account(b"QYLPMN5HHHFPZAM0") && !aws_account(b"7777777777777777")
        );
        assert_eq!(base64url(b"YWI-").unwrap(), [b'a', b'b', 62]);
    }
}
