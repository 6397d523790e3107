//! A permit in hand: the program may run.
//!
//! Owns what is owed: nothing can be, for once it runs a program is the jail's to hold. Called by the door.

use creel_guard::{Obligations, Outcome, Permit, Receipt};

use super::Answer;

/// The receipt, to be settled when the process ends; or the answer when something is owed that nobody can carry out.
pub(super) fn let_run(permit: Permit) -> Result<Receipt, fn(u64) -> Answer> {
    let (obligations, receipt) = permit.redeem();
    let Obligations { inject, swaps, scrub: _, max_bytes, deadline_ms } = obligations;
    if inject.is_some() || !swaps.is_empty() || max_bytes.is_some() || deadline_ms.is_some() {
        receipt.settle(Outcome::failed("the policy put an obligation on a process, which nobody can carry out"));
        return Err(|id| Answer::Refuse { id });
    }
    Ok(receipt)
}
