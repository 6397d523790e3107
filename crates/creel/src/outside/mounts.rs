//! The jail's mounts, as root reads them in /proc/PID/mountinfo.
//!
//! Owns [`Mount`] and its parser (proc_pid_mountinfo(5)). What is mounted in the jail only root can have mounted, so a
//! line that can't be read is kept and shows up as a mount at an unknown place. `outside` calls it.

use std::fs;

/// A mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Which folder of its file system.
    pub(crate) root: String,
    /// Where, as the jail sees it.
    pub(crate) place: String,
    /// Options of the mount, not of its file system.
    pub(crate) options: Vec<String>,
    /// The file system's type.
    pub(crate) kind: String,
}

impl Mount {
    /// Whether the option is set.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.iter().any(|set| set == option)
    }

    /// Whether it is the null device over something: what is written there is gone.
    pub(crate) fn is_mask(&self) -> bool {
        self.root == "/null" && self.is_of_devices()
    }

    /// Whether it is a device of those that every jail has, at its own place. Engines bind them instead of making them.
    pub(crate) fn is_device(&self) -> bool {
        const NODES: [&str; 6] = ["/null", "/zero", "/full", "/random", "/urandom", "/tty"];
        self.is_of_devices() && NODES.contains(&self.root.as_str()) && self.place == format!("/dev{}", self.root)
    }

    fn is_of_devices(&self) -> bool {
        ["tmpfs", "devtmpfs"].contains(&self.kind.as_str())
    }

    /// Whether it hides what no package put into /usr.
    pub(crate) fn is_cover(&self) -> bool {
        let hides = ["/usr/local", "/usr/src"].contains(&self.place.as_str());
        hides && self.kind == "tmpfs" && self.root == "/" && self.has("ro")
    }

    /// Whether it lies at `place` or below it.
    pub(crate) fn is_in(&self, place: &str) -> bool {
        self.place.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// All mounts that process `pid` sees, the later ones on top; `None` when they can't be read.
pub(crate) fn of(pid: i32) -> Option<Vec<Mount>> {
    let text = fs::read_to_string(format!("/proc/{pid}/mountinfo")).ok()?;
    Some(text.lines().map(parse).collect())
}

fn parse(line: &str) -> Mount {
    let (before, after) = line.split_once(" - ").unwrap_or((line, ""));
    let mut fields = before.split(' ').skip(3);
    let mut next = || fields.next().unwrap_or("?").to_owned();
    let (root, place, options) = (next(), next(), next());
    let options = options.split(',').map(str::to_owned).collect();
    Mount { root, place, options, kind: after.split(' ').next().unwrap_or("?").to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_field_by_field() {
        let mount = parse("36 35 98:0 /null /proc/keys rw,noatime master:1 - tmpfs none rw,errors=continue");
        assert_eq!((&*mount.root, &*mount.place, &*mount.kind), ("/null", "/proc/keys", "tmpfs"));
        assert!(mount.has("rw") && mount.has("noatime") && !mount.has("ro"));
        assert!(mount.is_in("/proc") && !mount.is_in("/pro") && mount.is_in("/proc/keys"));
        assert_eq!(parse("nonsense").place, "?");
    }
}
