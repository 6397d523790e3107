//! Protected files, as the warden sees to them.
//!
//! Owns the way of people's questions to the guard, and the helper that puts a file back in the jail when the guard says so. The
//! warden reads none of these bytes: they pass it in a memory file. Called by the desk.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::{Desk, HELPERS, refused};
use crate::files::{FilesTask, helper};
use crate::inside;
use crate::link::Link;
use crate::memory::Place;
use crate::protocol::ToGuard;

impl Desk {
    /// Shows somebody the versions, or has one put back.
    pub(super) async fn look_at_files(
        &mut self,
        link: Rc<Link>,
        uid: u32,
        task: FilesTask,
        json: bool,
        report: Vec<OwnedFd>,
    ) {
        let (act, detail) = task.record();
        match self.admit(uid, act, &detail).await {
            Ok(ticket) => {
                super::memory::wait_for("files", self.agent.ask_files(task, json, report), ticket, Some(link));
            }
            Err(refusal) => refused(&link, &refusal).await,
        }
    }

    /// Starts the helper that puts `place` back, or takes it away.
    pub(super) async fn put_back(&mut self, wish: u64, place: &Place, content: Option<OwnedFd>) {
        if let Err(why) = self.start_to_put_back(wish, place, content).await {
            self.agent.tell_guard(&ToGuard::PutBackEnded { id: wish, failed: Some(why) }, &[]).await;
        }
    }

    async fn start_to_put_back(&mut self, wish: u64, place: &Place, content: Option<OwnedFd>) -> Result<(), String> {
        if self.helpers.len() + self.put_backs.len() >= HELPERS {
            return Err(format!("{HELPERS} helpers work inside already"));
        }
        let [null, out, err] = crate::run::nowhere().map_err(|error| error.to_string())?;
        let words = inside::words(helper(place, content.is_some()));
        let id = self.next_helper;
        self.next_helper += 1;
        self.agent.spawn_inside(id, words, &[content.unwrap_or(null), out, err]).await?;
        self.put_backs.insert(id, wish);
        Ok(())
    }

    /// A helper ended; whether it was one of these.
    pub(super) async fn was_put_back(&mut self, id: u64, code: i32) -> bool {
        let Some(wish) = self.put_backs.remove(&id) else { return false };
        let failed = (code != 0).then(|| format!("the helper in the jail ended with {code}"));
        self.agent.tell_guard(&ToGuard::PutBackEnded { id: wish, failed }, &[]).await;
        true
    }
}
