//! Canaries: values that open nothing, laid where thieves look.
//!
//! Owns the [`Nest`] of a tenant: what is laid where, made once and kept by root. Each value is unlike all others, so that
//! one that turns up says where it was taken. The warden lays them in the jail (environment, files of the read-only root),
//! the guard looks for them in all that leaves (`guard_process::watch`).

use std::fmt;
use std::io;
use std::path::Path;

use creel_jail::{MadeFile, Owner};
use serde::{Deserialize, Serialize};

/// One value, and where it lies.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Canary {
    /// What it is reported by, for instance `aws-key-in-environment`.
    pub(crate) name: String,
    /// A variable (`$NAME`) or a path in the jail.
    pub(crate) place: String,
    /// The value.
    pub(crate) value: String,
}

impl fmt::Debug for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canary").field("name", &self.name).field("place", &self.place).finish_non_exhaustive()
    }
}

/// All canaries of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Nest(pub(crate) Vec<Canary>);

/// Where programs of root's keep such things: in the jail, root has no program.
const CREDENTIALS: &str = concat!("/root", "/.aws/credentials");
const NETRC: &str = concat!("/root", "/.netrc");

/// Letters of each kind of value.
const HEX: &[u8] = b"0123456789abcdef";
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What is laid: name, place, the fixed beginning of the value, its letters and how many. Lengths and alphabets are those
/// of the real kinds. No variable has a name that a program reads by itself: a tool that used it would be no thief.
const LAID: [(&str, &str, &str, &[u8], usize); 9] = [
    ("aws-key-in-environment", "$BACKUP_AWS_SECRET_ACCESS_KEY", "", BASE62, 40),
    ("payment-key-in-environment", "$PAYMENTS_STRIPE_SECRET_KEY", "sk_live_", BASE62, 24),
    ("model-key-in-environment", "$BATCH_OPENAI_API_KEY", "sk-proj-", BASE62, 48),
    ("aws-key-in-file", CREDENTIALS, "", BASE62, 40),
    ("aws-key-id-in-file", CREDENTIALS, "AKIA", BASE32, 16),
    ("password-in-netrc", NETRC, "", BASE62, 20),
    ("decoy-host", NETRC, "vault-", HEX, 16),
    ("database-password-in-dotenv", "/srv/app/.env", "", BASE62, 24),
    ("decoy-document", "/srv/finance/salaries.csv", "REF-", HEX, 24),
];

impl Nest {
    /// New values for every place.
    pub(crate) fn fresh() -> io::Result<Self> {
        let one = |(name, place, start, letters, length): &(&str, &str, &str, &[u8], usize)| {
            let value = format!("{start}{}", random(letters, *length)?);
            Ok(Canary { name: (*name).to_owned(), place: (*place).to_owned(), value })
        };
        LAID.iter().map(one).collect::<io::Result<_>>().map(Self)
    }

    /// What is kept at `path`, made when there is nothing.
    ///
    /// # Errors
    /// When it can't be read or written, or holds something else.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| io::Error::other(error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let nest = Self::fresh()?;
                nest.keep(path)?;
                Ok(nest)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes it for root alone, whole or not at all.
    pub(crate) fn keep(&self, path: &Path) -> io::Result<()> {
        crate::private_file::write(path, &serde_json::to_vec(self)?)
    }

    /// The files that are laid, each once.
    pub(crate) fn decoys(&self) -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        for place in self.0.iter().map(|canary| &canary.place).filter(|place| place.starts_with('/')) {
            if !paths.contains(place) {
                paths.push(place.clone());
            }
        }
        paths
    }

    /// The variables to lay.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let variable = |canary: &Canary| Some((canary.place.strip_prefix('$')?.to_owned(), canary.value.clone()));
        self.0.iter().filter_map(variable).collect()
    }

    /// The files to lay, readable to whoever looks.
    pub(crate) fn files(&self) -> Vec<MadeFile> {
        let value = |name: &str| self.0.iter().find(|one| one.name == name).map_or("", |one| one.value.as_str());
        let file = |path: &str, text: String| MadeFile {
            path: path.into(),
            bytes: text.into_bytes(),
            mode: 0o444,
            owner: Owner::Root,
        };
        vec![
            file(
                CREDENTIALS,
                format!(
                    "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\nregion = eu-central-1\n",
                    value("aws-key-id-in-file"),
                    value("aws-key-in-file")
                ),
            ),
            file(
                NETRC,
                format!(
                    "machine {}.internal login deploy password {}\n",
                    value("decoy-host"),
                    value("password-in-netrc")
                ),
            ),
            file(
                "/srv/app/.env",
                format!("APP_ENV=production\nDB_USER=app\nDB_PASSWORD={}\n", value("database-password-in-dotenv")),
            ),
            file(
                "/srv/finance/salaries.csv",
                format!("reference,name,salary\n{},A. Lindner,84000\n", value("decoy-document")),
            ),
        ]
    }
}

/// Random letters, each as likely as the others.
fn random(letters: &[u8], length: usize) -> io::Result<String> {
    let mut out = String::with_capacity(length);
    // The greatest multiple of the number of letters that a byte can hold.
    let fair = 256 - 256 % letters.len().max(1);
    while out.len() < length {
        let mut bytes = [0_u8; 64];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        let drawn = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        let drawn = drawn.filter_map(|byte| letters.get(byte % letters.len()).map(|letter| char::from(*letter)));
        out.extend(drawn.take(length - out.len()));
    }
    Ok(out)
}

/// A folder of a test's own, gone with it.
#[cfg(test)]
pub(crate) mod scratch {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    pub(crate) struct Scratch(pub(crate) PathBuf);

    impl Scratch {
        pub(crate) fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("creel-scratch-{}-{number}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::scratch::Scratch;
    use super::*;

    #[test]
    fn every_value_is_its_own_and_lies_where_it_says() {
        let (one, other) = (Nest::fresh().unwrap(), Nest::fresh().unwrap());
        let mut values: Vec<&str> = one.0.iter().chain(&other.0).map(|canary| canary.value.as_str()).collect();
        let count = values.len();
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), count);
        let (env, files) = (one.environment(), one.files());
        for canary in &one.0 {
            let in_env = env.iter().any(|(name, value)| canary.place == format!("${name}") && *value == canary.value);
            let in_file = files.iter().any(|file| {
                file.path == Path::new(&canary.place) && String::from_utf8_lossy(&file.bytes).contains(&canary.value)
            });
            assert!(in_env != in_file, "{canary:?}");
            assert!(!format!("{canary:?}").contains(&canary.value));
        }
        assert_eq!(env.len() + 6, one.0.len());
    }

    #[test]
    fn what_is_kept_stays_and_is_roots_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Scratch::new();
        let path = folder.0.join("canaries.json");
        let made = Nest::open(&path).unwrap();
        assert_eq!(Nest::open(&path).unwrap(), made);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "x").unwrap();
        Nest::open(&path).unwrap_err();
    }
}
