//! The guard's process: all doors of one tenant, the decision, the ledger.
//!
//! Owns how they are put together, and the order of getting small: take what was handed over, become the tenant's own
//! user, close the walls (seccomp, landlock), and only then look at the first byte of the agent's. The warden starts it.

mod control;
mod desk;
mod doors;
mod model;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use creel_guard::{Action, Actor, Administer, Deed, Door, Guard, Tenant};
use creel_jail_sys::seqpacket::Seq;
use creel_ledger::{FileLedger, Notaries, OpenOptions};
use zeroize::Zeroizing;

use crate::config::{Config, Durability, Live};
use crate::link::{Link, Listener, read_memory_file};
use crate::protocol::{FromGuard, GuardSetup, ToGuard};

pub(crate) use control::person;

/// The longest set-up, in bytes: a configuration of 1 MiB with its certificates.
const LONGEST_SETUP: u64 = 64 << 20;

/// What was handed over by whoever started us.
struct Handed {
    link: Seq,
    setup: GuardSetup,
    secrets: Zeroizing<Vec<u8>>,
    control: OwnedFd,
    notaries: Notaries,
    planted: Vec<OwnedFd>,
}

/// `creel guard`, hidden.
pub(crate) fn main() -> ExitCode {
    crate::logging::start("warn");
    let handed = match take() {
        Ok(handed) => handed,
        Err(error) => {
            tracing::error!(%error, "the guard was not handed what it needs; it is started by `creel up`");
            return ExitCode::FAILURE;
        }
    };
    let duplicate = handed.link.as_fd().try_clone_to_owned().and_then(Seq::from_fd);
    match run(handed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tracing::error!("{why}");
            if let (Ok(link), Ok(bytes)) = (duplicate, serde_json::to_vec(&FromGuard::Failed { why })) {
                let _ = link.send(&bytes, &[]);
            }
            ExitCode::FAILURE
        }
    }
}

/// Reads the first message from the link, which was put at the agreed descriptor.
fn take() -> io::Result<Handed> {
    let link = Seq::from_fd(creel_jail_sys::process::inherited(creel_jail_sys::process::LINK_FD)?)?;
    let (bytes, fds) = link.recv()?;
    let ToGuard::Start { seals } = serde_json::from_slice(&bytes)? else {
        return Err(io::Error::other("it spoke out of turn"));
    };
    let mut fds = fds.into_iter();
    let mut next = || fds.next().ok_or_else(|| io::Error::other("a descriptor is missing"));
    let setup = serde_json::from_slice(&read_memory_file(next()?, LONGEST_SETUP)?)?;
    let secrets = Zeroizing::new(read_memory_file(next()?, LONGEST_SETUP)?);
    let control = next()?;
    let notaries = seals.notaries([next()?, next()?])?;
    Ok(Handed { link, setup, secrets, control, notaries, planted: fds.collect() })
}

fn run(handed: Handed) -> Result<(), String> {
    let Handed { link, setup, secrets, control, notaries, planted } = handed;
    if rustix::process::geteuid().is_root() {
        // Only root may: with it gone, no program that the guard could ever start gains a capability.
        let closed = creel_jail_sys::caps::close_bounding_set();
        closed.map_err(|error| format!("the capability bounding set can't be closed: {error}"))?;
    }
    become_user(setup.uid).map_err(|error| format!("can't become user {}: {error}", setup.uid))?;
    let start = Config::again(&setup.config_name, &setup.config, &setup.cas.0).map_err(|report| report.to_string())?;
    let read = creel_jail::GuardPaths::RESOLVER.iter().chain(&ROOTS).map(PathBuf::from).collect();
    let paths = creel_jail::GuardPaths { write: vec![setup.ledger.clone(), setup.home.clone()], read };
    creel_jail::confine_guard(&paths).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let ledger = FileLedger::open_signed(&setup.ledger, &setup.tenant, OpenOptions::default(), notaries)
        .map_err(|error| format!("the ledger can't be opened: {error}"))?;
    let ledger = Arc::new(ledger);
    let hands = Hands { secrets, control, planted, ledger: Arc::clone(&ledger) };
    let ended = runtime.block_on(serve(link, &setup, start, hands));
    // Whatever was still under way is abandoned, and the ledger writes that down before it closes.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    drop(ledger);
    ended
}

/// What the doors are opened with.
struct Hands {
    secrets: Zeroizing<Vec<u8>>,
    control: OwnedFd,
    planted: Vec<OwnedFd>,
    ledger: Arc<FileLedger>,
}

/// The roots that the guard trusts upstream (Debian's ca-certificates), wherever they are linked to.
const ROOTS: [&str; 3] = ["/etc/ssl", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"];

async fn serve(link: Seq, setup: &GuardSetup, start: Config, hands: Hands) -> Result<(), String> {
    let Hands { secrets, control, planted, ledger } = hands;
    let link = Link::new(link).map_err(|error| format!("the link can't be watched: {error}"))?;
    let config = match &setup.rules.sheet {
        Some(sheet) => desk::in_force(&start, sheet)?,
        None => start.clone(),
    };
    let live = Live::new(&config, setup.rules.number, setup.provider.clone(), setup.own_addresses.clone());
    let guard = Guard::new(
        live.judge(),
        ledger,
        Arc::new(creel_guard::NoOneToAsk),
        Arc::new(NoBreakers),
        Arc::new(TokioTimer),
        config.durability() == Durability::All,
    );
    let listener = Listener::new(control).map_err(|error| format!("the control socket can't be watched: {error}"))?;
    let (trigger, tasks) = doors::open(&config, &live, setup, secrets, planted, &guard)?;
    let desk = desk::Desk::new(link, guard.clone(), start, live);
    let talk = tokio::spawn(control::serve(listener, guard, setup.tenant.clone(), Arc::clone(&desk)));
    let ended = desk.serve().await.map_err(|error| format!("the link to the warden broke: {error}"));
    trigger.pull();
    talk.abort();
    for task in tasks {
        let _ = task.await;
    }
    ended
}

/// Becomes `uid` for good; whoever started us takes us along when it dies.
pub(crate) fn become_user(uid: u32) -> io::Result<()> {
    use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
    if rustix::process::geteuid().is_root() {
        setgroups(&[])?;
        setresgid(group, group, group)?;
        setresuid(user, user, user)?;
    }
    if rustix::process::geteuid().as_raw() != uid || rustix::process::getuid().as_raw() != uid {
        return Err(io::Error::other("the kernel kept the old user"));
    }
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

/// `creel make-ca`, hidden: makes or reads the tenant's certificate authority as its guard's user; prints its certificate.
pub(crate) fn make_ca(uid: u32, folder: &Path) -> ExitCode {
    let made = become_user(uid).map_err(|error| error.to_string()).and_then(|()| {
        let tenant = Tenant::parse(&tenant_of(folder))?;
        creel_doors::ca::Ca::open(folder, &tenant).map_err(|error| error.to_string())
    });
    match made {
        Ok(ca) => {
            crate::cli::out::text(ca.certificate_pem());
            ExitCode::SUCCESS
        }
        Err(why) => crate::cli::out::fail(1, why),
    }
}

/// `…/tenants/NAME/guard` → `NAME`.
fn tenant_of(folder: &Path) -> String {
    let name = folder.parent().and_then(Path::file_name).unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// An act of a person or of Creel itself on Creel.
pub(crate) fn administer(tenant: &Tenant, actor: Actor, act: &str, detail: &str) -> Action {
    let deed = Deed::Administer(Administer { act: act.to_owned(), detail: detail.to_owned() });
    Action { tenant: tenant.clone(), actor, door: Door::Control, deed }
}

/// No monitor exists yet that could trip: all breakers are known to be closed.
struct NoBreakers;

impl creel_guard::Breakers for NoBreakers {
    fn state(&self, _action: &Action) -> creel_guard::BreakerState {
        creel_guard::BreakerState::Closed
    }
}

/// The guard's clock.
struct TokioTimer;

impl creel_guard::Timer for TokioTimer {
    fn after(&self, duration: std::time::Duration) -> creel_guard::BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
