//! The engine: hands one target whatever libFuzzer makes up.
//!
//! Owns the choice of the target, by `CREEL_FUZZ_TARGET`: one binary for all, because linking one takes as long as
//! compiling the lot. `make fuzz` builds it with the flags that tell libFuzzer where the code went.

#![no_main]

#[cfg(not(fuzzing))]
compile_error!("the flags are missing: build it with `make fuzz`");

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

type Target = fn(&[u8]);

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| TARGET.get_or_init(chosen)(bytes));

fn chosen() -> Target {
    let name = std::env::var("CREEL_FUZZ_TARGET").unwrap_or_default();
    let all = [
        creel_fuzz::TARGETS,
        creel::fuzzing::TARGETS,
        creel_doors::fuzzing::TARGETS,
        creel_jail::fuzzing::TARGETS,
        creel_jail_sys::fuzzing::TARGETS,
        creel_openclaw::fuzzing::TARGETS,
        creel_secrets::fuzzing::TARGETS,
    ];
    let found = all.concat().into_iter().find(|(known, _)| *known == name);
    assert!(found.is_some(), "CREEL_FUZZ_TARGET names no target: `{name}`");
    found.map_or(|_| {}, |(_, target)| target)
}
