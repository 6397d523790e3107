//! Where this host keeps its control groups.
//!
//! Owns reading /proc/self/mountinfo (proc(5)): each controller lives in version 2 if a cgroup2 mount lists it, else in
//! the version 1 mount that names it, else nowhere. Whether a limit really holds is proved elsewhere, by writing it.
//! `cgroup` calls it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// A group's folder, with the version of the hierarchy that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    V1(PathBuf),
    V2(PathBuf),
}

impl Place {
    pub(super) fn dir(&self) -> &Path {
        let (Self::V1(dir) | Self::V2(dir)) = self;
        dir
    }

    pub(super) fn is_v2(&self) -> bool {
        matches!(self, Self::V2(_))
    }

    pub(super) fn join(&self, folder: &str) -> Self {
        match self {
            Self::V1(dir) => Self::V1(dir.join(folder)),
            Self::V2(dir) => Self::V2(dir.join(folder)),
        }
    }
}

/// The hierarchies that are mounted here. Our groups lie directly under each mount, as those of Docker's cgroupfs driver
/// do: in version 2 only there no process of ours stands in the way of handing controllers down.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hierarchies {
    v1: BTreeMap<String, PathBuf>,
    /// Those of other controllers, where an OCI runtime makes groups of the same name.
    others: Vec<PathBuf>,
    v2: Option<PathBuf>,
    v2_controllers: Vec<String>,
}

/// The controllers that are used, and no others.
const CONTROLLERS: [&str; 4] = ["memory", "cpu", "cpuacct", "pids"];

impl Hierarchies {
    pub(super) fn of_this_host() -> Result<Self, Error> {
        let text =
            std::fs::read("/proc/self/mountinfo").map_err(Error::host("read `/proc/self/mountinfo`", "mount /proc"))?;
        let mut found = Self::parse(&text);
        if let Some(root) = &found.v2 {
            // A hierarchy that doesn't say what it controls controls nothing.
            let text = std::fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
            found.v2_controllers = text.split_whitespace().map(str::to_owned).collect();
        }
        Ok(found)
    }

    fn parse(mountinfo: &[u8]) -> Self {
        let mut found = Self::default();
        for line in mountinfo.split(|byte| *byte == b'\n') {
            let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
            let Some(dash) = fields.iter().position(|field| *field == b"-") else { continue };
            let (Some(point), Some(kind), Some(options)) = (fields.get(4), fields.get(dash + 1), fields.get(dash + 3))
            else {
                continue;
            };
            let point = unescape(point);
            match *kind {
                b"cgroup2" => _ = found.v2.get_or_insert(point),
                b"cgroup" => {
                    let options = String::from_utf8_lossy(options);
                    let mut known = options.split(',').filter(|option| CONTROLLERS.contains(option)).peekable();
                    if known.peek().is_none() {
                        found.others.push(point.clone());
                    }
                    for controller in known {
                        found.v1.entry(controller.to_owned()).or_insert_with(|| point.clone());
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// Where groups of `controller` are made.
    pub(super) fn place(&self, controller: &str) -> Option<Place> {
        match &self.v2 {
            Some(root) if self.v2_controllers.iter().any(|name| name == controller) => Some(Place::V2(root.clone())),
            _ => self.v1.get(controller).cloned().map(Place::V1),
        }
    }

    /// The version 2 hierarchy, which may have no controller but can kill.
    pub(super) fn unified(&self) -> Option<Place> {
        self.v2.clone().map(Place::V2)
    }

    /// The hierarchies in which we set nothing.
    pub(super) fn others(&self) -> &[PathBuf] {
        &self.others
    }

    /// All mounts, each once.
    pub(super) fn roots(&self) -> Vec<&Path> {
        let mut roots: Vec<&Path> =
            self.v1.values().chain(&self.v2).chain(&self.others).map(PathBuf::as_path).collect();
        roots.sort_unstable();
        roots.dedup();
        roots
    }

    /// Asks version 2 to hand the controllers down to our groups. One that isn't handed down shows when its limit is proved.
    pub(super) fn delegate(&self) {
        let Some(root) = &self.v2 else { return };
        for controller in CONTROLLERS.iter().filter(|name| self.v2_controllers.iter().any(|have| have == *name)) {
            std::fs::write(root.join("cgroup.subtree_control"), format!("+{controller}")).ok();
        }
    }
}

/// Space, tab, newline and backslash stand as three octal digits in mountinfo.
fn unescape(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', more @ ..]) => {
                path.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = more;
            }
            _ => path.push(*byte),
        }
    }
    OsString::from_vec(path).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &[u8] = b"\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw shared:7 master:1 - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw
";

    fn v1(path: &str) -> Option<Place> {
        Some(Place::V1(path.into()))
    }

    #[test]
    fn each_controller_is_found_where_it_is() {
        let mut found = Hierarchies::parse(HYBRID);
        assert_eq!(found.place("cpu"), v1("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(found.place("cpuacct"), found.place("cpu"));
        assert_eq!(found.place("memory"), v1("/sys/fs/cgroup/memory"));
        assert_eq!(found.place("pids"), None);
        assert_eq!(found.unified(), Some(Place::V2("/sys/fs/cgroup/uni fied".into())));
        assert_eq!(found.others(), [PathBuf::from("/sys/fs/cgroup/systemd")]);
        assert_eq!(found.roots().len(), 4);
        found.v2_controllers = vec!["pids".to_owned()];
        assert_eq!(found.place("pids"), found.unified());
        found.v2_controllers.push("memory".to_owned());
        assert_eq!(found.place("memory"), found.unified());
    }

    #[test]
    fn odd_lines_are_passed_over() {
        for text in [&b""[..], b"a b c", b"1 2 3 4 5 6 -", b"1 2 0:1 / /x rw - cgroup", b"\xff - \xff \xff"] {
            assert_eq!(Hierarchies::parse(text), Hierarchies::default());
        }
        assert_eq!(unescape(b"a\\134b\\9\\77"), PathBuf::from("a\\b\\9\\77"));
    }
}
