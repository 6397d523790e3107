//! A jail's control groups: the limits on memory, processors and processes, and the sure way to end all of it.
//!
//! Owns one folder, `creel-NAME`, in each hierarchy that is needed, under version 1, version 2 or both at once. A limit
//! counts only when the kernel gives it back as written; what can't be enforced is said by layer, never passed over. The
//! warden calls it.

mod detect;
mod freeze;
mod limits;
mod remains;
mod staff;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_jail_sys::pidfd;
use serde::{Deserialize, Serialize};

use crate::Error;
use detect::{Hierarchies, Place};

pub use remains::sweep;
pub use staff::Staff;

/// What a jail may use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CgroupLimits {
    /// Processors' worth of time, 0.01 to 1024.
    pub cpus: f64,
    /// Memory in bytes, 16 MiB or more. Nothing of it is swapped.
    pub memory_bytes: u64,
    /// Processes and threads, 1 to 4,194,304.
    pub pids: u64,
}

/// What a jail uses; None where this host doesn't count it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Memory in bytes, with the page cache of its files.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Processor time so far, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// How often the kernel killed a process of it for want of memory.
    pub oom_kills: Option<u64>,
}

/// Where a process goes to be in a jail's groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Groups {
    /// The folders of version 1.
    pub(crate) v1: Vec<PathBuf>,
    /// The one of version 2.
    pub(crate) unified: Option<PathBuf>,
}

/// A jail's groups. They stay until [`remove`](Self::remove), also when this is dropped.
#[derive(Clone, Debug)]
pub struct Cgroup {
    name: String,
    memory: Option<Place>,
    cpu: Option<Place>,
    cpuacct: Option<Place>,
    pids: Option<Place>,
    unified: Option<Place>,
    /// Where an OCI runtime makes groups of this name, which go with ours.
    others: Vec<PathBuf>,
    unenforced: Vec<&'static str>,
}

/// All our groups' names start so.
const PREFIX: &str = "creel-";
/// How long a group may take to end: rounds, and the pause between two.
const ROUNDS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

impl Cgroup {
    /// Makes the groups and sets the limits. An empty group of that name is replaced; one with processes is an error.
    /// What this host can't enforce is in [`unenforced`](Self::unenforced), and whether to go on is the caller's choice.
    pub fn create(name: &str, limits: &CgroupLimits) -> Result<Self, Error> {
        check(name, limits)?;
        let hierarchies = Hierarchies::of_this_host()?;
        hierarchies.delegate();
        let mut group = Self::in_hierarchies(&hierarchies, name);
        for dir in group.dirs() {
            make(&dir)?;
        }
        group.forget_unmade();
        let layers = [
            ("limit.memory", limits::memory(group.memory.as_ref(), limits.memory_bytes)),
            ("limit.cpu", limits::cpu(group.cpu.as_ref(), limits.cpus)),
            ("limit.pids", limits::pids(group.pids.as_ref(), limits.pids)),
        ];
        for (layer, proved) in layers {
            if let Err(error) = proved {
                tracing::warn!(layer, %error, "a limit can't be enforced");
                group.unenforced.push(layer);
            }
        }
        Ok(group)
    }

    fn in_hierarchies(hierarchies: &Hierarchies, name: &str) -> Self {
        let folder = format!("{PREFIX}{name}");
        let place = |controller| hierarchies.place(controller).map(|place| place.join(&folder));
        Self {
            name: name.to_owned(),
            memory: place("memory"),
            cpu: place("cpu"),
            cpuacct: place("cpuacct").filter(|place| !place.is_v2()),
            pids: place("pids"),
            unified: hierarchies.unified().map(|place| place.join(&folder)),
            others: hierarchies.others().iter().map(|root| root.join(&folder)).collect(),
            unenforced: Vec::new(),
        }
    }

    fn forget_unmade(&mut self) {
        let Self { name: _, memory, cpu, cpuacct, pids, unified, others: _, unenforced: _ } = self;
        for place in [memory, cpu, cpuacct, pids, unified] {
            place.take_if(|place| !place.dir().is_dir());
        }
    }

    /// The layers that aren't enforced: `limit.memory`, `limit.cpu`, `limit.pids`.
    pub fn unenforced(&self) -> &[&'static str] {
        &self.unenforced
    }

    /// The name that it was made with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The groups' folders, each once.
    pub fn dirs(&self) -> Vec<PathBuf> {
        let places = [&self.memory, &self.cpu, &self.cpuacct, &self.pids, &self.unified];
        let dirs: BTreeSet<PathBuf> = places.into_iter().flatten().map(|place| place.dir().to_owned()).collect();
        dirs.into_iter().collect()
    }

    /// The groups' folders, by version.
    pub(crate) fn groups(&self) -> Groups {
        let places = [&self.memory, &self.cpu, &self.cpuacct, &self.pids];
        let v1: BTreeSet<PathBuf> =
            places.into_iter().flatten().filter(|place| !place.is_v2()).map(|place| place.dir().to_owned()).collect();
        Groups { v1: v1.into_iter().collect(), unified: self.unified.as_ref().map(|place| place.dir().to_owned()) }
    }

    /// Moves the process `pid`, with all its threads, into every group that it is not in yet. What it starts from then on is in
    /// them as well.
    pub fn add(&self, pid: i32) -> Result<(), Error> {
        for dir in self.dirs() {
            let path = dir.join("cgroup.procs");
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if text.lines().any(|line| line.parse() == Ok(pid)) {
                continue;
            }
            std::fs::write(&path, pid.to_string()).map_err(Error::host(
                format!("move process `{pid}` into `{}`", dir.display()),
                "run Creel as root, outside of a container that owns the cgroups",
            ))?;
        }
        Ok(())
    }

    /// What is used at the moment.
    pub fn usage(&self) -> Usage {
        Usage {
            memory_bytes: limits::number(self.memory.as_ref(), "memory.usage_in_bytes", "memory.current"),
            pids: limits::number(self.pids.as_ref(), "pids.current", "pids.current"),
            cpu_ns: limits::cpu_time(self.cpuacct.as_ref().or(self.cpu.as_ref())),
            oom_kills: limits::oom_kills(self.memory.as_ref()),
        }
    }

    /// The processes in the groups, as the caller's pid namespace numbers them.
    pub fn processes(&self) -> Vec<i32> {
        let mut all = BTreeSet::new();
        for dir in self.dirs() {
            // A folder that is gone holds no process.
            let text = std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            all.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
        }
        all.into_iter().collect()
    }

    /// Lets no new processes begin, so that a fork bomb doesn't outrun us, and kills those that are there, as far as one word to
    /// the kernel does it; where this isn't possible the rounds of [`kill_all`](Self::kill_all) must do.
    pub(crate) fn condemn(&self) {
        if let Some(pids) = &self.pids {
            std::fs::write(pids.dir().join("pids.max"), "0").ok();
        }
        if let Some(unified) = &self.unified {
            // From Linux 5.14 on, also for a hierarchy without controllers.
            std::fs::write(unified.dir().join("cgroup.kill"), "1").ok();
        }
    }

    /// Kills every process of the jail, and returns when there is none left: within two seconds, or it is an error.
    pub fn kill_all(&self) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            self.condemn();
            let left = self.processes();
            if left.is_empty() {
                return Ok(());
            }
            left.into_iter().for_each(|pid| self.kill(pid));
            std::thread::sleep(PAUSE);
        }
        Err(Error::unfit(
            format!("processes of `{}` can't be killed", self.name),
            "look for processes in uninterruptible sleep (`ps -eo pid,stat,wchan`)",
        ))
    }

    /// By descriptor, and only while it is still listed: its number may have gone to another process.
    fn kill(&self, pid: i32) {
        let Ok(process) = pidfd::open(pid) else { return };
        if self.processes().contains(&pid) {
            // One that has just ended needs no signal.
            pidfd::kill(process).ok();
        }
    }

    /// Removes the groups, waiting up to two seconds for the last process to be gone.
    pub fn remove(self) -> Result<(), Error> {
        self.dirs().iter().chain(&self.others).try_for_each(|dir| remains::remove(dir))
    }
}

fn check(name: &str, limits: &CgroupLimits) -> Result<(), Error> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        return Err(Error::operator(
            "a jail's name does not fit",
            "use 1 to 64 of the characters `a` to `z`, `0` to `9`, `-` and `_`",
        ));
    }
    let wrong = |what: String, range: &str| Err(Error::operator(what, format!("use {range}")));
    match limits {
        CgroupLimits { cpus, .. } if !(0.01..=1024.0).contains(cpus) => {
            wrong(format!("`{cpus}` is no number of CPUs"), "0.01 to 1024")
        }
        CgroupLimits { memory_bytes, .. } if *memory_bytes < 16 << 20 => {
            wrong(format!("`{memory_bytes}` bytes of memory are too few"), "16 MiB or more")
        }
        CgroupLimits { pids, .. } if !(1..=4_194_304).contains(pids) => {
            wrong(format!("`{pids}` is no number of processes"), "1 to 4194304")
        }
        _ => Ok(()),
    }
}

/// A folder that can't be made leaves its limits unproved; one that is in use by others is an error.
fn make(dir: &Path) -> Result<(), Error> {
    match std::fs::create_dir(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let replaced = std::fs::remove_dir(dir).and_then(|()| std::fs::create_dir(dir));
            replaced.map_err(Error::host(
                format!("replace `{}`", dir.display()),
                "another jail of that name runs: stop it with `creel down` first",
            ))
        }
        Err(error) => {
            tracing::warn!(dir = %dir.display(), %error, "a control group can't be made");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
