//! One receipt, two ends.

use creel_guard::{Outcome, Receipt};

fn end(receipt: Receipt) {
    receipt.settle(Outcome::done());
    receipt.settle(Outcome::Abandoned);
}

fn main() {
    let _: fn(Receipt) = end;
}
