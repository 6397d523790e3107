//! Snapshots of the workspace, as the warden sees to them.
//!
//! Owns the way of people's tasks to the guard, and the one helper in the jail that the guard leads. The warden reads none of
//! these bytes. Called by the desk.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::{Desk, refused};
use crate::link::Link;
use crate::protocol::ToGuard;
use crate::snapshot::SnapshotTask;

impl Desk {
    /// Has the guard do what somebody wants.
    pub(super) async fn look_at_snapshots(
        &mut self,
        link: Rc<Link>,
        uid: u32,
        task: SnapshotTask,
        json: bool,
        report: Vec<OwnedFd>,
    ) {
        let (act, detail) = task.record();
        match self.admit(uid, act, &detail).await {
            Ok(ticket) => {
                super::memory::wait_for("snapshot", self.agent.ask_snapshot(task, json, report), ticket, Some(link));
            }
            Err(refusal) => refused(&link, &refusal).await,
        }
    }

    /// Lends the guard the helper that reads and writes the workspace: there is one at a time.
    pub(super) async fn lend_hands(&mut self, wish: u64) {
        // what a guard that died was lent ends by itself, and need not be waited for
        self.end_hands().await;
        let (failed, fds) = match self.start_hands(vec!["snapshot".to_owned()]).await {
            Ok((id, ends)) => {
                self.hands = Some((id, wish));
                (None, Vec::from(ends))
            }
            Err(why) => (Some(why), Vec::new()),
        };
        self.agent.tell_guard(&ToGuard::Lent { id: wish, failed }, &fds).await;
    }

    /// The guard is done with it: one that stands still must not stay.
    pub(super) async fn take_hands_back(&mut self, wish: u64) {
        if self.hands.is_some_and(|(_, lent)| lent == wish) {
            self.end_hands().await;
        }
    }

    async fn end_hands(&mut self) {
        if let Some((id, _)) = self.hands.take() {
            self.agent.kill_inside(id);
        }
    }

    /// A helper ended; whether it was this one.
    pub(super) fn hands_ended(&mut self, id: u64) -> bool {
        let was = self.hands.is_some_and(|(hands, _)| hands == id);
        if was {
            self.hands = None;
        }
        was
    }
}
