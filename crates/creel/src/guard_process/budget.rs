//! What the model cost, and the breaker that opens when it is too much.
//!
//! Owns [`Budget`]: it prices what the model door's tabs say, keeps the sums of this hour and this day on disk, has people told,
//! and is one of the guard's breakers. Prompts under way count with the least that they will cost. Where a limit is set and the
//! sums can't be kept, no prompt passes. It meters the agent's prompts alone; people end it with `creel budget reset`.

mod sums;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use creel_doors::model::{Meter, Used};
use creel_guard::{Action, Actor, BreakerState, Breakers, Deed, Facts, Guard, Outcome, RecordId, Tenant};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::alerts::Alerts;
use crate::clock::wall_ms as now_ms;
use crate::config::{self, Event};
pub(crate) use sums::dollars;
use sums::{Span, Sums};

/// The sums' file below the guard's home.
const NAME: &str = "budget.json";
/// Prompts under way that are counted; the door lets 64 through.
const MOST_OPEN: usize = 256;
/// News that wait to be told.
const NEWS: usize = 16;

/// What the model costs.
pub(crate) struct Budget {
    settings: config::Budget,
    path: PathBuf,
    inner: Mutex<Inner>,
    /// One writer at a time, each with the newest sums.
    file: Mutex<()>,
    news: mpsc::Sender<String>,
    own: Weak<Self>,
}

#[derive(Default)]
struct Inner {
    sums: Sums,
    /// What each prompt under way will cost at least.
    open: HashMap<u64, u64>,
    /// Why the sums can't be kept.
    failed: Option<String>,
}

/// How it stands, as `creel budget` shows it; all in millionths of a dollar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spent {
    /// Within this hour.
    pub(crate) hour: u64,
    /// The limit.
    pub(crate) per_hour: Option<u64>,
    /// Within this day.
    pub(crate) day: u64,
    /// The limit.
    pub(crate) per_day: Option<u64>,
    /// Why no prompt passes; none when prompts do.
    pub(crate) stopped: Option<String>,
}

impl Budget {
    /// Goes on with the sums below `home`; news come out of the receiver.
    ///
    /// # Errors
    /// When they can't be read.
    pub(super) fn open(home: &Path, settings: config::Budget) -> io::Result<(Arc<Self>, mpsc::Receiver<String>)> {
        let path = home.join(NAME);
        let sums = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Sums::default(),
            Err(error) => return Err(error),
        };
        let (news, told) = mpsc::channel(NEWS);
        let inner = Mutex::new(Inner { sums, ..Inner::default() });
        Ok((
            Arc::new_cyclic(|own| Self { settings, path, inner, file: Mutex::default(), news, own: own.clone() }),
            told,
        ))
    }

    /// How it stands.
    pub(crate) fn spent(&self) -> Spent {
        let mut inner = self.lock();
        inner.sums.roll(now_ms());
        let stopped = self.stopped(&inner);
        let (hour, day) = (inner.sums.of(Span::Hour), inner.sums.of(Span::Day));
        let config::Budget { per_hour, per_day, .. } = self.settings;
        Spent { hour, per_hour, day, per_day, stopped }
    }

    /// Counts anew from here.
    ///
    /// # Errors
    /// When that can't be kept.
    pub(crate) fn reset(&self) -> io::Result<()> {
        self.lock().sums = Sums::default();
        self.keep();
        self.lock().failed.clone().map_or(Ok(()), |why| Err(io::Error::other(why)))
    }

    fn limit(&self, span: Span) -> Option<u64> {
        match span {
            Span::Hour => self.settings.per_hour,
            Span::Day => self.settings.per_day,
        }
    }

    /// Why no prompt passes.
    fn stopped(&self, inner: &Inner) -> Option<String> {
        self.settings.per_hour.or(self.settings.per_day)?;
        if let Some(why) = &inner.failed {
            return Some(format!("what the model cost can't be kept: {why}"));
        }
        let under_way = inner.open.values().fold(0, |sum: u64, one| sum.saturating_add(*one));
        Span::ALL.into_iter().find_map(|span| {
            let (limit, spent) = (self.limit(span)?, inner.sums.of(span));
            (spent.saturating_add(under_way) >= limit).then(|| {
                let (spent, under_way, limit) = (dollars(spent), dollars(under_way), dollars(limit));
                format!(
                    "{spent} of {limit} are spent this {span}, {under_way} are under way; `creel budget reset` ends it"
                )
            })
        })
    }

    /// Says what is new once a sum has grown from `before`.
    fn tell(&self, before: [u64; 2], inner: &mut Inner) {
        for (span, before) in Span::ALL.into_iter().zip(before) {
            let Some(limit) = self.limit(span) else { continue };
            let spent = inner.sums.of(span);
            let warn = u64::try_from(u128::from(limit) * u128::from(self.settings.warn) / 100).unwrap_or(limit);
            let crossed = |line: u64| before < line && spent >= line;
            let what = match (crossed(limit), crossed(warn)) {
                (true, _) => "the model's budget is spent, no prompt passes",
                (false, true) => "much of the model's budget is spent",
                (false, false) => continue,
            };
            let _ = self.news.try_send(format!("{what}: {} of {} this {span}", dollars(spent), dollars(limit)));
        }
    }

    /// Puts the sums on disk.
    fn keep(&self) {
        let _one = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let text = serde_json::to_vec(&self.lock().sums).unwrap_or_default();
        let kept = crate::private_file::write(&self.path, &text);
        self.lock().failed = kept.err().map(|error| error.to_string());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn price(&self, used: &Used) -> u64 {
        let Used { model, input, cached, output } = used;
        self.settings.cost(model, *input, *cached, *output)
    }
}

impl Meter for Budget {
    fn begins(&self, record: RecordId, least: &Used) {
        let mut inner = self.lock();
        if inner.open.len() < MOST_OPEN {
            inner.open.insert(record.0, self.price(least));
        }
    }

    fn ends(&self, record: RecordId, used: Option<&Used>) {
        let mut inner = self.lock();
        inner.open.remove(&record.0);
        let Some(used) = used else { return };
        inner.sums.roll(now_ms());
        let before = Span::ALL.map(|span| inner.sums.of(span));
        inner.sums.add(self.price(used));
        self.tell(before, &mut inner);
        drop(inner);
        match (tokio::runtime::Handle::try_current(), self.own.upgrade()) {
            // Who waits for the answer does not wait for the disk.
            (Ok(runtime), Some(own)) => drop(runtime.spawn_blocking(move || own.keep())),
            _ => self.keep(),
        }
    }
}

/// The breakers of a guard: each says its own, and one that is open is enough.
pub(super) struct Both<A>(pub(super) Arc<A>, pub(super) Arc<Budget>);

impl<A: Breakers> Breakers for Both<A> {
    fn state(&self, action: &Action) -> BreakerState {
        match self.0.state(action) {
            BreakerState::Closed => self.1.state(action),
            other => other,
        }
    }
}

impl Breakers for Budget {
    fn state(&self, action: &Action) -> BreakerState {
        if action.actor != Actor::Agent || !matches!(action.deed, Deed::Prompt(_)) {
            return BreakerState::Closed;
        }
        let mut inner = self.lock();
        inner.sums.roll(now_ms());
        self.stopped(&inner).map_or(BreakerState::Closed, |why| BreakerState::Open(format!("budget: {why}")))
    }
}

/// Records what is new, and has people told.
pub(super) async fn record(mut news: mpsc::Receiver<String>, guard: Guard, tenant: Tenant, alerts: Arc<Alerts>) {
    while let Some(text) = news.recv().await {
        let act = super::administer(&tenant, Actor::Creel, "budget", &text);
        if let Ok(permit) = guard.admit(act, Facts::default()).await {
            permit.redeem().1.settle(Outcome::done());
        }
        alerts.raise(Event::Budget, text, None);
    }
}

#[cfg(test)]
mod tests;
