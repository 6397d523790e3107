//! A guard for tests: it allows everything, and its ledger is a list.
//!
//! Owns [`Book`] and the guard around it. Tests of what acts through a guard use it; no product code does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use creel_guard::{
    Action, BoxFuture, BreakerState, Breakers, Entry, Facts, Guard, Judge, Judgement, Ledger, LedgerClosed, Needs,
    NoOneToAsk, Obligations, Outcome, RecordId, RuleId, Timer, Verdict,
};

/// Records what it is told to, until it is closed.
#[derive(Default)]
pub(crate) struct Book {
    /// Each act.
    pub(crate) rows: Mutex<Vec<String>>,
    /// How each ended.
    pub(crate) ends: Mutex<Vec<Outcome>>,
    /// Whether it takes no more.
    pub(crate) closed: AtomicBool,
}

impl Book {
    /// A guard that records here.
    pub(crate) fn guard(self: &Arc<Self>) -> Guard {
        let ledger = Arc::clone(self) as Arc<dyn Ledger>;
        Guard::new(Arc::new(Plays), ledger, Arc::new(NoOneToAsk), Arc::new(Plays), Arc::new(Plays), false)
    }
}

impl Ledger for Book {
    fn admitted(&self, entry: Entry) -> BoxFuture<'_, Result<RecordId, LedgerClosed>> {
        let closed = self.closed.load(Ordering::SeqCst);
        self.rows.lock().unwrap().push(format!("{:?}", entry.action.deed));
        let answer = if closed { Err(LedgerClosed { why: "full".to_owned() }) } else { Ok(RecordId(1)) };
        Box::pin(std::future::ready(answer))
    }

    fn settled(&self, _record: RecordId, outcome: Outcome) {
        self.ends.lock().unwrap().push(outcome);
    }
}

struct Plays;

impl Judge for Plays {
    fn needs(&self, _action: &Action) -> Needs {
        Needs::default()
    }

    fn judge(&self, _action: &Action, _facts: &Facts) -> Judgement {
        let rule = RuleId::new("control/allow-creel");
        Judgement { verdict: Verdict::Allow(Obligations::default()), rule, why: String::new(), generation: 1 }
    }
}

impl Breakers for Plays {
    fn state(&self, _action: &Action) -> BreakerState {
        BreakerState::Closed
    }
}

impl Timer for Plays {
    fn after(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
