//! The proof, from outside, that every layer stands.
//!
//! Owns what is read in /proc of PID 1 after it has confined itself and before anything of the agent runs; children
//! inherit all of it. It never takes the configuration's word. `launch` calls it.

use std::fs;
use std::path::Path;

use oci_spec::runtime::Spec;
use rustix::process::{getegid, geteuid};

use super::{LAYERS, Layer, LayerStatus};
use crate::error::Error;
use crate::plan::{Plan, WRITABLE};
use crate::stage::field;

/// Checks each layer and gives the whole list; those in `missing` were given up by name already.
pub(super) fn prove(plan: &Plan, spec: &Spec, pid: i32, missing: &[&'static str]) -> Result<Vec<Layer>, Error> {
    let mut failed = broken_layers(plan, spec, pid)?;
    failed.retain(|layer| !missing.contains(layer));
    let absent: Vec<&'static str> = missing.iter().chain(&failed).copied().collect();
    failed.retain(|layer| !plan.goes_without(layer));
    if !failed.is_empty() {
        return Err(Error::Missing { layers: failed, accept: absent });
    }
    let status = |id: &str| if absent.contains(&id) { LayerStatus::Degraded } else { LayerStatus::Enforced };
    Ok(LAYERS.into_iter().map(|id| Layer { id, status: status(id) }).collect())
}

/// The layers that do not stand.
fn broken_layers(plan: &Plan, spec: &Spec, pid: i32) -> Result<Vec<&'static str>, Error> {
    let read = |name: &str| {
        let path = format!("/proc/{pid}/{name}");
        fs::read_to_string(&path).map_err(Error::host(format!("read `{path}`"), "run Creel as root"))
    };
    let status = read("status")?;
    let limits = read("limits")?;
    let mounts = Mounts::parse(&read("mountinfo")?);
    let limit = |name: &str, hard: u64| {
        field(&limits, name)
            .and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u64>().ok())
            .is_some_and(|n| n <= hard)
    };
    let mut failed = Vec::new();
    let mut demand = |layer: &'static str, stands: bool| {
        if !stands {
            failed.push(layer);
        }
    };
    for (layer, file) in [
        ("ns.user", "user"),
        ("ns.pid", "pid"),
        ("ns.mnt", "mnt"),
        ("ns.net", "net"),
        ("ns.ipc", "ipc"),
        ("ns.uts", "uts"),
        ("ns.cgroup", "cgroup"),
    ] {
        demand(layer, own_namespace(pid, file));
    }
    let agent = plan.users.agent_id();
    let only = |name: &str, id: u32| {
        field(&status, name).is_some_and(|ids| ids.split_whitespace().all(|one| one == id.to_string()))
    };
    if plan.users.is_own() {
        demand("uid", only("Uid:", agent) && only("Gid:", getegid().as_raw()));
        demand("limit.pids", limit("Max processes", plan.limits.pids));
    } else {
        demand("uid", only("Uid:", agent) && only("Gid:", agent) && field(&status, "Groups:") == Some(""));
    }
    // The guard says at its start whether it became this user.
    let (asking, guard) = (geteuid().as_raw(), plan.users.guard_id());
    demand("separate-uid", agent != asking && agent != 0);
    demand("guard-uid", guard != agent && guard != asking && guard != 0);
    let zero =
        |name: &str| field(&status, name).is_some_and(|bits| !bits.is_empty() && bits.bytes().all(|b| b == b'0'));
    demand("caps.none", ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"].into_iter().all(zero));
    demand("nnp", field(&status, "NoNewPrivs:") == Some("1"));
    demand("seccomp", field(&status, "Seccomp:") == Some("2"));
    demand("limit.fds", limit("Max open files", plan.limits.nofile));
    demand("core.none", limit("Max core file size", 1));
    demand("fs.readonly", mounts.read_only("/") && mounts.read_only("/usr") && mounts.read_only("/dev"));
    demand("fs.writable-only", mounts.writable().all(may_be_written));
    demand("proc.masked", covered(spec, &mounts, pid));
    demand("net.lo-only", read("net/dev").is_ok_and(|text| lone_loopback(&text)));
    Ok(failed)
}

/// A namespace that is not ours.
fn own_namespace(pid: i32, file: &str) -> bool {
    let theirs = fs::read_link(format!("/proc/{pid}/ns/{file}"));
    let ours = fs::read_link(format!("/proc/self/ns/{file}"));
    matches!((theirs, ours), (Ok(theirs), Ok(ours)) if theirs != ours)
}

/// Mounts that are not read-only: the writable places, and those of the kernel that guard themselves.
fn may_be_written(place: &str) -> bool {
    // an engine shows the host's own nodes, of which the agent owns none
    const NODES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];
    place == "/proc"
        || place == "/dev/pts"
        || NODES.contains(&place)
        || { WRITABLE.iter().any(|(_, writable, _)| *writable == place) }
        || {
            // a masked file under /proc is /dev/null, which takes and keeps nothing
            place.starts_with("/proc/")
        }
}

/// Every masked and read-only path of the spec that this kernel has is a mount point of its own.
fn covered(spec: &Spec, mounts: &Mounts, pid: i32) -> bool {
    let linux = spec.linux().as_ref();
    let masked = linux.and_then(|linux| linux.masked_paths().as_ref()).into_iter().flatten();
    let read_only = linux.and_then(|linux| linux.readonly_paths().as_ref()).into_iter().flatten();
    let exists = |path: &str| Path::new(&format!("/proc/{pid}/root{path}")).exists();
    masked.chain(read_only).all(|path| mounts.is_point(path) || !exists(path))
}

/// /proc/PID/net/dev: two lines of headings, then one for each interface.
fn lone_loopback(text: &str) -> bool {
    let mut names = text.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim);
    names.next() == Some("lo") && names.next().is_none()
}

/// The mounts of a process, by `proc_pid_mountinfo(5)`: the topmost of each place.
struct Mounts {
    /// Place and whether it is read-only.
    list: Vec<(String, bool)>,
}

impl Mounts {
    fn parse(text: &str) -> Self {
        let one = |line: &str| {
            let mut fields = line.split(' ');
            let place = fields.nth(4)?.to_owned();
            let read_only = fields.next()?.split(',').any(|option| option == "ro");
            Some((place, read_only))
        };
        Self { list: text.lines().filter_map(one).collect() }
    }

    fn read_only(&self, place: &str) -> bool {
        self.list.iter().rev().find(|(point, _)| point == place).is_some_and(|(_, read_only)| *read_only)
    }

    fn is_point(&self, place: &str) -> bool {
        self.list.iter().any(|(point, _)| point == place)
    }

    fn writable(&self) -> impl Iterator<Item = &str> {
        self.list.iter().filter(|(_, read_only)| !read_only).map(|(place, _)| place.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lo_is_lo() {
        let head = "Inter-|   Receive\n face |bytes\n";
        assert!(lone_loopback(&format!("{head}    lo: 0 0\n")));
        assert!(!lone_loopback(&format!("{head}    lo: 0 0\n  eth0: 0 0\n")));
        assert!(!lone_loopback(head));
    }

    #[test]
    fn the_topmost_mount_counts() {
        let mounts = Mounts::parse(
            "1 0 0:1 / / ro,nosuid - tmpfs none rw\n2 1 0:2 / /usr rw - overlay none ro\n3 1 0:3 / /usr ro - tmpfs x rw\n",
        );
        assert!(mounts.read_only("/") && mounts.read_only("/usr") && !mounts.read_only("/dev"));
        assert_eq!(mounts.writable().collect::<Vec<_>>(), ["/usr"]);
    }
}
