//! The warden's main loop.
//!
//! Owns who gets served when: people at the socket, the guard's wishes, what the jail's init reports, signals, the
//! clock. It keeps one tenant's [`Agent`] alive and never blocks on what runs inside it.

mod files;
mod memory;
mod reload;
mod secrets;
mod snapshots;

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli::USAGE;
use crate::config::Config;
use crate::guard_child::{GuardWish, Ticket};
use crate::inside;
use crate::link::{Link, Listener};
use crate::protocol::{FromWarden, InsideTask, Status, ToWarden};
use crate::run::{Failure, InitNews};
use crate::site::Site;
use crate::warden::Orders;
use crate::warden::agent::{Agent, Phase};
use crate::warden::notify::Notify;
use crate::warden::schedule::Schedule;
use creel_guard::{Actor, Outcome};
use reload::Wanted;

/// How often the loop looks at the clock.
const TICK: Duration = Duration::from_millis(250);

/// How long a person waits for the guard's word.
const GUARD_PATIENCE: Duration = Duration::from_secs(5);

/// How many helpers may work inside the jail at once.
const HELPERS: usize = 8;

/// Ids of processes that the warden starts inside start here; the agent itself is [`crate::run::AGENT`].
const FIRST_HELPER: u64 = 100;

struct Desk {
    site: Site,
    agent: Agent,
    watchers: Vec<Rc<Link>>,
    helpers: HashMap<u64, Helper>,
    next_helper: u64,
    leaving: Option<Rc<Link>>,
    notify: Notify,
    reloads: VecDeque<Wanted>,
    memory: memory::Memory,
    put_backs: HashMap<u64, u64>,
    /// The one helper for snapshots and the wish that it was lent for.
    hands: Option<(u64, u64)>,
    exchanges: secrets::Exchanges,
    schedule: Schedule,
}

struct Helper {
    link: Rc<Link>,
    ticket: Option<Ticket>,
}

enum Visit {
    Asked(Rc<Link>, u32, ToWarden, Vec<OwnedFd>),
}

/// Serves until it is told to stop. Returns the warden's exit code.
pub(crate) async fn run(site: Site, orders: Orders) -> ExitCode {
    let socket = match crate::link::bind(&site.warden_socket(), 0o600).and_then(Listener::new) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(%error, "the warden's socket can't be made");
            return ExitCode::FAILURE;
        }
    };
    let (visits, mut visitors) = mpsc::channel(64);
    let local = tokio::task::LocalSet::new();
    let code = local
        .run_until(async {
            tokio::task::spawn_local(receive(socket, visits));
            match Config::of(orders.config.as_deref()) {
                Ok(config) => serve(site.clone(), orders, config, &mut visitors).await,
                Err(report) => {
                    let failure = Failure { code: USAGE, why: report.to_string(), may_pass: false };
                    last_words(&mut visitors, &failure).await;
                    ExitCode::from(USAGE)
                }
            }
        })
        .await;
    let _ = std::fs::remove_file(site.warden_socket());
    code
}

async fn receive(socket: Listener, visits: mpsc::Sender<Visit>) {
    loop {
        let (link, uid) = match socket.accept().await {
            Ok(peer) => peer,
            Err(error) => {
                // Out of descriptors, say: don't spin.
                tracing::warn!(%error, "a visitor could not be let in");
                tokio::time::sleep(TICK).await;
                continue;
            }
        };
        if uid != rustix::process::geteuid().as_raw() {
            tracing::warn!(uid, "a visitor who is not the owner was turned away");
            continue;
        }
        let visits = visits.clone();
        tokio::task::spawn_local(async move {
            if let Ok(Ok(Some((ask, fds)))) = tokio::time::timeout(TICK * 20, link.recv::<ToWarden>()).await {
                let _ = visits.send(Visit::Asked(Rc::new(link), uid, ask, fds)).await;
            }
        });
    }
}

/// Tells whoever watches the start why there is none.
async fn last_words(visitors: &mut mpsc::Receiver<Visit>, failure: &Failure) {
    tracing::error!("{}", failure.why);
    let told = FromWarden::Failed { code: failure.code, why: failure.why.clone() };
    if let Ok(Some(Visit::Asked(link, ..))) = tokio::time::timeout(TICK * 20, visitors.recv()).await {
        let _ = link.send(&told, &[]).await;
    }
}

async fn serve(site: Site, orders: Orders, config: Config, visitors: &mut mpsc::Receiver<Visit>) -> ExitCode {
    let signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = signals else {
        tracing::error!("signals can't be watched");
        return ExitCode::FAILURE;
    };
    let (agent, mut wishes, mut newspaper) = Agent::new(site.clone(), orders, config);
    let (exchanges, mut values) = secrets::Exchanges::new();
    let mut desk = Desk {
        site,
        agent,
        watchers: Vec::new(),
        helpers: HashMap::new(),
        next_helper: FIRST_HELPER,
        leaving: None,
        notify: Notify::from_environment(),
        reloads: VecDeque::new(),
        memory: memory::Memory::new(),
        put_backs: HashMap::new(),
        hands: None,
        exchanges,
        schedule: Schedule::default(),
    };
    if let Err(failure) = desk.start().await {
        last_words(visitors, &failure).await;
        desk.agent.abandon().await;
        return ExitCode::from(failure.code);
    }
    let mut clock = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            Some(visit) = visitors.recv() => desk.welcome(visit).await,
            Some((run, wish)) = wishes.recv() => desk.fulfil(run, wish).await,
            Some(value) = values.recv() => desk.rotate(value).await,
            Some((run, news)) = newspaper.recv() => desk.hear(run, news).await,
            _ = clock.tick() => {
                desk.notify.alive(crate::clock::now());
                desk.agent.tick().await;
                desk.agent.lapse_secrets().await;
                desk.rotate_when_due().await;
                desk.audit_when_due().await;
            }
            _ = terminate.recv() => desk.agent.stop(false).await,
            _ = interrupt.recv() => desk.agent.stop(false).await,
            _ = hangup.recv() => desk.want_reload(Wanted::by_signal()).await,
        }
        desk.reload_as_wanted().await;
        desk.tell_watchers().await;
        if let Phase::Stopped { code } = desk.agent.phase() {
            return desk.leave(code).await;
        }
    }
}

impl Desk {
    async fn start(&mut self) -> Result<(), Failure> {
        self.schedule = self.agent.schedule().await.map_err(Failure::host)?;
        self.agent.start().await
    }

    async fn welcome(&mut self, visit: Visit) {
        let Visit::Asked(link, uid, ask, fds) = visit;
        match ask {
            ToWarden::Watch => self.watchers.push(link),
            ToWarden::Status => {
                let mut tenant = self.agent.status();
                self.schedule.mark(&mut tenant.secrets);
                let status = Status { tenants: vec![tenant], ..Status::default() };
                let _ = link.send(&FromWarden::Status(Box::new(status)), &[]).await;
            }
            ToWarden::Reload => self.want_reload(Wanted::by(link, uid)).await,
            ToWarden::Upgrade { program } => {
                let actor = Actor::Person { name: crate::guard_process::person(uid) };
                let answer = match self.agent.take_over(&program, actor).await {
                    Ok(()) => FromWarden::Done,
                    Err(why) => FromWarden::Failed { code: 1, why },
                };
                let _ = link.send(&answer, &[]).await;
            }
            ToWarden::Down { now } => {
                let ticket = self.admit(uid, "down", if now { "now" } else { "" }).await;
                match ticket {
                    Ok(ticket) => ticket.settle(Outcome::done()).await,
                    // Stopping works with the guard hung or dead (HARDENING.md 25): the log keeps what the ledger can't.
                    Err(refusal) if refusal.rule.as_str().starts_with("guard/") => {
                        tracing::warn!(uid, "down without a record: {}", refusal.to_ledger);
                    }
                    Err(refusal) => return refused(&link, &refusal).await,
                }
                self.leaving = Some(link);
                self.agent.stop(now).await;
            }
            ToWarden::Memory { task, json } => self.look_after_memory(Some((link, uid)), task, json, fds).await,
            ToWarden::Files { task, json } => self.look_at_files(link, uid, task, json, fds).await,
            ToWarden::Snapshot { task, json } => self.look_at_snapshots(link, uid, task, json, fds).await,
            ToWarden::Rotate { name } => self.want_rotation(link, uid, &name, fds).await,
            ToWarden::Inside { task } => self.send_inside(link, uid, &task, fds).await,
        }
    }

    async fn admit(&self, uid: u32, act: &str, detail: &str) -> Result<Ticket, creel_guard::Refusal> {
        let actor = Actor::Person { name: crate::guard_process::person(uid) };
        let action = crate::guard_process::administer(self.agent.tenant(), actor, act, detail);
        // Stopping must work with the guard hung: nobody waits long for its word.
        match tokio::time::timeout(GUARD_PATIENCE, self.agent.admit(action)).await {
            Ok(answer) => answer,
            Err(_) => {
                let why = "the guard did not answer in time";
                Err(creel_guard::Refusal::new(creel_guard::RuleId::new("guard/no-answer"), why, why))
            }
        }
    }

    async fn send_inside(&mut self, link: Rc<Link>, uid: u32, task: &InsideTask, fds: Vec<OwnedFd>) {
        if self.helpers.len() >= HELPERS {
            let why = format!("{HELPERS} helpers work inside already; try again");
            let _ = link.send(&FromWarden::Failed { code: 1, why }, &[]).await;
            return;
        }
        let (act, detail) = task.record();
        let ticket = match self.admit(uid, act, detail).await {
            Ok(ticket) => ticket,
            Err(refusal) => return refused(&link, &refusal).await,
        };
        let id = self.next_helper;
        self.next_helper += 1;
        match self.agent.spawn_inside(id, inside::argv(task), &fds).await {
            Ok(()) => {
                self.helpers.insert(id, Helper { link, ticket: Some(ticket) });
            }
            Err(why) => {
                ticket.settle(Outcome::failed(why.clone())).await;
                let _ = link.send(&FromWarden::Failed { code: 1, why }, &[]).await;
            }
        }
    }

    async fn hear(&mut self, run: u64, news: InitNews) {
        if run != self.agent.run_number() {
            return;
        }
        if let InitNews::Ended { id, .. } = news
            && self.memory.forget(id)
        {
            return;
        }
        if let InitNews::Ended { id, .. } = news
            && self.hands_ended(id)
        {
            return;
        }
        if let InitNews::Ended { id, code } = news
            && self.was_put_back(id, code).await
        {
            return;
        }
        if let InitNews::Ended { id, code } = news
            && let Some(mut helper) = self.helpers.remove(&id)
        {
            if let Some(ticket) = helper.ticket.take() {
                ticket.settle(Outcome::Done { sent: 0, received: 0, status: Some(i64::from(code)) }).await;
            }
            let _ = helper.link.send(&FromWarden::Ended { code }, &[]).await;
            return;
        }
        if matches!(news, InitNews::Gone) {
            self.memory.forget_all();
            self.put_backs.clear();
            self.hands = None;
            for (_, helper) in self.helpers.drain() {
                let why = "the jail ended".to_owned();
                let _ = helper.link.send(&FromWarden::Failed { code: 5, why }, &[]).await;
            }
        }
        self.agent.hear(news).await;
    }

    async fn fulfil(&mut self, run: u64, wish: GuardWish) {
        if run != self.agent.guard_number() {
            return;
        }
        match wish {
            GuardWish::Connect { id } => self.agent.lend_stream(id).await,
            GuardWish::Hold { id, why } => self.agent.hold(id, why).await,
            GuardWish::PutBack { id, place, content } => self.put_back(id, &place, content).await,
            GuardWish::Hands { id } => self.lend_hands(id).await,
            GuardWish::HandsBack { id } => self.take_hands_back(id).await,
            GuardWish::Gone => self.agent.revive_guard().await,
        }
    }

    async fn tell_watchers(&mut self) {
        let told = self.agent.take_told();
        for text in &told {
            tracing::info!("{text}");
            self.notify.status(text);
            for watcher in &self.watchers {
                let _ = watcher.send(&FromWarden::Progress { text: text.clone() }, &[]).await;
            }
            if let Some(leaving) = &self.leaving {
                let _ = leaving.send(&FromWarden::Progress { text: text.clone() }, &[]).await;
            }
        }
        if let Some(why) = self.agent.held() {
            // It does not become ready before a person ends the quarantine.
            self.notify.ready();
            for watcher in self.watchers.drain(..) {
                let _ = watcher.send(&FromWarden::Failed { code: 1, why: why.clone() }, &[]).await;
            }
        } else if let Phase::Ready = self.agent.phase() {
            // before `creel up` ends: until then that one is the service's main process
            self.notify.ready();
            for watcher in self.watchers.drain(..) {
                let _ = watcher.send(&FromWarden::Ready, &[]).await;
            }
        }
    }

    async fn leave(self, code: u8) -> ExitCode {
        let Self { site, agent, watchers, leaving, notify, .. } = self;
        notify.stopping();
        if let Some(why) = agent.failure() {
            for watcher in watchers {
                let _ = watcher.send(&FromWarden::Failed { code, why: why.to_owned() }, &[]).await;
            }
        }
        let _ = std::fs::remove_file(site.warden_socket());
        if let Some(link) = leaving {
            let _ = link.send(&FromWarden::Done, &[]).await;
        }
        ExitCode::from(code)
    }
}

async fn refused(link: &Link, refusal: &creel_guard::Refusal) {
    let why = format!("refused by `{}`: {}", refusal.rule, refusal.to_ledger);
    let _ = link.send(&FromWarden::Failed { code: 1, why }, &[]).await;
}
