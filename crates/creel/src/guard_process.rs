//! The guard's process: all doors of one tenant, the decision, the ledger.
//!
//! Owns how they are put together, and the order of getting small: take what was handed over, become the tenant's own
//! user, close the walls (seccomp, landlock), and only then look at the first byte of the agent's. The warden starts it.

pub(crate) mod alerts;
mod approvals;
mod begun;
pub(crate) mod budget;
mod control;
pub(crate) mod definitions;
mod desk;
mod doors;
mod exec;
pub(crate) mod export;
mod files;
mod links;
mod memory;
mod model;
mod open_acts;
#[cfg(test)]
pub(crate) mod played;
mod post;
mod secrets;
mod snapshots;
mod stillness;
pub(crate) mod watch;
mod withheld;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use creel_doors::ca::Ca;
use creel_guard::{Action, Actor, Administer, Deed, Door, Guard, Tenant};
use creel_jail_sys::seqpacket::Seq;
use creel_ledger::{FileLedger, Notaries, OpenOptions};
use zeroize::Zeroizing;

use crate::config::{Config, Durability, Live};
use crate::link::{Link, read_memory_file};
use crate::protocol::{FromGuard, GuardSetup, ToGuard};
use crate::reception::Reception;

pub(crate) use approvals::{Effect, Open};
pub(crate) use control::person;
pub(crate) use desk::person_facts;

/// The longest set-up, in bytes: a configuration of 1 MiB with its certificates.
const LONGEST_SETUP: u64 = 64 << 20;

/// What was handed over by whoever started us, first of all.
struct Handed {
    link: Seq,
    setup: GuardSetup,
    secrets: Zeroizing<Vec<u8>>,
    reception: Reception,
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
    let (ToGuard::Prepare { along }, fds) = hear(&link)? else { return Err(out_of_turn()) };
    let mut fds = fds.into_iter();
    let mut next = || fds.next().ok_or_else(|| io::Error::other("a descriptor is missing"));
    let setup = serde_json::from_slice(&read_memory_file(next()?, LONGEST_SETUP)?)?;
    let secrets = Zeroizing::new(read_memory_file(next()?, LONGEST_SETUP)?);
    let reception = Reception::take(along, fds)?;
    Ok(Handed { link, setup, secrets, reception })
}

/// The next message, waited for without a runtime.
fn hear(link: &Seq) -> io::Result<(ToGuard, Vec<OwnedFd>)> {
    let (bytes, fds) = link.recv()?;
    if bytes.is_empty() {
        return Err(io::Error::other("whoever started us is gone"));
    }
    Ok((serde_json::from_slice(&bytes)?, fds))
}

fn out_of_turn() -> io::Error {
    io::Error::other("it spoke out of turn")
}

/// Who signs the ledger: the second message.
fn notaries(link: &Seq) -> io::Result<Notaries> {
    let (ToGuard::Seal { seals }, fds) = hear(link)? else { return Err(out_of_turn()) };
    let links = fds.try_into().map_err(|_| io::Error::other("two links must come along"))?;
    seals.notaries(links)
}

/// The planted sockets: the third message.
fn planted(link: &Seq) -> io::Result<Vec<OwnedFd>> {
    match hear(link)? {
        (ToGuard::Serve, fds) => Ok(fds),
        _ => Err(out_of_turn()),
    }
}

fn run(handed: Handed) -> Result<(), String> {
    let Handed { link, setup, secrets, reception } = handed;
    if rustix::process::geteuid().is_root() {
        // Only root may: with it gone, no program that the guard could ever start gains a capability.
        let closed = creel_jail_sys::caps::close_bounding_set();
        closed.map_err(|error| format!("the capability bounding set can't be closed: {error}"))?;
    }
    become_user(setup.uid).map_err(|error| format!("can't become user {}: {error}", setup.uid))?;
    let start = Config::again(&setup.config_name, &setup.config, &setup.cas.0).map_err(|report| report.to_string())?;
    let read = creel_jail::GuardPaths::RESOLVER.iter().chain(&ROOTS).map(PathBuf::from).collect();
    let mut write = vec![setup.ledger.clone(), setup.home.clone()];
    // One that is not there now is out of reach until the next start.
    let replicas = start.exports().iter().filter_map(|export| export.folder(&setup.tenant));
    write.extend(replicas.filter(|folder| folder.is_dir()));
    let paths = creel_jail::GuardPaths { write, read };
    creel_jail::confine_guard(&paths).map_err(|error| error.to_string())?;
    let told = |error: io::Error| format!("the link to whoever started us: {error}");
    let open = if setup.fleeting { Ca::open_fleeting } else { Ca::open };
    let ca = open(&setup.home, &setup.tenant).map_err(|error| error.to_string())?;
    let prepared = FromGuard::Prepared { authority: ca.certificate_pem().to_owned() };
    let bytes = serde_json::to_vec(&prepared).map_err(|error| error.to_string())?;
    link.send(&bytes, &[]).map_err(told)?;
    let notaries = notaries(&link).map_err(told)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let options = OpenOptions { keep: start.keep(), ..OpenOptions::default() };
    let ledger = FileLedger::open_signed(&setup.ledger, &setup.tenant, options, notaries)
        .map_err(|error| format!("the ledger can't be opened: {error}"))?;
    let ledger = Arc::new(ledger);
    let hands = Hands { secrets, reception, ca, ledger: Arc::clone(&ledger) };
    let ended = runtime.block_on(serve(link, &setup, start, hands));
    // Whatever was still under way is abandoned, and the ledger writes that down before it closes.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    drop(ledger);
    ended
}

/// What the doors are opened with.
struct Hands {
    secrets: Zeroizing<Vec<u8>>,
    reception: Reception,
    ca: Ca,
    ledger: Arc<FileLedger>,
}

/// The roots that the guard trusts upstream (Debian's ca-certificates), wherever they are linked to.
const ROOTS: [&str; 3] = ["/etc/ssl", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"];

#[expect(clippy::too_many_lines, reason = "what a guard starts, in the one order in which it may")]
async fn serve(link: Seq, setup: &GuardSetup, start: Config, hands: Hands) -> Result<(), String> {
    let Hands { secrets, reception, ca, ledger } = hands;
    let config = match &setup.rules.sheet {
        Some(sheet) => desk::in_force(&start, sheet)?,
        None => start.clone(),
    };
    let live = Live::new(&config, setup.rules.number, setup.provider.clone(), setup.own_addresses.clone());
    let approvals = approvals::Approvals::open(&setup.home, config.approvals().clone())
        .map_err(|error| format!("the book of questions can't be opened: {error}"))?;
    let page = config.approvals().page.as_ref().filter(|_| reception.has_page());
    let links = page.map(|page| links::Links::new(&page.url)).transpose()?.map(Arc::new);
    let secrets = secrets::Secrets::new(secrets, setup, &config, links.as_ref().map(|links| links.stem()))?;
    let broker = Arc::clone(&secrets.broker);
    let alerts = alerts::Alerts::linking(config.alerts(), links.clone());
    let (shelf, undo) = crate::files::versions::Shelf::open(&setup.home, config.files().versions)
        .map_err(|error| format!("the versions of protected files can't be read: {error}"))?;
    let shelf = Arc::new(shelf);
    let snapshots = snapshots::Snapshots::open(setup, config.snapshots())
        .map_err(|error| format!("the snapshots of the workspace can't be read: {error}"))?;
    let judge = Arc::new(begun::Begun { inner: live.judge(), shelf: Arc::clone(&shelf) });
    let (watch, trips) = lookout(judge, secrets.known(), setup, config.canaries(), &alerts)?;
    let (budget, spent) = budget::Budget::open(&setup.home, config.budget().clone())
        .map_err(|error| format!("what the model cost can't be read: {error}"))?;
    let kept = Arc::downgrade(&ledger);
    let (tools, drifts) = definitions::Tools::open(&setup.home, crate::tools::own(), creel_openclaw::OPENCLAW_VERSION);
    let acts = open_acts::OpenActs::new(Arc::new(withheld::Withheld { ledger, watch: Arc::clone(&watch) }));
    let guard = Guard::new(
        watch.clone(),
        acts.clone(),
        approvals.clone(),
        Arc::new(budget::Both(Arc::clone(&watch), Arc::clone(&budget))),
        Arc::new(TokioTimer),
        config.durability() == Durability::All,
    )
    .with_keeper(Arc::new(snapshots::Careful(Arc::clone(&snapshots))));
    let listeners = control::Listeners::new(reception, &config.approvals().people, links)?;
    let scanner = creel_scan::secrets::Scanner::new(broker.known());
    let auditor = crate::memory::auditor::Auditor::new(guard.clone(), setup.tenant.clone(), scanner, &setup.home);
    let auditor = Arc::new(auditor);
    secrets.tell(&watch, &auditor);
    let said = live.said();
    let means = doors::means(&config, setup, broker.clone())?;
    let aides = model::Aides {
        masks: Arc::clone(&watch) as _,
        meter: Arc::clone(&budget) as _,
        definitions: Arc::clone(&tools) as _,
        memories: Arc::clone(&shelf) as _,
    };
    let doors = doors::build(&config, &live, setup, (broker, aides), ca, &guard, watch.clone())?;
    // Up to here nobody could reach us: whoever built the jail meanwhile now hands over its sockets.
    let mut planted = planted(&link).map_err(|error| format!("no planted sockets came: {error}"))?;
    let lookers = (planted.pop(), planted.pop());
    let (trigger, tasks) = doors.open(planted)?;
    let [mut porters, mut sentries] = look(lookers, &guard, &setup.tenant, &shelf)?;
    let link = Link::new(link).map_err(|error| format!("the link can't be watched: {error}"))?;
    let keepers = desk::Keepers {
        auditor,
        alerts: Arc::clone(&alerts),
        shelf: Arc::clone(&shelf),
        snapshots: Arc::clone(&snapshots),
        secrets,
    };
    let desk = desk::Desk::new(link, guard.clone(), start, live, keepers);
    snapshots.attach(&guard, &setup.tenant, &desk);
    let schedule = tokio::spawn(Arc::clone(&snapshots).keep_schedule());
    tokio::spawn(files::put_back(undo, shelf, Arc::clone(&desk), guard.clone(), setup.tenant.clone()));
    let (tenant, stillness) = (setup.tenant.clone(), stillness::Stillness::new());
    tokio::spawn(watch::record(trips, guard.clone(), tenant.clone()));
    tokio::spawn(budget::record(spent, guard.clone(), tenant.clone(), Arc::clone(&alerts)));
    tokio::spawn(definitions::record(drifts, guard.clone(), tenant.clone()));
    let exports = export::Exports::start(config.exports(), (&guard, &tenant), &means, [&setup.ledger, &setup.home]);
    tokio::spawn(Arc::clone(&exports).tell(kept));
    let talk = control::Talk {
        guard,
        tenant,
        desk: Arc::clone(&desk),
        approvals,
        budget,
        tools,
        said,
        watch,
        alerts,
        means,
        stillness,
        exports,
    };
    tell(&talk);
    let talk = tokio::spawn(control::serve(listeners, talk));
    let ended = Arc::clone(&desk).serve().await.map_err(|error| format!("the link to the warden broke: {error}"));
    schedule.abort();
    ebb(&desk, &trigger, &acts).await;
    snapshots.detach();
    // What ended with the jail is told last of all.
    let _ = tokio::time::timeout(LAST_TOLD, async { tokio::join!(&mut porters, &mut sentries) }).await;
    porters.abort();
    sentries.abort();
    trigger.pull();
    talk.abort();
    futures_util::future::join_all(tasks).await;
    ended
}

/// Hears porter and sentry, which look into the jail.
fn look(
    (sentry, porter): (Option<OwnedFd>, Option<OwnedFd>),
    guard: &Guard,
    tenant: &Tenant,
    shelf: &Arc<crate::files::versions::Shelf>,
) -> Result<[tokio::task::JoinHandle<io::Result<()>>; 2], String> {
    let (Some(sentry), Some(porter)) = (sentry, porter) else {
        return Err("no links to porter and sentry came".to_owned());
    };
    let exec = Arc::new(creel_doors::exec::Exec::new(guard.clone(), tenant.clone()));
    let seen = creel_doors::files::Files::new(guard.clone(), tenant.clone(), Arc::clone(&exec), Arc::clone(shelf) as _);
    let sentries = files::serve(sentry, seen, guard.clone(), tenant.clone());
    Ok([tokio::spawn(exec::serve(porter, exec)), tokio::spawn(sentries)])
}

/// What looks for the tenant's secrets and bait, in front of `judge`.
fn lookout(
    judge: Arc<dyn creel_guard::Judge>,
    known: creel_scan::secrets::Known,
    setup: &GuardSetup,
    taken: crate::config::Canaries,
    alerts: &Arc<alerts::Alerts>,
) -> Result<(Arc<watch::Watch>, tokio::sync::mpsc::Receiver<watch::Trip>), String> {
    let told = (Arc::clone(alerts), setup.held.clone());
    watch::Watch::open(judge, known, &setup.canaries, &setup.home, taken, told)
        .map_err(|error| format!("the quarantine can't be read: {error}"))
}

/// Where the next guard waits: takes nothing new, and lets what is under way end.
async fn ebb(desk: &desk::Desk, trigger: &creel_doors::shutdown::Trigger, acts: &open_acts::OpenActs) {
    if !desk.retires() {
        return;
    }
    trigger.close();
    // who has just been let in gets as far as an act
    tokio::time::sleep(FIRST_WORDS).await;
    acts.none(LAST_ACTS).await;
}

/// Begins to tell people of what happens, and of what holds on, and to send records on.
fn tell(talk: &control::Talk) {
    tokio::spawn(alerts::of_questions(Arc::clone(&talk.alerts), Arc::clone(&talk.approvals)));
    let voices = stillness::Voices {
        desk: Arc::clone(&talk.desk),
        alerts: Arc::clone(&talk.alerts),
        guard: talk.guard.clone(),
        tenant: talk.tenant.clone(),
    };
    tokio::spawn(Arc::clone(&talk.stillness).keep(talk.watch.changes(), voices));
    talk.alerts.serve(&talk.guard, &talk.tenant, &talk.means);
}

/// How long a connection that was just accepted gets to ask for something.
const FIRST_WORDS: std::time::Duration = std::time::Duration::from_millis(100);

/// How long what is under way may go on once the next guard waits; new connections wait as long at their sockets.
const LAST_ACTS: std::time::Duration = std::time::Duration::from_secs(2);

/// How long a porter may take to tell its last; it goes on where a jail outlives its guard.
const LAST_TOLD: std::time::Duration = std::time::Duration::from_millis(300);

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

/// An act of a person or of Creel itself on Creel.
pub(crate) fn administer(tenant: &Tenant, actor: Actor, act: &str, detail: &str) -> Action {
    let deed = Deed::Administer(Administer { act: act.to_owned(), detail: detail.to_owned() });
    Action { tenant: tenant.clone(), actor, door: Door::Control, deed }
}

/// The guard's clock.
struct TokioTimer;

impl creel_guard::Timer for TokioTimer {
    fn after(&self, duration: std::time::Duration) -> creel_guard::BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
