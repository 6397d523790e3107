//! The way to the one door to pass.
//!
//! Owns [`Admission`]: it hands this door's acts to the guard and waits for the answer, come what may: once asked, the
//! guard finishes even if the agent hangs up, so that every recorded permit is redeemed or recorded as abandoned. Never
//! decides. Called by the door and by `relay`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use creel_guard::{
    Action, Actor, Deed, Door, Facts, Guard, Obligations, Outcome, Permit, Receipt, Refusal, RuleId, Sign, Tenant,
};

use super::call::{Proposed, Seen};
use super::context::Ground;
use super::flaw::Flaw;
use super::refuse;

/// Whose acts are asked about, and who answers.
#[derive(Clone)]
pub(super) struct Admission {
    pub(super) guard: Guard,
    pub(super) tenant: Tenant,
    /// A sign of an order in what the model read before it answered.
    pub(super) sign: Option<Sign>,
    /// The trace id that the agent sent with its prompt.
    pub(super) claimed_trace: Option<String>,
    /// What the calls of this answer are judged by.
    pub(super) ground: Option<Arc<Mutex<Ground>>>,
}

/// What came of a call.
#[derive(Debug)]
pub(super) enum Ruled {
    /// It may reach the agent; settle when it has.
    Released(Receipt),
    /// The text that stands in its place.
    Refused(String),
}

/// The facts of an act of this door.
pub(super) fn facts(flaw: Option<&Flaw>) -> Facts {
    Facts { flaw: flaw.map(|flaw| flaw.kind.word().to_owned()), ..Facts::default() }
}

impl Admission {
    /// The same for one prompt and what comes of it.
    pub(super) fn of(&self, sign: Option<Sign>, claimed_trace: Option<String>) -> Self {
        Self { sign, claimed_trace, ..self.clone() }
    }

    /// Asks the guard.
    pub(super) async fn ask(&self, deed: Deed, mut facts: Facts) -> Result<Permit, Refusal> {
        facts.claimed_trace.clone_from(&self.claimed_trace);
        let guard = self.guard.clone();
        let action = Action { tenant: self.tenant.clone(), actor: Actor::Agent, door: Door::Model, deed };
        let asked = tokio::spawn(async move { guard.admit(action, facts).await });
        asked.await.unwrap_or_else(|_| Err(refused_by_fault("the guard failed while it was asked")))
    }

    /// Asks about one call.
    pub(super) async fn call(&self, proposed: &Proposed, offered: &BTreeSet<String>) -> Ruled {
        let Seen { call, flaw } = proposed.see(offered);
        let tool = call.tool.clone();
        let bytes = call.arguments.len() as u64;
        let refused = |refusal: &Refusal| Ruled::Refused(refuse::call_text(&tool, refusal, flaw.as_ref()));
        let known = self.on_ground(|ground| ground.facts(&call, &proposed.name)).filter(|_| flaw.is_none());
        let facts = Facts { sign: self.sign.clone(), call: known.map(Box::new), ..facts(flaw.as_ref()) };
        match self.ask(Deed::Call(call.clone()), facts).await {
            Err(refusal) => {
                self.on_ground(Ground::refused);
                refused(&refusal)
            }
            Ok(permit) => {
                let record = permit.record();
                let (obligations, receipt) = permit.redeem();
                match unmet(obligations, flaw.as_ref(), bytes) {
                    None => {
                        self.on_ground(|ground| ground.called(&call));
                        Ruled::Released(receipt)
                    }
                    Some(why) => {
                        receipt.settle(Outcome::failed(why));
                        let mut refusal = refused_by_fault(why);
                        refusal.record = record.0;
                        refused(&refusal)
                    }
                }
            }
        }
    }
}

impl Admission {
    /// Puts together what calls will be judged by, beside the request that is on its way.
    pub(super) fn prepare(&self) {
        if let Some(ground) = self.ground.clone() {
            tokio::task::spawn_blocking(move || ground.lock().unwrap_or_else(PoisonError::into_inner).ready());
        }
    }

    fn on_ground<T>(&self, work: impl FnOnce(&mut Ground) -> T) -> Option<T> {
        let ground = self.ground.as_ref()?;
        Some(work(&mut ground.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Why an admitted call can't be released all the same.
fn unmet(obligations: Obligations, flaw: Option<&Flaw>, bytes: u64) -> Option<&'static str> {
    // A call is released the moment it is admitted, which meets any deadline.
    let Obligations { inject, swaps, scrub: _, max_bytes, deadline_ms: _ } = obligations;
    if flaw.is_some() {
        return Some("a flawed call was admitted");
    }
    if inject.is_some() || !swaps.is_empty() {
        return Some("a call goes to the agent, who must not see a secret");
    }
    if max_bytes.is_some_and(|max| bytes > max) {
        return Some("its arguments are longer than was allowed");
    }
    None
}

fn refused_by_fault(why: &str) -> Refusal {
    Refusal::new(RuleId::new("model/not-carried-out"), "it can't be done; ask your operator", why)
}
