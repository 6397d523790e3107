//! A permit made by hand: its fields are private.

use creel_guard::{Obligations, Permit, Receipt};

fn forge(receipt: Receipt) -> Permit {
    Permit { obligations: Obligations::default(), receipt }
}

fn main() {
    let _: fn(Receipt) -> Permit = forge;
}
