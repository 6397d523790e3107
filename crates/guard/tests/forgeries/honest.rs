//! The same acts, done as they should be: the other files fail for what they do, not for how they are built.

use creel_guard::{Obligations, Outcome, Permit, Receipt};

fn carry_out(permit: Permit) {
    let (obligations, receipt) = permit.redeem();
    let Obligations { inject, swaps, scrub: _, max_bytes, deadline_ms } = obligations;
    if inject.is_none() && max_bytes.is_none() && deadline_ms.is_none() {
        end(receipt);
    }
}

fn end(receipt: Receipt) {
    receipt.settle(Outcome::done());
}

fn main() {
    let _: fn(Permit) = carry_out;
}
