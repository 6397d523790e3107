//! Confines a guard: the process on the host that parses what the agent sends.
//!
//! Owns the walls that a guard puts around itself before it starts a thread or reads a byte: landlock, seccomp,
//! no_new_privs, no dump. It never opens anything for the guard; descriptors that it needs are handed over. The binary's
//! `guard` sub-command calls it first of all.

use std::path::PathBuf;

use creel_jail_sys::{caps, process};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

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
    let host = |doing: &'static str| move |error: rustix::io::Errno| Error::host(doing, "use a Linux kernel")(error);
    let threads = process::thread_count().map_err(Error::host("count the threads", "mount /proc"))?;
    if threads != 1 {
        return Err(Error::bug(format!("a guard with {threads} threads can't be confined")));
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(host("forbid dumps"))?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(host("set the core limit"))?;
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
