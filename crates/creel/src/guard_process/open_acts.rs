//! How many acts are under way.
//!
//! Owns [`OpenActs`], a ledger that counts what was admitted and has not ended, in front of the real one. It changes nothing
//! of what is recorded. A guard that gives its place to the next one waits for it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use creel_guard::{BoxFuture, Entry, Ledger, LedgerClosed, Outcome, RecordId, Verdict};
use tokio::sync::watch;

/// The ledger, counted.
pub(super) struct OpenActs {
    ledger: Arc<dyn Ledger>,
    open: watch::Sender<HashSet<RecordId>>,
}

impl OpenActs {
    pub(super) fn new(ledger: Arc<dyn Ledger>) -> Arc<Self> {
        Arc::new(Self { ledger, open: watch::channel(HashSet::new()).0 })
    }

    /// Waits until nothing is under way, at most so long.
    pub(super) async fn none(&self, patience: Duration) {
        let mut open = self.open.subscribe();
        let _ = tokio::time::timeout(patience, open.wait_for(HashSet::is_empty)).await;
    }
}

impl Ledger for OpenActs {
    fn admitted(&self, entry: Entry) -> BoxFuture<'_, Result<RecordId, LedgerClosed>> {
        // what is refused is never settled; a person's yes makes an act of a question
        let refused = matches!(entry.judgement.verdict, Verdict::Deny(_));
        let counts = !refused && entry.answer.as_ref().is_none_or(|answer| answer.yes);
        Box::pin(async move {
            let record = self.ledger.admitted(entry).await;
            if let (true, Ok(id)) = (counts, record.clone()) {
                self.open.send_modify(|open| {
                    open.insert(id);
                });
            }
            record
        })
    }

    fn settled(&self, record: RecordId, outcome: Outcome) {
        self.ledger.settled(record, outcome);
        self.open.send_modify(|open| {
            open.remove(&record);
        });
    }
}
