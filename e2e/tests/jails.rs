//! Jails of their own: what `creel jail` promises, and what leaves it. They need root and a built `creel` (`cargo build`).
//! A binary apart from `road.rs`, whose search for leftovers must meet no other test's jail.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "tests"
)]

#[path = "jails/clients.rs"]
mod clients;
#[path = "jails/egress.rs"]
mod egress;
#[path = "jails/exec.rs"]
mod exec;
#[path = "jails/exhaustion.rs"]
mod exhaustion;
#[path = "jails/faults.rs"]
mod faults;
#[path = "jails/files.rs"]
mod files;
#[path = "jails/jail.rs"]
mod jail;
#[path = "jails/minted.rs"]
mod minted;
#[path = "jails/plain_user.rs"]
mod plain_user;
#[path = "jails/probes.rs"]
mod probes;
