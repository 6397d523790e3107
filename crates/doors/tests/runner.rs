//! The doors over real sockets: one binary, one module a door.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests connect and fail loudly"
)]

mod aws;
mod dns;
mod egress;
mod fakes;
mod faults;
mod leaks;
mod minted;
mod model;
mod resolver;
mod smuggling;
mod streams;
mod transports;
mod upstream;
mod websocket;
mod world;
