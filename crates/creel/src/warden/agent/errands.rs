//! What the guard is asked for, and told.
//!
//! Owns the ways from the desk to the guard that runs: tasks with a report, answers to its wishes, and the end of a helper. It
//! waits for nothing. Called by the desk.

use std::os::fd::OwnedFd;

use creel_jail::InitRequest;

use super::Agent;
use crate::files::FilesTask;
use crate::memory::MemoryTask;
use crate::protocol::ToGuard;
use crate::run;
use crate::snapshot::SnapshotTask;

impl Agent {
    /// When and how its memory is audited.
    pub(in crate::warden) fn memory_settings(&self) -> crate::config::Memory {
        self.config.memory()
    }

    /// Has the guard look after its memory; nothing, while there is none.
    pub(in crate::warden) fn ask_memory(
        &self,
        task: MemoryTask,
        json: bool,
        fds: Vec<OwnedFd>,
    ) -> Option<impl Future<Output = (u8, String)> + use<>> {
        self.running.as_ref()?.guard.as_ref().map(|guard| guard.memory(task, json, fds))
    }

    /// The same for the versions of protected files.
    pub(in crate::warden) fn ask_files(
        &self,
        task: FilesTask,
        json: bool,
        fds: Vec<OwnedFd>,
    ) -> Option<impl Future<Output = (u8, String)> + use<>> {
        self.running.as_ref()?.guard.as_ref().map(|guard| guard.files(task, json, fds))
    }

    /// The same for the snapshots of the workspace.
    pub(in crate::warden) fn ask_snapshot(
        &self,
        task: SnapshotTask,
        json: bool,
        fds: Vec<OwnedFd>,
    ) -> Option<impl Future<Output = (u8, String)> + use<>> {
        self.running.as_ref()?.guard.as_ref().map(|guard| guard.snapshot(task, json, fds))
    }

    /// Tells the guard what became of something that it wished for, with what it gets.
    pub(in crate::warden) async fn tell_guard(&self, message: &ToGuard, fds: &[OwnedFd]) {
        let Some(guard) = self.running.as_ref().and_then(|running| running.guard.as_ref()) else { return };
        if let Err(error) = guard.tell(message, &run::borrow(fds)).await {
            tracing::warn!(%error, "the guard can't be told");
        }
    }

    /// Ends a helper of ours inside, at once.
    pub(in crate::warden) fn kill_inside(&self, id: u64) {
        let Some(running) = &self.running else { return };
        let signal = rustix::process::Signal::KILL.as_raw();
        // one that has ended already is no loss
        let _ = running.spawn(InitRequest::Kill { id, signal }, &[]);
    }
}
