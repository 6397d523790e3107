//! The folders of a volume.
//!
//! Owns which there are, whose they are and what survives a start: workspace, state and home do, tmp and shm are made
//! afresh. It touches nothing below them but to remove, and follows no link, since the agent wrote what lies there. The
//! stage calls it on a volume that is mounted nowhere else.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Gid, Mode, OFlags, RawMode, Uid, fchmod, fchown, fstat, mkdirat, openat};
use rustix::io::Errno;

use super::trash::Trash;
use crate::Error;

/// The folders in a volume's root: /workspace, /var/lib/openclaw, /home/agent, /tmp and /dev/shm of the jail, and the last
/// three once more for what stands in front of an inner wall.
pub const FOLDERS: [&str; 8] = ["workspace", "state", "home", "tmp", "shm", "front-home", "front-tmp", "front-shm"];
const AFRESH: [&str; 4] = ["tmp", "shm", "front-tmp", "front-shm"];

const ROOT_MODE: RawMode = 0o755;
const OWN_MODE: RawMode = 0o700;
const SHARED_MODE: RawMode = 0o1777;

/// Makes the folders in the root of a mounted volume, owned by the agent's host ids; what is there already is kept, apart
/// from tmp and shm. A volume whose folders belong to other ids is refused.
pub fn lay_out(root: impl AsFd, host_uid: u32, host_gid: u32) -> Result<(), Error> {
    let root = open(root, ".")?;
    own(&root, ".", 0, 0, ROOT_MODE)?;
    let mut trash = Trash::open(&root)?;
    for name in AFRESH {
        trash.take(&root, name)?;
    }
    trash.empty()?;
    for name in FOLDERS {
        match mkdirat(&root, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed("make", name)(error)),
        }
        let folder = open(&root, name)?;
        let stat = fstat(&folder).map_err(failed("look at", name))?;
        // Root's is one that was being made when we were stopped.
        if stat.st_uid != 0 && stat.st_uid != host_uid {
            return Err(Error::unfit(
                format!("the disk belongs to host user `{}`, not to `{host_uid}`", stat.st_uid),
                "give the tenant back its slot (table.json in the state folder's slots), or start with a new disk",
            ));
        }
        let mode = if AFRESH.contains(&name) { SHARED_MODE } else { OWN_MODE };
        own(&folder, name, host_uid, host_gid, mode)?;
    }
    Ok(())
}

pub(super) fn open(parent: impl AsFd, name: &str) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty()).map_err(failed("open", name))
}

fn own(folder: &OwnedFd, name: &str, uid: u32, gid: u32, mode: RawMode) -> Result<(), Error> {
    fchown(folder, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(failed("give away", name))?;
    fchmod(folder, Mode::from_raw_mode(mode)).map_err(failed("set the mode of", name))
}

pub(super) fn failed<E: Into<std::io::Error>>(verb: &str, name: &str) -> impl FnOnce(E) -> Error {
    Error::host(format!("{verb} `{name}` in the disk"), "start with a new disk if it is damaged")
}
