//! Safe wrappers over system calls: the only crate with `unsafe`.
//!
//! Owns every `unsafe` block of Creel, each with a SAFETY comment. It decides nothing and keeps no state. `jail` calls
//! it, and the binary for the descriptors that it receives.

#![expect(unsafe_code, reason = "this is the one crate that may; every block says why it is sound")]

pub mod caps;
pub mod fanotify;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod loopdev;
pub mod mount;
pub mod netlink;
pub mod notify;
pub mod pidfd;
pub mod process;
pub mod seqpacket;
pub mod sock_diag;
pub mod socket;
