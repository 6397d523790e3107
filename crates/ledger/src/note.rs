//! Signed notes (C2SP signed-note) and cosignatures (C2SP tlog-cosignature), with Ed25519.
//!
//! Owns keys and the form of signature lines. Never decides what is signed: the notary does. Used by the notary, and by
//! whoever checks a checkpoint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What a signature says (the type byte of its key, C2SP signed-note).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// The log itself vouches for the note's text.
    Signed = 1,
    /// A witness saw at a certain time that the checkpoint extends all that it saw before.
    Witnessed = 4,
}

/// A public key with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    says: Says,
    key: [u8; 32],
}

impl VerifierKey {
    /// Reads `<name>+<id>+<key>`, as [`Self::to_string`] writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.trim().split_once('+')?;
        let (id, key) = rest.split_once('+')?;
        let key = BASE64.decode(key).ok()?;
        let (says, key) = match key.split_first()? {
            (1, key) => (Says::Signed, key),
            (4, key) => (Says::Witnessed, key),
            _ => return None,
        };
        let key = Self { name: name.to_owned(), says, key: key.try_into().ok()? };
        (is_name(name) && id == format!("{:08x}", u32::from_be_bytes(key.id()))).then_some(key)
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its signatures say.
    #[must_use]
    pub fn says(&self) -> Says {
        self.says
    }

    fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', self.says as u8])
            .chain_update(self.key)
            .finalize();
        hash.first_chunk().copied().unwrap_or_default()
    }

    /// Whether one of `note`'s lines is this key's signature of its text; for a witness with the time it names.
    #[must_use]
    pub fn verifies(&self, note: &Note) -> Option<u64> {
        note.signatures.iter().filter(|line| line.name == self.name).find_map(|line| {
            let signature = line.bytes.strip_prefix(&self.id())?;
            let (time, signature, message) = match self.says {
                Says::Signed => (0, signature, note.text.clone()),
                Says::Witnessed => {
                    let (time, signature) = signature.split_first_chunk::<8>()?;
                    let time = u64::from_be_bytes(*time);
                    (time, signature, cosigned(time, &note.text))
                }
            };
            let key = UnparsedPublicKey::new(&ED25519, self.key);
            key.verify(message.as_bytes(), signature).is_ok().then_some(time)
        })
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut key = vec![self.says as u8];
        key.extend(self.key);
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), BASE64.encode(key))
    }
}

/// A secret key with its name.
pub struct SignerKey {
    public: VerifierKey,
    pair: Ed25519KeyPair,
}

impl SignerKey {
    /// A fresh secret key, as [`Self::from_secret`] takes it (PKCS #8).
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn draw() -> Result<Vec<u8>, String> {
        let drawn = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        drawn.map(|key| key.as_ref().to_vec()).map_err(|_| "the system gave no random bytes".to_owned())
    }

    /// The key `name` with this secret; `None` when the secret or the name is none.
    #[must_use]
    pub fn from_secret(name: &str, says: Says, secret: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(secret).ok()?;
        let key = pair.public_key().as_ref().try_into().ok()?;
        let public = VerifierKey { name: name.to_owned(), says, key };
        is_name(name).then_some(Self { public, pair })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// The line that signs `text`; `time` counts for a witness alone.
    #[must_use]
    pub fn sign(&self, text: &str, time: u64) -> SignatureLine {
        let mut bytes = self.public.id().to_vec();
        let message = match self.public.says {
            Says::Signed => text.to_owned(),
            Says::Witnessed => {
                bytes.extend(time.to_be_bytes());
                cosigned(time, text)
            }
        };
        bytes.extend(self.pair.sign(message.as_bytes()).as_ref());
        SignatureLine { name: self.public.name.clone(), bytes }
    }
}

impl std::fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SignerKey").field(&self.public.to_string()).finish()
    }
}

/// A text and who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The text, with its last line break.
    pub text: String,
    /// The signatures, in order.
    pub signatures: Vec<SignatureLine>,
}

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureLine {
    /// The key's name.
    pub name: String,
    /// The key's id and the signature.
    pub bytes: Vec<u8>,
}

/// No note that is read has more: witnesses are few.
const MOST_SIGNATURES: usize = 100;

impl Note {
    /// Reads a note; `None` for what is none.
    #[must_use]
    pub fn parse(note: &str) -> Option<Self> {
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return None;
        }
        let at = note.rfind("\n\n")?;
        let (text, lines) = note.split_at_checked(at + 1)?;
        let lines = lines.strip_prefix('\n')?;
        let mut signatures = Vec::new();
        for line in lines.strip_suffix('\n')?.split('\n') {
            let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
            let bytes = BASE64.decode(signature).ok()?;
            if !is_name(name) || bytes.len() < 5 || signatures.len() >= MOST_SIGNATURES {
                return None;
            }
            signatures.push(SignatureLine { name: name.to_owned(), bytes });
        }
        Some(Self { text: text.to_owned(), signatures })
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "— {} {}", line.name, BASE64.encode(&line.bytes)))
    }
}

/// What a witness signs (C2SP tlog-cosignature, `cosignature/v1`).
fn cosigned(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.chars().any(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of C2SP signed-note, with the key that Go's `sumdb/note` package documents.
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem \
                        is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn a_note_of_another_implementation_verifies() {
        let (key, note) = (VerifierKey::parse(KEY).unwrap(), Note::parse(NOTE).unwrap());
        assert_eq!((key.to_string(), note.to_string()), (KEY.to_owned(), NOTE.to_owned()));
        assert_eq!(key.verifies(&note), Some(0));
        let changed = Note::parse(&NOTE.replace("answer", "ansver")).unwrap();
        assert_eq!(key.verifies(&changed), None);
        assert!(VerifierKey::parse(&KEY.replace("c74f20a3", "c74f20a4")).is_none());
    }

    #[test]
    fn what_is_signed_verifies_and_nothing_else() {
        for says in [Says::Signed, Says::Witnessed] {
            let secret = SignerKey::draw().unwrap();
            let signer = SignerKey::from_secret("creel.test/log", says, &secret).unwrap();
            let note = Note { text: "a\nb\n".to_owned(), signatures: vec![signer.sign("a\nb\n", 77)] };
            let key = VerifierKey::parse(&signer.public().to_string()).unwrap();
            assert_eq!(key.verifies(&note), Some(if says == Says::Witnessed { 77 } else { 0 }));
            assert_eq!(Note::parse(&note.to_string()), Some(note.clone()));
            assert_eq!(key.verifies(&Note { text: "a\nc\n".to_owned(), ..note }), None);
        }
    }

    #[test]
    fn what_is_no_note_is_refused() {
        for bad in ["", "\n\n", "a\n", "a\n\n", "a\n\n- x AAAAAAAA\n", "a\n\n— x AAAAAAAA", "a\r\n\n— x AAAAAAAA\n"]
        {
            assert_eq!(Note::parse(bad), None, "{bad:?}");
        }
    }
}
