//! The files of the store of secrets.
//!
//! Owns [`Safe`]: a tenant's sealed file, the key that opens it, the lock under which one at a time changes it. It shows no
//! value, and never goes on with a file that it can't open. The command line and the warden use it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_secrets::{Store, StoreKey};
use zeroize::Zeroizing;

use crate::clock::monotonic;
use crate::lock::Held;
use crate::site::Site;

/// No sealed file is longer.
const LONGEST: u64 = 17 << 20;
/// No key's file is longer.
const LONGEST_KEY: u64 = 1024;
/// How long whoever changes the store waits for the one before.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Where a tenant's store is, and its key.
#[derive(Clone, Debug)]
pub(crate) struct Safe {
    file: PathBuf,
    key_file: PathBuf,
    lock: PathBuf,
    tenant: String,
}

impl Safe {
    /// The store of `tenant`; the configuration may say where its key is.
    pub(crate) fn new(site: &Site, tenant: &str, key_file: Option<&Path>) -> Self {
        Self {
            file: site.store(tenant),
            key_file: key_file.map_or_else(|| site.store_key(), Path::to_owned),
            lock: site.lock_file(&format!("secrets-{tenant}")),
            tenant: tenant.to_owned(),
        }
    }

    /// What is in it; nothing when there was never anything.
    ///
    /// # Errors
    /// When it can't be read, or opened with this key.
    pub(crate) fn read(&self) -> Result<Store, String> {
        let sealed = match read(&self.file, LONGEST) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Store::default()),
            Err(error) => return Err(self.named(&error)),
        };
        Store::open(&sealed, &self.key()?, &self.tenant).map_err(|error| self.named(&error))
    }

    /// Changes it, whole or not at all; nobody else does meanwhile.
    ///
    /// # Errors
    /// As [`Safe::read`]; what `work` says; when it can't be written. The store is then as it was.
    pub(crate) fn change<T>(&self, work: impl FnOnce(&mut Store) -> Result<T, String>) -> Result<T, String> {
        let _held = self.turn()?;
        let mut store = self.read()?;
        let done = work(&mut store)?;
        let key = if self.file.exists() { self.key()? } else { self.key_or_new()? };
        let sealed = store.seal(&key, &self.tenant).map_err(|error| self.named(&error))?;
        crate::private_file::write(&self.file, &sealed).map_err(|error| self.named(&error))?;
        Ok(done)
    }

    fn turn(&self) -> Result<Held, String> {
        let begun = monotonic();
        loop {
            match Held::take(&self.lock) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && monotonic() < begun + PATIENCE => {
                    std::thread::sleep(PAUSE);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(format!("`{}` is being changed by somebody else; try again", self.file.display()));
                }
                held => return held.map_err(|error| format!("`{}`: {error}", self.lock.display())),
            }
        }
    }

    fn key(&self) -> Result<StoreKey, String> {
        let lost = |why: &dyn std::fmt::Display| format!("`{}`: {why}", self.key_file.display());
        match own(&self.key_file) {
            Ok(text) => StoreKey::parse(&text).map_err(|error| lost(&error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(lost(&format!(
                "the key of the store `{}` is not there: bring it back, or name its place as `state.key_file`",
                self.file.display()
            ))),
            Err(error) => Err(lost(&error)),
        }
    }

    /// The key; where none is, a new one.
    fn key_or_new(&self) -> Result<StoreKey, String> {
        if self.key_file.exists() {
            return self.key();
        }
        let (key, text) = StoreKey::fresh().map_err(|error| error.to_string())?;
        let made = crate::private_file::write(&self.key_file, text.as_bytes());
        made.map_err(|error| format!("`{}` can't be made: {error}", self.key_file.display()))?;
        Ok(key)
    }

    fn named(&self, error: &dyn std::fmt::Display) -> String {
        format!("`{}`: {error}", self.file.display())
    }
}

/// The text of a key's file, which nobody else may read.
fn own(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let found = std::fs::metadata(path)?;
    if found.mode() & 0o077 != 0 {
        let why = format!("others may open it (mode {:o}): `chmod 600` it", found.mode() & 0o7777);
        return Err(io::Error::other(why));
    }
    read(path, LONGEST_KEY)
}

#[expect(clippy::disallowed_methods, reason = "this file owns the store and its key")]
fn read(path: &Path, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len().min(most);
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 2));
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is longer than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use creel_secrets::{Keyring, Secret, SecretName};

    use super::*;
    use crate::canary::scratch::Scratch;

    fn name(text: &str) -> SecretName {
        SecretName::parse(text).unwrap()
    }

    fn value(text: &str) -> Secret {
        Secret::given(&name("X"), Zeroizing::new(text.as_bytes().to_vec())).unwrap()
    }

    fn safe(folder: &Scratch) -> Safe {
        let site = Site::new(&folder.0);
        site.make().unwrap();
        Safe::new(&site, "main", None)
    }

    fn put(safe: &Safe, entry: &str) -> Result<(), String> {
        safe.change(|store| store.put(&name(entry), value("value-0123456789"), 1).map_err(|error| error.to_string()))
    }

    #[test]
    fn what_is_put_in_is_there_for_its_owner_and_its_key_alone() {
        let folder = Scratch::new();
        let safe = safe(&folder);
        assert_eq!(safe.read().unwrap().list().count(), 0);
        assert!(!safe.key_file.exists(), "who reads makes nothing");
        put(&safe, "A").unwrap();
        for file in [&safe.file, &safe.key_file] {
            assert_eq!(std::fs::metadata(file).unwrap().mode() & 0o7777, 0o600, "{}", file.display());
        }
        assert!(put(&safe, "A").unwrap_err().contains("creel secret rotate A"));
        let mut ring = Keyring::default();
        safe.read().unwrap().hand(&name("A"), 0, &mut ring).unwrap();
        assert!(ring.has(&name("A"), &value("value-0123456789")));
        let others = Safe { tenant: "other".to_owned(), ..safe.clone() };
        assert!(others.read().err().unwrap().contains("damaged"));
    }

    #[test]
    fn a_key_that_is_lost_open_or_another_and_a_damaged_file_are_told_and_change_nothing() {
        let folder = Scratch::new();
        let safe = safe(&folder);
        put(&safe, "A").unwrap();
        let (sealed, key) = (std::fs::read(&safe.file).unwrap(), std::fs::read(&safe.key_file).unwrap());
        let check = |wanted: &str| {
            for told in [safe.read().err().unwrap(), put(&safe, "B").unwrap_err()] {
                assert!(told.contains(wanted), "{told}");
            }
        };
        std::fs::set_permissions(&safe.key_file, PermissionsExt::from_mode(0o640)).unwrap();
        check("chmod 600");
        std::fs::remove_file(&safe.key_file).unwrap();
        check("bring it back");
        assert!(!safe.key_file.exists(), "no new key is made beside an old store");
        crate::private_file::write(&safe.key_file, "00".repeat(32).as_bytes()).unwrap();
        check("sealed with the key");
        crate::private_file::write(&safe.key_file, b"hunter2").unwrap();
        check("64 hexadecimal");
        crate::private_file::write(&safe.key_file, &key).unwrap();
        crate::private_file::write(&safe.file, sealed.split_last().unwrap().1).unwrap();
        check("damaged");
        crate::private_file::write(&safe.file, &vec![0; usize::try_from(LONGEST).unwrap() + 1]).unwrap();
        check("longer than");
        crate::private_file::write(&safe.file, &sealed).unwrap();
        put(&safe, "B").unwrap();
    }

    #[test]
    fn who_changes_it_at_once_loses_nothing() {
        let folder = Scratch::new();
        let safe = safe(&folder);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let safe = &safe;
                scope.spawn(move || put(safe, &format!("N{number}")).unwrap());
            }
        });
        assert_eq!(safe.read().unwrap().list().count(), 8);
    }
}
