//! The processes that run.
//!
//! Owns [`Family`]: what each process comes from, and the receipt of what it runs. It is as large as the jail's limit on
//! processes at most, and a bound of its own besides. Kept by the door.

use std::collections::HashMap;

use creel_guard::{Cause, Outcome, Receipt, Run};

use super::Sight;

/// Far above what a jail's limit on processes lets live at once.
const MOST: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Family(HashMap<i32, Member>);

#[derive(Debug)]
struct Member {
    cause: Cause,
    receipt: Option<Receipt>,
    /// What a launcher stands for: the arguments of a process that descends from none of these.
    stands_for: Option<Vec<String>>,
}

impl Family {
    /// What a program comes from: the one that its process ran before, the one that its parent runs, or the launcher that stands
    /// for it.
    pub(super) fn cause(&self, sight: &Sight) -> Option<Cause> {
        self.of(sight.pid).or_else(|| self.of(sight.parent)).or_else(|| {
            let standing = self.0.values().filter(|member| member.stands_for.as_ref() == Some(&sight.argv));
            standing.max_by_key(|member| member.cause.record).map(|member| member.cause.clone())
        })
    }

    /// What this process runs.
    pub(super) fn of(&self, pid: i32) -> Option<Cause> {
        self.0.get(&pid).map(|member| member.cause.clone())
    }

    /// It runs; what its process ran before is over.
    pub(super) fn began(&mut self, sight: &Sight, receipt: Receipt, trace: Option<String>) {
        if self.0.len() >= MOST {
            return receipt.settle(Outcome::done());
        }
        let cause = Cause { record: receipt.record(), trace };
        let stands_for = (sight.program == Run::LAUNCHER).then(|| sight.argv.clone());
        let before = self.0.insert(sight.pid, Member { cause, receipt: Some(receipt), stands_for });
        if let Some(receipt) = before.and_then(|member| member.receipt) {
            receipt.settle(Outcome::done());
        }
    }

    /// It runs since before this guard.
    pub(super) fn lives(&mut self, pid: i32, cause: Cause) {
        if self.0.len() < MOST {
            self.0.entry(pid).or_insert(Member { cause, receipt: None, stands_for: None });
        }
    }

    pub(super) fn ended(&mut self, pid: i32) -> Option<Receipt> {
        self.0.remove(&pid).and_then(|member| member.receipt)
    }
}
