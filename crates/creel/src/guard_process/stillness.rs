//! A quarantine reaches the agent's processes.
//!
//! Owns [`Stillness`]: as soon as a quarantine begins it has the warden freeze the jail, and thaw it when the quarantine has
//! ended. One task says both, so that they can't overtake each other. It decides nothing: the doors are closed before it
//! hears of it, and stay closed whatever becomes of the freeze. The guard's process runs it.

use std::sync::Arc;
use std::time::Duration;

use creel_guard::{Actor, Facts, Guard, Obligations, Outcome, Tenant};
use tokio::sync::watch;

use super::alerts::Alerts;
use super::desk::Desk;
use super::watch::Quarantine;

/// How long a person waits for the thaw.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the warden did last.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Free,
    Held,
    /// It should be free and is not, for this reason.
    Stuck(String),
}

/// Whether the agent's processes stand still.
pub(crate) struct Stillness {
    state: watch::Sender<State>,
}

/// Whom it speaks to.
pub(super) struct Voices {
    pub(super) desk: Arc<Desk>,
    pub(super) alerts: Arc<Alerts>,
    pub(super) guard: Guard,
    pub(super) tenant: Tenant,
}

impl Stillness {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: watch::channel(State::Free).0 })
    }

    /// Follows the quarantine for ever.
    pub(super) async fn keep(self: Arc<Self>, mut quarantine: watch::Receiver<Option<Quarantine>>, voices: Voices) {
        loop {
            let wanted = quarantine.borrow_and_update().clone();
            let is_free = *self.state.borrow() == State::Free;
            match wanted {
                Some(why) => {
                    voices.freeze(&why).await;
                    self.state.send_replace(State::Held);
                }
                None if is_free => {}
                None => {
                    let state = voices.say(None, "thaw", "").await.map_or_else(State::Stuck, |_| State::Free);
                    self.state.send_replace(state);
                }
            }
            if quarantine.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until the processes go on, once the quarantine is over.
    ///
    /// # Errors
    /// Why they don't, as far as is known.
    pub(super) async fn thawed(&self) -> Result<(), String> {
        let mut state = self.state.subscribe();
        let reached = state.wait_for(|state| *state != State::Held);
        match tokio::time::timeout(PATIENCE, reached).await {
            Ok(Ok(state)) => match &*state {
                State::Stuck(why) => Err(why.clone()),
                State::Free | State::Held => Ok(()),
            },
            Ok(Err(_)) | Err(_) => Err("the warden did not answer in time".to_owned()),
        }
    }
}

impl Voices {
    async fn freeze(&self, why: &Quarantine) {
        let detail = format!("quarantine: canary {} in {}", why.canary, why.at);
        let state = match self.say(Some(why.clone()), "freeze", &detail).await {
            Ok(true) => "every process of the agent stands still".to_owned(),
            Ok(false) => "the processes of the agent are being brought to a halt".to_owned(),
            Err(error) => {
                tracing::error!(error, "the agent's processes can't be frozen; every door stays closed to them");
                format!("its processes can't be frozen ({error}), and go on behind closed doors")
            }
        };
        self.alerts.raise_quarantine(why, &state);
    }

    /// An act of Creel's, on record with how it ended. A record that can't be written keeps nobody from being frozen.
    async fn say(&self, why: Option<Quarantine>, act: &str, detail: &str) -> Result<bool, String> {
        let action = super::administer(&self.tenant, Actor::Creel, act, detail);
        let permit = self.guard.admit(action, Facts::default()).await;
        let stops = why.is_some();
        let receipt = match permit {
            Ok(permit) => {
                let (Obligations { inject, swaps, scrub: _, max_bytes, deadline_ms }, receipt) = permit.redeem();
                if !stops && (inject.is_some() || !swaps.is_empty() || max_bytes.is_some() || deadline_ms.is_some()) {
                    let why = "the policy's obligations for this can't be met".to_owned();
                    receipt.settle(Outcome::failed(why.clone()));
                    return Err(why);
                }
                Some(receipt)
            }
            Err(refusal) if stops => {
                tracing::error!(rule = %refusal.rule, "the freeze is not on record");
                None
            }
            Err(refusal) => return Err(refusal.to_ledger),
        };
        let held = self.desk.hold(why).await;
        if let Some(receipt) = receipt {
            receipt.settle(match &held {
                Ok(_) => Outcome::done(),
                Err(why) => Outcome::failed(why.clone()),
            });
        }
        held
    }
}
