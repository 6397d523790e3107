//! Processor time of the processes that serve a jail from outside: its guard, its notaries, and what looks at its programs and
//! files.
//!
//! Owns [`Staff`], a group of their own beside the jail's, under the controller `cpu` alone. What the agent has them do is
//! bounded by it, and a neighbour gets its share whatever they do. Their memory is bounded in each process. The warden makes
//! it, and each of them is started in it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::detect::{Hierarchies, Place};
use super::{PREFIX, limits, make, remains};
use crate::Error;

/// What follows the jail's name in its group's: no jail's name holds a dot.
const SUFFIX: &str = ".staff";

/// The group. It is removed when this is dropped, for which its processes must have ended.
#[derive(Debug)]
pub struct Staff {
    cpu: Option<Place>,
}

impl Staff {
    /// Makes the group of the jail `name`, which may use `cpus` processors' worth of time. Without the controller, or where
    /// the caller may make no group, there is none: then the jail lacks its layer `limit.cpu` as well, and says so.
    ///
    /// # Errors
    /// When it is in use by others.
    pub fn create(name: &str, cpus: f64) -> Result<Self, Error> {
        let hierarchies = Hierarchies::of_this_host()?;
        hierarchies.delegate();
        let mut staff = Self::of(&hierarchies, name);
        if let Some(place) = &staff.cpu {
            make(place.dir())?;
        }
        staff.cpu.take_if(|place| !place.dir().is_dir());
        if staff.cpu.is_some()
            && let Err(error) = limits::cpu(staff.cpu.as_ref(), cpus)
        {
            tracing::warn!(name, %error, "the processor time of the guard can't be bounded");
        }
        Ok(staff)
    }

    fn of(hierarchies: &Hierarchies, name: &str) -> Self {
        let folder = format!("{PREFIX}{name}{SUFFIX}");
        Self { cpu: hierarchies.place("cpu").map(|place| place.join(&folder)) }
    }

    /// Where a process writes `0` to be in the group, with all that it starts; none where there is no group.
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn entrance(&self) -> io::Result<Option<OwnedFd>> {
        let Some(place) = &self.cpu else { return Ok(None) };
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        Ok(Some(rustix::fs::open(place.dir().join("cgroup.procs"), flags, Mode::empty())?))
    }

    /// Its folder; none where there is no group.
    #[must_use]
    pub fn dir(&self) -> Option<&Path> {
        self.cpu.as_ref().map(Place::dir)
    }
}

impl Drop for Staff {
    fn drop(&mut self) {
        if let Some(place) = &self.cpu
            && let Err(error) = remains::remove(place.dir())
        {
            tracing::warn!(%error, "a control group is left");
        }
    }
}

/// The jail whose staff's group has this name, `creel-` left out.
pub(super) fn jail_of(name: &str) -> Option<&str> {
    name.strip_suffix(SUFFIX)
}

/// Takes away what a killed warden left of it. Its processes were killed with the warden.
pub(super) fn forget(hierarchies: &Hierarchies, name: &str) {
    drop(Staff::of(hierarchies, name));
}
