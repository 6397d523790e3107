//! A guard of another program takes over while the jail goes on.
//!
//! Owns the order: the new guard gets small and shows that it has the tenant's authority; the old one takes nothing new, lets
//! what is under way end and writes its last records; only then does the new one open the ledger and serve the very same
//! sockets, where what came meanwhile waits. At no time do two guards judge or write. The warden's desk asks for it.

use std::path::{Path, PathBuf};

use creel_guard::{Actor, Outcome};

use super::{Agent, Phase};
use crate::guard_child::Preparing;
use crate::protocol::ToGuard;

impl Agent {
    /// Has a guard of `program` take over, as an act of `actor`'s.
    ///
    /// # Errors
    /// Why the guard stays as it was, or why the next one is of the warden's own program.
    pub(in crate::warden) async fn take_over(&mut self, program: &Path, actor: Actor) -> Result<(), String> {
        if !matches!(self.phase, Phase::Starting | Phase::Ready) {
            return Err("no agent runs whose guard could be replaced".to_owned());
        }
        let act = crate::guard_process::administer(&self.tenant, actor, "upgrade", &program.display().to_string());
        let ticket =
            self.admit(act).await.map_err(|refusal| format!("refused by `{}`: {}", refusal.rule, refusal.to_ledger))?;
        let ready = match self.site.keep_guards_program(program, self.guard_number + 1) {
            Ok(kept) => self.prepared(&kept).await.map(|preparing| (kept, preparing)),
            Err(error) => Err(format!("`{}` can't be kept: {error}", program.display())),
        };
        match ready {
            // Said while there is somebody to write it down: the next guard records that it serves.
            Ok((kept, preparing)) => {
                ticket.settle(Outcome::done()).await;
                self.exchange_guards(kept, preparing).await
            }
            Err(why) => {
                self.site.forget_guards_programs(self.guard_program.as_deref());
                ticket.settle(Outcome::failed(why.clone())).await;
                Err(format!("the guard stays as it was: {why}"))
            }
        }
    }

    /// A guard of that program, confined, with the authority that the jail trusts.
    async fn prepared(&self, program: &Path) -> Result<Preparing, String> {
        let running = self.running.as_ref().ok_or("no jail runs")?;
        let started = Preparing::start(program, &running.kit);
        let mut preparing = started.map_err(|error| format!("`{}`: {error}", program.display()))?;
        match preparing.authority().await {
            Ok(authority) if authority == running.kit.authority => Ok(preparing),
            Ok(_) => Err("the new guard would show certificates that the jail does not trust".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn exchange_guards(&mut self, program: PathBuf, mut preparing: Preparing) -> Result<(), String> {
        let Some(running) = &mut self.running else { return Err("no jail runs".to_owned()) };
        // From here on what the old guard still says is not heard.
        self.guard_number += 1;
        if let Some(old) = running.guard.take() {
            old.retire().await;
        }
        let served = match preparing.unlock() {
            Ok(()) => preparing.serve(&running.kit.planted, self.guard_number, self.wishes.clone()).await,
            Err(error) => Err(error),
        };
        match served {
            Ok(guard) => {
                if let Some(token) = &running.kit.token {
                    let _ = guard.tell(&ToGuard::Token { token: token.clone() }, &[]).await;
                }
                running.guard = Some(guard);
                self.guard_takeovers += 1;
                tracing::info!(program = %program.display(), "the next guard serves");
                self.site.forget_guards_programs(Some(&program));
                self.guard_program = Some(program);
                self.record_takeover().await;
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the new guard does not serve; starting one of the warden's own program");
                self.guard_program = None;
                self.site.forget_guards_programs(None);
                self.revive_guard().await;
                Err(format!("the new guard did not serve, so the next one is of the warden's own program: {error}"))
            }
        }
    }

    async fn record_takeover(&self) {
        let detail = format!("guard {} serves", self.guard_number);
        let act = crate::guard_process::administer(&self.tenant, Actor::Creel, "takeover", &detail);
        if let Ok(ticket) = self.admit(act).await {
            ticket.settle(Outcome::done()).await;
        }
    }
}
