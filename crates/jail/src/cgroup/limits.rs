//! Setting limits and proving that they are set, and reading what is used.
//!
//! Owns the files of both cgroup versions (kernel documentation: cgroup-v1/memory, scheduler/sched-bwc, cgroup-v2). A limit
//! is proved when the kernel gives it back; it never counts as set because a write went well. `cgroup` calls it.

use std::path::Path;

use super::detect::Place;

/// The usual period of the CPU controller, in microseconds.
const PERIOD: u64 = 100_000;
/// The kernel rounds memory down to whole pages, of 64 KiB at most.
const LARGEST_PAGE: u64 = 65_536;

/// Why a limit isn't enforced.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unproved {
    #[error("no hierarchy has the controller")]
    Absent,
    #[error("`{file}` can't be written or read: {source}")]
    File { file: &'static str, source: std::io::Error },
    #[error("`{file}` says `{found}`")]
    Differs { file: &'static str, found: String },
}

pub(super) fn memory(place: Option<&Place>, bytes: u64) -> Result<(), Unproved> {
    match place.ok_or(Unproved::Absent)? {
        Place::V1(dir) => {
            prove_bytes(dir, "memory.limit_in_bytes", bytes)?;
            tcp_buffers(dir, bytes)?;
            // Memory and swap together. Without this file the kernel counts no swap, and then nothing may be swapped.
            match prove_bytes(dir, "memory.memsw.limit_in_bytes", bytes) {
                Ok(()) => Ok(()),
                Err(_) => prove(dir, "memory.swappiness", "0"),
            }
        }
        Place::V2(dir) => {
            prove_bytes(dir, "memory.max", bytes)?;
            if dir.join("memory.swap.max").exists() {
                prove(dir, "memory.swap.max", "0")?;
            }
            // Out of memory ends the jail as a whole, not a part of it that others wait for.
            prove(dir, "memory.oom.group", "1")
        }
    }
}

/// Version 1 counts what TCP sockets hold in queues apart from the memory limit, and without a limit of its own, unless
/// one is set (cgroup-v1/memory, 2.7.1): a sixteenth of the memory, 64 MiB at least and 256 MiB at most. The kernel has to be
/// told before the group has a process.
fn tcp_buffers(dir: &Path, memory_bytes: u64) -> Result<(), Unproved> {
    const FILE: &str = "memory.kmem.tcp.limit_in_bytes";
    if !dir.join(FILE).exists() {
        tracing::info!(dir = %dir.display(), "this kernel has no limit for TCP buffers alone");
        return Ok(());
    }
    prove_bytes(dir, FILE, (memory_bytes / 16).clamp(64 << 20, 256 << 20))
}

pub(super) fn cpu(place: Option<&Place>, cpus: f64) -> Result<(), Unproved> {
    // 1 ms is the least that the kernel takes; `cpus` was checked.
    let quota = ((cpus * 100_000.0).round() as u64).max(1000);
    match place.ok_or(Unproved::Absent)? {
        Place::V1(dir) => {
            prove(dir, "cpu.cfs_period_us", &PERIOD.to_string())?;
            prove(dir, "cpu.cfs_quota_us", &quota.to_string())
        }
        Place::V2(dir) => prove(dir, "cpu.max", &format!("{quota} {PERIOD}")),
    }
}

pub(super) fn pids(place: Option<&Place>, most: u64) -> Result<(), Unproved> {
    prove(place.ok_or(Unproved::Absent)?.dir(), "pids.max", &most.to_string())
}

/// A number in the file that the place's version has.
pub(super) fn number(place: Option<&Place>, v1: &str, v2: &str) -> Option<u64> {
    let place = place?;
    let file = if place.is_v2() { v2 } else { v1 };
    std::fs::read_to_string(place.dir().join(file)).ok()?.trim().parse().ok()
}

/// Processor time in nanoseconds.
pub(super) fn cpu_time(place: Option<&Place>) -> Option<u64> {
    match place? {
        Place::V1(_) => number(place, "cpuacct.usage", ""),
        Place::V2(dir) => keyed(&dir.join("cpu.stat"), "usage_usec")?.checked_mul(1000),
    }
}

pub(super) fn oom_kills(place: Option<&Place>) -> Option<u64> {
    match place? {
        Place::V1(dir) => keyed(&dir.join("memory.oom_control"), "oom_kill"),
        Place::V2(dir) => keyed(&dir.join("memory.events"), "oom_kill"),
    }
}

fn keyed(path: &Path, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

fn prove(dir: &Path, file: &'static str, value: &str) -> Result<(), Unproved> {
    let found = write_and_read(dir, file, value)?;
    if found == value { Ok(()) } else { Err(Unproved::Differs { file, found }) }
}

fn prove_bytes(dir: &Path, file: &'static str, bytes: u64) -> Result<(), Unproved> {
    let found = write_and_read(dir, file, &bytes.to_string())?;
    match found.parse::<u64>() {
        Ok(set) if set <= bytes && bytes - set < LARGEST_PAGE => Ok(()),
        _ => Err(Unproved::Differs { file, found }),
    }
}

fn write_and_read(dir: &Path, file: &'static str, value: &str) -> Result<String, Unproved> {
    let path = dir.join(file);
    let failed = |source| Unproved::File { file, source };
    std::fs::write(&path, value).map_err(failed)?;
    Ok(std::fs::read_to_string(&path).map_err(failed)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plain files take any value and give it back: enough to see what is written under version 2, which this host may
    /// not have. A file that the kernel would have must be there already, as `std::fs::write` makes it here.
    #[test]
    fn version_2_gets_its_own_files() {
        let dir = std::env::temp_dir().join(format!("creel-limits-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("memory.swap.max"), "max").unwrap();
        let place = Place::V2(dir.clone());
        memory(Some(&place), 64 << 20).unwrap();
        cpu(Some(&place), 1.5).unwrap();
        pids(Some(&place), 512).unwrap();
        let read = |file: &str| std::fs::read_to_string(dir.join(file)).unwrap();
        assert_eq!(read("memory.max"), "67108864");
        assert_eq!((read("memory.swap.max"), read("memory.oom.group")), ("0".into(), "1".into()));
        assert_eq!((read("cpu.max"), read("pids.max")), ("150000 100000".into(), "512".into()));
        std::fs::write(dir.join("cpu.stat"), "usage_usec 7\nuser_usec 5\n").unwrap();
        std::fs::write(dir.join("memory.events"), "oom 3\noom_kill 2\n").unwrap();
        assert_eq!((cpu_time(Some(&place)), oom_kills(Some(&place))), (Some(7000), Some(2)));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn version_1_limits_tcp_buffers_where_it_can() {
        let dir = std::env::temp_dir().join(format!("creel-limits-tcp-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let place = Place::V1(dir.clone());
        let file = dir.join("memory.kmem.tcp.limit_in_bytes");
        memory(Some(&place), 4 << 30).unwrap();
        assert!(!file.exists(), "a file that the kernel lacks");
        for (memory_bytes, expected) in [(64 << 20, 64 << 20), (2 << 30, 128 << 20), (64 << 30, 256_u64 << 20)] {
            std::fs::write(&file, "9223372036854771712").unwrap();
            memory(Some(&place), memory_bytes).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), expected.to_string());
        }
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/dev/null", &file).unwrap();
        assert!(memory(Some(&place), 64 << 20).is_err(), "a limit that doesn't stay counts");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_is_not_there_is_not_enforced() {
        assert!(matches!(memory(None, 1), Err(Unproved::Absent)));
        let nowhere = Place::V2("/proc/self/nowhere".into());
        assert!(matches!(cpu(Some(&nowhere), 1.0), Err(Unproved::File { .. })));
        assert!(pids(Some(&nowhere), 1).is_err());
        assert_eq!(number(Some(&nowhere), "x", "y"), None);
    }

    #[test]
    fn memory_may_be_rounded_down_by_less_than_a_page_only() {
        let pinned = std::path::Path::new("/proc/self");
        // /proc/self/oom_score_adj takes -1000 to 1000 and gives back what it was given.
        assert!(matches!(prove_bytes(pinned, "oom_score_adj", 7), Ok(())));
        assert!(prove(pinned, "oom_score_adj", "07").is_err());
        prove(pinned, "oom_score_adj", "0").unwrap();
    }
}
