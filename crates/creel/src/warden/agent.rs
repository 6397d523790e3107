//! One tenant's agent, kept alive.
//!
//! Owns [`Agent`]: its phase, its starts and restarts, its end. A start always builds a fresh jail, for stopping OpenClaw
//! kills the whole process namespace (HARDENING.md 14). It never reads a byte of the agent's: whether OpenClaw is ready
//! the guard finds out, over a stream that is lent to it.

mod errands;
mod quarantine;
mod rules;
mod secrets;
mod takeover;

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use creel_guard::{Action, Refusal, RuleId, Tenant};
use creel_jail::{InitRequest, InnerWall, MadeFile, Owner};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::canary::Nest;
use crate::clock::now;
use crate::config::Config;
use crate::guard_child::{GuardChild, GuardWish, Ticket, Wishes};
use crate::placeholders::Shelf;
use crate::protocol::{AgentStatus, LayerStatus, LimitStatus, TenantStatus, ToGuard};
use crate::reception::Reception;
use crate::run::{self, AGENT, Failure, InitNews, News, Order, Running};
use crate::seat::Seat;
use crate::site::Site;
use crate::warden::Orders;

pub(super) use rules::NotTaken;
use rules::Rules;
pub(super) use secrets::Maker;

/// How often a starting agent is asked whether it is ready.
const ASK_STARTING: Duration = Duration::from_millis(500);
/// The pause before a restart doubles up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What the agent is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not yet ready.
    Starting,
    /// It answers.
    Ready,
    /// It died; the next start is due.
    Waiting,
    /// It drains.
    Stopping,
    /// It is over, with this exit code.
    Stopped {
        /// The warden's exit code.
        code: u8,
    },
}

pub(super) struct Agent {
    site: Site,
    orders: Orders,
    /// In force; the rules know what it was at the start.
    config: Config,
    rules: Rules,
    tenant: Tenant,
    phase: Phase,
    ever_ready: bool,
    due: Instant,
    asked: Instant,
    begun: Instant,
    pause: Duration,
    misses: u64,
    starts: Vec<Instant>,
    running: Option<Running>,
    run_number: u64,
    guard_number: u64,
    host_pid: i32,
    restarts: u32,
    guard_restarts: u32,
    guard_takeovers: u32,
    /// What a guard runs that took over; none for the warden's own.
    guard_program: Option<std::path::PathBuf>,
    told: Vec<String>,
    failure: Option<String>,
    hold: Option<quarantine::Hold>,
    /// When the next old value of a secret lapses, in milliseconds since 1970.
    lapses: Option<u64>,
    wishes: Wishes,
    news: News,
}

pub(super) type WishList = mpsc::UnboundedReceiver<(u64, GuardWish)>;
pub(super) type Newspaper = mpsc::UnboundedReceiver<(u64, InitNews)>;

impl Agent {
    pub(super) fn new(site: Site, orders: Orders, config: Config) -> (Self, WishList, Newspaper) {
        let (wishes, wish_list) = mpsc::unbounded_channel();
        let (news, newspaper) = mpsc::unbounded_channel();
        let moment = now();
        let agent = Self {
            tenant: config.tenant().clone(),
            site,
            orders,
            rules: Rules::new(config.clone()),
            config,
            phase: Phase::Starting,
            ever_ready: false,
            due: moment,
            asked: moment,
            begun: moment,
            pause: Duration::from_secs(1),
            misses: 0,
            starts: Vec::new(),
            running: None,
            run_number: 0,
            guard_number: 0,
            host_pid: 0,
            restarts: 0,
            guard_restarts: 0,
            guard_takeovers: 0,
            guard_program: None,
            told: Vec::new(),
            failure: None,
            hold: None,
            lapses: Some(0),
            wishes,
            news,
        };
        (agent, wish_list, newspaper)
    }

    pub(super) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn run_number(&self) -> u64 {
        self.run_number
    }

    pub(super) fn guard_number(&self) -> u64 {
        self.guard_number
    }

    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// What is new for whoever watches.
    pub(super) fn take_told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    fn tell(&mut self, text: impl Into<String>) {
        self.told.push(text.into());
    }

    /// Builds jail and guard and starts OpenClaw in them.
    pub(super) async fn start(&mut self) -> Result<(), Failure> {
        self.tell("building the jail");
        let alive = run::claim(&self.site, &self.tenant)?;
        let name = self.site.jail_name(self.tenant.as_str()).map_err(Failure::host)?;
        let seat = Seat::of(&name)?;
        let place = self.site.tenant(self.tenant.as_str());
        let approvals = self.rules.start.approvals();
        let reception = Reception::open(&self.site, self.tenant.as_str(), approvals).map_err(Failure::host)?;
        let disk = creel_jail::Disk::Volume { image: place.volume(), bytes: self.config.limits().disk_bytes };
        self.run_number += 1;
        self.guard_number += 1;
        let token = creel_openclaw::resolver::new_token().map_err(Failure::host)?;
        let order = Order {
            tenant: self.tenant.clone(),
            alive,
            site: &self.site,
            seat,
            config: &self.rules.start,
            rules: self.rules.generation.clone(),
            provider: self.orders.provider.clone(),
            secrets: zeroize::Zeroizing::new(self.orders.secrets.as_bytes().to_vec()),
            placeholders: self.shelf()?,
            reception,
            disk,
            engine: creel_jail::Engine::named(&self.orders.engine)
                .ok_or_else(|| Failure::host(format!("there is no engine `{}`", self.orders.engine)))?,
            runtime: Some(self.orders.runtime.clone()),
            binds: Vec::new(),
            files: self.openclaw_files(&token)?,
            secrets_socket: true,
            inner_wall: Some(InnerWall { gateway_port: creel_openclaw::layout::GATEWAY_PORT }),
            degraded: self.orders.degraded.clone(),
        };
        let running = run::start(order, self.guard_number, self.wishes.clone()).await?;
        run::listen(&running.jail, self.run_number, self.news.clone(), None).map_err(Failure::host)?;
        self.guard_program = None;
        self.running = Some(running);
        self.record_start().await?;
        self.tell("the jail stands, the doors serve; starting OpenClaw");
        self.start_openclaw(token).await?;
        self.phase = Phase::Starting;
        (self.begun, self.asked, self.misses) = (now(), now(), 0);
        Ok(())
    }

    /// `up` passes the same door as everything else, and says what was accepted as missing.
    async fn record_start(&mut self) -> Result<(), Failure> {
        let detail = crate::cli::host::recorded(&self.orders.degraded);
        let action = crate::guard_process::administer(&self.tenant, self.actor(), "up", &detail);
        let ticket = self.admit(action).await.map_err(|refusal| {
            Failure::host(format!("the start was refused by `{}`: {}", refusal.rule, refusal.to_ledger))
        })?;
        ticket.settle(creel_guard::Outcome::done()).await;
        Ok(())
    }

    /// The first start is a person's act, every later one Creel's.
    fn actor(&self) -> creel_guard::Actor {
        if self.run_number == 1 {
            creel_guard::Actor::Person { name: crate::guard_process::person(rustix::process::geteuid().as_raw()) }
        } else {
            creel_guard::Actor::Creel
        }
    }

    fn openclaw_files(&self, token: &str) -> Result<Vec<MadeFile>, Failure> {
        let settings = creel_openclaw::config::OpenClawSettings {
            format: self.orders.provider.format.openclaw(),
            model: self.orders.provider.model.clone(),
            plugins: self.config.openclaw_plugins().to_vec(),
            skills: self.shelf()?.skills(&self.rules.start),
            hooks: self.config.openclaw().hooks.then(|| creel_openclaw::resolver::hook_token(token)),
        };
        let config = creel_openclaw::config::write(&settings).map_err(Failure::host)?;
        let mut files = self.nest()?.files();
        files.extend([
            MadeFile { path: "/etc/openclaw/openclaw.json".into(), bytes: config, mode: 0o444, owner: Owner::Root },
            MadeFile {
                path: creel_openclaw::resolver::PATH.into(),
                bytes: creel_openclaw::resolver::SCRIPT.as_bytes().to_vec(),
                mode: 0o500,
                owner: Owner::Agent,
            },
        ]);
        Ok(files)
    }

    /// What is laid for thieves.
    fn nest(&self) -> Result<Nest, Failure> {
        Nest::open(&self.site.canaries(self.config.tenant().as_str())).map_err(Failure::host)
    }

    /// What stands in the jail for secrets.
    fn shelf(&self) -> Result<Shelf, Failure> {
        let path = self.site.placeholders(self.tenant.as_str());
        Shelf::open(&path, &self.rules.start, self.orders.secrets.as_bytes()).map_err(Failure::host)
    }

    async fn start_openclaw(&mut self, token: String) -> Result<(), Failure> {
        let mut env = creel_openclaw::launch::env();
        env.extend(self.nest()?.environment());
        let shelf = self.shelf()?.environment(&self.rules.start);
        env.retain(|(name, _)| !shelf.iter().any(|(own, _)| own == name));
        env.extend(shelf);
        let Some(running) = &mut self.running else { return Err(Failure::host("there is no jail")) };
        if let Some(listener) = running.secrets.take() {
            let (answer, patience) = (token.clone(), self.config.openclaw().ready_within);
            std::thread::spawn(move || {
                if let Err(error) = creel_openclaw::resolver::answer(listener.into(), &answer, patience) {
                    tracing::warn!(%error, "OpenClaw did not fetch its token");
                }
            });
        }
        if let Some(guard) = &running.guard {
            guard.tell(&ToGuard::Token { token: token.clone() }, &[]).await.map_err(Failure::host)?;
        }
        running.kit.token = Some(token);
        let log = crate::agent_log::open(&self.site).map_err(Failure::host)?;
        let [null, _, _] = run::nowhere().map_err(Failure::host)?;
        let what = InitRequest::Spawn {
            id: AGENT,
            argv: creel_openclaw::launch::argv(),
            env,
            cwd: crate::inside::WORKSPACE.to_owned(),
            tty: false,
            leader: true,
        };
        running.spawn(what, &[null.as_fd(), log.as_fd(), log.as_fd()]).map_err(Failure::host)
    }

    /// May this act pass? Without a guard the answer is No.
    pub(super) async fn admit(&self, action: Action) -> Result<Ticket, Refusal> {
        match self.running.as_ref().and_then(|running| running.guard.as_ref()) {
            Some(guard) => guard.admit(action).await,
            None => Err(Refusal::new(RuleId::new("guard/no-answer"), "no guard runs", "no guard runs")),
        }
    }

    /// Starts a helper of ours inside.
    pub(super) async fn spawn_inside(&self, id: u64, argv: Vec<String>, fds: &[OwnedFd]) -> Result<(), String> {
        self.may_work_inside()?;
        let Some(running) = &self.running else { return Err("no jail runs".to_owned()) };
        let [stdin, stdout, stderr] = fds else { return Err("three descriptors must come along".to_owned()) };
        let what = InitRequest::Spawn {
            id,
            argv,
            env: creel_openclaw::launch::jail_environment(),
            cwd: crate::inside::WORKSPACE.to_owned(),
            tty: false,
            leader: true,
        };
        running.spawn(what, &[stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]).map_err(|error| error.to_string())
    }

    pub(super) async fn hear(&mut self, news: InitNews) {
        match news {
            InitNews::Started { id: AGENT, host_pid } => self.host_pid = host_pid,
            InitNews::Started { .. } => {}
            InitNews::Ended { id: AGENT, code } if self.phase == Phase::Stopping => {
                self.tell(format!("OpenClaw drained and ended with {code}"));
                self.finish(0).await;
            }
            InitNews::Ended { id: AGENT, code } => self.died(&format!("OpenClaw ended with {code}")).await,
            InitNews::Ended { .. } => {}
            InitNews::Gone if self.phase == Phase::Stopping => self.finish(0).await,
            InitNews::Gone => self.died("the jail ended").await,
        }
    }

    async fn died(&mut self, why: &str) {
        if matches!(self.phase, Phase::Stopped { .. } | Phase::Waiting) {
            return;
        }
        if !self.ever_ready {
            let log = crate::agent_log::path(&self.site);
            self.failure = Some(format!("{why} before it was ready; its output is in `{}`", log.display()));
            return self.finish(1).await;
        }
        let (moment, limit) = (now(), self.config.restart());
        self.starts.retain(|start| moment < *start + limit.window);
        if self.starts.len() as u64 >= limit.attempts {
            self.failure =
                Some(format!("{why}, for the {}th time within {} s", limit.attempts, limit.window.as_secs()));
            return self.finish(1).await;
        }
        self.starts.push(moment);
        tracing::warn!("{why}; a fresh start in {} s", self.pause.as_secs());
        self.take_down().await;
        self.phase = Phase::Waiting;
        self.due = now() + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    async fn take_down(&mut self) {
        (self.host_pid, self.hold) = (0, None);
        if let Some(running) = self.running.take()
            && let Err(failure) = running.end().await
        {
            tracing::error!("{}", failure.why);
        }
    }

    /// The clock struck: whatever is due happens.
    pub(super) async fn tick(&mut self) {
        let moment = now();
        match self.phase {
            // What stands still answers nobody, and is as well as it was.
            Phase::Starting | Phase::Ready if self.stands_still() => {}
            Phase::Starting if moment > self.begun + self.config.openclaw().ready_within => {
                self.died("OpenClaw did not become ready").await
            }
            Phase::Starting if moment > self.asked + ASK_STARTING => self.ask().await,
            Phase::Ready if moment > self.asked + self.config.restart().every => self.ask().await,
            Phase::Waiting if moment > self.due => {
                self.restarts += 1;
                if let Err(failure) = self.start().await {
                    tracing::error!("the restart failed: {}", failure.why);
                    self.take_down().await;
                    self.phase = Phase::Waiting;
                    self.due = now() + self.pause;
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
            }
            Phase::Stopping if moment > self.due => self.finish(0).await,
            _ => {}
        }
    }

    /// Asks OpenClaw whether it is ready, through the guard.
    async fn ask(&mut self) {
        self.asked = now();
        let ready = match self.stream() {
            Ok(stream) => match self.running.as_ref().and_then(|running| running.guard.as_ref()) {
                Some(guard) => guard.is_ready(stream).await,
                None => false,
            },
            Err(_) => false,
        };
        match (self.phase, ready) {
            (Phase::Starting, true) => {
                self.tell(format!("OpenClaw is ready after {} s", (now() - self.begun).as_secs()));
                (self.phase, self.ever_ready, self.misses) = (Phase::Ready, true, 0);
                self.pause = Duration::from_secs(1);
            }
            (Phase::Ready, true) => self.misses = 0,
            (Phase::Ready, false) => {
                self.misses += 1;
                if self.misses >= self.config.restart().failures {
                    self.died("OpenClaw stopped answering").await;
                }
            }
            _ => {}
        }
    }

    /// A connected stream to the gateway, once the listener is known to be OpenClaw's.
    fn stream(&self) -> Result<OwnedFd, String> {
        let Some(running) = &self.running else { return Err("no jail runs".to_owned()) };
        if self.host_pid == 0 {
            return Err("OpenClaw does not run yet".to_owned());
        }
        running
            .jail
            .connect(creel_openclaw::layout::GATEWAY_PORT, creel_jail::ListenerOwner::Tree(self.host_pid))
            .map_err(|error| error.to_string())
    }

    /// Lends the guard a stream to the gateway.
    pub(super) async fn lend_stream(&mut self, id: u64) {
        let stream = self.stream();
        let Some(guard) = self.running.as_ref().and_then(|running| running.guard.as_ref()) else { return };
        let sent = match &stream {
            Ok(fd) => guard.tell(&ToGuard::Connected { id, failed: None }, &[fd.as_fd()]).await,
            Err(why) => guard.tell(&ToGuard::Connected { id, failed: Some(why.clone()) }, &[]).await,
        };
        if let Err(error) = sent {
            tracing::warn!(%error, "a stream could not be lent");
        }
    }

    /// The guard died: until the next one serves, no byte leaves.
    pub(super) async fn revive_guard(&mut self) {
        if matches!(self.phase, Phase::Stopping | Phase::Stopped { .. } | Phase::Waiting) {
            return;
        }
        let Some(running) = &mut self.running else { return };
        tracing::warn!("the guard died; starting the next one on the same sockets");
        running.guard = None;
        self.guard_restarts += 1;
        self.guard_number += 1;
        // One that took over is followed by its like; one that can't be started, by one of the warden's own program.
        let exe = match self.guard_program.take().map_or_else(|| run::own_exe(&self.site), Ok) {
            Ok(exe) => exe,
            Err(failure) => return tracing::error!("{}", failure.why),
        };
        match GuardChild::start(&exe, &running.kit, self.guard_number, self.wishes.clone()).await {
            Ok(guard) => {
                if let Some(token) = &running.kit.token {
                    let _ = guard.tell(&ToGuard::Token { token: token.clone() }, &[]).await;
                }
                running.guard = Some(guard);
                self.guard_program = run::own_exe(&self.site).is_ok_and(|own| own != exe).then_some(exe);
            }
            Err(error) => {
                tracing::error!(%error, "the guard can't be started; trying again");
                let (number, wishes) = (self.guard_number, self.wishes.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let _ = wishes.send((number, GuardWish::Gone));
                });
            }
        }
    }

    /// Lets OpenClaw drain, or not, and ends.
    pub(super) async fn stop(&mut self, at_once: bool) {
        if matches!(self.phase, Phase::Stopped { .. }) {
            return;
        }
        let alive = self.host_pid != 0 && self.running.is_some();
        // A quarantine ends by a person's word alone: what is frozen is not let drain.
        if at_once || !alive || self.phase == Phase::Stopping || self.stands_still() {
            return self.finish(0).await;
        }
        self.tell("letting OpenClaw drain (up to 20 s; `--now` doesn't wait)");
        self.phase = Phase::Stopping;
        self.due = now() + self.config.openclaw().drain;
        if let Some(running) = &self.running {
            let sigterm = rustix::process::Signal::TERM.as_raw();
            if running.spawn(InitRequest::Kill { id: AGENT, signal: sigterm }, &[]).is_err() {
                self.finish(0).await;
            }
        }
    }

    async fn finish(&mut self, code: u8) {
        self.take_down().await;
        Reception::clear(&self.site, self.tenant.as_str());
        self.phase = Phase::Stopped { code };
    }

    /// Takes down whatever a failed start left.
    pub(super) async fn abandon(mut self) {
        self.finish(1).await;
    }

    pub(super) fn status(&self) -> TenantStatus {
        let state = match self.phase {
            Phase::Starting | Phase::Ready if self.hold.is_some() => "quarantined",
            Phase::Starting if self.restarts > 0 => "restarting",
            Phase::Starting => "starting",
            Phase::Ready if self.misses > 0 => "unhealthy",
            Phase::Ready => "ready",
            Phase::Waiting => "restarting",
            Phase::Stopping => "stopping",
            Phase::Stopped { .. } => "stopped",
        };
        let layers = self.running.as_ref().map(|running| running.layers.as_slice()).unwrap_or_default();
        let guard_pid = self.running.as_ref().and_then(|running| running.guard.as_ref()).map_or(0, GuardChild::pid);
        let provider = &self.orders.provider;
        TenantStatus {
            name: self.tenant.as_str().to_owned(),
            agent: AgentStatus {
                state: state.to_owned(),
                version: creel_openclaw::OPENCLAW_VERSION.to_owned(),
                pid: self.host_pid,
                uptime_s: if self.host_pid == 0 { 0 } else { (now() - self.begun).as_secs() },
            },
            layers: layers
                .iter()
                .map(|layer| LayerStatus { id: layer.id.to_owned(), status: status_word(layer.status).to_owned() })
                .collect(),
            degraded: self.orders.degraded.clone(),
            limits: limits(self.config.limits()),
            model: format!("{}/{}", provider.kind.name(), provider.model),
            approved_hosts: self.config.approved_hosts(),
            leaks_possible: self.config.leaks(),
            exceptions: self.config.exceptions(&crate::run::own_addresses()),
            policy: self.rules.status(),
            secrets: self.secrets_status(),
            quarantine: self.quarantine_status(),
            guard_restarts: self.guard_restarts,
            guard_takeovers: self.guard_takeovers,
            guard_program: self.guard_program.clone(),
            agent_restarts: self.restarts,
            guard_pid,
            warden_pid: i32::try_from(std::process::id()).unwrap_or_default(),
            init_pid: self.running.as_ref().map_or(0, |running| running.jail.pid()),
            wall_pid: self.running.as_ref().and_then(|running| running.jail.wall_pid()).unwrap_or(0),
        }
    }
}

fn limits(limits: crate::config::Limits) -> LimitStatus {
    let crate::config::Limits { cpus, memory_bytes, disk_bytes, processes, open_files } = limits;
    LimitStatus { cpus, memory: memory_bytes, disk: disk_bytes, processes, open_files }
}

fn status_word(status: creel_jail::LayerStatus) -> &'static str {
    match status {
        creel_jail::LayerStatus::Enforced => "enforced",
        creel_jail::LayerStatus::Degraded => "degraded",
    }
}
