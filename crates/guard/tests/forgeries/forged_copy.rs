//! A second permit from the first: it is not `Clone`.

use creel_guard::Permit;

fn copy(permit: &Permit) -> Permit {
    Permit::clone(permit)
}

fn main() {
    let _: fn(&Permit) -> Permit = copy;
}
