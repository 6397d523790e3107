//! Stops every process of a jail where it stands.
//!
//! Owns the freezer of version 2 (cgroup-v2.rst, "cgroup.freeze"), which stands in a hierarchy without controllers as well.
//! What is frozen can still be killed. Never decides when. The warden calls it.

use std::time::Duration;

use super::Cgroup;
use crate::Error;

/// How long the kernel gets to bring all of them to a halt: a process in the middle of a call goes on to its end.
const ROUNDS: u32 = 25;
const PAUSE: Duration = Duration::from_millis(20);

impl Cgroup {
    /// Has every process of the jail stand still, those that are yet to come too, or go on. Waits for half a second until they
    /// do; `false` when one is still on its way, which it then ends on the kernel's own.
    ///
    /// # Errors
    /// When this host has no version 2 hierarchy, or it takes no word.
    pub fn freeze(&self, still: bool) -> Result<bool, Error> {
        let Some(unified) = &self.unified else {
            return Err(Error::unfit(
                "the processes can't be frozen: this host has no cgroup version 2",
                "mount it (`mount -t cgroup2 none /sys/fs/cgroup/unified`), or stop the agent with `creel down`",
            ));
        };
        let word = if still { "1" } else { "0" };
        std::fs::write(unified.dir().join("cgroup.freeze"), word).map_err(Error::host(
            format!("write `{}/cgroup.freeze`", unified.dir().display()),
            "run Creel as root, outside of a container that owns the cgroups",
        ))?;
        for _ in 0..ROUNDS {
            if self.is_frozen() == still {
                return Ok(true);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(false)
    }

    /// Whether every process of the jail stands still.
    pub fn is_frozen(&self) -> bool {
        let Some(unified) = &self.unified else { return false };
        let events = std::fs::read_to_string(unified.dir().join("cgroup.events")).unwrap_or_default();
        events.lines().any(|line| line == "frozen 1")
    }
}
