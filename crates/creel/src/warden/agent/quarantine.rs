//! An agent in quarantine stands still.
//!
//! Owns the freeze of a jail at its guard's wish, and what the warden then leaves alone: it asks nobody whether he is well who
//! can't answer, starts nothing inside, and drains nothing. Never ends a quarantine by itself. The warden's desk calls it.

use super::Agent;
use crate::clock::now;
use crate::guard_process::watch::Quarantine;
use crate::protocol::{QuarantineStatus, ToGuard};

/// A quarantine that the guard called out.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    why: Quarantine,
    /// Why the processes can't be frozen; none when they were told to stand still.
    failed: Option<String>,
}

impl Agent {
    /// Freezes the jail for this quarantine, or lets it go on, and tells the guard.
    pub(in crate::warden) async fn hold(&mut self, id: u64, why: Option<Quarantine>) {
        let answer = self.freeze(why.is_some());
        match why {
            Some(why) => {
                self.tell(text(&why));
                self.hold = Some(Hold { why, failed: answer.as_ref().err().cloned() });
            }
            None if answer.is_ok() => {
                self.hold = None;
                // It gets its time anew.
                (self.begun, self.asked, self.misses) = (now(), now(), 0);
                self.tell("the quarantine is over; the agent goes on");
            }
            None => {}
        }
        let held = self.hold.as_ref().map(|hold| hold.why.clone());
        let Some(running) = &mut self.running else { return };
        // The next guard knows of it even where this one could not write it down.
        running.kit.setup.held = held;
        if let Some(guard) = &running.guard
            && let Err(error) = guard.tell(&ToGuard::Held { id, answer }, &[]).await
        {
            tracing::warn!(%error, "the guard could not be told of the freeze");
        }
    }

    fn freeze(&self, still: bool) -> Result<bool, String> {
        let cgroup = self.running.as_ref().and_then(|running| running.jail.cgroup());
        cgroup.ok_or("no jail runs")?.freeze(still).map_err(|error| error.to_string())
    }

    /// Whether its processes were told to stand still.
    pub(super) fn stands_still(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.failed.is_none())
    }

    /// Why it is in quarantine, for people; none when it is not.
    pub(in crate::warden) fn held(&self) -> Option<String> {
        self.hold.as_ref().map(|hold| text(&hold.why))
    }

    /// Whether a helper of ours could work inside.
    pub(super) fn may_work_inside(&self) -> Result<(), String> {
        match &self.hold {
            Some(hold) if hold.failed.is_none() => Err(text(&hold.why)),
            _ => Ok(()),
        }
    }

    pub(super) fn quarantine_status(&self) -> Option<QuarantineStatus> {
        let Hold { why: Quarantine { canary, at, since_ms }, failed } = self.hold.clone()?;
        let cgroup = self.running.as_ref().and_then(|running| running.jail.cgroup());
        let frozen = cgroup.is_some_and(creel_jail::cgroup::Cgroup::is_frozen);
        Some(QuarantineStatus { canary, at, since: crate::clock::utc(since_ms), frozen, failed })
    }
}

fn text(why: &Quarantine) -> String {
    let Quarantine { canary, at, since_ms } = why;
    let since = crate::clock::utc(*since_ms);
    format!(
        "the agent is in quarantine since {since}: the canary `{canary}` turned up in {at}; `creel canary release` ends it"
    )
}
