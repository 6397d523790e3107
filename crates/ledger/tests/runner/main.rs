//! The ledger against crashes, damage, full disks and crowds.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests"
)]

mod crash;
mod crowd;
mod damage;
mod export;
mod full_disk;
mod planted;
mod reading;
mod retain;
mod room;
mod signed;
mod torture;
mod upgrade;
mod world;
