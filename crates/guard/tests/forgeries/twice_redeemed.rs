//! One permit, two acts.

use creel_guard::Permit;

fn carry_out(permit: Permit) {
    let (_, first) = permit.redeem();
    let (_, second) = permit.redeem();
    drop((first, second));
}

fn main() {
    let _: fn(Permit) = carry_out;
}
