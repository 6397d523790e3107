//! What a jail is to be: the one argument of a launch.
//!
//! Owns the plan and its rules: which names, files and binds make sense. It changes nothing on the host, and
//! looks only at what is to be bound. The binary fills it in; `spec` and `launch` read it after [`Plan::check`].

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::slot::Slot;

pub(crate) mod source;
#[cfg(test)]
mod tests;

/// Everything that a launch needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Of the jail; also in its cgroup's name. Lower-case letters, digits and `-`, at most 48.
    pub name: String,
    /// Which users of the host the jail has.
    pub users: Users,
    /// Who builds it.
    pub engine: Engine,
    /// What the jail may use up.
    pub limits: Limits,
    /// Where the writable places lie.
    pub disk: Disk,
    /// Read-only files that are made for this jail.
    pub files: Vec<MadeFile>,
    /// The prepared runtime folder, seen at `/opt/openclaw`.
    pub runtime: Option<PathBuf>,
    /// What else of the host is seen, read-only.
    pub binds: Vec<Bind>,
    /// Our own program: the stage is started from it, and it is seen at `/creel/creel`.
    pub exe: PathBuf,
    /// Whether `/run/creel/secrets.sock` is planted.
    pub secrets_socket: bool,
    /// Whether what PID 1 starts stands in front of an inner wall, with a runtime folder and no binds: it executes nothing but
    /// that folder's programs, and every other one runs behind the wall.
    pub inner_wall: Option<InnerWall>,
    /// Ids of layers that the operator goes without, as in `--allow-degraded`.
    pub degraded: Vec<String>,
    /// The jail's own host name.
    pub hostname: String,
}

/// Which users of the host a jail has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    /// Those of a slot: nobody else on the host has them.
    Slot(Slot),
    /// The one who asks, who is not root, for everything. The layers `separate-uid` and `guard-uid` are missing then.
    Own(u32),
}

impl Users {
    /// The agent's id on the host.
    #[must_use]
    pub fn agent_id(self) -> u32 {
        match self {
            Self::Slot(slot) => slot.agent_id(),
            Self::Own(uid) => uid,
        }
    }

    /// The guard's.
    #[must_use]
    pub fn guard_id(self) -> u32 {
        match self {
            Self::Slot(slot) => slot.guard_id(),
            Self::Own(uid) => uid,
        }
    }

    /// The id of whoever signs the ledger.
    #[must_use]
    pub fn signer_id(self) -> u32 {
        match self {
            Self::Slot(slot) => slot.signer_id(),
            Self::Own(uid) => uid,
        }
    }

    /// The id of whoever witnesses it.
    #[must_use]
    pub fn witness_id(self) -> u32 {
        match self {
            Self::Slot(slot) => slot.witness_id(),
            Self::Own(uid) => uid,
        }
    }

    /// Whether everything has the id of the one who asks.
    #[must_use]
    pub fn is_own(self) -> bool {
        matches!(self, Self::Own(_))
    }
}

/// Who builds the jail from its OCI spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Creel itself.
    Embedded,
    /// An OCI runtime of the host. Network, planted sockets, landlock and the proof stay Creel's.
    Runtime(OciRuntime),
}

/// An OCI runtime that takes runc's command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OciRuntime {
    /// Debian's package `runc`.
    Runc,
    /// Debian's package `crun`.
    Crun,
}

impl OciRuntime {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Runc, Self::Crun];

    /// Its program's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Runc => "runc",
            Self::Crun => "crun",
        }
    }
}

impl Engine {
    /// The engine of that name: `embedded`, or a runtime's.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let runtime = OciRuntime::ALL.into_iter().find(|runtime| runtime.name() == name).map(Self::Runtime);
        runtime.or((name == "embedded").then_some(Self::Embedded))
    }
}

/// What stands in front of an inner wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InnerWall {
    /// The port of the agent's gateway, which commands behind the wall can't connect to.
    pub gateway_port: u16,
}

/// What the jail may use up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// In CPUs.
    pub cpus: f64,
    /// Of memory, the jail's tmpfs included.
    pub memory_bytes: u64,
    /// Processes and threads together.
    pub pids: u64,
    /// Open files a process.
    pub nofile: u64,
}

/// Where the writable places lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disk {
    /// On a volume image that outlives the jail; made if it is missing.
    Volume {
        /// The image file.
        image: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// On a fresh image without a name, which goes with the jail.
    Scratch {
        /// A root-owned folder, on whose file system the image lies.
        dir: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// In memory, under the memory limit: `--no-disk-limit`.
    Memory,
}

/// A file that is made for this jail, read-only there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeFile {
    /// Where, absolute.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Its permission bits.
    pub mode: u32,
    /// Whose it is.
    pub owner: Owner,
}

/// Whose a made file is. It is read-only for both; some programs want to see themselves as the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Uid 0 of the jail, which nobody in it can become.
    Root,
    /// Uid 1000.
    Agent,
}

/// A file or folder of the host that is seen in the jail, read-only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// On the host, absolute.
    pub src: PathBuf,
    /// In the jail, absolute.
    pub dst: PathBuf,
}

/// The places on the jail's volume: the folder there, the place in the jail, and whether programs may be executed there.
pub(crate) const WRITABLE: [(&str, &str, bool); 5] = [
    ("workspace", "/workspace", true),
    ("state", "/var/lib/openclaw", true),
    ("home", "/home/agent", true),
    ("tmp", "/tmp", true),
    ("shm", "/dev/shm", false),
];

/// The same in front of an inner wall: the gateway's own. Volume folders that both sides share are the workspace alone.
pub(crate) const FRONT: [(&str, &str, bool); 5] = [
    ("workspace", "/workspace", false),
    ("state", "/var/lib/openclaw", false),
    ("front-home", "/home/agent", false),
    ("front-tmp", "/tmp", false),
    ("front-shm", "/dev/shm", false),
];

/// What lies behind the inner wall.
pub(crate) const BEHIND: [(&str, &str, bool); 4] = [
    ("workspace", "/workspace", true),
    ("home", "/home/agent", true),
    ("tmp", "/tmp", true),
    ("shm", "/dev/shm", false),
];

/// Folders of programs, with a name for each.
pub(crate) const PROGRAMS: [(&str, &str); 2] = [("bin", "/usr/bin"), ("sbin", "/usr/sbin")];

/// What nothing may cover, and what lies in it neither.
const CLOSED: [&str; 10] = [
    "/proc",
    "/sys",
    "/etc/ssl",
    "/etc/openclaw",
    "/creel",
    "/run/creel",
    "/opt/openclaw",
    "/dev/pts",
    "/dev/fd",
    "/usr/lib/ssl",
];

impl Plan {
    /// Refuses a plan that makes no sense.
    ///
    /// # Errors
    /// `Operator`, with what is wrong and what to do.
    pub fn check(&self) -> Result<(), Error> {
        plain_name("name", &self.name, 48)?;
        plain_name("host name", &self.hostname, 63)?;
        let Limits { cpus, memory_bytes, pids, nofile } = self.limits;
        if !(0.01..=1024.0).contains(&cpus) || memory_bytes < 16 << 20 || pids < 8 || nofile < 64 {
            return Err(Error::operator(
                format!(
                    "limits of {cpus} CPUs, {memory_bytes} bytes, {pids} processes and {nofile} files are too small"
                ),
                "take at least 0.01 CPUs, 16 MiB, 8 processes and 64 files",
            ));
        }
        if !self.exe.is_absolute() {
            return Err(Error::bug(format!("the program's path `{}` is not absolute", self.exe.display())));
        }
        for file in &self.files {
            clean(&file.path)?;
            let placed = ["/etc", "/creel", "/root", "/srv"].iter().any(|place| file.path.starts_with(place));
            if !placed || file.path == Path::new("/creel/creel") || file.mode & !0o777 != 0 {
                return Err(Error::bug(format!("a file can't be made at `{}`, {:o}", file.path.display(), file.mode)));
            }
        }
        if self.inner_wall.is_some() && (self.runtime.is_none() || !self.binds.is_empty()) {
            return Err(Error::bug("an inner wall goes with a runtime folder and without binds"));
        }
        self.binds.iter().try_for_each(check_bind)
    }

    /// Where PID 1's programs may write: the folder on the volume, the place, and whether programs may be executed there.
    pub(crate) fn writable(&self) -> [(&'static str, &'static str, bool); 5] {
        if self.inner_wall.is_some() { FRONT } else { WRITABLE }
    }

    /// Whether the operator goes without this layer.
    #[must_use]
    pub fn goes_without(&self, layer: &str) -> bool {
        self.degraded.iter().any(|name| name == layer)
    }
}

fn check_bind(bind: &Bind) -> Result<(), Error> {
    let shown = format!("--bind {}:{}", bind.src.display(), bind.dst.display());
    if !bind.src.is_absolute() {
        return Err(Error::operator(format!("the source of `{shown}` is not absolute"), "write it from `/` on"));
    }
    source::check(&bind.src)
        .map_err(|what| Error::operator(format!("`{shown}` would show {what}"), "bind a folder or file of your own"))?;
    clean(&bind.dst)?;
    let writable = WRITABLE.iter().map(|(_, place, _)| Path::new(place));
    let covers = CLOSED.iter().map(Path::new).chain(writable).find(|place| place.starts_with(&bind.dst));
    let inside = CLOSED.iter().map(Path::new).find(|place| bind.dst.starts_with(place));
    // what is masked there would hide the bind
    let masked = ["/usr/local", "/usr/src"].map(Path::new);
    let hidden = masked.into_iter().find(|place| bind.dst.starts_with(place) && bind.dst != *place);
    match covers.or(inside).or(hidden) {
        Some(place) => Err(Error::operator(
            format!("`{shown}` would cover `{}`, which the jail needs as it is", place.display()),
            "choose another place, `/mnt/NAME` for example",
        )),
        None => Ok(()),
    }
}

/// Absolute, not `/`, and without `.`, `..` or NUL.
fn clean(path: &Path) -> Result<(), Error> {
    let mut components = path.components();
    let rooted = components.next() == Some(Component::RootDir);
    let bytes = path.as_os_str().as_encoded_bytes();
    let plain = components.clone().count() > 0 && components.all(|part| matches!(part, Component::Normal(_)));
    if rooted && plain && !bytes.contains(&0) && bytes.len() < 1024 {
        return Ok(());
    }
    Err(Error::operator(
        format!("`{}` is no place in a jail", path.display()),
        "name an absolute path without `.` and `..`",
    ))
}

fn plain_name(what: &str, name: &str, longest: usize) -> Result<(), Error> {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if plain && !name.is_empty() && name.len() <= longest && !name.starts_with('-') {
        return Ok(());
    }
    Err(Error::operator(
        format!("`{name}` is no {what}"),
        format!("use 1 to {longest} lower-case letters, digits and `-`"),
    ))
}
