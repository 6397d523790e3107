//! The control door in its first form: a person's message to the agent, what a webhook brought, a person's answer to a question.
//!
//! Owns the root-owned control socket's protocol (`ToControl` / `FromControl`). It turns what a person asks into an
//! `Action` and carries out the answer; it never decides. The jail can't reach the socket, and peers are known by
//! `SO_PEERCRED`.

mod page;
mod questions;
mod tools;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use creel_doors::model::Said;
use creel_guard::{
    Action, Actor, Deed, Door, Facts, Guard, Obligations, Outcome, Permit, Receipt, Receive, Taint, Tenant,
};
use creel_openclaw::{client, resolver};
use tokio::sync::{Semaphore, watch};

use crate::config::Event;
use crate::guard_process::alerts::Alerts;
use crate::guard_process::approvals::Approvals;
use crate::guard_process::budget::Budget;
use crate::guard_process::definitions::Tools;
use crate::guard_process::desk::{Desk, person_facts};
use crate::guard_process::export::Exports;
use crate::guard_process::links::Links;
use crate::guard_process::post::Means;
use crate::guard_process::stillness::Stillness;
use crate::guard_process::watch::{Quarantine, Watch as Secrecy};
use crate::link::{Link, Listener};
use crate::protocol::{FromControl, ToControl};
use crate::reception::Reception;

/// How many people may talk at once; more wait.
const CONVERSATIONS: usize = 16;

/// The longest message, in bytes: it has to fit into one packet of the link with room for its JSON form.
pub(crate) const LONGEST_MESSAGE: usize = 48 * 1024;

/// How long OpenClaw may work on one message at most, whatever the caller says.
const LONGEST_PATIENCE: Duration = Duration::from_secs(3600);

/// Between two tries while OpenClaw is still starting.
const STARTING_PAUSE: Duration = Duration::from_secs(1);

/// A program that was frozen between two tries goes on to the next (a shell tries each folder of its PATH): a person who ends a
/// quarantine hears whether the next one began within this time.
const AGAIN: Duration = Duration::from_millis(500);

/// How long whoever may not answer is heard.
const PATIENCE: Duration = Duration::from_secs(1);

/// After a visitor who could not be let in.
const PAUSE: Duration = Duration::from_millis(50);

/// What people talk to.
pub(crate) struct Talk {
    pub(crate) guard: Guard,
    pub(crate) tenant: Tenant,
    pub(crate) desk: Arc<Desk>,
    pub(crate) approvals: Arc<Approvals>,
    /// What the model cost.
    pub(crate) budget: Arc<Budget>,
    /// How tools are defined.
    pub(crate) tools: Arc<Tools>,
    /// Where users' messages are remembered.
    pub(crate) said: Arc<Said>,
    /// Secrets, canaries and the quarantine.
    pub(crate) watch: Arc<Secrecy>,
    /// Whether the agent's processes stand still.
    pub(crate) stillness: Arc<Stillness>,
    /// Who is told when something happens.
    pub(crate) alerts: Arc<Alerts>,
    /// Where records are sent on.
    pub(crate) exports: Arc<Exports>,
    /// What tests of them are sent with.
    pub(super) means: Means,
}

/// The sockets that people come to.
pub(crate) struct Listeners {
    operator: Listener,
    people: Option<(Listener, Vec<u32>)>,
    page: Option<page::Page>,
}

impl Listeners {
    /// Those that were handed over; `people` may use the second.
    pub(super) fn new(reception: Reception, people: &[u32], links: Option<Arc<Links>>) -> Result<Self, String> {
        let watched = |fd| Listener::new(fd).map_err(|error| format!("the control socket can't be watched: {error}"));
        let (operator, others, listener) = reception.into_parts();
        let others = others.map(|fd| Ok::<_, String>((watched(fd)?, people.to_vec()))).transpose()?;
        let page = listener.zip(links).map(|(listener, links)| page::Page { listener, links });
        Ok(Self { operator: watched(operator)?, people: others, page })
    }
}

/// Who came in at which socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Visitor {
    uid: u32,
    /// At the operator's socket, which the file system keeps for him.
    operator: bool,
}

/// Serves the control sockets for ever.
pub(crate) async fn serve(listeners: Listeners, talk: Talk) -> io::Result<()> {
    let talk = Arc::new(talk);
    let Listeners { operator, people, page } = listeners;
    let places = || Arc::new(Semaphore::new(CONVERSATIONS));
    // Each has places of its own: nobody else keeps the operator out.
    let operators = listen(&operator, Arc::clone(&talk), places(), |_| true, true);
    let others = async {
        let Some((listener, people)) = &people else { return Ok(()) };
        listen(listener, Arc::clone(&talk), places(), |uid| people.contains(&uid), false).await
    };
    let browsers = async {
        let Some(page) = page else { return Ok(()) };
        page::serve(page, Arc::new(questions::Questions::of(&talk))).await
    };
    tokio::try_join!(operators, others, browsers).map(|_| ())
}

/// Lets in whoever `may`, as many at once as there are places.
async fn listen(
    listener: &Listener,
    talk: Arc<Talk>,
    places: Arc<Semaphore>,
    may: impl Fn(u32) -> bool,
    operator: bool,
) -> io::Result<()> {
    loop {
        let (link, uid) = match listener.accept().await {
            Ok(peer) => peer,
            Err(error) => {
                // Out of descriptors, say, which an agent's many connections bring about: neither end nor spin.
                tracing::warn!(%error, "a visitor could not be let in");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        let (talk, may) = (Arc::clone(&talk), may(uid));
        tokio::spawn(async move {
            let visitor = Visitor { uid, operator };
            let served = if may { converse(&link, visitor, &talk).await } else { turn_away(&link, uid).await };
            if let Err(error) = served {
                tracing::debug!(%error, "a control connection ended early");
            }
            drop(place);
        });
    }
}

/// Hears whoever may not answer, for a moment, and says so.
async fn turn_away(link: &Link, uid: u32) -> io::Result<()> {
    let _ = tokio::time::timeout(PATIENCE, link.recv::<ToControl>()).await;
    let why = format!("{} may not answer questions here: `[approvals] people` lists who may", person(uid));
    link.send(&FromControl::Failed { why }, &[]).await
}

async fn converse(link: &Link, visitor: Visitor, talk: &Talk) -> io::Result<()> {
    let Visitor { uid, operator } = visitor;
    match link.recv::<ToControl>().await? {
        Some((asked, _)) if !operator => questions::converse(link, uid, talk, &asked).await,
        Some((ToControl::Say { text, patience_s, hook }, _)) => {
            hear(link, uid, talk, Message { text, hook }, patience_s).await
        }
        Some((asked @ (ToControl::Questions | ToControl::Watch | ToControl::Decide { .. }), _)) => {
            questions::converse(link, uid, talk, &asked).await
        }
        Some((ToControl::Quarantine, _)) => {
            link.send(&FromControl::Quarantine { why: talk.watch.quarantine() }, &[]).await
        }
        Some((ToControl::Release, _)) => {
            let told = release(uid, talk).await.unwrap_or_else(|told| told);
            link.send(&told, &[]).await
        }
        Some((ToControl::TryCanaries, _)) => {
            link.send(&FromControl::Noticed { canaries: talk.watch.try_canaries() }, &[]).await
        }
        Some((ToControl::Budget { reset }, _)) => {
            let told = spent(uid, talk, reset).await.unwrap_or_else(|told| told);
            link.send(&told, &[]).await
        }
        Some((asked @ (ToControl::Tools | ToControl::AcceptTool { .. } | ToControl::ForgetTools), _)) => {
            tools::converse(link, uid, talk, asked).await
        }
        Some((ToControl::Alerts, _)) => link.send(&FromControl::Alerts { places: talk.alerts.list() }, &[]).await,
        Some((ToControl::Exports, _)) => link.send(&FromControl::Exports { places: talk.exports.list() }, &[]).await,
        Some((ToControl::TestAlerts, _)) => {
            let told = test_alerts(uid, talk).await.unwrap_or_else(|told| told);
            link.send(&told, &[]).await
        }
        None => Ok(()),
    }
}

/// What the model cost; a person may have it counted anew.
async fn spent(uid: u32, talk: &Talk, reset: bool) -> Result<FromControl, FromControl> {
    let told = || FromControl::Budget { spent: talk.budget.spent() };
    if !reset {
        return Ok(told());
    }
    let who = Actor::Person { name: person(uid) };
    let action = super::administer(&talk.tenant, who, "budget-reset", "");
    let permit = talk.guard.admit(action, person_facts()).await.map_err(|refusal| FromControl::Refused { refusal })?;
    let receipt = unburdened(permit).map_err(|why| FromControl::Failed { why })?;
    match talk.budget.reset() {
        Ok(()) => {
            receipt.settle(Outcome::done());
            Ok(told())
        }
        Err(error) => {
            let why = format!("that can't be kept: {error}");
            receipt.settle(Outcome::failed(why.clone()));
            Err(FromControl::Failed { why })
        }
    }
}

/// A person has a test sent to every place that is told of what happens.
async fn test_alerts(uid: u32, talk: &Talk) -> Result<FromControl, FromControl> {
    let who = Actor::Person { name: person(uid) };
    let action = super::administer(&talk.tenant, who, "alerts-test", "");
    let permit = talk.guard.admit(action, person_facts()).await.map_err(|refusal| FromControl::Refused { refusal })?;
    let receipt = unburdened(permit).map_err(|why| FromControl::Failed { why })?;
    let places = talk.alerts.test(&talk.guard, &talk.tenant, &talk.means).await;
    let failed = places.iter().filter(|(_, failed)| failed.is_some()).count();
    receipt.settle(match failed {
        0 => Outcome::done(),
        failed => Outcome::failed(format!("{failed} of {} places were not reached", places.len())),
    });
    Ok(FromControl::Tested { places })
}

/// The receipt of a permit that owes nothing: what it owes can't be met by what a person does here.
fn unburdened(permit: Permit) -> Result<Receipt, String> {
    let (Obligations { inject, swaps, scrub: _, max_bytes, deadline_ms }, receipt) = permit.redeem();
    if inject.is_none() && swaps.is_empty() && max_bytes.is_none() && deadline_ms.is_none() {
        return Ok(receipt);
    }
    let why = "the policy's obligations for this can't be met".to_owned();
    receipt.settle(Outcome::failed(why.clone()));
    Err(why)
}

/// A person opens the doors again: an act like any other, admitted and recorded before it counts.
async fn release(uid: u32, talk: &Talk) -> Result<FromControl, FromControl> {
    let failed = |why: String| FromControl::Failed { why };
    let Some(why) = talk.watch.quarantine() else { return Err(failed("the agent is in no quarantine".to_owned())) };
    let who = person(uid);
    let actor = Actor::Person { name: who.clone() };
    let action = super::administer(&talk.tenant, actor, "release", &format!("from quarantine: canary {}", why.canary));
    let permit = talk.guard.admit(action, person_facts()).await.map_err(|refusal| FromControl::Refused { refusal })?;
    let receipt = unburdened(permit).map_err(|why| FromControl::Failed { why })?;
    match talk.watch.release() {
        Ok(_) => {
            if let Err(error) = talk.stillness.thawed().await {
                let why = format!("the doors are open again, but the agent's processes do not go on: {error}");
                receipt.settle(Outcome::failed(why.clone()));
                return Err(failed(why));
            }
            receipt.settle(Outcome::done());
            let text = format!("the quarantine for the canary {} was ended by {who}", why.canary);
            talk.alerts.raise(Event::Quarantine, text, None);
            tokio::time::sleep(AGAIN).await;
            match talk.watch.quarantine() {
                None => Ok(FromControl::Quarantine { why: None }),
                Some(why) => {
                    let told = in_quarantine(&why);
                    Err(failed(format!(
                        "it went on with what it was at when it was frozen, and is back at once: {told}"
                    )))
                }
            }
        }
        Err(error) => {
            let why = format!("the quarantine's file can't be removed: {error}");
            receipt.settle(Outcome::failed(why.clone()));
            Err(failed(why))
        }
    }
}

/// What somebody wants the agent to read.
struct Message {
    text: String,
    /// Whose webhook brought it; nobody's, when it is what a person says.
    hook: Option<String>,
}

impl Message {
    /// Why it can't be taken.
    fn flaw(&self) -> Option<String> {
        if self.text.len() > LONGEST_MESSAGE {
            return Some(format!("the message has {} bytes; at most {LONGEST_MESSAGE} fit", self.text.len()));
        }
        let plain = |char: char| char.is_ascii_alphanumeric() || " ._-".contains(char);
        let named = |name: &String| !name.is_empty() && name.len() <= 64 && name.chars().all(plain);
        let why = || "a webhook's name has 1 to 64 letters, digits, spaces, dots, dashes and underscores".to_owned();
        self.hook.as_ref().filter(|name| !named(name)).map(|_| why())
    }

    fn source(&self) -> String {
        self.hook.as_ref().map_or_else(|| "say".to_owned(), |name| format!("hook {name}"))
    }
}

/// One message to the agent.
async fn hear(link: &Link, uid: u32, talk: &Talk, message: Message, patience_s: u64) -> io::Result<()> {
    let Talk { guard, tenant, said: memory, .. } = talk;
    if let Some(why) = message.flaw() {
        return link.send(&FromControl::Failed { why }, &[]).await;
    }
    let text = &message.text;
    if let Some(why) = talk.watch.quarantine() {
        return link.send(&FromControl::Failed { why: in_quarantine(&why) }, &[]).await;
    }
    let action = Action {
        tenant: tenant.clone(),
        actor: Actor::Person { name: person(uid) },
        door: Door::Control,
        deed: Deed::Receive(Receive { source: message.source(), text: text.clone() }),
    };
    let trace = match new_trace() {
        Ok(trace) => trace,
        Err(why) => return link.send(&FromControl::Failed { why }, &[]).await,
    };
    let taint = if message.hook.is_some() { Taint::Tainted } else { Taint::Clean };
    let facts = Facts { trace: Some(trace.clone()), taint, ..person_facts() };
    let permit = match guard.admit(action, facts).await {
        Ok(permit) => permit,
        Err(refusal) => return link.send(&FromControl::Refused { refusal }, &[]).await,
    };
    let (Obligations { inject, swaps, scrub: _, max_bytes, deadline_ms }, receipt) = permit.redeem();
    if inject.is_some() || !swaps.is_empty() || max_bytes.is_some_and(|limit| text.len() as u64 > limit) {
        let why = "the policy's obligations for this message can't be met".to_owned();
        receipt.settle(Outcome::failed(why.clone()));
        return link.send(&FromControl::Failed { why }, &[]).await;
    }
    let asked = Duration::from_secs(patience_s.max(1)).min(LONGEST_PATIENCE);
    let patience = deadline_ms.map_or(asked, |ms| asked.min(Duration::from_millis(ms)));
    // Only what a person says vouches for anything.
    if message.hook.is_none() {
        memory.hear(text);
    }
    let turn = guard.begin_turn(trace);
    let said = say(link, talk, &message, patience).await;
    drop(turn);
    match said {
        Ok(answer) => {
            let received = answer.len() as u64;
            receipt.settle(Outcome::Done { sent: text.len() as u64, received, status: None });
            link.send(&FromControl::Answer { text: clip(answer) }, &[]).await
        }
        Err(why) => {
            receipt.settle(Outcome::failed(why.clone()));
            link.send(&FromControl::Failed { why }, &[]).await
        }
    }
}

/// A trace id of Creel's own, in the form of W3C trace context: 16 random bytes, hex. The agent never learns it.
fn new_trace() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("the system gave no random bytes: {error}"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Who a user id is, as records name people.
pub(crate) fn person(uid: u32) -> String {
    if uid == 0 { "root".to_owned() } else { format!("uid {uid}") }
}

/// The answer bounded to what fits into one packet.
fn clip(mut text: String) -> String {
    let limit = LONGEST_MESSAGE;
    if text.len() > limit {
        let cut = (0..=limit).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(cut);
        text.push_str("\n[cut: the whole answer is in the conversation]");
    }
    text
}

async fn say(link: &Link, talk: &Talk, message: &Message, patience: Duration) -> Result<String, String> {
    let said = tokio::time::timeout(patience, once_it_listens(&talk.desk, message, patience));
    tokio::pin!(said);
    let mut news = talk.approvals.news();
    let mut quarantine = talk.watch.changes();
    loop {
        tokio::select! {
            answer = &mut said => return answer.unwrap_or_else(|_| Err(format!("no answer within {} s", patience.as_secs()))),
            // A question that comes up meanwhile is likely about this message.
            new = news.recv() => if let Ok(new) = new {
                let _ = link.send(&questions::told_of(new), &[]).await;
            },
            // Who stands still answers nobody.
            why = began(&mut quarantine) => return Err(why),
            () = hung_up(link) => return Err("the person hung up before the answer came".to_owned()),
        }
    }
}

/// Completes when a quarantine begins, and says why.
async fn began(quarantine: &mut watch::Receiver<Option<Quarantine>>) -> String {
    // The guard's process holds the sender as long as it serves.
    let why = quarantine.wait_for(Option::is_some).await;
    why.ok().and_then(|why| why.as_ref().map(in_quarantine)).unwrap_or_default()
}

fn in_quarantine(why: &Quarantine) -> String {
    format!(
        "the agent is in quarantine: the canary `{}` turned up in {}; `creel canary release` ends it",
        why.canary, why.at
    )
}

/// Says it as soon as OpenClaw takes messages: its parts start one after the other.
async fn once_it_listens(desk: &Desk, message: &Message, patience: Duration) -> Result<String, String> {
    let Message { text, hook } = message;
    loop {
        let (stream, token) = desk.gateway().await?;
        let done = match hook {
            None => client::say(stream, &token, text, patience, |_delta| {}).await.map(|answer| answer.text),
            Some(name) => client::hook(stream, &resolver::hook_token(&token), name, text, patience).await,
        };
        match done {
            Ok(answer) => return Ok(answer),
            Err(creel_openclaw::Error::Starting) => tokio::time::sleep(STARTING_PAUSE).await,
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Completes when the far end is gone.
async fn hung_up(link: &Link) {
    while let Ok(Some(_)) = link.recv::<ToControl>().await {}
}
