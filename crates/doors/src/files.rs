//! The files door: what is done to the agent's own files.
//!
//! Owns [`Files`]: what the sentry saw becomes a `Touch`. It has happened already, so a Yes is a record and a No is carried out
//! by putting back what stood there. It reads no file and never decides. The guard's process hands it what the sentry says.

mod enforce;
mod refuse;
mod see;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use creel_guard::{Action, Actor, Deed, Door, Guard, Protected, Tenant, Touch};
use serde::{Deserialize, Serialize};

use crate::exec::Exec;

pub use see::{Counts, Found, Saw, Touched};

/// What the sentry is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// A guard has begun: say again what has no answer, and look at everything once more.
    Here,
    /// It is on record.
    Recorded {
        /// The message.
        id: u64,
    },
}

/// Keeps the versions of protected files, and has them put back.
pub trait Versions: Send + Sync {
    /// Which version it is that stands there now; `None` when there is no file.
    fn look(&self, path: &str, content: Option<&[u8]>) -> Standing;
    /// Keeps it, once it is on record.
    ///
    /// # Errors
    /// When it can't be kept: there is no room, or the disk fails.
    fn keep(&self, path: &str, content: Option<&[u8]>, version: &Protected) -> io::Result<()>;
    /// Those that it knows to exist, and that were not found.
    fn missing(&self, found: &HashSet<String>) -> Vec<String>;
    /// Has the last accepted version put back, without waiting for it.
    fn undo(&self, path: &str);
}

/// What stands there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which version it is.
    pub version: Protected,
    /// It is the one that stood there last.
    pub same: bool,
}

/// The door.
pub struct Files {
    guard: Guard,
    tenant: Tenant,
    exec: Arc<Exec>,
    versions: Arc<dyn Versions>,
    /// What the look over everything found so far; none when no look is under way.
    look: Mutex<Option<HashSet<String>>>,
}

impl Files {
    /// A door that asks `exec` who did something.
    #[must_use]
    pub fn new(guard: Guard, tenant: Tenant, exec: Arc<Exec>, versions: Arc<dyn Versions>) -> Self {
        Self { guard, tenant, exec, versions, look: Mutex::default() }
    }

    /// Records what was touched, and keeps `content`: what stands there now, of a protected file. False when it is not on record;
    /// then nothing was kept either.
    pub async fn touched(&self, touched: Touched, content: Option<Vec<u8>>) -> bool {
        if touched.is_found() && touched.found != Found::Gone {
            self.note(&touched.path);
        }
        let content = content.as_deref().filter(|_| touched.found == Found::Here);
        let standing = match touched.found {
            Found::Untold => None,
            Found::Gone | Found::Here => Some(self.versions.look(&touched.path, content)),
            // nobody can say that it is an accepted one
            Found::Unread => Some(Standing { version: Protected::default(), same: false }),
        };
        if touched.is_found() && standing.as_ref().is_some_and(|standing| standing.same) {
            return true;
        }
        let (cause, program) = self.exec.who(touched.pid, touched.parent);
        let protected = standing.as_ref().map(|standing| standing.version.clone());
        let touch = Touch { program, protected, ..see::touch(&touched) };
        let admitted = self.guard.admit(self.action(Deed::Touch(touch)), crate::exec::caused_by(cause)).await;
        if matches!(&admitted, Err(refusal) if refusal.record == 0) {
            return false;
        }
        let kept = match (&standing, touched.found) {
            (_, Found::Unread) => Err(io::Error::other("it is too long, or no regular file")),
            (Some(Standing { version, same: false }), _) => self.versions.keep(&touched.path, content, version),
            _ => Ok(()),
        };
        if let Err(error) = &kept {
            tracing::warn!(%error, path = touched.path, "a version of a protected file is not kept");
        }
        match admitted {
            Ok(permit) => enforce::happened(permit, kept.err().map(|error| error.to_string())),
            Err(refusal) if refuse::wants_undo(&refusal) => self.versions.undo(&touched.path),
            Err(_) => {}
        }
        true
    }

    /// Events were lost; everything is looked at again.
    pub async fn lost(&self) -> bool {
        let touch = Touch { how: "events lost".to_owned(), path: "/**".to_owned(), writes: true, ..Touch::default() };
        match self.guard.admit(self.action(Deed::Touch(touch)), crate::exec::caused_by(None)).await {
            Ok(permit) => {
                enforce::happened(permit, None);
                true
            }
            Err(refusal) => refusal.record != 0,
        }
    }

    /// Everything is looked at from here on.
    pub fn look_begins(&self) {
        *self.look.lock().unwrap_or_else(PoisonError::into_inner) = Some(HashSet::new());
    }

    /// Everything was looked at; what is known and was not found is gone. `whole` says that nothing was left out.
    pub async fn look_ends(&self, whole: bool) -> bool {
        let found = self.look.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(found) = found.filter(|_| whole) else { return true };
        let mut all = true;
        for path in self.versions.missing(&found) {
            all &= self.touched(Touched { path, found: Found::Gone, ..Touched::default() }, None).await;
        }
        all
    }

    fn note(&self, path: &str) {
        if let Some(found) = &mut *self.look.lock().unwrap_or_else(PoisonError::into_inner) {
            found.insert(path.to_owned());
        }
    }

    fn action(&self, deed: Deed) -> Action {
        Action { tenant: self.tenant.clone(), actor: Actor::Agent, door: Door::Files, deed }
    }
}
