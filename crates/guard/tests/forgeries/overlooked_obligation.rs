//! An obligation that nobody looked at.

use creel_guard::Obligations;

fn carry_out(obligations: Obligations) -> bool {
    let Obligations { inject, swaps, scrub, max_bytes } = obligations;
    inject.is_none() && swaps.is_empty() && scrub && max_bytes.is_none()
}

fn main() {
    let _: fn(Obligations) -> bool = carry_out;
}
