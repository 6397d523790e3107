//! A permit in hand: it has happened, and may stand.
//!
//! Owns what is owed: nothing can be. Called by the door.

use creel_guard::{Obligations, Outcome, Permit};

/// Settles the record; `failed` says why what stands there could not be kept.
pub(super) fn happened(permit: Permit, failed: Option<String>) {
    let (obligations, receipt) = permit.redeem();
    let Obligations { inject, swaps, scrub: _, max_bytes, deadline_ms } = obligations;
    if inject.is_some() || !swaps.is_empty() || max_bytes.is_some() || deadline_ms.is_some() {
        return receipt.settle(Outcome::failed("the policy put an obligation on a file, which nobody can carry out"));
    }
    receipt.settle(failed.map_or_else(Outcome::done, |why| Outcome::failed(format!("not kept: {why}"))));
}
