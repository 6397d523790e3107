//! The doors with the real policy over real sockets: one binary, one module a family of ways out.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests connect and fail loudly"
)]

#[allow(dead_code, reason = "shared with the tests of the doors, which use all of it")]
#[path = "../../doors/tests/fakes.rs"]
mod fakes;
#[allow(dead_code, reason = "shared with the tests of the doors, which use all of it")]
#[path = "../../doors/tests/world.rs"]
mod world;

#[path = "egress/accounts.rs"]
mod accounts;
#[path = "egress/complete.rs"]
mod complete;
#[path = "egress/framing.rs"]
mod framing;
#[path = "egress/mail.rs"]
mod mail;
#[path = "egress/names.rs"]
mod names;
#[path = "egress/refusals.rs"]
mod refusals;
#[path = "egress/requests.rs"]
mod requests;
#[path = "egress/secrets.rs"]
mod secrets;
#[path = "egress/table.rs"]
mod table;
#[path = "egress/targets.rs"]
mod targets;
#[path = "egress/upstream.rs"]
mod upstream;
#[path = "egress/way.rs"]
mod way;
#[path = "egress/websockets.rs"]
mod websockets;
