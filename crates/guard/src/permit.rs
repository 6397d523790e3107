//! Proof that an action was admitted and recorded.
//!
//! Owns [`Permit`] and [`Receipt`]. Only [`crate::Guard::admit`] makes a permit: its fields are private and it is not
//! `Clone`. A door can act only by redeeming one.

use std::fmt;
use std::sync::Arc;

use crate::record::{Outcome, RecordId};
use crate::traits::Ledger;
use crate::verdict::Obligations;

/// Proof that an action was admitted and recorded. Dropped without being redeemed, it is recorded as abandoned.
#[must_use = "a permit that is dropped is recorded as abandoned"]
pub struct Permit {
    obligations: Obligations,
    receipt: Receipt,
}

impl Permit {
    pub(crate) fn new(record: RecordId, obligations: Obligations, ledger: Arc<dyn Ledger>) -> Self {
        Self { obligations, receipt: Receipt { record, ledger, settled: false } }
    }

    /// The record of the decision.
    #[must_use]
    pub fn record(&self) -> RecordId {
        self.receipt.record
    }

    /// Consumes the permit: what must be done, and the receipt to settle when it is.
    pub fn redeem(self) -> (Obligations, Receipt) {
        (self.obligations, self.receipt)
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("record", &self.receipt.record).finish_non_exhaustive()
    }
}

/// Says how a redeemed act ended; dropped unsettled, it says `Abandoned`.
#[must_use = "a receipt that is dropped is recorded as abandoned"]
pub struct Receipt {
    record: RecordId,
    ledger: Arc<dyn Ledger>,
    settled: bool,
}

impl Receipt {
    /// The record of the decision.
    #[must_use]
    pub fn record(&self) -> RecordId {
        self.record
    }

    /// Records how the act ended.
    pub fn settle(mut self, outcome: Outcome) {
        self.settled = true;
        self.ledger.settled(self.record, outcome);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.settled {
            self.ledger.settled(self.record, Outcome::Abandoned);
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("record", &self.record).finish_non_exhaustive()
    }
}
