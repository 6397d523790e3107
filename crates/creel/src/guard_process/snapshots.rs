//! Snapshots, as the guard takes and keeps them.
//!
//! Owns [`Snapshots`]: when one is due, that one is taken at a time, what is written down of each, and what people want of them.
//! The work is done on threads of its own, so that no decision waits for it but those of acts that may destroy ([`Careful`]). What
//! it is told of the workspace is read by `snapshot`. The guard's process runs it.

mod report;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use creel_guard::{Action, Actor, BoxFuture, CallClass, Deed, Facts, Guard, Keeper, Outcome, Receipt, Tenant};
use creel_policy::CommandPattern;

use super::desk::Desk;
use crate::clock::{monotonic, wall_ms};
use crate::config::SnapshotRules;
use crate::protocol::GuardSetup;
use crate::snapshot::back::{self, Done};
use crate::snapshot::frame::Entry;
use crate::snapshot::lead::{self, Sink, Wire};
use crate::snapshot::store::{Bounds, Draft, Head, Store};
use crate::snapshot::{SnapshotTask, Why, below};

/// How often it is looked whether one is due.
const TICK: Duration = Duration::from_secs(5);
/// The first is not taken before the agent has begun, where the schedule leaves time.
const FIRST: Duration = Duration::from_secs(120);
/// How soon what failed on schedule is tried again, and before an act.
const AGAIN: Duration = Duration::from_secs(300);
const AGAIN_FOR_ACTS: Duration = Duration::from_secs(20);
/// How long a helper that ends by itself may take.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Where Creel's own programs lie in the jail.
const OWN: &str = "/creel/";
/// The longest act that stands in a record.
const LONGEST_ACT: usize = 200;

/// The tenant's snapshots.
pub(crate) struct Snapshots {
    store: Arc<Mutex<Store>>,
    /// Which there are, for those who won't wait for the store.
    heads: Arc<Mutex<Vec<Head>>>,
    every: Option<Duration>,
    before: Vec<CommandPattern>,
    pause: Duration,
    /// One at a time.
    turn: tokio::sync::Mutex<()>,
    world: Mutex<Option<World>>,
    /// When the last one failed, and why.
    failed: Mutex<Option<(Duration, String)>>,
}

/// What it works with while the guard serves.
#[derive(Clone)]
struct World {
    guard: Guard,
    tenant: Tenant,
    desk: Arc<Desk>,
}

impl World {
    /// An act of Creel's own.
    async fn begin(&self, act: &str, detail: &str) -> Result<Receipt, String> {
        let action = super::administer(&self.tenant, Actor::Creel, act, detail);
        let admitted = self.guard.admit(action, super::person_facts()).await;
        admitted.map(|permit| permit.redeem().1).map_err(|refusal| format!("refused by `{}`", refusal.rule))
    }

    async fn note(&self, act: &str, detail: &str) {
        if let Ok(receipt) = self.begin(act, detail).await {
            receipt.settle(Outcome::done());
        }
    }
}

impl Snapshots {
    /// Reads which there are. A jail of its own has none.
    ///
    /// # Errors
    /// When they can't be read.
    pub(super) fn open(setup: &GuardSetup, rules: &SnapshotRules) -> io::Result<Arc<Self>> {
        let SnapshotRules { every, before, pause, keep, room } = rules.clone();
        let store = Store::open(&setup.home, Bounds { keep, room })?;
        Ok(Arc::new(Self {
            heads: Arc::new(Mutex::new(store.heads().to_vec())),
            store: Arc::new(Mutex::new(store)),
            every: every.filter(|_| !setup.fleeting),
            before: if setup.fleeting { Vec::new() } else { before },
            pause,
            turn: tokio::sync::Mutex::new(()),
            world: Mutex::new(None),
            failed: Mutex::new(None),
        }))
    }

    /// The guard serves.
    pub(super) fn attach(&self, guard: &Guard, tenant: &Tenant, desk: &Arc<Desk>) {
        let world = World { guard: guard.clone(), tenant: tenant.clone(), desk: Arc::clone(desk) };
        *lock(&self.world) = Some(world);
    }

    /// It serves no more, and lets go of what it holds.
    pub(super) fn detach(&self) {
        *lock(&self.world) = None;
    }

    fn world(&self) -> Result<World, String> {
        lock(&self.world).clone().ok_or_else(|| "the guard ends".to_owned())
    }

    /// Takes those that are due, until it is dropped.
    pub(super) async fn keep_schedule(self: Arc<Self>) {
        let Some(every) = self.every else { return };
        let begun = monotonic();
        loop {
            tokio::time::sleep(TICK.min(every)).await;
            if monotonic() < begun + every.min(FIRST) || self.newest().is_some_and(|at| age(at) < every) {
                continue;
            }
            if self.has_failed(AGAIN).is_some() {
                continue;
            }
            let _turn = self.turn.lock().await;
            if let Err(why) = self.take_own(Why::Schedule).await {
                tracing::warn!(why, "no snapshot on schedule");
            }
        }
    }

    /// When the last one was begun.
    fn newest(&self) -> Option<u64> {
        lock(&self.heads).iter().map(|head| head.at_ms).max()
    }

    /// Why the last one failed, if that is not long ago.
    fn has_failed(&self, within: Duration) -> Option<String> {
        let failed = lock(&self.failed).clone()?;
        (monotonic() < failed.0 + within).then_some(failed.1)
    }

    /// Before an act that may destroy: one that is fresh enough, or a new one.
    async fn before_act(self: Arc<Self>, act: String) -> Result<(), String> {
        let asked = wall_ms();
        let fresh = || self.newest().is_some_and(|at| at >= asked || age(at) < self.pause);
        if fresh() {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        if fresh() {
            return Ok(());
        }
        match self.has_failed(AGAIN_FOR_ACTS) {
            Some(why) => Err(why),
            None => self.take_own(Why::Act { act }).await,
        }
    }

    /// One of Creel's own accord: recorded before, and how it ended.
    async fn take_own(&self, why: Why) -> Result<(), String> {
        let world = self.world()?;
        let taken = match world.begin("snapshot-take", &why.to_string()).await {
            Ok(receipt) => {
                let taken = self.take(&world, why, None).await;
                receipt.settle(taken.as_ref().map_or_else(|why| Outcome::failed(why.clone()), |_| Outcome::done()));
                taken
            }
            Err(why) => Err(why),
        };
        *lock(&self.failed) = taken.as_ref().err().map(|why| (monotonic(), why.clone()));
        taken.map(|_| ())
    }

    /// Takes one; whoever calls holds the turn.
    async fn take(&self, world: &World, why: Why, name: Option<String>) -> Result<Head, String> {
        let taken = self.with_hands(world, move |wire, store| take(wire, store, why, name)).await?;
        Ok(self.written_down(world, taken).await)
    }

    async fn written_down(&self, world: &World, (head, dropped): (Head, Vec<Head>)) -> Head {
        // what went wrong before is over, whoever wanted this one
        *lock(&self.failed) = None;
        for old in dropped {
            world.note("snapshot-drop", &format!("{} of {}", old.number, crate::clock::utc(old.at_ms))).await;
        }
        world.note("snapshot-taken", &report::in_record(&head)).await;
        head
    }

    /// Works with the helper in the jail and the store, on a thread of its own.
    async fn with_hands<T: Send + 'static>(
        &self,
        world: &World,
        work: impl FnOnce(&mut Wire, &mut Store) -> io::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let (id, [input, output]) = world.desk.hands().await?;
        let done = match Wire::new(input, output) {
            Ok(mut wire) => self.with_store(move |store| work(&mut wire, store)).await,
            Err(error) => Err(error.to_string()),
        };
        // the pipes are closed, and it ends; nobody waits for that
        let desk = Arc::clone(&world.desk);
        tokio::spawn(async move {
            tokio::time::sleep(LAST_WORDS).await;
            desk.give_hands_back(id).await;
        });
        done
    }

    /// Works with the store, on a thread of its own.
    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> io::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let (store, heads) = (Arc::clone(&self.store), Arc::clone(&self.heads));
        let done = tokio::task::spawn_blocking(move || {
            let mut store = lock(&store);
            let done = work(&mut store);
            *lock(&heads) = store.heads().to_vec();
            done
        });
        match done.await {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(_) => Err("the work on a snapshot failed".to_owned()),
        }
    }

    /// Does `task` for a person: an exit code, and one line where the report does not say it all.
    pub(super) async fn look_after(self: Arc<Self>, task: SnapshotTask, json: bool, fds: Vec<OwnedFd>) -> (u8, String) {
        match self.work(task, json).await {
            Ok((text, code)) => match super::files::report(fds, &text).await {
                Ok(()) => (code, String::new()),
                Err(error) => (crate::cli::FINDING, error.to_string()),
            },
            Err(why) => (crate::cli::FINDING, why),
        }
    }

    async fn work(&self, task: SnapshotTask, json: bool) -> Result<(String, u8), String> {
        let world = self.world()?;
        if let SnapshotTask::List = task {
            let heads = lock(&self.heads).clone();
            return Ok((heads.iter().map(|head| report::row(head, json)).collect(), 0));
        }
        let _turn = self.turn.lock().await;
        match task {
            SnapshotTask::List => Ok((String::new(), 0)),
            SnapshotTask::Take { name } => {
                if name.is_some() {
                    self.with_store(|store| store.may_be_named()).await?;
                }
                let head = self.take(&world, Why::Asked, name).await?;
                Ok((report::row(&head, json), 0))
            }
            SnapshotTask::Show { number, path } => {
                let scope = path.as_deref().map(below).transpose()?.flatten();
                let shown = move |store: &mut Store| report::show(store, number, scope.as_deref(), json);
                Ok((self.with_store(shown).await?, 0))
            }
            SnapshotTask::Diff { number, other, path, text } => {
                let scope = path.as_deref().map(below).transpose()?.flatten();
                let (old, new) = match other {
                    Some(other) => self.with_store(move |store| Ok((store.list(number)?, store.list(other)?))).await?,
                    None => {
                        let look = move |wire: &mut Wire, store: &mut Store| {
                            let old = store.list(number)?;
                            let (new, _) = lead::read(wire, &mut Sink::Look(store), old.clone())?;
                            Ok((old, new))
                        };
                        self.with_hands(&world, look).await?
                    }
                };
                let text = if text {
                    let written = move |store: &mut Store| report::texts(store, [&old, &new], scope.as_deref(), json);
                    self.with_store(written).await?
                } else {
                    report::diff([&old, &new], scope.as_deref(), json)
                };
                let code = if text.is_empty() { 0 } else { crate::cli::FINDING };
                Ok((text, code))
            }
            SnapshotTask::Restore { number, path } => {
                let scope = path.as_deref().map(below).transpose()?.flatten();
                self.restore(&world, number, scope, json).await
            }
            SnapshotTask::Remove { number } => {
                let removed = move |store: &mut Store| {
                    store.remove(number)?;
                    store.sweep(&Draft::default())
                };
                self.with_store(removed).await?;
                Ok((format!("snapshot {number} is forgotten\n"), 0))
            }
        }
    }

    /// Keeps what lies there first: where that fails, nothing is put back.
    async fn restore(
        &self,
        world: &World,
        number: u64,
        scope: Option<Vec<u8>>,
        json: bool,
    ) -> Result<(String, u8), String> {
        let work = move |wire: &mut Wire, store: &mut Store| restore(wire, store, number, scope.as_deref());
        let (taken, done) = self.with_hands(world, work).await?;
        let kept = self.written_down(world, taken).await;
        let done = done?;
        let code = if done.failures == 0 { 0 } else { crate::cli::FINDING };
        Ok((report::restored(number, &kept, &done, json), code))
    }
}

/// Takes one, with what was forgotten for it.
fn take(wire: &mut Wire, store: &mut Store, why: Why, name: Option<String>) -> io::Result<(Head, Vec<Head>)> {
    take_and_list(wire, store, why, name).map(|(taken, _)| taken)
}

type Taken = (Head, Vec<Head>);

fn take_and_list(
    wire: &mut Wire,
    store: &mut Store,
    why: Why,
    name: Option<String>,
) -> io::Result<(Taken, Vec<Entry>)> {
    let at_ms = wall_ms();
    // a damaged list only costs the reading of everything
    let base = store.heads().last().map(|head| head.number).and_then(|number| store.list(number).ok());
    let mut sink = Sink::Keep(store, Draft::default());
    let (entries, cut) = lead::read(wire, &mut sink, base.unwrap_or_default())?;
    let Sink::Keep(store, draft) = sink else { return Err(io::ErrorKind::Other.into()) };
    let taken = store.finish((at_ms, why, name), &entries, cut, draft)?;
    Ok((taken, entries))
}

/// Keeps what lies there, and puts `number` back, or what lay at a path.
fn restore(
    wire: &mut Wire,
    store: &mut Store,
    number: u64,
    scope: Option<&[u8]>,
) -> io::Result<(Taken, Result<Done, String>)> {
    let then = store.list(number)?;
    if let Some(scope) = scope
        && !then.iter().any(|entry| back::is_in(&entry.path, Some(scope)))
    {
        return Err(io::Error::other(format!("there is no `{}` in snapshot {number}", back::shown(scope))));
    }
    let (taken, now) = take_and_list(wire, store, Why::Restore { number }, None)?;
    let done = back::put_back(wire, store, &now, &then, scope).map_err(|error| error.to_string());
    Ok((taken, done))
}

/// Has a snapshot taken before acts that may destroy.
pub(super) struct Careful(pub(super) Arc<Snapshots>);

impl Keeper for Careful {
    fn keep(&self, action: &Action, facts: &Facts) -> Option<BoxFuture<'static, Result<(), String>>> {
        let destroys = match &action.deed {
            // Creel's own: the launcher, behind which the program is the act, and the helper that snapshots are taken with
            Deed::Run(run) if run.program.starts_with(OWN) => false,
            Deed::Run(run) => self.0.before.iter().any(|pattern| pattern.covers(run)),
            Deed::Call(_) if self.0.before.is_empty() => false,
            Deed::Call(_) => facts.call.as_ref().is_some_and(|call| call.class == CallClass::Delete),
            _ => false,
        };
        if action.actor != Actor::Agent || !destroys {
            return None;
        }
        let act: String =
            format!("{} {}", action.deed.verb(), action.deed.target()).chars().take(LONGEST_ACT).collect();
        // it goes on when nobody waits for it any more
        let taken = tokio::spawn(Arc::clone(&self.0).before_act(act));
        Some(Box::pin(async move { taken.await.unwrap_or_else(|_| Err("it failed".to_owned())) }))
    }
}

fn age(at_ms: u64) -> Duration {
    Duration::from_millis(wall_ms().saturating_sub(at_ms))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
