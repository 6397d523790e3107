//! Has an OCI runtime of the host build the jail from the very same spec.
//!
//! Owns the bundle, which lies on a tmpfs that only a helper's mount namespace sees, and the runtime's one command. The
//! network namespace with the planted sockets comes by path, PID 1 is `creel init` as ever, and is confined by the warden's
//! word before it starts anything. It never lets the runtime's own state outlive the helper. `stage` calls it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use creel_jail_sys::process::{Fork, LINK_FD, exit_now, fork, place};
use creel_jail_sys::seqpacket::Seq;
use nix::sched::{CloneFlags, unshare};
use oci_spec::runtime::{LinuxNamespaceType, Spec};
use rustix::process::{Pid, WaitOptions, umask, waitpid};

use super::birth::{HINT, Step, be_no_favourite, die_with_stage};
use super::{Answer, First, Order, Word, pass_on};
use crate::error::Error;
use crate::init::protocol::{recv, send};
use crate::plan::OciRuntime;
use crate::rootfs;
use crate::spec::STAGING;

/// Where runtimes are looked for; root's own PATH is nobody's business here.
const PLACES: [&str; 3] = ["/usr/bin", "/usr/sbin", "/usr/local/sbin"];
/// The most of a runtime's words that is shown.
const MOST_SAID: usize = 2000;

/// The runtime's program.
pub(crate) fn program(runtime: OciRuntime) -> Result<PathBuf, Error> {
    let found = PLACES.iter().map(|place| Path::new(place).join(runtime.name())).find(|path| path.is_file());
    found.ok_or_else(|| Error::Engine {
        runtime,
        said: format!("it is not installed (Debian's package `{}`; `make setup` installs runc)", runtime.name()),
    })
}

/// Builds the jail; none when the warden went away meanwhile.
pub(super) fn start(
    warden: &Seq,
    order: &Order,
    runtime: OciRuntime,
    (link, volume): (OwnedFd, Option<OwnedFd>),
) -> Result<Option<(First, Vec<OwnedFd>)>, Error> {
    let told = |error: io::Error| Error::stage(format!("a link broke: {error}"));
    // PID 1 is the runtime's child, and ours when that has done its work
    nix::sys::prctl::set_child_subreaper(true).map_err(Error::host("adopt the jail's first process", HINT))?;
    let (ours, theirs) = Seq::pair().map_err(told)?;
    let network = format!("/proc/{}/ns/net", std::process::id());
    let helper = match fork().map_err(Error::host("start a helper", "free some processes or memory"))? {
        Fork::Child => {
            drop(ours);
            exit_now(help(&theirs, order, &network, (runtime, link, volume)))
        }
        Fork::Parent(pid) => pid,
    };
    drop((theirs, link, volume));
    let (number, handed) = match recv::<Step>(&ours).map_err(told)? {
        Some((Step::Started { pid }, fds)) => (pid, fds),
        Some((Step::Failed(fault), _)) => {
            send(warden, &Answer::Failed(fault), &[]).map_err(told)?;
            return Err(Error::stage("the engine gave up"));
        }
        _ => return Err(Error::stage("the engine's helper is gone")),
    };
    let _ended = waitpid(Some(helper), WaitOptions::empty());
    let pid = Pid::from_raw(number).ok_or_else(|| Error::bug("an engine with an odd pid"))?;
    let pidfd = creel_jail_sys::pidfd::open(number).map_err(told)?;
    send(warden, &Answer::Forked { pid: number }, &[pidfd.as_fd()]).map_err(told)?;
    let Some((Word::Go, _)) = recv::<Word>(warden).map_err(told)? else { return Ok(None) };
    let bricks = pass_on(warden, order, handed)?;
    send(warden, &Answer::Running, &[]).map_err(told)?;
    Ok(Some((First { pid, pidfd }, bricks)))
}

/// The helper's whole life.
fn help(
    stage: &Seq,
    order: &Order,
    network: &str,
    (runtime, link, volume): (OciRuntime, OwnedFd, Option<OwnedFd>),
) -> i32 {
    let (step, handed) = match hand_over(order, network, (runtime, link, volume)) {
        Ok((pid, handed)) => (Step::Started { pid }, handed),
        Err(error) => (Step::Failed(error.into()), Vec::new()),
    };
    let handles: Vec<_> = handed.iter().map(AsFd::as_fd).collect();
    i32::from(send(stage, &step, &handles).is_err())
}

/// Makes the bundle and lets the runtime start PID 1.
fn hand_over(
    order: &Order,
    network: &str,
    (runtime, link, volume): (OciRuntime, OwnedFd, Option<OwnedFd>),
) -> Result<(i32, Vec<OwnedFd>), Error> {
    die_with_stage()?;
    be_no_favourite().map_err(Error::host("set its oom_score_adj", HINT))?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(|error| Error::missing("ns.mnt", error))?;
    umask(rustix::fs::Mode::from_raw_mode(0o022));
    let mut gathered = rootfs::gather(order, volume, || Ok(Vec::new()))?;
    gathered.make_points(&order.spec)?;
    let bundle = Path::new(STAGING).join("bundle");
    let made = Error::host::<io::Error>(format!("make `{}`", bundle.display()), HINT);
    let spec = serde_json::to_vec(&joined(&order.spec, network)?).map_err(Error::bug)?;
    std::fs::create_dir(&bundle).and_then(|()| std::fs::write(bundle.join("config.json"), spec)).map_err(made)?;
    place(link, LINK_FD).map_err(Error::host("arrange the descriptors of PID 1", HINT))?;
    let pid = run(runtime, &bundle)?;
    Ok((pid, std::mem::take(&mut gathered.handed)))
}

/// The spec, in a network namespace that exists.
fn joined(spec: &Spec, network: &str) -> Result<Spec, Error> {
    let mut spec = spec.clone();
    let mut linux = spec.linux().clone().ok_or_else(|| Error::bug("the spec has no linux part"))?;
    let mut namespaces = linux.namespaces().clone().unwrap_or_default();
    for namespace in &mut namespaces {
        if namespace.typ() == LinuxNamespaceType::Network {
            namespace.set_path(Some(network.into()));
        }
    }
    linux.set_namespaces(Some(namespaces));
    spec.set_linux(Some(linux));
    Ok(spec)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place where the stage's helper starts an OCI runtime")]
fn run(runtime: OciRuntime, bundle: &Path) -> Result<i32, Error> {
    let staging = Path::new(STAGING);
    let (said, number) = (staging.join("said"), staging.join("pid"));
    let start = |error: io::Error| Error::Engine { runtime, said: error.to_string() };
    let errors = std::fs::File::create(&said).map_err(start)?;
    let ended = Command::new(program(runtime)?)
        .arg("--root")
        .arg(staging.join("engine"))
        .args(["run", "--detach", "--preserve-fds", "1", "--pid-file"])
        .arg(&number)
        .arg("--bundle")
        .arg(bundle)
        .arg("jail")
        .env_clear()
        .env("PATH", PLACES.join(":"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .current_dir("/")
        .status()
        .map_err(start)?;
    let pid = std::fs::read_to_string(&number).ok().and_then(|text| text.trim().parse::<i32>().ok());
    match pid.filter(|pid| ended.success() && *pid > 1) {
        Some(pid) => Ok(pid),
        None => {
            let mut words = std::fs::read_to_string(&said).unwrap_or_default().trim().replace('\n', "; ");
            words.truncate(words.floor_char_boundary(MOST_SAID));
            Err(Error::Engine { runtime, said: format!("it says `{words}`") })
        }
    }
}
