//! Confines Creel's own processes on the host: a guard, which parses what the agent sends, the warden, which is root, and those
//! that look into a jail for both.
//!
//! Owns the walls that they put around themselves before they start a thread or read a byte: landlock, seccomp,
//! no_new_privs, no dump, bounded memory. It never opens anything for them; descriptors that a guard needs are handed
//! over. The binary's `guard` and `warden` sub-commands call it first of all.

use std::path::PathBuf;

use creel_jail_sys::{caps, process};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

use crate::error::Error;
use crate::landlock::{self, Walls};
use crate::seccomp;

/// What a guard may touch on the host.
#[derive(Clone, Debug, Default)]
pub struct GuardPaths {
    /// Its own folders: read, write, make and remove.
    pub write: Vec<PathBuf>,
    /// Read only, the host's CA roots for example. What this host lacks is left out.
    pub read: Vec<PathBuf>,
}

impl GuardPaths {
    /// What the C library reads to look up a name, its plug-ins included (`nsswitch.conf(5)`).
    pub const RESOLVER: [&str; 9] = [
        "/etc/resolv.conf",
        "/etc/hosts",
        "/etc/host.conf",
        "/etc/nsswitch.conf",
        "/etc/gai.conf",
        "/etc/services",
        "/etc/ld.so.cache",
        "/usr/lib",
        "/run/systemd/resolve",
    ];
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfineReport {
    /// The kernel's landlock version.
    pub landlock: u32,
}

/// Confines this process and all its future threads, for good. It must have one thread, no capabilities are left to it,
/// and it can start no program.
///
/// # Errors
/// `Missing` with the layer; `Bug` when there are threads already.
pub fn confine_guard(paths: &GuardPaths) -> Result<ConfineReport, Error> {
    one_thread("guard")?;
    no_dumps(0)?;
    bound_memory(GUARD_MEMORY)?;
    let privileges = |error: std::io::Error| Error::host("drop all privileges", "use a Linux kernel")(error);
    // A guard that is no longer root can't, and gains nothing by the set: no_new_privs comes with the next step.
    if caps::may_close_bounding_set().map_err(privileges)? {
        caps::close_bounding_set().map_err(privileges)?;
    }
    caps::drop_all().map_err(privileges)?;
    let devices = ["/dev/null", "/dev/urandom"].map(PathBuf::from);
    let walls = Walls {
        write: paths.write.clone(),
        read: paths.read.iter().filter(|path| path.exists()).cloned().chain(["/proc/self".into()]).collect(),
        devices: devices.into(),
        ..Walls::default()
    };
    let landlock = landlock::restrict(&walls).map_err(|why| Error::missing("landlock", why))?;
    seccomp::compile(&seccomp::guard_profile()?)?.install(false)?;
    Ok(ConfineReport { landlock })
}

/// Confines the warden and, but for the memory, whatever it starts. It stays root with its capabilities, for it mounts, and
/// landlock would forbid that (landlock(7)); so the list names what root may do that no part of Creel does.
///
/// # Errors
/// `Missing` with the layer; `Bug` when there are threads already.
pub fn confine_warden() -> Result<(), Error> {
    one_thread("warden")?;
    // 1 and not 0: it is what the jail's programs get, and only root may raise it again
    no_dumps(1)?;
    let memory = Rlimit { current: at_most(WARDEN_MEMORY), maximum: getrlimit(Resource::Data).maximum };
    setrlimit(Resource::Data, memory).map_err(host("bound the memory"))?;
    seccomp::warden_filters()?.install(false)
}

/// Confines the porter, which looks into the jail's processes: of root's rights it keeps those to look and to kill, of the
/// system calls those to read, to answer and to end a process. It must have one thread.
///
/// # Errors
/// `Missing` with the layer; `Bug` when there are threads already.
pub fn confine_porter() -> Result<(), Error> {
    one_thread("porter")?;
    no_dumps(1)?;
    bound_memory(PORTER_MEMORY)?;
    // it holds a descriptor of each process of the jail
    let files = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: files, maximum: files }).map_err(host("raise the files' limit"))?;
    caps::keep_looking_and_killing().map_err(Error::host("give up privileges", "use a Linux kernel"))?;
    seccomp::porter_filters()?.install(false)
}

/// Confines the sentry, which is told what is done to the jail's files and reads protected ones: of root's rights it keeps the one
/// to read, of the system calls those to read and to send. It must have one thread.
///
/// # Errors
/// `Missing` with the layer; `Bug` when there are threads already.
pub fn confine_sentry() -> Result<(), Error> {
    one_thread("sentry")?;
    no_dumps(1)?;
    bound_memory(SENTRY_MEMORY)?;
    caps::keep_reading().map_err(Error::host("give up privileges", "use a Linux kernel"))?;
    seccomp::sentry_filters()?.install(false)
}

fn bound_memory(bytes: u64) -> Result<(), Error> {
    let memory = at_most(bytes);
    setrlimit(Resource::Data, Rlimit { current: memory, maximum: memory }).map_err(host("bound the memory"))
}

/// Takes the warden's own memory limit off what it starts for others: theirs is their control group.
///
/// # Errors
/// `Host` when the limit can't be set.
pub(crate) fn lift_memory_limit() -> Result<(), Error> {
    let maximum = getrlimit(Resource::Data).maximum;
    setrlimit(Resource::Data, Rlimit { current: maximum, maximum }).map_err(host("lift the memory limit"))
}

fn one_thread(who: &str) -> Result<(), Error> {
    let threads = process::thread_count().map_err(Error::host("count the threads", "mount /proc"))?;
    if threads == 1 { Ok(()) } else { Err(Error::bug(format!("a {who} with {threads} threads can't be confined"))) }
}

fn no_dumps(core: u64) -> Result<(), Error> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(host("forbid dumps"))?;
    let limit = Rlimit { current: Some(core), maximum: Some(core) };
    setrlimit(Resource::Core, limit).map_err(host("set the core limit"))
}

/// No more than whoever started us allows.
fn at_most(bytes: u64) -> Option<u64> {
    Some(getrlimit(Resource::Data).maximum.map_or(bytes, |limit| limit.min(bytes)))
}

fn host(doing: &'static str) -> impl Fn(rustix::io::Errno) -> Error {
    move |error| Error::host(doing, "use a Linux kernel")(error)
}

/// What a guard may hold in heap and stacks (RLIMIT_DATA, getrlimit(2)): its doors' own bounds lie far below; beyond it an
/// allocation fails, the guard ends, and the gate stays closed until the next one serves.
pub const GUARD_MEMORY: u64 = 2 << 30;

/// The same for the porter: a question of each thread of the jail, and what is known of each process.
pub const PORTER_MEMORY: u64 = 512 << 20;

/// The same for the sentry: what was touched within a moment, and what is known of protected files.
pub const SENTRY_MEMORY: u64 = 256 << 20;

/// The same for the warden, which holds little more than its orders.
pub const WARDEN_MEMORY: u64 = 512 << 20;
