//! The jail's skeleton: its folders, links and the made /etc, before anything is mounted on it.
//!
//! Owns the list of what is in the jail's root, with the few files that are copied from the host. It never writes: the
//! stage does, from this list. `launch` calls it, outside of the jail.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::plan::{MadeFile, Owner, Plan, WRITABLE};

/// One thing in the jail's root. Paths have no leading slash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Entry {
    Folder { path: PathBuf },
    Link { path: PathBuf, target: PathBuf },
    File { path: PathBuf, bytes: Bytes, mode: u32, agents: bool },
}

/// Bytes that are mostly text, so that the order to the stage is short as JSON and read at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Bytes {
    #[serde(rename = "t")]
    Text(String),
    /// Two hexadecimal digits a byte.
    #[serde(rename = "x")]
    Raw(String),
}

impl Bytes {
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let digit = |digit: u8| (digit as char).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or(0);
        match self {
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Raw(digits) => digits
                .as_bytes()
                .chunks_exact(2)
                .map(|pair| pair.iter().fold(0, |byte, one| byte << 4 | digit(*one)))
                .collect(),
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| DIGITS.get(usize::from(value)).map_or('0', |digit| char::from(*digit));
        String::from_utf8(bytes).map_or_else(
            |error| Self::Raw(error.as_bytes().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()),
            Self::Text,
        )
    }
}

/// Copied when the host has them: no program needs them changed, and none says anything about the host's people.
const COPIED: [&str; 9] = [
    "ld.so.cache",
    "ld.so.conf",
    "mime.types",
    "services",
    "protocols",
    "ssl/openssl.cnf",
    "localtime",
    "shells",
    "debian_version",
];

/// A host file above this size is not copied.
const LARGEST_COPY: u64 = 1 << 20;

/// Everything in the jail's root.
pub(crate) fn skeleton(plan: &Plan) -> Vec<Entry> {
    let mut out = Vec::new();
    let folders = ["etc", "usr", "proc", "sys", "dev", "opt", "opt/openclaw", "var", "run", "run/creel", "mnt", "srv"];
    out.extend(folders.map(|path| Entry::Folder { path: path.into() }));
    for (_, place, _) in WRITABLE.iter().filter(|(_, place, _)| !place.starts_with("/dev")) {
        out.push(Entry::Folder { path: relative(Path::new(place)) });
    }
    for (path, target) in [("var/tmp", "../tmp"), ("var/run", "../run"), ("etc/mtab", "../proc/self/mounts")] {
        out.push(link(path, target));
    }
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        if Path::new("/usr").join(name).exists() {
            out.push(link(name, format!("usr/{name}")));
        }
    }
    out.extend(made_etc(&plan.hostname));
    out.extend(copied());
    out.extend(alternatives());
    out.extend(files(&plan.files));
    out
}

/// Made files, as they are put there.
pub(crate) fn files(files: &[MadeFile]) -> Vec<Entry> {
    let one = |MadeFile { path, bytes, mode, owner }: &MadeFile| Entry::File {
        path: relative(path),
        bytes: bytes.clone().into(),
        mode: *mode,
        agents: *owner == Owner::Agent,
    };
    files.iter().map(one).collect()
}

fn made_etc(hostname: &str) -> Vec<Entry> {
    let files = [
        (
            "etc/passwd",
            "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nagent:x:1000:1000:agent:/home/agent:/bin/bash\n\
             agent-commands:x:1001:1001:what the agent runs:/home/agent:/bin/bash\n\
             nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
                .to_owned(),
        ),
        ("etc/group", "root:x:0:\ntty:x:5:\nagent:x:1000:\nagent-commands:x:1001:\nnogroup:x:65534:\n".to_owned()),
        ("etc/hosts", format!("127.0.0.1 localhost {hostname}\n::1 localhost ip6-localhost ip6-loopback {hostname}\n")),
        ("etc/hostname", format!("{hostname}\n")),
        ("etc/host.conf", "multi on\n".to_owned()),
        // use-vc is not set: the resolver answers on both; one try is enough for a socket that is always there
        ("etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:10 attempts:2\n".to_owned()),
        (
            "etc/nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\n\
             services: files\nethers: files\nrpc: files\n"
                .to_owned(),
        ),
    ];
    let mut out = files.map(|(path, text)| file(path, text.into_bytes())).to_vec();
    out.push(link("etc/os-release", "../usr/lib/os-release"));
    out
}

fn copied() -> Vec<Entry> {
    let mut out = Vec::new();
    for name in COPIED {
        let source = Path::new("/etc").join(name);
        let small = fs::metadata(&source).is_ok_and(|meta| meta.is_file() && meta.len() <= LARGEST_COPY);
        if let (true, Ok(bytes)) = (small, fs::read(&source)) {
            out.push(file(Path::new("etc").join(name), bytes));
        }
    }
    out
}

/// Debian's `/etc/alternatives`: links into /usr, without which `awk`, `vi` or `java` are missing. Their manual pages, most of
/// the links, are left out.
fn alternatives() -> Vec<Entry> {
    let mut out = Vec::new();
    for entry in fs::read_dir("/etc/alternatives").into_iter().flatten().flatten().take(4096) {
        if let Ok(target) = fs::read_link(entry.path())
            && target.starts_with("/usr")
            && !target.starts_with("/usr/share/man")
            && target.extension().is_none_or(|end| end != "gz")
        {
            out.push(Entry::Link { path: Path::new("etc/alternatives").join(entry.file_name()), target });
        }
    }
    out.sort_by(|a, b| a.path().cmp(b.path()));
    out
}

impl Entry {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Folder { path } | Self::Link { path, .. } | Self::File { path, .. } => path,
        }
    }
}

/// A place in the jail as a path from its root.
pub(crate) fn relative(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_owned()
}

fn link(path: &str, target: impl Into<PathBuf>) -> Entry {
    Entry::Link { path: path.into(), target: target.into() }
}

fn file(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Entry {
    Entry::File { path: path.into(), bytes: bytes.into(), mode: 0o644, agents: false }
}
