//! The processes that run.
//!
//! Owns [`Family`]: what each process comes from, and the receipt of what it runs. It is as large as the jail's limit on
//! processes at most, and a bound of its own besides. Kept by the door.

use std::collections::{HashMap, VecDeque};

use creel_guard::{Cause, Outcome, Receipt, Run};

use super::Sight;

/// Far above what a jail's limit on processes lets live at once.
const MOST: usize = 1 << 20;

/// What is told of a process a moment after its end can still be joined to it: so many are remembered.
const REMEMBERED: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct Family {
    living: HashMap<i32, Member>,
    ended: HashMap<i32, (Cause, String)>,
    order: VecDeque<i32>,
}

#[derive(Debug)]
struct Member {
    cause: Cause,
    program: String,
    receipt: Option<Receipt>,
    /// What a launcher stands for: the arguments of a process that descends from none of these.
    stands_for: Option<Vec<String>>,
}

impl Family {
    /// What a program comes from: the one that its process ran before, the one that its parent runs, or the launcher that stands
    /// for it.
    pub(super) fn cause(&self, sight: &Sight) -> Option<Cause> {
        self.of(sight.pid).or_else(|| self.of(sight.parent)).or_else(|| {
            let standing = self.living.values().filter(|member| member.stands_for.as_ref() == Some(&sight.argv));
            standing.max_by_key(|member| member.cause.record).map(|member| member.cause.clone())
        })
    }

    /// What this process runs.
    pub(super) fn of(&self, pid: i32) -> Option<Cause> {
        self.living.get(&pid).map(|member| member.cause.clone())
    }

    /// It runs; what its process ran before is over.
    pub(super) fn began(&mut self, sight: &Sight, receipt: Receipt, trace: Option<String>) {
        if self.living.len() >= MOST {
            return receipt.settle(Outcome::done());
        }
        let cause = Cause { record: receipt.record(), trace };
        let stands_for = (sight.program == Run::LAUNCHER).then(|| sight.argv.clone());
        let before = self
            .living
            .insert(sight.pid, Member { cause, program: sight.program.clone(), receipt: Some(receipt), stands_for });
        if let Some(receipt) = before.and_then(|member| member.receipt) {
            receipt.settle(Outcome::done());
        }
    }

    /// It runs since before this guard.
    pub(super) fn lives(&mut self, pid: i32, cause: Cause) {
        if self.living.len() < MOST {
            let member = Member { cause, program: String::new(), receipt: None, stands_for: None };
            self.living.entry(pid).or_insert(member);
        }
    }

    pub(super) fn ended(&mut self, pid: i32) -> Option<Receipt> {
        let member = self.living.remove(&pid)?;
        if self.ended.insert(pid, (member.cause, member.program)).is_none() {
            self.order.push_back(pid);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ended.remove(&oldest);
        }
        member.receipt
    }

    /// What this process comes from and its program, also when it ended a while ago.
    pub(super) fn known(&self, pid: i32) -> Option<(Cause, String)> {
        let living = self.living.get(&pid).map(|member| (member.cause.clone(), member.program.clone()));
        living.or_else(|| self.ended.get(&pid).cloned())
    }
}
