//! The memory audit, as the warden runs it.
//!
//! Owns when it is due, and the pipes between the helper that hands bytes over in the jail and the guard that looks at
//! them. The warden reads none of these bytes. Called by the desk, by the clock and for people.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use creel_guard::{Actor, Outcome, Refusal};
use tokio::time::Instant;

use super::{Desk, HELPERS, refused};
use crate::clock::now;
use crate::guard_child::Ticket;
use crate::inside;
use crate::link::Link;
use crate::memory::MemoryTask;
use crate::protocol::FromWarden;
use crate::warden::agent::Phase;

/// When the last audit began, and which helpers work for one.
pub(super) struct Memory {
    last: Option<Instant>,
    helpers: HashSet<u64>,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { last: None, helpers: HashSet::new() }
    }

    /// A helper ended; whether it was one of these.
    pub(super) fn forget(&mut self, id: u64) -> bool {
        self.helpers.remove(&id)
    }

    /// The jail is gone, and every helper with it.
    pub(super) fn forget_all(&mut self) {
        self.helpers.clear();
    }
}

impl Desk {
    /// Begins the audit of the schedule.
    pub(super) async fn audit_when_due(&mut self) {
        let settings = self.agent.memory_settings();
        let Some(every) = settings.every else { return };
        let is_due = self.memory.last.is_none_or(|last| now() >= last + every);
        if self.agent.phase() != Phase::Ready
            || self.agent.held().is_some()
            || !is_due
            || !self.memory.helpers.is_empty()
        {
            return;
        }
        let task = MemoryTask::Audit { report_only: settings.report_only };
        self.look_after_memory(None, task, false, Vec::new()).await;
    }

    /// Does `task` for a person, or for the schedule.
    pub(super) async fn look_after_memory(
        &mut self,
        asked: Option<(Rc<Link>, u32)>,
        task: MemoryTask,
        json: bool,
        report: Vec<OwnedFd>,
    ) {
        if let MemoryTask::Audit { .. } = task {
            self.memory.last = Some(now());
        }
        let (act, detail) = task.record();
        let admitted = match &asked {
            Some((_, uid)) => self.admit(*uid, act, detail).await,
            None => self.admit_own(act).await,
        };
        let link = asked.map(|(link, _)| link);
        let ticket = match admitted {
            Ok(ticket) => ticket,
            Err(refusal) => {
                tracing::warn!("no memory audit: {}", refusal.to_ledger);
                if let Some(link) = link {
                    refused(&link, &refusal).await;
                }
                return;
            }
        };
        match self.start_memory(&task, report).await {
            Ok(fds) => wait_for("memory", self.agent.ask_memory(task, json, fds), ticket, link),
            Err(why) => {
                tracing::warn!("no memory audit: {why}");
                ticket.settle(Outcome::failed(why.clone())).await;
                if let Some(link) = link {
                    let _ = link.send(&FromWarden::Failed { code: 1, why }, &[]).await;
                }
            }
        }
    }

    async fn admit_own(&self, act: &str) -> Result<Ticket, Refusal> {
        let action = crate::guard_process::administer(self.agent.tenant(), Actor::Creel, act, "");
        self.agent.admit(action).await
    }

    /// Starts the helper, when one is needed; the descriptors for the guard.
    async fn start_memory(&mut self, task: &MemoryTask, report: Vec<OwnedFd>) -> Result<Vec<OwnedFd>, String> {
        let Some(words) = task.helper() else { return Ok(report) };
        if self.helpers.len() + self.memory.helpers.len() >= HELPERS {
            return Err(format!("{HELPERS} helpers work inside already; try again"));
        }
        let (id, ends) = self.start_hands(words).await?;
        self.memory.helpers.insert(id);
        Ok(ends.into_iter().chain(report).collect())
    }

    /// Starts a helper that the guard leads: its number, what it writes and what it reads.
    pub(super) async fn start_hands(&mut self, words: Vec<String>) -> Result<(u64, [OwnedFd; 2]), String> {
        let pipe = || {
            let made = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
            made.map_err(|error| format!("no pipe: {error}"))
        };
        let ((orders, our_orders), (our_bytes, bytes)) = (pipe()?, pipe()?);
        let [_, _, null] = crate::run::nowhere().map_err(|error| error.to_string())?;
        let id = self.next_helper;
        self.next_helper += 1;
        self.agent.spawn_inside(id, inside::words(words), &[orders, bytes, null]).await?;
        Ok((id, [our_bytes, our_orders]))
    }
}

/// Hears of what the guard was asked for, without keeping anybody waiting.
pub(super) fn wait_for(
    what: &'static str,
    asked: Option<impl Future<Output = (u8, String)> + 'static>,
    ticket: Ticket,
    link: Option<Rc<Link>>,
) {
    tokio::task::spawn_local(async move {
        let (code, said) = match asked {
            Some(asked) => asked.await,
            None => (1, "no guard runs".to_owned()),
        };
        if code == 0 {
            if !said.is_empty() {
                tracing::info!("{what}: {said}");
            }
            ticket.settle(Outcome::done()).await;
        } else {
            tracing::warn!("{what}: {said}");
            ticket.settle(Outcome::Done { sent: 0, received: 0, status: Some(i64::from(code)) }).await;
        }
        if let Some(link) = link {
            let _ = link.send(&FromWarden::Looked { code, said }, &[]).await;
        }
    });
}
