//! The exec door: every program that starts in the jail.
//!
//! Owns [`Exec`]: what the porter saw becomes a `Run`, and the answer goes back before the program runs; how it ended settles
//! the act. It reads no process and never decides. The guard's process hands it what the porter says.

mod enforce;
mod family;
mod refuse;
mod see;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use creel_guard::{Action, Actor, Attempt, Cause, Deed, Door, Facts, Guard, Outcome, RecordId, Tenant};
use serde::{Deserialize, Serialize};

use family::Family;

/// What the porter says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "saw", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Saw {
    /// A program is about to run; it waits for the [`Answer`].
    Exec {
        /// Joins question and answer.
        id: u64,
        /// The program.
        sight: Sight,
    },
    /// A process that another guard let run still lives.
    Lives {
        /// As the host numbers it.
        pid: i32,
        /// The record of what it runs.
        record: u64,
        /// The turn that it belongs to.
        trace: Option<String>,
    },
    /// A process ended.
    Ended {
        /// As the host numbers it.
        pid: i32,
        /// Its exit code, 128+N when signal N ended it; none when nobody could tell.
        status: Option<i64>,
    },
    /// Calls that the kernel refuses were tried.
    Tried {
        /// By which program.
        program: String,
        /// In which process; 0 when it were several.
        pid: i32,
        /// Which call.
        call: String,
        /// How often.
        times: u64,
    },
}

/// A program that is about to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sight {
    /// The process, as the host numbers it.
    pub pid: i32,
    /// The one that started it.
    pub parent: i32,
    /// The program's file in the jail, links followed.
    pub program: String,
    /// Its arguments, the first is its name.
    pub argv: Vec<String>,
    /// There are more or longer ones than were read.
    pub cut: bool,
    /// Its working folder.
    pub cwd: String,
    /// The kernel gave the program other arguments than those that were judged before; an interpreter's are no others.
    pub changed: bool,
}

/// What the porter is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// A guard serves: whatever waits is to be asked again.
    Here,
    /// It may run.
    Run {
        /// The question.
        id: u64,
        /// The record of that.
        record: u64,
        /// The turn that it belongs to.
        trace: Option<String>,
    },
    /// It may not.
    Refuse {
        /// The question.
        id: u64,
    },
}

/// The door.
pub struct Exec {
    guard: Guard,
    tenant: Tenant,
    family: Mutex<Family>,
}

impl Exec {
    /// A door in which no process is known yet.
    #[must_use]
    pub fn new(guard: Guard, tenant: Tenant) -> Self {
        Self { guard, tenant, family: Mutex::default() }
    }

    /// Has a program judged; the answer is to be given whatever becomes of the process meanwhile. What it comes from is looked
    /// up at once, before anything else that was seen is handed over.
    pub fn asked(self: Arc<Self>, id: u64, sight: Sight) -> impl Future<Output = Answer> + Send {
        let cause = self.guard.call_that_named(&sight.argv).or_else(|| self.family().cause(&sight));
        let facts = Facts { flaw: see::flaw(&sight), ..caused_by(cause) };
        async move {
            let trace = facts.trace.clone();
            let admitted = self.guard.admit(self.action(Deed::Run(see::run(&sight))), facts).await;
            match admitted {
                Ok(permit) => match enforce::let_run(permit) {
                    Ok(receipt) => {
                        let record = receipt.record().0;
                        self.family().began(&sight, receipt, trace.clone());
                        Answer::Run { id, record, trace }
                    }
                    Err(answer) => answer(id),
                },
                Err(refusal) => refuse::refused(id, &refusal),
            }
        }
    }

    /// A process lives that another guard let run. How it ends is recorded no more: that guard's acts are over.
    pub fn lives(&self, pid: i32, record: u64, trace: Option<String>) {
        self.family().lives(pid, Cause { record: RecordId(record), trace });
    }

    /// A process ended.
    pub fn ended(&self, pid: i32, status: Option<i64>) {
        let receipt = self.family().ended(pid);
        if let Some(receipt) = receipt {
            receipt.settle(Outcome::Done { sent: 0, received: 0, status });
        }
    }

    /// Calls were tried that the kernel refuses: recorded, never admitted.
    pub fn tried(&self, program: &str, pid: i32, call: &str, times: u64) -> impl Future<Output = ()> + Send + use<> {
        let facts = caused_by(self.family().of(pid));
        let action = self.action(Deed::Attempt(Attempt { what: see::tried(program, pid, call, times) }));
        let guard = self.guard.clone();
        async move {
            // never a permit (`guard/attempt`)
            let _refused = guard.admit(action, facts).await;
        }
    }

    /// What this process comes from, or its parent where nothing was started in it, and its program; for a while also of
    /// processes that have ended.
    #[must_use]
    pub fn who(&self, pid: i32, parent: i32) -> (Option<Cause>, String) {
        let family = self.family();
        let found = family.known(pid).or_else(|| family.known(parent));
        found.map_or((None, String::new()), |(cause, program)| (Some(cause), program))
    }

    fn action(&self, deed: Deed) -> Action {
        Action { tenant: self.tenant.clone(), actor: Actor::Agent, door: Door::Exec, deed }
    }

    fn family(&self) -> MutexGuard<'_, Family> {
        self.family.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn caused_by(cause: Option<Cause>) -> Facts {
    let (cause, trace) = cause.map_or((None, None), |cause| (Some(cause.record.0), cause.trace));
    Facts { cause, trace, ..Facts::default() }
}
