//! A receipt made by hand: its fields are private.

use std::sync::Arc;

use creel_guard::{Ledger, Receipt, RecordId};

fn forge(ledger: Arc<dyn Ledger>) -> Receipt {
    Receipt { record: RecordId(1), ledger, settled: false }
}

fn main() {
    let _: fn(Arc<dyn Ledger>) -> Receipt = forge;
}
