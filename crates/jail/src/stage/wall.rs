//! From a forked copy of the stage to the process behind the inner wall.
//!
//! Owns its birth: the jail's namespaces but a mount namespace of its own, the jail's second user, no privileges, execve. Like
//! PID 1 it never returns to the stage's code and is confined by the warden's word before it serves. `stage` calls it, once
//! PID 1 runs and before the warden can ask for anything of the agent's.

use std::io;
use std::os::fd::OwnedFd;

use creel_jail_sys::process::{Fork, LINK_FD, close_on_exec_from, empty_streams, exit_now, fork, place};
use creel_jail_sys::seqpacket::Seq;
use nix::sched::{CloneFlags, setns, unshare};
use oci_spec::runtime::{Process, Spec};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::birth::{
    HINT, Step, be_no_favourite, die_with_stage, execute, fall, fork_child, settle, wait_for_go, wait_settled,
};
use super::{Answer, First, Order, Word};
use crate::error::Error;
use crate::init::protocol::{recv, send};
use crate::rootfs::inner;
use crate::spec::{AGENT, WALLED, builders_id};

/// The number at which the process behind the wall finds the launcher's listener.
pub const LISTENER_FD: i32 = LINK_FD + 1;

/// Starts it; none when the warden went away meanwhile. `bricks` are what [`inner`] took while the root was gathered.
pub(super) fn build(
    warden: &Seq,
    order: &Order,
    first: &First,
    (link, bricks): (OwnedFd, Vec<OwnedFd>),
) -> Result<Option<First>, Error> {
    let told = |error: io::Error| Error::stage(format!("a link broke: {error}"));
    let owners = if order.own_user { None } else { Some(owners(&order.spec)?) };
    let (ours, theirs) = Seq::pair().map_err(told)?;
    let host = |doing: &'static str| move |error: io::Error| Error::host(doing, HINT)(error);
    setns(&first.pidfd, CloneFlags::CLONE_NEWPID).map_err(|error| host("enter the jail's processes")(error.into()))?;
    let pid = match fork_child(order).map_err(host("start the process behind the inner wall"))? {
        Fork::Child => {
            drop(ours);
            exit_now(child(&theirs, order, first, Bricks { link, bricks, owners }))
        }
        Fork::Parent(pid) => pid,
    };
    drop((theirs, link, bricks, owners));
    wait_settled(&ours)?;
    let pidfd = creel_jail_sys::pidfd::open(pid.as_raw_nonzero().get()).map_err(told)?;
    send(warden, &Answer::Walled { pid: pid.as_raw_nonzero().get() }, &[]).map_err(told)?;
    let Some((Word::Go, _)) = recv::<Word>(warden).map_err(told)? else { return Ok(None) };
    send(&ours, &Step::Go, &[]).map_err(told)?;
    // the link closes at its execve
    match recv::<Step>(&ours).map_err(told)? {
        None => Ok(Some(First { pid, pidfd })),
        Some((Step::Failed(fault), _)) => {
            send(warden, &Answer::Failed(fault), &[]).map_err(told)?;
            Err(Error::stage("the process behind the inner wall gave up"))
        }
        Some(_) => Err(Error::bug("the process behind the inner wall gives orders")),
    }
}

struct Bricks {
    link: OwnedFd,
    bricks: Vec<OwnedFd>,
    owners: Option<OwnedFd>,
}

fn child(stage: &Seq, order: &Order, first: &First, bricks: Bricks) -> i32 {
    if let Err(error) = go_behind(stage, order, first, bricks) {
        let _sent = send(stage, &Step::Failed(error.into()), &[]);
    }
    1
}

fn go_behind(stage: &Seq, order: &Order, first: &First, bricks: Bricks) -> Result<(), Error> {
    let Bricks { link, bricks, owners } = bricks;
    let mut bricks = bricks.into_iter();
    let listener = bricks.next().ok_or_else(|| Error::bug("an inner wall without a listener"))?;
    let mounts: Vec<OwnedFd> = bricks.collect();
    die_with_stage()?;
    settle(stage, order)?;
    wait_for_go(stage)?;
    be_no_favourite().map_err(Error::host("set its oom_score_adj", HINT))?;
    let entered = |error: nix::Error| Error::host("enter the jail's namespaces", HINT)(error);
    let shared = CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWCGROUP;
    setns(&first.pidfd, shared | CloneFlags::CLONE_NEWNS).map_err(entered)?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(entered)?;
    inner::attach(&mounts, owners.as_ref())?;
    drop((mounts, owners));
    setns(&first.pidfd, CloneFlags::CLONE_NEWUSER).map_err(entered)?;
    let process = order.spec.process().as_ref().ok_or_else(|| Error::bug("the spec has no process"))?;
    fall(process, if order.own_user { AGENT } else { WALLED }, order.own_user)?;
    hand_over(link, listener).map_err(Error::host("arrange the descriptors behind the inner wall", HINT))?;
    let mut process: Process = process.clone();
    process.set_args(Some(vec!["/creel/creel".to_owned(), "wall".to_owned()]));
    Err(execute(&process))
}

/// /dev/null three times, the link and the listener at their numbers, everything else closed by `execve`.
fn hand_over(link: OwnedFd, listener: OwnedFd) -> io::Result<()> {
    empty_streams()?;
    // out of the way of the two numbers first
    let high = |fd: OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, LISTENER_FD + 1);
    let (link, listener) = (high(link)?, high(listener)?);
    place(link, LINK_FD)?;
    place(listener, LISTENER_FD)?;
    close_on_exec_from(LISTENER_FD.unsigned_abs() + 1)
}

/// A user namespace in which the agent's id means the second user's: for mounts that show the agent's files as that
/// user's own (`mount_setattr(2)`, "ID-mapped mounts").
fn owners(spec: &Spec) -> Result<OwnedFd, Error> {
    let missing = |error: &dyn std::fmt::Display| Error::missing("ns.user", error);
    let (agent, walled) = (builders_id(spec, AGENT)?, builders_id(spec, WALLED)?);
    let (ours, theirs) = Seq::pair().map_err(|error| missing(&error))?;
    let pid = match fork().map_err(|error| missing(&error))? {
        Fork::Child => {
            drop(ours);
            let stood = unshare(CloneFlags::CLONE_NEWUSER).is_ok() && theirs.send(b"here", &[]).is_ok();
            // until the parent has the namespace
            let _ended = theirs.recv();
            exit_now(i32::from(!stood))
        }
        Fork::Parent(pid) => pid,
    };
    drop(theirs);
    let namespace = map(&ours, pid, agent, walled);
    drop(ours);
    let _gone = kill_process(pid, Signal::KILL);
    let _reaped = waitpid(Some(pid), WaitOptions::empty());
    namespace.map_err(|error| missing(&error))
}

fn map(helper: &Seq, pid: Pid, agent: u32, walled: u32) -> io::Result<OwnedFd> {
    if helper.recv()?.0.is_empty() {
        return Err(io::Error::other("no helper namespace"));
    }
    let folder = format!("/proc/{}", pid.as_raw_nonzero());
    for name in ["uid_map", "gid_map"] {
        std::fs::write(format!("{folder}/{name}"), format!("{agent} {walled} 1\n"))?;
    }
    Ok(rustix::fs::open(format!("{folder}/ns/user"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}
