//! The process that builds a jail from outside and then keeps watch in its network namespace.
//!
//! Owns the order of the steps: network and planted sockets first, then PID 1 with its namespaces and root, the user
//! namespace last, so that every other one belongs to the host (to a user namespace around it where a plain user builds a
//! jail, to the engine's where an OCI runtime builds it). It never reads a byte that the agent wrote; it dies with
//! the warden's thread and the jail dies with it. The hidden sub-command `creel stage` calls it.

mod birth;
mod engine;
mod own_user;
mod wall;
mod watch;

pub(crate) use engine::program as engine_program;
pub use wall::LISTENER_FD;
pub use watch::Owner;
pub(crate) use watch::field;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use creel_jail_sys::process::{Fork, exit_now};
use creel_jail_sys::seqpacket::Seq;
use nix::sched::{CloneFlags, unshare};
use oci_spec::runtime::{LinuxIdMapping, Spec};
use rustix::fs::{MemfdFlags, SealFlags, memfd_create};
use rustix::process::{Pid, Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use crate::cgroup::Groups;
use crate::error::Error;
use crate::etc::Entry;
use crate::init::protocol::{recv, send};
use crate::net;
use crate::plan::{InnerWall, OciRuntime};
use crate::rootfs::view::View;
use crate::spec::{WALLED, builders_id};

/// What is to be built. It travels in a sealed memory file, for the made files are larger than a message may be.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    pub(crate) spec: Spec,
    pub(crate) skeleton: Vec<Entry>,
    pub(crate) views: Vec<View>,
    /// The jail's memory, of which the writable places take up to a half when no volume comes along.
    pub(crate) memory_bytes: u64,
    pub(crate) secrets_socket: bool,
    /// Whether commands of the agent go behind an inner wall.
    pub(crate) inner_wall: Option<InnerWall>,
    /// Whether a plain user builds it.
    pub(crate) own_user: bool,
    /// Who mounts and starts it, if not we.
    pub(crate) engine: Option<OciRuntime>,
    /// The jail's control groups.
    pub(crate) groups: Groups,
}

/// What the warden says. Descriptors: `Build` brings the order, PID 1's link, that of the process behind the inner wall if
/// there is to be one, and the volume if there is one; `Files` the files that were not known by then.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Word {
    Build,
    /// PID 1, or the process behind the inner wall, is in its cgroup.
    Go,
    /// After the `Go` of PID 1; with an engine, which needs them all first, before it.
    Files,
    Connect {
        port: u16,
        owner: watch::Owner,
    },
}

/// What the stage answers. Descriptors: `Planted` brings the sockets, `Forked` a pidfd, `Built` the secrets listener if
/// there is one, `Connected` the connection.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Answer {
    Planted,
    Forked {
        pid: i32,
    },
    Built,
    /// PID 1 has become `creel init`.
    Running,
    /// The process behind the inner wall waits.
    Walled {
        pid: i32,
    },
    /// It has become `creel wall`.
    WallStands,
    Connected,
    Refused {
        why: String,
    },
    Failed(Fault),
}

/// Why it could not be built: the missing layer, if it is one, the engine that refused, and a text for the operator.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) layers: Vec<String>,
    #[serde(default)]
    pub(crate) engine: Option<OciRuntime>,
    pub(crate) why: String,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let layers = match &error {
            Error::Missing { layers, .. } => layers.iter().map(|&layer| layer.to_owned()).collect(),
            _ => Vec::new(),
        };
        let engine = if let Error::Engine { runtime, .. } = &error { Some(*runtime) } else { None };
        let why = if let Error::Engine { said, .. } = error { said } else { error.to_string() };
        Self { layers, engine, why }
    }
}

/// The hidden sub-command `stage`: `fd` is the link to the warden. Returns the exit code.
pub fn stage_main(fd: OwnedFd) -> i32 {
    let Ok(warden) = Seq::from_fd(fd) else { return 125 };
    let built = set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(Error::host("ask to die with the warden", "use a Linux kernel"))
        .and_then(|()| crate::confine::lift_memory_limit())
        .and_then(|()| build(&warden));
    match built {
        Ok(Some(Built { first, wall, own_user })) => watch::watch(&warden, &first, wall.as_ref(), own_user),
        // the warden is gone
        Ok(None) => 0,
        Err(error) => {
            let _sent = send(&warden, &Answer::Failed(error.into()), &[]);
            1
        }
    }
}

/// PID 1 of the jail, or the process behind its inner wall, as the stage knows it.
pub(crate) struct First {
    pid: Pid,
    pidfd: OwnedFd,
}

/// What is watched.
struct Built {
    first: First,
    wall: Option<First>,
    own_user: bool,
}

/// Builds the jail; none when the warden went away meanwhile.
fn build(warden: &Seq) -> Result<Option<Built>, Error> {
    let told = |error: io::Error| Error::stage(format!("the warden's link: {error}"));
    let Some((Word::Build, fds)) = recv::<Word>(warden).map_err(told)? else { return Ok(None) };
    let mut fds = fds.into_iter();
    let (Some(order), Some(link)) = (fds.next(), fds.next()) else { return Err(Error::bug("an order without a link")) };
    let mut order: Order = read(order)?;
    let behind = if order.inner_wall.is_some() { fds.next() } else { None };
    let volume = fds.next();

    let own_user = order.own_user;
    if own_user {
        own_user::enter()?;
    }
    unshare(CloneFlags::CLONE_NEWNET).map_err(|error| Error::missing("ns.net", error))?;
    let planted = net::build_in_this_namespace(fence(&order)?)?.into_fds();
    let handles: Vec<_> = planted.iter().map(AsFd::as_fd).collect();
    send(warden, &Answer::Planted, &handles).map_err(told)?;
    drop(planted);

    let born = match order.engine {
        Some(runtime) => {
            let Some(files) = files(warden)? else { return Ok(None) };
            order.skeleton.extend(read_files(files)?);
            engine::start(warden, &order, runtime, (link, volume))?
        }
        None => bear(warden, &order, (link, volume))?,
    };
    let Some((first, bricks)) = born else { return Ok(None) };
    let Some(behind) = behind else { return Ok(Some(Built { first, wall: None, own_user })) };
    let Some(wall) = wall::build(warden, &order, &first, (behind, bricks))? else { return Ok(None) };
    send(warden, &Answer::WallStands, &[]).map_err(told)?;
    Ok(Some(Built { first, wall: Some(wall), own_user }))
}

/// Keeps commands from the gateway's port. A plain user's jail has one user, and no such fence.
fn fence(order: &Order) -> Result<Option<net::Fence>, Error> {
    let wall = order.inner_wall.filter(|_| !order.own_user);
    wall.map(|wall| Ok(net::Fence { user: builders_id(&order.spec, WALLED)?, port: wall.gateway_port })).transpose()
}

/// PID 1 and what is handed over for the inner wall; none when the warden went away meanwhile.
fn bear(
    warden: &Seq,
    order: &Order,
    (link, volume): (OwnedFd, Option<OwnedFd>),
) -> Result<Option<(First, Vec<OwnedFd>)>, Error> {
    let told = |error: io::Error| Error::stage(format!("the warden's link: {error}"));
    let (ours, theirs) = Seq::pair().map_err(told)?;
    unshare(CloneFlags::CLONE_NEWPID).map_err(|error| Error::missing("ns.pid", error))?;
    let pid = match birth::fork_child(order).map_err(Error::host("start PID 1", "free some processes or memory"))? {
        Fork::Child => {
            drop(ours);
            exit_now(birth::child(&theirs, order, link, volume))
        }
        Fork::Parent(pid) => pid,
    };
    drop((theirs, link, volume));
    birth::wait_settled(&ours)?;
    let pidfd = creel_jail_sys::pidfd::open(pid.as_raw_nonzero().get()).map_err(told)?;
    send(warden, &Answer::Forked { pid: pid.as_raw_nonzero().get() }, &[pidfd.as_fd()]).map_err(told)?;
    let Some((Word::Go, _)) = recv::<Word>(warden).map_err(told)? else { return Ok(None) };
    send(&ours, &birth::Step::Go, &[]).map_err(told)?;
    let Some(files) = files(warden)? else { return Ok(None) };
    let handles: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    send(&ours, &birth::Step::Files, &handles).map_err(told)?;
    let bricks = attend(warden, &ours, order, pid)?;
    Ok(Some((First { pid, pidfd }, bricks)))
}

/// Passes the secrets socket on to the warden and keeps what the inner wall is made of.
fn pass_on(warden: &Seq, order: &Order, mut handed: Vec<OwnedFd>) -> Result<Vec<OwnedFd>, Error> {
    let bricks = handed.split_off(usize::from(order.secrets_socket).min(handed.len()));
    let handles: Vec<_> = handed.iter().map(AsFd::as_fd).collect();
    send(warden, &Answer::Built, &handles).map_err(|error| Error::stage(format!("the warden's link: {error}")))?;
    Ok(bricks)
}

/// Follows the child's steps until it has become `creel init`: the link closes at its `execve`.
fn attend(warden: &Seq, child: &Seq, order: &Order, pid: Pid) -> Result<Vec<OwnedFd>, Error> {
    let told = |error: io::Error| Error::stage(format!("a link broke: {error}"));
    let mut bricks = Vec::new();
    while let Some((step, fds)) = recv::<birth::Step>(child).map_err(told)? {
        match step {
            birth::Step::Built => bricks = pass_on(warden, order, fds)?,
            birth::Step::MapMe => {
                map_ids(&order.spec, pid)?;
                send(child, &birth::Step::Go, &[]).map_err(told)?;
            }
            birth::Step::Failed(fault) => {
                send(warden, &Answer::Failed(fault), &[]).map_err(told)?;
                return Err(Error::stage("PID 1 gave up"));
            }
            birth::Step::Go | birth::Step::Files | birth::Step::Settled | birth::Step::Started { .. } => {
                return Err(Error::bug("PID 1 gives orders"));
            }
        }
    }
    send(warden, &Answer::Running, &[]).map_err(told)?;
    Ok(bricks)
}

/// Writes the child's id maps from outside: `user_namespaces(7)`, "Defining user and group ID mappings".
fn map_ids(spec: &Spec, pid: Pid) -> Result<(), Error> {
    let linux = spec.linux().as_ref().ok_or_else(|| Error::bug("the spec has no linux part"))?;
    let pid = pid.as_raw_nonzero();
    for (name, mappings) in [("uid_map", linux.uid_mappings()), ("gid_map", linux.gid_mappings())] {
        let line = |one: &LinuxIdMapping| format!("{} {} {}\n", one.container_id(), one.host_id(), one.size());
        let text: String = mappings.iter().flatten().map(line).collect();
        std::fs::write(format!("/proc/{pid}/{name}"), text).map_err(|error| Error::missing("ns.user", error))?;
    }
    Ok(())
}

/// The files that came late; none when the warden went away meanwhile.
fn files(warden: &Seq) -> Result<Option<Vec<OwnedFd>>, Error> {
    match recv::<Word>(warden).map_err(|error| Error::stage(format!("the warden's link: {error}")))? {
        Some((Word::Files, fds)) => Ok(Some(fds)),
        Some(_) => Err(Error::bug("the warden spoke out of turn")),
        None => Ok(None),
    }
}

fn read_files(fds: Vec<OwnedFd>) -> Result<Vec<Entry>, Error> {
    read(fds.into_iter().next().ok_or_else(|| Error::bug("no files came"))?)
}

/// An order, or files that come late, as a sealed memory file.
pub(crate) fn write(order: &impl Serialize) -> Result<OwnedFd, Error> {
    let told = |error: io::Error| Error::stage(format!("the order can't be written: {error}"));
    let fd = memfd_create("creel-order", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
        .map_err(Error::host("make a memory file", "use a kernel with memfd_create"))?;
    let mut file = File::from(fd);
    file.write_all(&serde_json::to_vec(order).map_err(Error::bug)?).map_err(told)?;
    let seals = SealFlags::SEAL | SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK;
    rustix::fs::fcntl_add_seals(&file, seals).map_err(|error| told(error.into()))?;
    io::Seek::rewind(&mut file).map_err(told)?;
    Ok(file.into())
}

/// The largest order that is read: the made files and the spec, with room.
const LARGEST_ORDER: u64 = 32 << 20;

fn read<T: serde::de::DeserializeOwned>(fd: OwnedFd) -> Result<T, Error> {
    let mut bytes = Vec::new();
    File::from(fd)
        .take(LARGEST_ORDER)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::stage(format!("the order can't be read: {error}")))?;
    serde_json::from_slice(&bytes).map_err(Error::bug)
}
