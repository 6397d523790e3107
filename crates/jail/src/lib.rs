//! The box that the agent lives in: its network, its volume, its limits, its user ids, and how it is built.
//!
//! Owns what the kernel enforces. It never decides about an act of the agent and never parses what the agent sends. The
//! warden (in `creel`) calls it.

#![forbid(unsafe_code)]

pub mod cgroup;
mod confine;
mod error;
mod etc;
mod folder;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod init;
mod landlock;
mod launch;
pub mod net;
mod plan;
mod rootfs;
mod seccomp;
pub mod slot;
mod spec;
mod stage;
pub mod volume;
mod wall;

pub use confine::{
    ConfineReport, GUARD_MEMORY, GuardPaths, PORTER_MEMORY, SENTRY_MEMORY, WARDEN_MEMORY, confine_guard,
    confine_porter, confine_sentry, confine_warden,
};
pub use error::Error;
pub use init::init_main;
pub use init::protocol::{InitEvent, InitLink, InitRequest, resize_tty};
pub use launch::{Begun, Jail, LAYERS, Launched, Layer, LayerStatus, lacking};
pub use plan::{Bind, Disk, Engine, InnerWall, Limits, MadeFile, OciRuntime, Owner, Plan, Users};
pub use seccomp::notice::{EXECUTES, OPENS_NETLINK, SETS_UP, refused_call};
pub use seccomp::table::allowed_calls;
pub use spec::spec;
pub use stage::{LISTENER_FD, Owner as ListenerOwner, stage_main};
pub use wall::launch::{is_launcher, launch_main};
pub use wall::wall_main;
