//! The one door: breakers, policy, keep what may be destroyed, ask a person, write the ledger.
//!
//! Owns [`Guard::admit`]. Whatever goes wrong on the way (a panic, a timeout, a breaker in an unknown state, a ledger
//! that can't be written) is a Deny. Every door calls it, for the agent's acts and for people's alike.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::action::{Action, Actor, Deed, Door};
use crate::call_facts::CallClass;
use crate::calls::{Calls, Cause};
use crate::facts::{BreakerState, Facts, Needs};
use crate::permit::Permit;
use crate::record::{Durability, Entry};
use crate::refusal::Refusal;
use crate::traits::{Answer, Asker, BoxFuture, Breakers, Judge, Keeper, Ledger, NothingToKeep, Timer};
use crate::turns::{Turn, Turns};
use crate::verdict::{Judgement, Obligations, RuleId, Verdict};

/// How long the ledger may take to record a decision before it counts as unwritable. Far above a slow disk's
/// fdatasync, far below any client's patience.
const LEDGER_PATIENCE: Duration = Duration::from_secs(10);

/// How long a person may take, over and above what the asker itself allows (DESIGN.md: 4 minutes).
const ASKER_PATIENCE: Duration = Duration::from_secs(300);

/// How long it may take to keep what an act may destroy; what takes longer goes on, and the act may be tried again.
const KEEPER_PATIENCE: Duration = Duration::from_secs(60);

/// A read whose URL and headers hold more bytes than this that nobody saw arrive counts as one with a body (HARDENING.md 8).
const MOST_UNSEEN: u64 = 64;

/// Everything the one door needs.
#[derive(Clone)]
pub struct Guard {
    judge: Arc<dyn Judge>,
    ledger: Arc<dyn Ledger>,
    asker: Arc<dyn Asker>,
    keeper: Arc<dyn Keeper>,
    breakers: Arc<dyn Breakers>,
    timer: Arc<dyn Timer>,
    durable_all: bool,
    turns: Turns,
    calls: Calls,
}

impl Guard {
    /// Puts a guard together. With `durable_all` every record is on disk before its act is released, mere reads too.
    #[must_use]
    pub fn new(
        judge: Arc<dyn Judge>,
        ledger: Arc<dyn Ledger>,
        asker: Arc<dyn Asker>,
        breakers: Arc<dyn Breakers>,
        timer: Arc<dyn Timer>,
        durable_all: bool,
    ) -> Self {
        let (keeper, turns, calls) = (Arc::new(NothingToKeep), Turns::default(), Calls::default());
        Self { judge, ledger, asker, keeper, breakers, timer, durable_all, turns, calls }
    }

    /// The same, with somebody who keeps what acts may destroy.
    #[must_use]
    pub fn with_keeper(self, keeper: Arc<dyn Keeper>) -> Self {
        Self { keeper, ..self }
    }

    /// What a door must find out before it brings `action` to [`Guard::admit`]. When the policy fails over it nothing is
    /// asked for, and the act is refused for what is missing.
    #[must_use]
    pub fn needs(&self, action: &Action) -> Needs {
        catch_unwind(AssertUnwindSafe(|| self.judge.needs(action))).unwrap_or_default()
    }

    /// A message came in: what the agent does until the turn is dropped is recorded under `id`.
    pub fn begin_turn(&self, id: String) -> Turn {
        self.turns.begin(id)
    }

    /// The tool call that named a command with these arguments, the last of those that were let pass.
    #[must_use]
    pub fn call_that_named(&self, argv: &[String]) -> Option<Cause> {
        self.calls.that_named(argv)
    }

    /// The call of the model's, let pass before, that is equal to this call of a server's tool. It covers no other: what was
    /// approved is done once.
    #[must_use]
    pub fn call_that_covers(&self, tool: &str, arguments: &str) -> Option<Cause> {
        self.calls.that_covers(tool, arguments)
    }

    /// Decides `action`, records the decision, and only then answers.
    ///
    /// # Errors
    /// The [`Refusal`] to render, whenever the answer is not a plain Yes.
    pub async fn admit(&self, action: Action, mut facts: Facts) -> Result<Permit, Refusal> {
        facts.breakers = catch_unwind(AssertUnwindSafe(|| self.breakers.state(&action))).unwrap_or_default();
        if action.actor == Actor::Agent {
            facts.trace = facts.trace.or_else(|| self.turns.current());
        }
        let judgement = self.keep(&action, &facts, self.decide(&action, &facts)).await;
        let answer = match &judgement.verdict {
            Verdict::Ask(question) => Some(self.ask(&action, &facts, question).await),
            Verdict::Allow(_) | Verdict::Deny(_) => None,
        };
        let release = settle_verdict(&judgement, answer.as_ref());
        let unseen = facts.unseen.is_some_and(|bytes| bytes > MOST_UNSEEN);
        let secret = matches!(&judgement.verdict, Verdict::Allow(owed) if owed.carries_secret());
        let durability = if self.durable_all || unseen || secret || action.has_effect() || answer.is_some() {
            Durability::BeforeRelease
        } else {
            Durability::Soon
        };
        let named = match &action.deed {
            Deed::Call(call) => Some((call.clone(), facts.trace.clone(), action.door == Door::Model && covers(&facts))),
            _ => None,
        };
        let entry = Entry { action, facts, judgement, answer, durability };
        let record = match self.within(LEDGER_PATIENCE, || self.ledger.admitted(entry)).await {
            Some(Ok(record)) => record,
            Some(Err(closed)) => return Err(unwritable(&closed.why)),
            None => return Err(unwritable("it failed, or did not answer in time")),
        };
        match release {
            Ok(obligations) => {
                if let Some((call, trace, proposed)) = named {
                    self.calls.note(Cause { record, trace }, &call.tool, &call.arguments, proposed);
                }
                Ok(Permit::new(record, obligations, Arc::clone(&self.ledger)))
            }
            Err(mut refusal) => {
                refusal.record = record.0;
                Err(refusal)
            }
        }
    }

    fn decide(&self, action: &Action, facts: &Facts) -> Judgement {
        match &facts.breakers {
            BreakerState::Closed => {}
            BreakerState::Unknown => return deny("guard/breaker-unknown", "the state of the breakers is not known"),
            BreakerState::Open(name) => return deny("guard/breaker-open", &format!("breaker `{name}` has tripped")),
        }
        if let Deed::Attempt(_) = action.deed {
            return deny("guard/attempt", "it was refused already; it is recorded, never admitted");
        }
        catch_unwind(AssertUnwindSafe(|| self.judge.judge(action, facts)))
            .unwrap_or_else(|_| deny("guard/judge-failed", "the policy failed while it judged"))
    }

    /// What may happen is kept from first; where it can't be, it may not happen.
    async fn keep(&self, action: &Action, facts: &Facts, judgement: Judgement) -> Judgement {
        if let Verdict::Deny(_) = judgement.verdict {
            return judgement;
        }
        let failed = match catch_unwind(AssertUnwindSafe(|| self.keeper.keep(action, facts))) {
            Ok(None) => return judgement,
            Ok(Some(work)) => match self.within(KEEPER_PATIENCE, || work).await {
                Some(Ok(())) => return judgement,
                Some(Err(why)) => why,
                None => "it failed, or took too long; it goes on".to_owned(),
            },
            Err(_) => "it failed".to_owned(),
        };
        let rule = RuleId::new("guard/no-snapshot");
        let why = format!("what this may destroy could not be kept first: {failed}");
        let to_agent = "what this may destroy can't be kept at the moment; try again later";
        let refusal = Refusal::new(rule.clone(), to_agent, why.clone());
        Judgement { verdict: Verdict::Deny(refusal), rule, why, generation: judgement.generation }
    }

    async fn ask(&self, action: &Action, facts: &Facts, question: &crate::Question) -> Answer {
        self.within(ASKER_PATIENCE, || self.asker.ask(action, facts, question)).await.unwrap_or_else(|| Answer {
            yes: false,
            rule: RuleId::new("approval/silence"),
            by: "nobody answered in time".to_owned(),
        })
    }

    /// `None` when the timer wins, and when the work or the timer panics, at once or later.
    async fn within<'a, T>(&self, patience: Duration, work: impl FnOnce() -> BoxFuture<'a, T>) -> Option<T> {
        let started = catch_unwind(AssertUnwindSafe(|| (self.timer.after(patience), work())));
        let (mut alarm, mut work) = started.ok()?;
        poll_fn(|cx| {
            let step = catch_unwind(AssertUnwindSafe(|| match work.as_mut().poll(cx) {
                Poll::Ready(value) => Poll::Ready(Some(value)),
                Poll::Pending => alarm.as_mut().poll(cx).map(|()| None),
            }));
            step.unwrap_or(Poll::Ready(None))
        })
        .await
    }
}

/// Whether a call that was let pass speaks for the equal one of a server's tool. One that passes whatever it says, since its tool only
/// looks something up or works in the jail alone, says nothing of another tool that bears its name.
fn covers(facts: &Facts) -> bool {
    facts.call.as_ref().is_some_and(|call| !matches!(call.class, CallClass::Read | CallClass::Contained))
}

fn settle_verdict(judgement: &Judgement, answer: Option<&Answer>) -> Result<Obligations, Refusal> {
    match (&judgement.verdict, answer) {
        (Verdict::Allow(obligations), _) => Ok(obligations.clone()),
        (Verdict::Ask(question), Some(answer)) if answer.yes => Ok(question.obligations.clone()),
        (Verdict::Ask(_), answer) => {
            let rule = answer.map_or(RuleId::new("approval/silence"), |answer| answer.rule.clone());
            let to_ledger = answer.map_or_else(String::new, |answer| answer.by.clone());
            let to_agent = match rule.as_str() {
                "approval/waiting" => format!("this waits for a person's yes (`{}`); try again later", judgement.rule),
                _ => format!("a person would have to approve this (`{}`), and nobody did", judgement.rule),
            };
            Err(Refusal::new(rule, to_agent, to_ledger))
        }
        (Verdict::Deny(refusal), _) => Err(refusal.clone()),
    }
}

fn unwritable(why: &str) -> Refusal {
    Refusal::new(
        RuleId::new("guard/ledger-unwritable"),
        "nothing may happen while it can't be recorded; try again later",
        format!("the ledger can't be written: {why}"),
    )
}

fn deny(rule: &'static str, why: &str) -> Judgement {
    let rule = RuleId::new(rule);
    let refusal = Refusal::new(rule.clone(), "refused; ask the operator", why);
    Judgement { verdict: Verdict::Deny(refusal), rule, why: why.to_owned(), generation: 0 }
}

#[cfg(test)]
mod tests;
