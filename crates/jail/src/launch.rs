//! Launches a jail, holds it, and takes it down.
//!
//! Owns the warden's side of the birth: cgroup, disk, stage, the proof that every layer stands before anything of the
//! agent runs, and an end that leaves nothing. It never lets a jail live that misses a layer which the operator did not
//! give up by name. The warden and `creel jail` call it, on a thread that lives as long as the jail.

mod disk;
mod proof;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use creel_jail_sys::caps::landlock_version;
use creel_jail_sys::loopdev::LoopDevice;
use creel_jail_sys::pidfd;
use creel_jail_sys::process::spawn_with_link;
use creel_jail_sys::seqpacket::Seq;
use creel_jail_sys::socket::wait;
use rustix::event::PollFlags;
use serde::Serialize;

use crate::cgroup::{Cgroup, CgroupLimits};
use crate::error::Error;
use crate::init::protocol::{Confined, Confinement, InitLink, recv, send};
use crate::landlock::Walls;
use crate::net::PlantedSockets;
use crate::plan::{BEHIND, Disk, Engine, Limits, MadeFile, OciRuntime, Plan, Users, WRITABLE};
use crate::rootfs::view;
use crate::spec::spec;
use crate::stage::{Answer, Fault, Order, Owner, Word, write};
use crate::{etc, seccomp};
use disk::AttachedDisk;

/// Every layer that a launch can prove or miss, by its id in `status --json` and `--allow-degraded`.
pub const LAYERS: [&str; 25] = [
    "ns.user",
    "ns.pid",
    "ns.mnt",
    "ns.net",
    "ns.ipc",
    "ns.uts",
    "ns.cgroup",
    "uid",
    "caps.none",
    "nnp",
    "seccomp",
    "landlock",
    "fs.readonly",
    "fs.writable-only",
    "proc.masked",
    "limit.cpu",
    "limit.memory",
    "limit.pids",
    "limit.disk",
    "limit.inodes",
    "limit.fds",
    "core.none",
    "net.lo-only",
    "separate-uid",
    "guard-uid",
];

/// A layer and whether it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// One of [`LAYERS`].
    pub id: &'static str,
    /// Whether it stands.
    pub status: LayerStatus,
}

/// Whether a layer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerStatus {
    /// Seen to stand, from outside, before anything of the agent ran.
    Enforced,
    /// The operator goes without.
    Degraded,
}

/// What a launch gives.
#[derive(Debug)]
pub struct Launched {
    /// The jail, empty but for its PID 1.
    pub jail: Jail,
    /// The sockets in its network namespace.
    pub planted: PlantedSockets,
    /// The listener of `/run/creel/secrets.sock`, if the plan wants it.
    pub secrets: Option<OwnedFd>,
    /// Where system calls of the agent's wait to be looked at, PID 1's and those behind the inner wall: nothing is executed
    /// until somebody serves them ([`creel_jail_sys::notify`]).
    pub listeners: Vec<OwnedFd>,
    /// Every layer's state.
    pub layers: Vec<Layer>,
}

/// A jail that is being built: its stage waits for nothing but the last files.
#[derive(Debug)]
pub struct Begun<'a> {
    plan: &'a Plan,
    lacking: Vec<&'static str>,
    order: Order,
    link: Seq,
    behind: Seq,
    early: JoinHandle<Result<Early, Error>>,
    parts: Parts,
}

/// What the stage has done while the warden did something else.
#[derive(Debug)]
struct Early {
    stage: Seq,
    planted: PlantedSockets,
    /// PID 1 with its descriptor; an engine starts it later.
    first: Option<(i32, OwnedFd)>,
}

/// A running jail. Dropping it takes it down.
#[derive(Debug)]
pub struct Jail {
    parts: Parts,
    stage: Mutex<Seq>,
    link: InitLink,
    /// The process behind the inner wall, which ends when its link does.
    behind: Option<(i32, Seq)>,
    pid: i32,
    first: OwnedFd,
}

/// What must be taken down, whatever happens. Fields go in the order of [`Parts::take_down`].
#[derive(Debug)]
struct Parts {
    first: Option<OwnedFd>,
    stage: Option<Child>,
    cgroup: Option<Cgroup>,
    disk: Option<AttachedDisk>,
}

/// How long the stage may take for any one step; making a root file system takes some 20 ms.
const STEP: Duration = Duration::from_secs(20);
/// How long the kernel may take to clear each kind of thing.
const END: Duration = Duration::from_secs(2);
/// How long the stage may take to end by itself.
const ITS_OWN_END: Duration = Duration::from_millis(50);

impl<'a> Begun<'a> {
    /// The first half of [`Jail::launch`], on the same thread. The jail is built while the caller does something else.
    ///
    /// # Errors
    /// As there.
    pub fn begin(plan: &'a Plan) -> Result<Self, Error> {
        let description = spec(plan)?;
        merged_usr()?;
        let engine = engine(plan)?;
        let mut parts = Parts { first: None, stage: None, cgroup: None, disk: None };
        // First of all, for it gets ready meanwhile.
        let (stage, theirs) = Seq::pair().map_err(told)?;
        let start = Error::host(format!("start `{}`", plan.exe.display()), "run Creel as root");
        parts.stage = Some(spawn_with_link(&plan.exe, "stage", &theirs, None).map_err(start)?);
        drop(theirs);
        let cgroup = Cgroup::create(&plan.name, &cgroup_limits(&plan.limits))?;
        let lacking = known_lacks(&cgroup, plan.users, plan.disk != Disk::Memory);
        let groups = cgroup.groups();
        parts.cgroup = Some(cgroup.clone());
        tolerate(plan, &lacking)?;
        if !lacking.contains(&"limit.disk") {
            parts.disk = AttachedDisk::attach(&plan.disk)?;
        }
        let order = Order {
            skeleton: etc::skeleton(plan),
            views: view::views(plan).into_iter().chain(view::binds(plan)).collect(),
            spec: description,
            memory_bytes: plan.limits.memory_bytes,
            secrets_socket: plan.secrets_socket,
            inner_wall: plan.inner_wall,
            own_user: plan.users.is_own(),
            engine,
            groups,
        };
        let (link, first_link) = Seq::pair().map_err(told)?;
        let (behind, behind_link) = Seq::pair().map_err(told)?;
        let memory = write(&order)?;
        let mut fds = vec![memory.as_fd(), first_link.as_fd()];
        fds.extend(plan.inner_wall.map(|_| behind_link.as_fd()));
        fds.extend(parts.disk.as_ref().and_then(AttachedDisk::mounted));
        send(&stage, &Word::Build, &fds).map_err(told)?;
        let early = std::thread::spawn(move || follow_early(stage, &cgroup, engine.is_some()));
        Ok(Self { plan, lacking, order, link, behind, early, parts })
    }

    /// The second half, with `files` besides those of the plan.
    ///
    /// # Errors
    /// As there.
    pub fn finish(self, files: Vec<MadeFile>) -> Result<Launched, Error> {
        let Self { plan, lacking, order, link, behind, early, mut parts } = self;
        let late = write(&etc::files(&files))?;
        let Early { stage, planted, first } = early.join().map_err(|_| Error::bug("a thread failed"))??;
        send(&stage, &Word::Files, &[late.as_fd()]).map_err(told)?;
        drop(late);
        let born = follow(&stage, &mut parts, (planted, first), plan.inner_wall.is_some())?;
        if let Some(disk) = &mut parts.disk {
            disk.let_go();
        }
        let (landlock, listener) = confine(&link, plan, &order, walls(plan))?;
        let mut listeners = vec![listener];
        if plan.inner_wall.is_some() {
            listeners.push(confine(&behind, plan, &order, walls_behind(plan))?.1);
        }
        if !landlock {
            tolerate(plan, &["landlock"])?;
        }
        let mut missing = lacking;
        missing.extend((!landlock && !missing.contains(&"landlock")).then_some("landlock"));
        let layers = proof::prove(plan, &order.spec, born.pid, &missing)?;
        let first =
            parts.first.as_ref().ok_or_else(|| Error::bug("a jail without PID 1"))?.try_clone().map_err(told)?;
        let link = InitLink::new(link).map_err(told)?;
        let behind = born.wall.map(|pid| (pid, behind));
        let jail = Jail { parts, stage: Mutex::new(stage), link, behind, pid: born.pid, first };
        Ok(Launched { jail, planted: born.planted, secrets: born.secrets, listeners, layers })
    }
}

fn told(error: io::Error) -> Error {
    Error::stage(format!("the stage's link: {error}"))
}

impl Jail {
    /// Builds the jail and proves it. Nothing of the agent runs yet: ask [`Jail::init`] to start it. Blocks for some tens
    /// of milliseconds. The jail dies with the **thread** that calls this.
    ///
    /// # Errors
    /// `Missing` with the layers that this host can't enforce; `Operator` for a plan that makes no sense; else what the
    /// host refused. Nothing is left behind.
    pub fn launch(plan: &Plan) -> Result<Launched, Error> {
        Begun::begin(plan)?.finish(Vec::new())
    }

    /// The link to PID 1.
    #[must_use]
    pub fn init(&self) -> &InitLink {
        &self.link
    }

    /// PID 1's number on the host.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The number on the host of the process behind the inner wall, if there is one.
    #[must_use]
    pub fn wall_pid(&self) -> Option<i32> {
        self.behind.as_ref().map(|(pid, _)| *pid)
    }

    /// Readable when PID 1 has ended, and with it everything in the jail.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.first.as_fd()
    }

    /// The cgroup, for its usage; none once the jail is down.
    #[must_use]
    pub fn cgroup(&self) -> Option<&Cgroup> {
        self.parts.cgroup.as_ref()
    }

    /// A connection to 127.0.0.1:`port` in the jail, if the lone listener there is the owner's. It is non-blocking. Waits
    /// up to some seconds.
    ///
    /// # Errors
    /// `Gone` with the reason: nobody listens, somebody else does, or the jail has ended.
    pub fn connect(&self, port: u16, owner: Owner) -> Result<OwnedFd, Error> {
        let gone = |error: io::Error| Error::gone(format!("its stage doesn't answer: {error}"));
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        send(&stage, &Word::Connect { port, owner }, &[]).map_err(gone)?;
        // After a timeout the answers would no longer fit the questions; but the stage has a shorter one of its own.
        match next(&stage)? {
            (Answer::Connected, fds) => fds.into_iter().next().ok_or_else(|| Error::bug("connected to nothing")),
            (Answer::Refused { why }, _) => Err(Error::gone(format!("port `{port}` can't be reached: {why}"))),
            (other, _) => Err(Error::bug(format!("the stage said {other:?}"))),
        }
    }

    /// Takes the jail down: within 2 seconds no process, mount, loop device, cgroup or namespace is left.
    ///
    /// # Errors
    /// `Unfit` naming what is left.
    pub fn kill(mut self) -> Result<(), Error> {
        self.parts.take_down()
    }
}

fn cgroup_limits(limits: &Limits) -> CgroupLimits {
    let Limits { cpus, memory_bytes, pids, nofile: _ } = *limits;
    CgroupLimits { cpus, memory_bytes, pids }
}

/// The layers that this host lacks for a jail of these limits and users, found without building one. `volume` says whether
/// it is to have a volume.
///
/// # Errors
/// When the control groups can't be looked at.
pub fn lacking(name: &str, limits: &Limits, users: Users, volume: bool) -> Result<Vec<&'static str>, Error> {
    let cgroup = Cgroup::create(name, &cgroup_limits(limits))?;
    let lacks = known_lacks(&cgroup, users, volume);
    cgroup.remove()?;
    Ok(lacks)
}

/// What is known to be missing before anything is built.
fn known_lacks(cgroup: &Cgroup, users: Users, volume: bool) -> Vec<&'static str> {
    // A user's own jail has a limit on processes that needs no cgroup; the proof reads it back.
    let mut lacks: Vec<&'static str> =
        cgroup.unenforced().iter().copied().filter(|layer| !(users.is_own() && *layer == "limit.pids")).collect();
    let loops = !users.is_own() && LoopDevice::is_possible();
    lacks.extend((!volume || !loops).then_some("limit.disk"));
    lacks.extend((landlock_version() == 0).then_some("landlock"));
    if users.is_own() {
        lacks.extend(["separate-uid", "guard-uid"]);
    }
    lacks
}

/// The OCI runtime that builds the jail, if one does; it must be there.
fn engine(plan: &Plan) -> Result<Option<OciRuntime>, Error> {
    let Engine::Runtime(runtime) = plan.engine else { return Ok(None) };
    if plan.users.is_own() {
        return Err(Error::Engine { runtime, said: "Creel starts it as root only".to_owned() });
    }
    crate::stage::engine_program(runtime).map(|_| Some(runtime))
}

/// The jail's /bin and /lib are links into its /usr, so the host's must be too.
fn merged_usr() -> Result<(), Error> {
    for name in ["/bin", "/lib"] {
        if !Path::new(name).is_symlink() {
            let next = "merge it (Debian's package `usrmerge`), or take another host";
            return Err(Error::unfit(format!("`{name}` of this host is not part of /usr"), next));
        }
    }
    Ok(())
}

/// What the stage hands over while it builds.
struct Born {
    pid: i32,
    wall: Option<i32>,
    planted: PlantedSockets,
    secrets: Option<OwnedFd>,
}

/// Follows the stage until PID 1 is in its cgroup, or until an engine waits for the last files.
fn follow_early(stage: Seq, cgroup: &Cgroup, engine: bool) -> Result<Early, Error> {
    let planted = match next(&stage)? {
        (Answer::Planted, fds) => PlantedSockets::from_fds(fds)?,
        (Answer::Failed(fault), _) => return Err(from_fault(fault)),
        (other, _) => return Err(Error::bug(format!("the stage said {other:?}"))),
    };
    if engine {
        return Ok(Early { stage, planted, first: None });
    }
    match next(&stage)? {
        (Answer::Forked { pid }, fds) => {
            let pidfd = fds.into_iter().next().ok_or_else(|| Error::bug("PID 1 without a descriptor"))?;
            admit(&stage, cgroup, pid)?;
            Ok(Early { stage, planted, first: Some((pid, pidfd)) })
        }
        (Answer::Failed(fault), _) => Err(from_fault(fault)),
        (other, _) => Err(Error::bug(format!("the stage said {other:?}"))),
    }
}

/// Follows it from there to `Running`, and to the inner wall if there is to be one.
fn follow(
    stage: &Seq,
    parts: &mut Parts,
    (planted, first): (PlantedSockets, Option<(i32, OwnedFd)>),
    inner_wall: bool,
) -> Result<Born, Error> {
    let cgroup = parts.cgroup.clone().ok_or_else(|| Error::bug("a jail without a cgroup"))?;
    let mut secrets = None;
    let (mut pid, mut wall) = (None, None);
    if let Some((number, pidfd)) = first {
        (pid, parts.first) = (Some(number), Some(pidfd));
    }
    loop {
        match next(stage)? {
            (Answer::Forked { pid: number }, fds) => {
                parts.first = fds.into_iter().next();
                admit(stage, &cgroup, number)?;
                pid = Some(number);
            }
            (Answer::Built, fds) => secrets = fds.into_iter().next(),
            (Answer::Running, _) if !inner_wall => break,
            (Answer::Running, _) => {}
            (Answer::Walled { pid: number }, _) => {
                admit(stage, &cgroup, number)?;
                wall = Some(number);
            }
            (Answer::WallStands, _) => break,
            (Answer::Failed(fault), _) => return Err(from_fault(fault)),
            (other @ (Answer::Planted | Answer::Connected | Answer::Refused { .. }), _) => {
                return Err(Error::bug(format!("the stage said {other:?}")));
            }
        }
    }
    let pid = pid.ok_or_else(|| Error::bug("the stage left out a step"))?;
    Ok(Born { pid, wall, planted, secrets })
}

/// Puts a waiting process into the jail's cgroup and lets it go on.
fn admit(stage: &Seq, cgroup: &Cgroup, pid: i32) -> Result<(), Error> {
    cgroup.add(pid)?;
    send(stage, &Word::Go, &[]).map_err(|error| Error::stage(format!("the stage's link: {error}")))
}

/// The stage's next word, within its time.
fn next(stage: &Seq) -> Result<(Answer, Vec<OwnedFd>), Error> {
    let told = |error: io::Error| Error::gone(format!("its stage doesn't answer: {error}"));
    if !wait(stage, PollFlags::IN, STEP).map_err(told)? {
        return Err(Error::gone(format!("its stage said nothing for {} s", STEP.as_secs())));
    }
    recv::<Answer>(stage).map_err(told)?.ok_or_else(|| Error::gone("its stage has ended"))
}

fn from_fault(fault: Fault) -> Error {
    let named = |layer: &String| LAYERS.into_iter().find(|known| known == layer);
    let layers: Vec<_> = fault.layers.iter().filter_map(named).collect();
    match fault.engine {
        Some(runtime) => return Error::Engine { runtime, said: fault.why },
        None if layers.is_empty() => return Error::stage(fault.why),
        None => {}
    }
    tracing::warn!(?layers, why = fault.why, "a layer can't be enforced");
    Error::Missing { layers, accept: Vec::new() }
}

/// Refuses layers that are missing and that the operator did not give up.
fn tolerate(plan: &Plan, missing: &[&'static str]) -> Result<(), Error> {
    let layers: Vec<_> = missing.iter().copied().filter(|layer| !plan.goes_without(layer)).collect();
    if layers.is_empty() { Ok(()) } else { Err(Error::Missing { layers, accept: missing.to_vec() }) }
}

/// Has PID 1 confine itself; says whether landlock stands, and gives the listener of its system calls.
fn confine(link: &Seq, plan: &Plan, order: &Order, walls: Walls) -> Result<(bool, OwnedFd), Error> {
    let told = |error: io::Error| Error::stage(format!("PID 1's link: {error}"));
    let linux = order.spec.linux().as_ref();
    let section = linux.and_then(|linux| linux.seccomp().clone()).map_or_else(seccomp::agent_profile, Ok)?;
    let confinement = Confinement { seccomp: section, walls, without_landlock: plan.goes_without("landlock") };
    send(link, &confinement, &[]).map_err(told)?;
    if !wait(link, PollFlags::IN, STEP).map_err(told)? {
        return Err(Error::stage("PID 1 said nothing"));
    }
    match recv::<Confined>(link).map_err(told)? {
        Some((Confined::Ready { landlock }, fds)) => {
            let listener = fds.into_iter().next().ok_or_else(|| Error::bug("PID 1 gave no listener"))?;
            Ok((landlock.is_some(), listener))
        }
        Some((Confined::Failed { layer, why }, _)) => {
            Err(from_fault(Fault { layers: layer.into_iter().collect(), engine: None, why }))
        }
        None => Err(Error::stage("PID 1 ended at once")),
    }
}

/// Where landlock lets the agent's gateway read, write and execute in front of an inner wall: it executes its runtime and
/// the launcher, which need the dynamic linker, and what answers its secret references.
fn walls_in_front(plan: &Plan) -> Walls {
    let linkers =
        ["/lib64", "/lib"].into_iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let linkers = linkers.map(|entry| entry.path()).filter(|path| is_linker(path));
    let mut run: Vec<PathBuf> = ["/creel", "/opt/openclaw", "/etc/openclaw"].map(Into::into).to_vec();
    run.extend(linkers);
    let mut read: Vec<PathBuf> = ["/usr", "/etc", "/opt", "/run", "/mnt", "/srv", "/sys"].map(Into::into).to_vec();
    read.extend(roots_home(plan));
    Walls {
        keep: plan.writable().iter().map(|(_, place, _)| place.into()).collect(),
        run,
        read,
        devices: vec!["/dev".into(), "/proc".into()],
        list: vec!["/".into()],
        ..Walls::default()
    }
}

/// Root's home in the jail, which is there when somebody has put files into it.
fn roots_home(plan: &Plan) -> Option<PathBuf> {
    plan.files.iter().any(|file| file.path.starts_with("/root")).then(|| "/root".into())
}

/// The dynamic linkers' names on Linux: `ld.so(8)`.
fn is_linker(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with("ld-linux") || name.starts_with("ld-musl"))
}

/// The same behind it.
fn walls_behind(plan: &Plan) -> Walls {
    Walls { write: BEHIND.iter().map(|(_, place, _)| place.into()).collect(), ..open_walls(plan) }
}

fn walls(plan: &Plan) -> Walls {
    if plan.inner_wall.is_some() { walls_in_front(plan) } else { open_walls(plan) }
}

/// Where landlock lets the agent read, write and execute: what the mounts say, once more.
fn open_walls(plan: &Plan) -> Walls {
    let mut run: Vec<_> = ["/usr", "/etc", "/opt", "/creel", "/run", "/mnt", "/srv"].map(Into::into).to_vec();
    run.extend(plan.binds.iter().map(|bind| bind.dst.clone()));
    Walls {
        write: WRITABLE.iter().map(|(_, place, _)| place.into()).collect(),
        run,
        read: [PathBuf::from("/sys")].into_iter().chain(roots_home(plan)).collect(),
        devices: vec!["/dev".into(), "/proc".into()],
        list: vec!["/".into()],
        ..Walls::default()
    }
}

impl Parts {
    /// Ends everything, each part whatever became of the others; names what is left.
    fn take_down(&mut self) -> Result<(), Error> {
        let mut left = Vec::new();
        if let Some(cgroup) = &self.cgroup {
            cgroup.condemn();
        }
        if let Some(first) = self.first.take() {
            // no such process: it has ended already
            let _sent = pidfd::kill(&first);
            // PID 1 ends as the last of its namespace (pid_namespaces(7))
            if !pidfd::wait_ended(&first, END).unwrap_or(false) {
                left.push("PID 1".to_owned());
            }
        }
        if let Some(cgroup) = &self.cgroup
            && let Err(error) = cgroup.kill_all()
        {
            left.push(error.to_string());
        }
        if let Some(mut stage) = self.stage.take() {
            // it collects PID 1 and ends by itself
            let ended = i32::try_from(stage.id()).map_err(io::Error::other).and_then(pidfd::open);
            let _ended = ended.and_then(|ended| pidfd::wait_ended(ended, ITS_OWN_END));
            let _sent = stage.kill();
            if stage.wait().is_err() {
                left.push("the stage".to_owned());
            }
        }
        if let Some(cgroup) = self.cgroup.take()
            && let Err(error) = cgroup.remove()
        {
            left.push(error.to_string());
        }
        if let Some(disk) = self.disk.take()
            && let Err(error) = disk.release(END)
        {
            left.push(error.to_string());
        }
        if left.is_empty() {
            return Ok(());
        }
        Err(Error::unfit(
            format!("after the jail's end there is still: {}", left.join("; ")),
            "look at the warden's log",
        ))
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if let Err(error) = self.take_down() {
            tracing::warn!(%error, "a jail did not end cleanly");
        }
    }
}
