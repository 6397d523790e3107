//! From a forked copy of the stage to `creel init`, PID 1 of the jail.
//!
//! Owns the steps in their order: namespaces, root file system, user namespace, uid, privileges, descriptors, execve. It
//! never returns to the stage's code, and after `drop_all` it has no more rights than the agent. `stage` calls it.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use creel_jail_sys::caps;
use creel_jail_sys::process::{Fork, LINK_FD, close_on_exec_from, empty_streams, fork, fork_into, place};
use creel_jail_sys::seqpacket::Seq;
use nix::sched::{CloneFlags, unshare};
use oci_spec::runtime::{PosixRlimitType, Process, Spec};
use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit, setsid, umask};
use rustix::system::{setdomainname, sethostname};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use serde::{Deserialize, Serialize};

use super::{Fault, Order};
use crate::error::Error;
use crate::etc::Entry;
use crate::init::protocol::{recv, send};
use crate::rootfs;
use crate::spec::builders_ids;

/// Between the stage and its child. `Go` and `Files` come from the stage, the rest from the child; `Built` brings what
/// [`crate::rootfs::Gathered`] hands over.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Step {
    /// From the child: it has moved into its control groups, as far as it could.
    Settled,
    Go,
    /// Brings the files that were not known when the order was written.
    Files,
    Built,
    MapMe,
    /// From the helper that calls an engine: PID 1 as the host numbers it, with what comes with `Built`.
    Started {
        pid: i32,
    },
    Failed(Fault),
}

/// The child's whole life up to `execve`; returns only when that failed.
pub(super) fn child(stage: &Seq, order: &Order, link: OwnedFd, volume: Option<OwnedFd>) -> i32 {
    if let Err(error) = become_first(stage, order, link, volume) {
        let _sent = send(stage, &Step::Failed(error.into()), &[]);
    }
    1
}

pub(super) const HINT: &str = "use a kernel of 5.17 or newer";

fn become_first(stage: &Seq, order: &Order, link: OwnedFd, volume: Option<OwnedFd>) -> Result<(), Error> {
    die_with_stage()?;
    settle(stage, order)?;
    wait_for_go(stage)?;
    be_no_favourite().map_err(Error::host("set its oom_score_adj", HINT))?;
    separate(&order.spec)?;
    let process = order.spec.process().as_ref().ok_or_else(|| Error::bug("the spec has no process"))?;
    umask(Mode::from_raw_mode(process.user().umask().unwrap_or(0o022)));
    let gathered = rootfs::gather(order, volume, || late_files(stage))?;
    let handles: Vec<_> = gathered.handed.iter().map(AsFd::as_fd).collect();
    send(stage, &Step::Built, &handles).map_err(broken)?;
    gathered.enter(order)?;

    // Last of all: whatever is root in this namespace has power over none of those made before it.
    give_away(&order.spec)?;
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| Error::missing("ns.user", error))?;
    send(stage, &Step::MapMe, &[]).map_err(broken)?;
    wait_for_go(stage)?;
    fall(process, process.user().uid(), order.own_user)?;
    hand_over(link).map_err(Error::host("arrange the descriptors of PID 1", HINT))?;
    Err(execute(process))
}

/// Gives up everything but what a user of the jail has: the limits of the process, the id as user and group, no privileges.
pub(super) fn fall(process: &Process, id: u32, own_user: bool) -> Result<(), Error> {
    set_limits(process)?;
    let host = |doing: &'static str| move |error: rustix::io::Errno| Error::host(doing, HINT)(error);
    setsid().map_err(host("start a session"))?;
    caps::close_bounding_set().map_err(Error::host("empty the bounding set", HINT))?;
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    // a plain user keeps his groups: `user_namespaces(7)`, "Interaction with system calls that change process UIDs or GIDs"
    if !own_user {
        set_thread_groups(&[]).map_err(host("leave all groups"))?;
    }
    set_thread_res_gid(gid, gid, gid).map_err(host("become the jail's group"))?;
    set_thread_res_uid(uid, uid, uid).map_err(host("become the jail's user"))?;
    caps::drop_all().map_err(Error::host("drop all privileges", HINT))?;
    // a change of user clears it (prctl(2))
    die_with_stage()
}

pub(super) fn die_with_stage() -> Result<(), Error> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(Error::host("ask to die with the stage", HINT))
}

/// Forks a child of one thread, in the jail's group of version 2 if the kernel can.
pub(super) fn fork_child(order: &Order) -> io::Result<Fork> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let group = order.groups.unified.as_ref().and_then(|dir| rustix::fs::open(dir, flags, Mode::empty()).ok());
    match group.map(fork_into) {
        Some(Ok(side)) => Ok(side),
        // the warden moves it
        Some(Err(_)) | None => fork(),
    }
}

/// Moves this process into the jail's groups of version 1. By itself, for the kernel lets others do that only when every
/// processor has come to rest once (kernel/cgroup/cgroup.c, `cgroup_procs_write_start`), which takes 10 ms. What fails here the
/// warden does, which looks at each group before it says go.
pub(super) fn settle(stage: &Seq, order: &Order) -> Result<(), Error> {
    for dir in &order.groups.v1 {
        let _moved = std::fs::write(dir.join("tasks"), "0");
    }
    send(stage, &Step::Settled, &[]).map_err(broken)
}

/// Waits until a child has done its part of [`settle`].
pub(super) fn wait_settled(child: &Seq) -> Result<(), Error> {
    match recv::<Step>(child).map_err(broken)? {
        Some((Step::Settled, _)) => Ok(()),
        _ => Err(Error::stage("a child ended before it began")),
    }
}

fn late_files(stage: &Seq) -> Result<Vec<Entry>, Error> {
    match recv::<Step>(stage).map_err(broken)? {
        Some((Step::Files, fds)) => super::read_files(fds),
        _ => Err(Error::stage("the stage is gone")),
    }
}

pub(super) fn wait_for_go(stage: &Seq) -> Result<(), Error> {
    match recv::<Step>(stage).map_err(broken)? {
        Some((Step::Go, _)) => Ok(()),
        _ => Err(Error::stage("the stage is gone")),
    }
}

/// Takes back what a service manager did to keep the warden from being killed for want of memory: the agent's programs could
/// inherit it. Raising needs no privilege; as root it also becomes the least that they can set.
pub(super) fn be_no_favourite() -> io::Result<()> {
    const PATH: &str = "/proc/self/oom_score_adj";
    let given: i32 = std::fs::read_to_string(PATH)?.trim().parse().map_err(io::Error::other)?;
    std::fs::write(PATH, given.max(0).to_string())
}

/// The namespaces that PID 1 makes for itself, each named when the kernel has it not, and the names in them.
fn separate(spec: &Spec) -> Result<(), Error> {
    for (flag, layer) in [
        (CloneFlags::CLONE_NEWNS, "ns.mnt"),
        (CloneFlags::CLONE_NEWIPC, "ns.ipc"),
        (CloneFlags::CLONE_NEWUTS, "ns.uts"),
        (CloneFlags::CLONE_NEWCGROUP, "ns.cgroup"),
    ] {
        unshare(flag).map_err(|error| Error::missing(layer, error))?;
    }
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    sethostname(name(spec.hostname()).as_bytes()).map_err(Error::host("set the host name", HINT))?;
    setdomainname(name(spec.domainname()).as_bytes()).map_err(Error::host("set the domain name", HINT))
}

/// The kernel charges what a user namespace uses (inotify instances and watches, above all) to the user who made it as
/// well, within that user's own limits: the agent must not use up root's. So the jail's own root makes it, a user of the
/// host that nobody ever is.
fn give_away(spec: &Spec) -> Result<(), Error> {
    let (owner, _) = builders_ids(spec)?;
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    caps::seteuid_with_capabilities(owner).map_err(Error::host("become the jail's root", HINT))?;
    // a change of user clears it (prctl(2))
    die_with_stage()
}

fn set_limits(process: &Process) -> Result<(), Error> {
    for limit in process.rlimits().iter().flatten() {
        let resource = match limit.typ() {
            PosixRlimitType::RlimitNofile => Resource::Nofile,
            PosixRlimitType::RlimitCore => Resource::Core,
            PosixRlimitType::RlimitNproc => Resource::Nproc,
            other => return Err(Error::bug(format!("a limit that is not understood: {other:?}"))),
        };
        let limit = Rlimit { current: Some(limit.soft()), maximum: Some(limit.hard()) };
        setrlimit(resource, limit).map_err(Error::host("set a resource limit", HINT))?;
    }
    Ok(())
}

/// /dev/null of the jail three times, the link at its number, everything else closed by `execve`.
fn hand_over(link: OwnedFd) -> io::Result<()> {
    empty_streams()?;
    // the number may be taken by the warden's link, which this process has no more use for
    place(link, LINK_FD)?;
    close_on_exec_from(LINK_FD.unsigned_abs() + 1)
}

pub(super) fn execute(process: &Process) -> Error {
    let c = |text: &String| CString::new(text.as_str()).unwrap_or_default();
    let argv: Vec<CString> = process.args().iter().flatten().map(c).collect();
    let env: Vec<CString> = process.env().iter().flatten().map(c).collect();
    let Some(program) = argv.first() else { return Error::bug("the spec names no program") };
    let Err(error) = nix::unistd::execve(program, &argv, &env);
    Error::host("execute `/creel/creel` as PID 1", "make Creel's own program executable for everybody (mode 0755)")(
        error,
    )
}

fn broken(error: io::Error) -> Error {
    Error::stage(format!("the stage's link: {error}"))
}
