//! The sealing of the store.
//!
//! Owns [`StoreKey`] and the form of the sealed file: a first line, the key's mark, a salt, the cipher text. Each sealing has a
//! key of its own (HKDF over a fresh salt), so that no nonce is ever used twice. It knows nothing of what is sealed. `store`
//! calls it. docs/decisions/019-sealed-store.md says why it is not `age`.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::{Zeroize, Zeroizing};

use super::LONGEST;
use crate::error::Error;

/// The first line of the file.
const FIRST: &[u8] = b"creel-secrets-1\n";
/// Bytes of the salt, as long as the hash (RFC 5869, section 3.1).
const SALT: usize = 32;
/// Bytes of a key's mark: enough to tell keys apart, and nothing of the key.
const MARK: usize = 8;
/// Bytes of the cipher's tag (RFC 8439, section 2.8).
const TAG: usize = 16;
/// Bytes of a key.
const KEY: usize = 32;

/// What opens and seals the store: 32 random bytes, in a file as 64 hexadecimal digits. Wiped when dropped, shown by nothing.
pub struct StoreKey(Zeroizing<[u8; KEY]>);

impl StoreKey {
    /// A new one, and the text of its file.
    ///
    /// # Errors
    /// [`Error::NoChance`].
    pub fn fresh() -> Result<(Self, Zeroizing<String>), Error> {
        let mut key = Zeroizing::new([0; KEY]);
        getrandom::fill(&mut *key).map_err(|_| Error::NoChance)?;
        let mut text = Zeroizing::new(String::with_capacity(KEY * 2 + 1));
        for byte in key.iter() {
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
        }
        text.push('\n');
        Ok((Self(key), text))
    }

    /// Reads the text of its file.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let text = text.trim_ascii();
        if text.len() != KEY * 2 {
            return Err(Error::Key { why: "it is not 64 hexadecimal digits long" });
        }
        let mut key = Zeroizing::new([0; KEY]);
        for (byte, pair) in key.iter_mut().zip(text.chunks(2)) {
            let value = |at: usize| pair.get(at).and_then(|c| char::from(*c).to_digit(16));
            let (Some(high), Some(low)) = (value(0), value(1)) else {
                return Err(Error::Key { why: "it holds something else than hexadecimal digits" });
            };
            *byte = u8::try_from(high * 16 + low).unwrap_or_default();
        }
        Ok(Self(key))
    }

    /// What tells keys apart.
    fn mark(&self) -> Result<[u8; MARK], Error> {
        let mut mark = [0; MARK];
        self.derive(b"mark of a key", &[0; SALT], &mut mark)?;
        Ok(mark)
    }

    /// HKDF-SHA256 (RFC 5869).
    fn derive(&self, what: &[u8], salt: &[u8; SALT], out: &mut [u8]) -> Result<(), Error> {
        let lost = |_| Error::Key { why: "nothing can be derived from it" };
        let key = Salt::new(HKDF_SHA256, salt).extract(&*self.0);
        key.expand(&[b"creel secrets: ", what], Length(out.len())).map_err(lost)?.fill(out).map_err(lost)
    }

    fn cipher(&self, salt: &[u8; SALT]) -> Result<LessSafeKey, Error> {
        let mut key = Zeroizing::new([0; KEY]);
        self.derive(b"a sealing", salt, &mut *key)?;
        let key =
            UnboundKey::new(&CHACHA20_POLY1305, &*key).map_err(|_| Error::Key { why: "the cipher refuses it" })?;
        Ok(LessSafeKey::new(key))
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}

/// The one nonce of a key that is used once.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// What the seal vouches for beside what is sealed: the form and whose store it is.
fn around(of: &str) -> Vec<u8> {
    [FIRST, of.as_bytes()].concat()
}

pub(super) fn seal(mut plain: Zeroizing<Vec<u8>>, key: &StoreKey, of: &str) -> Result<Vec<u8>, Error> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|_| Error::NoChance)?;
    let cipher = key.cipher(&salt)?;
    let tag = cipher.seal_in_place_separate_tag(nonce(), Aad::from(around(of)), &mut plain);
    let tag = tag.map_err(|_| Error::Full { why: "it is too long to be sealed" })?;
    Ok([FIRST, &key.mark()?, &salt, &plain, tag.as_ref()].concat())
}

pub(super) fn open(sealed: &[u8], key: &StoreKey, of: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    let damaged = |why| Error::Damaged { why };
    let rest = sealed.strip_prefix(FIRST).ok_or(damaged("it begins like no store"))?;
    if rest.len() > LONGEST + MARK + SALT + TAG {
        return Err(damaged("it is longer than any store"));
    }
    let short = damaged("it is cut off");
    let (mark, rest) = rest.split_first_chunk::<MARK>().ok_or(short.clone())?;
    let (salt, text) = rest.split_first_chunk::<SALT>().ok_or(short.clone())?;
    if text.len() < TAG {
        return Err(short);
    }
    let here = key.mark()?;
    if *mark != here {
        let hex = |mark: &[u8]| mark.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
        return Err(Error::OtherKey { sealed: hex(mark), here: hex(&here) });
    }
    let mut text = Zeroizing::new(text.to_vec());
    let opened = key.cipher(salt)?.open_in_place(nonce(), Aad::from(around(of)), &mut text);
    let length = opened.map(|plain| plain.len()).map_err(|_| damaged("it is not what was sealed for this tenant"))?;
    if let Some(tag) = text.get_mut(length..) {
        tag.zeroize();
    }
    text.truncate(length);
    Ok(text)
}

/// What tells a value again, kept under the seal alone.
pub(super) fn digest(value: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, value);
    digest.as_ref().try_into().unwrap_or_default()
}
