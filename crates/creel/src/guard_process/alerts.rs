//! Who is told at once when something happens.
//!
//! Owns [`Alerts`]: whoever has news leaves them here, which takes no time and never fails, and a task for each place tells
//! them. Each try is an act of Creel's: admitted, recorded, settled with how it ended. It decides nothing, and what it can't
//! deliver is in the ledger all the same. The guard's process makes one.

mod form;
mod pile;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use creel_guard::{Actor, Facts, Guard, Obligations, Outcome, Persons, Tenant};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::approvals::{Approvals, News, Open};
use super::links::{Bound, Links};
use super::post::{Means, Post, Sent};
use super::watch::Quarantine;
use crate::clock::{now, wall_ms};
use crate::config::{self, AlertFormat, Event};
use crate::memory::Found;
use pile::{Alert, Bundle, Pile};

/// The places of a tenant, and what waits for each.
pub(crate) struct Alerts {
    places: Vec<Waiting>,
    begun: Instant,
    /// What the last audit found: an hourly one that changes nothing finds it again.
    found: Mutex<[u8; 32]>,
    /// Links that answer, for the places that get some.
    links: Option<Arc<Links>>,
}

/// What waits for one place.
struct Waiting {
    config: config::Alert,
    pile: Mutex<Pile>,
    last: Mutex<Option<String>>,
    news: Notify,
}

/// How one place fares, as `creel alerts` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The place, without its path.
    pub(crate) place: String,
    /// What it is told of.
    pub(crate) events: Vec<String>,
    /// How many alerts wait to be told.
    pub(crate) waiting: u64,
    /// How often in a row it could not be told.
    pub(crate) failures: u32,
    /// Why the last try failed; none when it did not.
    pub(crate) failed: Option<String>,
}

/// What it takes to tell one place.
struct Teller {
    guard: Guard,
    tenant: Tenant,
    format: AlertFormat,
    post: Post,
    /// Links, and whose they are.
    links: Option<(Arc<Links>, u32)>,
}

impl Alerts {
    /// Collects for these places from now on; no message has a link.
    #[cfg(test)]
    pub(crate) fn new(places: &[config::Alert]) -> Arc<Self> {
        Self::linking(places, None)
    }

    /// Collects for these places from now on, with links for those whose reader answers by them.
    pub(super) fn linking(places: &[config::Alert], links: Option<Arc<Links>>) -> Arc<Self> {
        let waiting = |config: &config::Alert| Waiting {
            config: config.clone(),
            pile: Mutex::default(),
            last: Mutex::default(),
            news: Notify::new(),
        };
        Arc::new(Self { places: places.iter().map(waiting).collect(), begun: now(), found: Mutex::default(), links })
    }

    /// Leaves news for every place that wants to hear of such. Never waits; `quoted` is what the agent wrote.
    pub(crate) fn raise(&self, event: Event, text: impl Into<String>, quoted: Option<String>) {
        self.leave(Alert { event, text: text.into(), quoted, at_ms: wall_ms(), question: None });
    }

    fn leave(&self, alert: Alert) {
        let event = alert.event;
        for place in self.places.iter().filter(|place| place.config.events.contains(&event)) {
            lock(&place.pile).push(alert.clone());
            place.news.notify_one();
        }
    }

    /// A quarantine began or holds on.
    pub(crate) fn raise_quarantine(&self, why: &Quarantine, state: &str) {
        let Quarantine { canary, at, .. } = why;
        let text = format!("quarantine: the canary {canary} turned up in {at}; {state}; creel canary release ends it");
        self.raise(Event::Quarantine, text, None);
    }

    /// An audit of the agent's memory found this.
    pub(crate) fn raise_memory(&self, findings: &[Found]) {
        let lines = findings.iter().map(|found| format!("{}: {}: {}", found.file, found.rules.join(" "), found.done));
        let quoted = lines.collect::<Vec<_>>().join("\n");
        let digest = Sha256::digest(&quoted).into();
        let known = std::mem::replace(&mut *lock(&self.found), digest) == digest;
        if !findings.is_empty() && !known {
            let text = format!("the audit found something in {} files; creel memory list tells more", findings.len());
            self.raise(Event::Memory, text, Some(quoted));
        }
    }

    /// Starts to tell.
    pub(super) fn serve(self: &Arc<Self>, guard: &Guard, tenant: &Tenant, means: &Means) -> Vec<JoinHandle<()>> {
        let each = (0..self.places.len()).filter_map(|at| {
            let teller = self.teller(at, guard, tenant, means)?;
            let alerts = Arc::clone(self);
            Some(tokio::spawn(async move { alerts.tell(at, &teller).await }))
        });
        each.collect()
    }

    fn teller(&self, at: usize, guard: &Guard, tenant: &Tenant, means: &Means) -> Option<Teller> {
        let config = &self.places.get(at)?.config;
        let post = Post { place: config.place.clone(), means: means.clone() };
        let links = self.links.clone().zip(config.answers_as);
        Some(Teller { guard: guard.clone(), tenant: tenant.clone(), format: config.format.clone(), post, links })
    }

    /// Tells one place, for ever.
    async fn tell(&self, at: usize, teller: &Teller) {
        let Some(place) = self.places.get(at) else { return };
        loop {
            let due = lock(&place.pile).due();
            let moment = self.moment();
            match due {
                None => place.news.notified().await,
                Some(due) if due > moment => {
                    let alarm = tokio::time::sleep(Duration::from_millis(due - moment));
                    tokio::select! { () = alarm => {}, () = place.news.notified() => {} }
                }
                Some(_) => {
                    let Some(bundle) = lock(&place.pile).take(moment) else { continue };
                    let sent = teller.send(&bundle).await;
                    let moment = self.moment();
                    let mut pile = lock(&place.pile);
                    match &sent {
                        Ok(_) => pile.delivered(bundle.event, moment),
                        Err(why) => {
                            tracing::warn!(place = %place.config.place, why, "an alert did not arrive; it waits");
                            pile.put_back(bundle, moment);
                        }
                    }
                    *lock(&place.last) = sent.err();
                }
            }
        }
    }

    /// Sends each place a test, past whatever waits: the place, and why it failed if it did.
    pub(super) async fn test(&self, guard: &Guard, tenant: &Tenant, means: &Means) -> Vec<(String, Option<String>)> {
        let tests =
            (0..self.places.len()).filter_map(|at| self.teller(at, guard, tenant, means)).map(|teller| async move {
                let text = "this is a test, sent by creel alerts test".to_owned();
                let quoted = Some("an example of the agent's own words: https://example.test @everyone".to_owned());
                let alert = Alert { event: Event::Test, text, quoted, at_ms: wall_ms(), question: None };
                let sent = teller.send(&Bundle::of(alert)).await;
                (teller.post.place.to_string(), sent.err())
            });
        futures_util::future::join_all(tests).await
    }

    /// How each place fares.
    pub(crate) fn list(&self) -> Vec<Told> {
        let one = |place: &Waiting| {
            let pile = lock(&place.pile);
            Told {
                place: place.config.place.to_string(),
                events: place.config.events.iter().map(|event| event.name().to_owned()).collect(),
                waiting: pile.waiting(),
                failures: pile.failures(),
                failed: lock(&place.last).clone(),
            }
        };
        self.places.iter().map(one).collect()
    }

    fn moment(&self) -> u64 {
        u64::try_from((now() - self.begun).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Teller {
    /// The questions of a bundle that can be answered by a link, each with its own.
    fn links(&self, bundle: &Bundle) -> Vec<(u64, String)> {
        let Some((links, user)) = &self.links else { return Vec::new() };
        let now = wall_ms();
        let url = |(question, until)| Some((question, links.url(Bound { question, user: *user }, until, now).ok()?));
        bundle.alerts.iter().filter_map(|alert| alert.question).filter_map(url).collect()
    }

    /// One try.
    async fn send(&self, bundle: &Bundle) -> Result<Sent, String> {
        let detail = format!("{} to {} ({} at once)", bundle.event.name(), self.post.place, bundle.count());
        let act = super::administer(&self.tenant, Actor::Creel, "alert", &detail);
        let permit = self.guard.admit(act, Facts::default()).await.map_err(|refusal| refusal.to_ledger)?;
        let (Obligations { inject, swaps, scrub: _, max_bytes, deadline_ms }, receipt) = permit.redeem();
        let sent = if inject.is_some() || !swaps.is_empty() || max_bytes.is_some() || deadline_ms.is_some() {
            Err("the policy's obligations for this can't be met".to_owned())
        } else {
            let request = form::request(&self.format, &self.tenant, bundle, &self.links(bundle));
            self.post.send(request, "", receipt.record()).await
        };
        receipt.settle(match &sent {
            Ok(Sent { bytes, status }) => Outcome::Done { sent: *bytes, received: 0, status: Some(i64::from(*status)) },
            Err(why) => Outcome::failed(why.clone()),
        });
        sent
    }
}

/// Tells of each question that waits for a person, those that are open already first.
pub(super) async fn of_questions(alerts: Arc<Alerts>, approvals: Arc<Approvals>) {
    let mut news = approvals.news();
    let mut told = 0;
    let mut tell = |open: &Open| {
        if open.id > told {
            told = open.id;
            let Open { id, what, persons, more, .. } = open;
            let several = if more.is_empty() { String::new() } else { format!(", {} acts", more.len() + 1) };
            let two = if *persons == Persons::Two { "; it takes two people" } else { "" };
            let how = format!("creel approvals shows it, creel approve {id} or creel deny {id}");
            let texts: Vec<&str> = open.texts().collect();
            alerts.leave(Alert {
                event: Event::Question,
                text: format!("question {id} ({what}{several}); {how}{two}"),
                quoted: Some(texts.join("\n")),
                at_ms: wall_ms(),
                question: Some((*id, open.until_ms)),
            });
        }
    };
    approvals.list().iter().for_each(&mut tell);
    loop {
        match news.recv().await {
            Ok(News::Question(open)) => tell(&open),
            Ok(News::TooMany(why)) => {
                alerts.raise(Event::Question, "some acts are refused unasked: too many questions", Some(why));
            }
            // Those that are open still are in the list.
            Err(RecvError::Lagged(_)) => approvals.list().iter().for_each(&mut tell),
            Err(RecvError::Closed) => return,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
