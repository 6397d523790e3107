//! Whom the kernel ends first when the jail's memory is used up: the agent's programs, not PID 1.
//!
//! Owns this process's oom_score_adj (`proc_pid_oom_score_adj(5)`). A child inherits the value of the moment of its fork, so
//! it is raised for that moment. It never goes below what the stage gave. `program` calls it around each fork.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;

use creel_jail_sys::process::{self, Fork};

/// How much sooner a child is chosen, in thousandths of all memory, and the kernel's `OOM_SCORE_ADJ_MAX`.
const SOONER: i32 = 500;
const HIGHEST: i32 = 1000;

/// This process's own file, and the value that it keeps.
pub(crate) struct OomScore {
    file: std::fs::File,
    own: i32,
}

impl OomScore {
    /// Opens the file: possible as long as this process may be dumped, for then the file belongs to its user.
    pub(crate) fn open() -> io::Result<Self> {
        const PATH: &str = "/proc/self/oom_score_adj";
        let own = std::fs::read_to_string(PATH)?.trim().parse().map_err(io::Error::other)?;
        Ok(Self { file: OpenOptions::new().write(true).open(PATH)?, own })
    }

    /// Forks while this process has the value that the child is to have.
    pub(super) fn fork(&mut self) -> io::Result<Fork> {
        self.set(self.own.saturating_add(SOONER).min(HIGHEST))?;
        let forked = process::fork();
        // The child returns as it is: the file is its parent's. If the parent can't be set back, it is only chosen sooner.
        if !matches!(forked, Ok(Fork::Child)) {
            self.set(self.own).ok();
        }
        forked
    }

    fn set(&mut self, value: i32) -> io::Result<()> {
        self.file.write_all_at(value.to_string().as_bytes(), 0)
    }
}
