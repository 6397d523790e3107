//! One tenant's jail and guard, put together.
//!
//! Owns the order in which things come up: folders, certificate authority, jail with its planted sockets, guard on them,
//! and only then the first instruction inside. It knows nothing of who asked: the warden runs OpenClaw in it, `creel
//! jail` a command.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use creel_guard::Tenant;
use creel_jail::cgroup::Staff;
use creel_jail::{
    Begun, Bind, Disk, Engine, InitEvent, InitLink, InitRequest, InnerWall, Jail, Layer, LayerStatus, Limits, MadeFile,
    Plan,
};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::canary::Nest;
use crate::cli::MISSING_LAYER;
use crate::config::Config;
use crate::guard_child::{GuardChild, GuardKit, Preparing, Wishes};
use crate::lock::Held;
use crate::notary::Bench;
use crate::placeholders::Shelf;
use crate::porter_child::PorterChild;
use crate::protocol::{Files, Generation, GuardSetup};
use crate::provider::Provider;
use crate::reception::Reception;
use crate::seat::Seat;
use crate::sentry_child::SentryChild;
use crate::site::{Site, TenantSite};

/// The id of the one process that the jail is for: OpenClaw, or the command of `creel jail`.
pub(crate) const AGENT: u64 = 1;

/// Why something could not be started, for people, with the exit code of CONTRACT.md.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    /// Why, and the way out.
    pub(crate) why: String,
    /// The host is in a state that may pass: too little room, say, while others start at the same time.
    pub(crate) may_pass: bool,
}

impl Failure {
    /// A failure of Creel or of the host that no layer's name fits.
    pub(crate) fn host(why: impl std::fmt::Display) -> Self {
        Self { code: 1, why: why.to_string(), may_pass: false }
    }
}

impl From<creel_jail::Error> for Failure {
    fn from(error: creel_jail::Error) -> Self {
        let code = match &error {
            creel_jail::Error::Missing { .. } => MISSING_LAYER,
            creel_jail::Error::Operator { .. } => crate::cli::USAGE,
            _ => 1,
        };
        Self { code, why: error.to_string(), may_pass: matches!(error, creel_jail::Error::Unfit { .. }) }
    }
}

/// What is to be built.
pub(crate) struct Order<'a> {
    pub(crate) tenant: Tenant,
    /// The tenant's lock, taken before anything was made for it.
    pub(crate) alive: Held,
    pub(crate) site: &'a Site,
    pub(crate) seat: Seat,
    /// As it was at the start.
    pub(crate) config: &'a Config,
    pub(crate) rules: Generation,
    pub(crate) provider: Provider,
    pub(crate) secrets: Zeroizing<Vec<u8>>,
    /// What stands in the jail for them.
    pub(crate) placeholders: Shelf,
    pub(crate) reception: Reception,
    pub(crate) disk: Disk,
    pub(crate) engine: Engine,
    pub(crate) runtime: Option<PathBuf>,
    pub(crate) binds: Vec<Bind>,
    pub(crate) files: Vec<MadeFile>,
    pub(crate) secrets_socket: bool,
    pub(crate) inner_wall: Option<InnerWall>,
    pub(crate) degraded: Vec<String>,
}

/// What of an order is handed on.
struct Hands {
    alive: Held,
    secrets: Zeroizing<Vec<u8>>,
    reception: Reception,
    seat: Seat,
}

impl Order<'_> {
    /// The jail's plan.
    fn plan(self, exe: PathBuf) -> Result<(Plan, Hands), Failure> {
        let Self { tenant, alive, site, seat, config, rules: _, provider: _, secrets, reception, .. } = self;
        let Self { disk, engine, runtime, binds, files, secrets_socket, inner_wall, degraded, .. } = self;
        let plan = Plan {
            name: site.jail_name(tenant.as_str()).map_err(Failure::host)?,
            users: seat.users(),
            engine,
            limits: limits(config),
            disk,
            files,
            runtime,
            binds,
            exe,
            secrets_socket,
            inner_wall,
            degraded,
            hostname: "creel".to_owned(),
        };
        Ok((plan, Hands { alive, secrets, reception, seat }))
    }
}

/// What the configuration lets the jail use up.
pub(crate) fn limits(config: &Config) -> Limits {
    let limits = config.limits();
    Limits { cpus: limits.cpus, memory_bytes: limits.memory_bytes, pids: limits.processes, nofile: limits.open_files }
}

/// What the guard is built from.
fn setup(order: &Order<'_>, place: &TenantSite) -> Result<GuardSetup, Failure> {
    let fleeting = order.tenant.as_str().starts_with(crate::site::JAIL_PREFIX);
    let canaries = if fleeting {
        Nest::default()
    } else {
        Nest::open(&order.site.canaries(order.tenant.as_str())).map_err(Failure::host)?
    };
    for folder in order.config.exports().iter().filter_map(|export| export.folder(&order.tenant)) {
        if let Err(error) = crate::site::make_dir(&folder, 0o700, order.seat.users().guard_id()) {
            tracing::error!(%error, "the log is not copied there");
        }
    }
    Ok(GuardSetup {
        tenant: order.tenant.clone(),
        config: order.config.text().to_owned(),
        config_name: order.config.name().to_owned(),
        cas: Files(order.config.cas()),
        rules: order.rules.clone(),
        provider: order.provider.clone(),
        ledger: place.ledger(),
        home: place.guard(),
        life: life()?,
        uid: order.seat.users().guard_id(),
        own_addresses: own_addresses(),
        fleeting,
        canaries,
        held: None,
        placeholders: order.placeholders.all().to_vec(),
    })
}

/// A jail with its guard.
pub(crate) struct Running {
    pub(crate) jail: Jail,
    pub(crate) guard: Option<GuardChild>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) secrets: Option<OwnedFd>,
    porter: PorterChild,
    sentry: SentryChild,
    /// After the processes that are in its control group.
    pub(crate) kit: GuardKit,
    seat: Seat,
    alive: Held,
}

/// What the jail's init reports.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InitNews {
    /// A process runs.
    Started {
        /// Its id.
        id: u64,
        /// Its process id as the host sees it, 0 when unknown.
        host_pid: i32,
    },
    /// A process ended.
    Ended {
        /// Its id.
        id: u64,
        /// Its exit code, 128+N when signal N ended it, 126 or 127 when it never ran.
        code: i32,
    },
    /// The jail is gone.
    Gone,
}

/// Where news go, each with the number of the run it is from.
pub(crate) type News = mpsc::UnboundedSender<(u64, InitNews)>;

/// Takes the lock of `tenant`: whoever makes anything for it holds this.
///
/// # Errors
/// When it runs already.
pub(crate) fn claim(site: &Site, tenant: &Tenant) -> Result<Held, Failure> {
    Held::take(&site.lock_file(tenant.as_str()))
        .map_err(|error| Failure::host(format!("`{tenant}` runs already: {error}; `creel status` shows it")))
}

/// Builds a jail and starts its guard. Nothing runs inside yet but its init.
///
/// # Errors
/// [`Failure`]; whatever was begun is taken down again.
pub(crate) async fn start(order: Order<'_>, number: u64, wishes: Wishes) -> Result<Running, Failure> {
    let exe = own_exe(order.site)?;
    let users = order.seat.users();
    let place = order.site.tenant(order.tenant.as_str());
    place.make(users).map_err(Failure::host)?;
    let setup = setup(&order, &place)?;
    let bench = Bench {
        origin: format!("creel/{}/{}", order.site.id().map_err(Failure::host)?, order.tenant),
        signer: (users.signer_id(), place.signer()),
        witness: (users.witness_id(), place.witness()),
    };
    let protected = if setup.fleeting { Vec::new() } else { order.config.files().protected.clone() };
    let (plan, hands) = order.plan(exe.clone())?;
    let staff = Staff::create(&plan.name, plan.limits.cpus)?;
    let Hands { alive, secrets, reception, seat } = hands;
    let mut kit = GuardKit::new(setup, secrets, reception, bench, staff);
    // Side by side: the jail is built while the guard gets small, makes or reads the authority, for which the jail waits, and
    // opens the ledger.
    let mut preparing = Preparing::start(&exe, &kit).map_err(Failure::host)?;
    let mut sentry = SentryChild::start(&exe, &kit.staff).map_err(Failure::host)?;
    let begun = Begun::begin(&plan)?;
    preparing.unlock().map_err(Failure::host)?;
    let authority = preparing.authority().await.map_err(Failure::host)?;
    let launched = begun.finish(crate::trust::files(&authority)?)?;
    (kit.planted, kit.authority) = (launched.planted.into_fds(), authority);
    let porter = PorterChild::start(&exe, &kit.staff, &launched.listeners, launched.jail.pidfd());
    let (porter, link) = porter.map_err(Failure::host)?;
    kit.planted.extend([link, sentry.take_guards_end().map_err(Failure::host)?]);
    let guard = match preparing.serve(&kit.planted, number, wishes).await {
        Ok(guard) => guard,
        Err(error) => {
            let _ = launched.jail.kill();
            return Err(Failure::host(error));
        }
    };
    let mut layers = launched.layers;
    match sentry.post(&launched.jail, protected, kit.setup.canaries.decoys()).await {
        Ok(blind) => layers.push(watched(blind, &plan)?),
        Err(error) => {
            let _ = launched.jail.kill();
            return Err(Failure::host(error));
        }
    }
    Ok(Running {
        jail: launched.jail,
        kit,
        guard: Some(guard),
        layers,
        secrets: launched.secrets,
        porter,
        sentry,
        seat,
        alive,
    })
}

/// The layer of the files door. Who starts Creel as a plain user can't have it, and need not say so.
fn watched(blind: Option<String>, plan: &Plan) -> Result<Layer, Failure> {
    let status = match blind {
        None => LayerStatus::Enforced,
        Some(why) if plan.users.is_own() || plan.goes_without(FILES_WATCHED) => {
            tracing::warn!(why, "what is done to the agent's files is not seen");
            LayerStatus::Degraded
        }
        Some(why) => {
            let hint = format!("`--allow-degraded {FILES_WATCHED}` goes without");
            let why = format!("what is done to the agent's files can't be seen here: {why}; {hint}");
            return Err(Failure { code: MISSING_LAYER, why, may_pass: false });
        }
    };
    Ok(Layer { id: FILES_WATCHED, status })
}

/// The layer's id.
pub(crate) const FILES_WATCHED: &str = "files.watched";

/// How long a guard may take to write its last records.
const LAST_RECORDS: Duration = Duration::from_secs(1);
/// The same for a sentry.
const LAST_FILES: Duration = Duration::from_millis(1500);

impl Running {
    /// Starts a process inside, as the agent, with the three descriptors (none with a terminal).
    ///
    /// # Errors
    /// When the jail's init is gone.
    pub(crate) fn spawn(&self, what: InitRequest, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.jail.init().send(&what, fds).map_err(io::Error::other)
    }

    /// Takes everything down: the jail, at once and whole, then the porter, which tells how its processes ended, and the guard,
    /// which closes its doors and writes its last records.
    ///
    /// # Errors
    /// When something of the jail is left; it names what.
    pub(crate) async fn end(self) -> Result<(), Failure> {
        let Self { jail, guard, kit, layers: _, secrets: _, porter, sentry, seat, alive } = self;
        let killed = jail.kill().map_err(Failure::from);
        porter.finish(LAST_RECORDS).await;
        sentry.finish(LAST_FILES).await;
        if let Some(guard) = &guard {
            guard.say_goodbye();
        }
        if let Some(guard) = guard {
            guard.finish(LAST_RECORDS).await;
        }
        // Nobody is in their control group any more.
        drop(kit);
        // Only now may the ids and the name be used again.
        drop(seat);
        alive.remove();
        killed
    }
}

/// Reads what the jail's init reports for as long as it lives.
///
/// # Errors
/// When the runtime can't watch the link.
pub(crate) fn listen(
    jail: &Jail,
    number: u64,
    news: News,
    ttys: Option<mpsc::UnboundedSender<OwnedFd>>,
) -> io::Result<()> {
    let watched = crate::link::watch(Watched(jail.init().try_clone()?))?;
    tokio::spawn(async move {
        loop {
            let Ok(mut ready) = watched.readable().await else { break };
            match watched.get_ref().0.recv() {
                Ok(Some((event, fds))) => {
                    if let InitEvent::Tty { .. } = event
                        && let (Some(ttys), Some(fd)) = (&ttys, fds.into_iter().next())
                    {
                        let _ = ttys.send(fd);
                    }
                    if let Some(item) = translate(&event) {
                        let _ = news.send((number, item));
                    }
                }
                Ok(None) => ready.clear_ready(),
                Err(_) => break,
            }
        }
        let _ = news.send((number, InitNews::Gone));
    });
    Ok(())
}

/// The link to a jail's init, for the runtime to watch.
struct Watched(InitLink);

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        self.0.fd().as_raw_fd()
    }
}

fn translate(event: &InitEvent) -> Option<InitNews> {
    match *event {
        InitEvent::Started { id, host_pid, .. } => Some(InitNews::Started { id, host_pid: host_pid.unwrap_or(0) }),
        InitEvent::Exited { id, code, signal } => {
            let code = code.or(signal.map(|signal| 128 + signal)).unwrap_or(125);
            Some(InitNews::Ended { id, code })
        }
        InitEvent::NotStarted { id, errno, .. } => {
            let missing = errno == rustix::io::Errno::NOENT.raw_os_error();
            Some(InitNews::Ended { id, code: if missing { 127 } else { 126 } })
        }
        InitEvent::Tty { .. } => None,
    }
}

/// `creel stage`, hidden: its link was put at the agreed descriptor.
pub(crate) fn stage() -> ExitCode {
    with_link(creel_jail::stage_main)
}

/// `creel init`, hidden: its link was put at the agreed descriptor.
pub(crate) fn init() -> ExitCode {
    with_link(creel_jail::init_main)
}

/// `creel wall`, hidden: its link and its listener were put at the agreed descriptors.
pub(crate) fn wall() -> ExitCode {
    match creel_jail_sys::process::inherited(creel_jail::LISTENER_FD) {
        Ok(listener) => with_link(|link| creel_jail::wall_main(link, listener)),
        Err(_) => part_of_creel(),
    }
}

fn part_of_creel() -> ExitCode {
    crate::cli::out::fail(crate::cli::USAGE, "this is a part of creel that only creel starts")
}

fn with_link(work: impl FnOnce(OwnedFd) -> i32) -> ExitCode {
    match creel_jail_sys::process::inherited(creel_jail_sys::process::LINK_FD) {
        Ok(link) => crate::cli::exit(work(link)),
        Err(_) => part_of_creel(),
    }
}

/// The program that runs now, by a path that others can start.
pub(crate) fn own_exe(site: &Site) -> Result<PathBuf, Failure> {
    site.program().map_err(|error| Failure::host(format!("the own program can't be found: {error}")))
}

/// A word for this jail's life.
fn life() -> Result<String, Failure> {
    let mut random = [0u8; 8];
    getrandom::fill(&mut random).map_err(Failure::host)?;
    Ok(format!("{:016x}", u64::from_le_bytes(random)))
}

/// Every address of this host.
pub(crate) fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or(address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        })
        .collect()
}

/// Three descriptors that lead nowhere.
///
/// # Errors
/// When `/dev/null` can't be opened.
pub(crate) fn nowhere() -> io::Result<[OwnedFd; 3]> {
    let null: OwnedFd = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?.into();
    Ok([null.try_clone()?, null.try_clone()?, null])
}

/// Borrows a list of descriptors.
pub(crate) fn borrow(fds: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    fds.iter().map(AsFd::as_fd).collect()
}
