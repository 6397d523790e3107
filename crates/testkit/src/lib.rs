//! What tests of Creel are made of: a world to read aloud.
//!
//! Owns fake upstreams ([`Origin`]), empty sinks ([`Sink`]), the fuzz targets' first inputs ([`drive_seeds()`]) and the `creel` program under test ([`Creel`]). It is never
//! part of the product. Tests of the binary and of the whole use it.

#![forbid(unsafe_code)]

mod creel;
mod encodings;
mod origin;
mod seeds;
mod sink;

pub use creel::{Creel, Ran};
pub use encodings::{Encoding, Split, gzip};
pub use origin::{Asked, Origin};
pub use seeds::drive_seeds;
pub use sink::{Sink, UdpSink};
