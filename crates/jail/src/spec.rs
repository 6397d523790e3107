//! The jail as an OCI runtime spec.
//!
//! Owns the translation of a plan into the standard description; the stage builds from it, and another runtime can run
//! the same one. It never mounts. What OCI has no words for stays outside: landlock (`landlock`), the planted sockets
//! (`net`), the skeleton of the root (`etc`).

use std::path::{Path, PathBuf};

use oci_spec::runtime::{
    LinuxBuilder, LinuxCapabilities, LinuxCapabilitiesBuilder, LinuxCpuBuilder, LinuxIdMapping, LinuxIdMappingBuilder,
    LinuxMemoryBuilder, LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType, LinuxPidsBuilder, LinuxResources,
    LinuxResourcesBuilder, Mount, MountBuilder, PosixRlimit, PosixRlimitBuilder, PosixRlimitType, Process,
    ProcessBuilder, RootBuilder, Spec, SpecBuilder, UserBuilder,
};

use crate::error::Error;
use crate::plan::{PROGRAMS, Plan, Users};
use crate::rootfs::view;
use crate::seccomp;

/// Where the stage gathers what the jail is made of, on a tmpfs that only its own mount namespace sees.
pub(crate) const STAGING: &str = "/run/creel/box";
/// The jail's uid and gid.
pub(crate) const AGENT: u32 = 1000;
/// The second uid of the jail, for walled commands.
pub(crate) const WALLED: u32 = 1001;
/// What the jail's uids are on the host: the first of the slot, and as many above it as the number says.
const MAPPED: [u32; 3] = [0, AGENT, WALLED];

/// The whole description.
///
/// # Errors
/// `Operator` for a plan that makes no sense, `Bug` when the description can't be built.
pub fn spec(plan: &Plan) -> Result<Spec, Error> {
    plan.check()?;
    let linux = LinuxBuilder::default()
        .uid_mappings(mappings(plan)?)
        .gid_mappings(mappings(plan)?)
        .namespaces(namespaces()?)
        .resources(resources(plan)?)
        .cgroups_path(format!("/creel-{}", plan.name))
        .devices(Vec::new())
        .seccomp(seccomp::agent_profile()?)
        .rootfs_propagation("private")
        .masked_paths(masked(plan))
        .readonly_paths(READ_ONLY.map(str::to_owned).to_vec())
        .build()
        .map_err(bug)?;
    let root = RootBuilder::default().path(Path::new(STAGING).join("root")).readonly(true).build().map_err(bug)?;
    SpecBuilder::default()
        .version("1.1.0")
        .hostname(plan.hostname.as_str())
        .domainname("localdomain")
        .root(root)
        .mounts(mounts(plan)?)
        .process(process(plan)?)
        .linux(linux)
        .build()
        .map_err(bug)
}

fn process(plan: &Plan) -> Result<Process, Error> {
    let user = UserBuilder::default().uid(AGENT).gid(AGENT).umask(0o022_u32).additional_gids(Vec::new());
    ProcessBuilder::default()
        .terminal(false)
        .user(user.build().map_err(bug)?)
        .args(vec!["/creel/creel".to_owned(), "init".to_owned()])
        .env(Vec::new())
        .cwd("/")
        .capabilities(no_capabilities()?)
        .rlimits(rlimits(plan)?)
        .no_new_privileges(true)
        .build()
        .map_err(bug)
}

fn no_capabilities() -> Result<LinuxCapabilities, Error> {
    LinuxCapabilitiesBuilder::default()
        .bounding([])
        .effective([])
        .inheritable([])
        .permitted([])
        .ambient([])
        .build()
        .map_err(bug)
}

/// No core is written. Where the host pipes cores to a program, the limit must be 1, which means "no dump" there, while 0
/// means "a dump of any size": `core(5)` says that pipes ignore the limit, `do_coredump` makes the exception for 1.
fn rlimits(plan: &Plan) -> Result<Vec<PosixRlimit>, Error> {
    let pattern = std::fs::read("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let core = u64::from(matches!(pattern.first(), None | Some(b'|' | b'@')));
    let limits = [(PosixRlimitType::RlimitNofile, plan.limits.nofile), (PosixRlimitType::RlimitCore, core)];
    // Counted for each user of a user namespace apart (getrlimit(2)), so in a jail of one user it is as good as a cgroup's.
    let pids = plan.users.is_own().then_some((PosixRlimitType::RlimitNproc, plan.limits.pids));
    limits
        .into_iter()
        .chain(pids)
        .map(|(kind, value)| PosixRlimitBuilder::default().typ(kind).soft(value).hard(value).build().map_err(bug))
        .collect()
}

/// A user's own jail lies in a user namespace of its own, whose one id is the user's and called 0 there.
fn mappings(plan: &Plan) -> Result<Vec<LinuxIdMapping>, Error> {
    let pairs = match plan.users {
        Users::Slot(slot) => MAPPED.map(|id| (id, slot.root_id() + id)).to_vec(),
        Users::Own(_) => vec![(AGENT, 0)],
    };
    pairs
        .into_iter()
        .map(|(id, host)| {
            LinuxIdMappingBuilder::default().container_id(id).host_id(host).size(1_u32).build().map_err(bug)
        })
        .collect()
}

/// What the jail's uid 0 and the agent are called where the jail is built. A jail without an uid 0 has the agent's.
pub(crate) fn builders_ids(spec: &Spec) -> Result<(u32, u32), Error> {
    let agent = builders_id(spec, AGENT)?;
    Ok((builders_id(spec, 0).unwrap_or(agent), agent))
}

/// What an id of the jail is called where the jail is built.
pub(crate) fn builders_id(spec: &Spec, id: u32) -> Result<u32, Error> {
    let mappings = spec.linux().as_ref().and_then(|linux| linux.uid_mappings().as_ref());
    let mut mappings = mappings.into_iter().flatten();
    let found = mappings.find(|one| one.container_id() == id).map(LinuxIdMapping::host_id);
    found.ok_or_else(|| Error::bug(format!("the spec does not map `{id}`")))
}

fn namespaces() -> Result<Vec<LinuxNamespace>, Error> {
    [
        LinuxNamespaceType::Network,
        LinuxNamespaceType::Pid,
        LinuxNamespaceType::Mount,
        LinuxNamespaceType::Ipc,
        LinuxNamespaceType::Uts,
        LinuxNamespaceType::Cgroup,
        LinuxNamespaceType::User,
    ]
    .into_iter()
    .map(|kind| LinuxNamespaceBuilder::default().typ(kind).build().map_err(bug))
    .collect()
}

fn resources(plan: &Plan) -> Result<LinuxResources, Error> {
    /// The period of the CPU quota in microseconds, the kernel's default.
    const PERIOD: u64 = 100_000;
    let memory = i64::try_from(plan.limits.memory_bytes).map_err(bug)?;
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "at most 1024 CPUs")]
    let quota = (plan.limits.cpus * PERIOD as f64) as i64;
    LinuxResourcesBuilder::default()
        .memory(LinuxMemoryBuilder::default().limit(memory).swap(memory).build().map_err(bug)?)
        .cpu(LinuxCpuBuilder::default().quota(quota).period(PERIOD).build().map_err(bug)?)
        .pids(LinuxPidsBuilder::default().limit(i64::try_from(plan.limits.pids).map_err(bug)?).build().map_err(bug)?)
        .build()
        .map_err(bug)
}

/// In the order of mounting.
fn mounts(plan: &Plan) -> Result<Vec<Mount>, Error> {
    let staging = Path::new(STAGING);
    let mut out = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"])?,
        mount("/dev", "tmpfs", "tmpfs", &["ro", "nosuid", "noexec", "mode=0755", "size=64k", "nr_inodes=64"])?,
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "max=256"],
        )?,
    ];
    // The jail's own view of each host folder and file: the stage makes them before anything is mounted from there.
    for one in view::views(plan) {
        out.push(mount(&one.place, "bind", one.path(), &["bind", "ro", "nosuid", "nodev"])?);
    }
    if plan.inner_wall.is_some() {
        for (name, place) in PROGRAMS {
            out.push(mount(place, "bind", staging.join("links").join(name), &["bind", "ro", "nosuid", "nodev"])?);
        }
    }
    for (folder, place, executable) in plan.writable() {
        let source = staging.join("volume").join(folder);
        let mut options = vec!["bind", "rw", "nosuid", "nodev"];
        if !executable {
            options.push("noexec");
        }
        out.push(mount(place, "bind", source, &options)?);
    }
    for one in view::binds(plan) {
        out.push(mount(&one.place, "bind", one.path(), &["bind", "ro", "nosuid", "nodev"])?);
    }
    Ok(out)
}

fn mount(place: impl Into<PathBuf>, kind: &str, source: impl Into<PathBuf>, options: &[&str]) -> Result<Mount, Error> {
    let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
    MountBuilder::default().destination(place).typ(kind).source(source).options(options).build().map_err(bug)
}

/// Read as nothing: what says much about the host or its kernel, and what no package put into /usr. The first nine are the
/// OCI runtimes' own.
const MASKED: [&str; 33] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/diskstats",
    "/proc/kallsyms",
    "/proc/kmsg",
    "/proc/key-users",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/buddyinfo",
    "/proc/consoles",
    "/proc/dma",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/locks",
    "/proc/modules",
    "/proc/mtrr",
    "/proc/pagetypeinfo",
    "/proc/vmallocinfo",
    "/proc/partitions",
    "/proc/slabinfo",
    "/proc/swaps",
    "/usr/local",
    "/usr/src",
];

/// Readable, not writable. The rest of /proc is guarded by its own permissions; /proc/self must stay writable, because
/// OpenClaw sets oom_score_adj before each command.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

fn masked(plan: &Plan) -> Vec<String> {
    let bound = |path: &&str| plan.binds.iter().any(|bind| bind.dst == Path::new(path));
    MASKED.into_iter().filter(|path| !bound(path)).map(str::to_owned).collect()
}

fn bug(error: impl std::fmt::Display) -> Error {
    Error::bug(format!("oci spec: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Bind, Disk, Engine, Limits};
    use crate::slot::Slot;

    fn plan() -> Plan {
        Plan {
            name: "main".to_owned(),
            users: Users::Slot(Slot::new(3).unwrap()),
            engine: Engine::Embedded,
            limits: Limits { cpus: 1.5, memory_bytes: 4 << 30, pids: 512, nofile: 4096 },
            disk: Disk::Memory,
            files: Vec::new(),
            runtime: Some("/var/lib/creel/runtime".into()),
            binds: vec![Bind { src: "/srv/kit".into(), dst: "/usr/local".into() }],
            exe: "/usr/bin/creel".into(),
            secrets_socket: true,
            inner_wall: None,
            degraded: Vec::new(),
            hostname: "main".to_owned(),
        }
    }

    #[test]
    fn the_description_survives_json() {
        let spec = spec(&plan()).unwrap();
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<Spec>(&text).unwrap(), spec);
    }

    #[test]
    fn a_users_own_jail_has_one_id_and_a_limit_of_its_own_on_processes() {
        let spec = spec(&Plan { users: Users::Own(1234), ..plan() }).unwrap();
        assert_eq!(builders_ids(&spec).unwrap(), (0, 0));
        let limits = spec.process().as_ref().unwrap().rlimits().as_ref().unwrap();
        assert!(limits.iter().any(|one| one.typ() == PosixRlimitType::RlimitNproc && one.hard() == 512));
    }

    #[test]
    fn it_holds_what_a_runtime_needs() {
        let spec = spec(&plan()).unwrap();
        let linux = spec.linux().as_ref().unwrap();
        assert_eq!(linux.namespaces().as_ref().unwrap().len(), 7);
        let ids: Vec<_> =
            linux.uid_mappings().as_ref().unwrap().iter().map(|m| (m.container_id(), m.host_id())).collect();
        let base = Slot::new(3).unwrap().root_id();
        assert_eq!(ids, [(0, base), (1000, base + 1000), (1001, base + 1001)]);
        let process = spec.process().as_ref().unwrap();
        assert_eq!(process.no_new_privileges(), Some(true));
        let none = process.capabilities().as_ref().unwrap();
        assert!(none.bounding().as_ref().is_some_and(|set| set.is_empty()));
        assert_eq!(spec.root().as_ref().unwrap().readonly(), Some(true));
        let cpu = linux.resources().as_ref().unwrap().cpu().as_ref().unwrap();
        assert_eq!((cpu.quota(), cpu.period()), (Some(150_000), Some(100_000)));
        let writable: Vec<_> = spec
            .mounts()
            .iter()
            .flatten()
            .filter(|mount| mount.options().iter().flatten().any(|option| option == "rw"))
            .map(|mount| mount.destination().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(writable, ["/workspace", "/var/lib/openclaw", "/home/agent", "/tmp", "/dev/shm"]);
        // what the operator binds there is what he wants to see
        let masked = linux.masked_paths().as_ref().unwrap();
        assert!(masked.iter().any(|path| path == "/usr/src") && !masked.iter().any(|path| path == "/usr/local"));
    }
}
