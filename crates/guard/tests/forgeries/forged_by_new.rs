//! A permit from its constructor: only the guard may call it.

use std::sync::Arc;

use creel_guard::{Ledger, Obligations, Permit, RecordId};

fn forge(ledger: Arc<dyn Ledger>) -> Permit {
    Permit::new(RecordId(1), Obligations::default(), ledger)
}

fn main() {
    let _: fn(Arc<dyn Ledger>) -> Permit = forge;
}
