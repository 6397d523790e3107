//! The two sides of the inner wall as mounts.
//!
//! Owns what differs behind the wall: the agent's files as the second user's own, the programs themselves instead of links
//! to the launcher, and nothing where the gateway keeps its state, configuration and sockets. Copies are taken while the
//! root is gathered, attached to nothing, and travel as descriptors. The stage attaches them in the mount namespace of the
//! process behind the wall.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use creel_jail_sys::mount::map_owners;
use creel_jail_sys::socket::seqpacket_listener;
use rustix::fs::{AtFlags, CWD, Gid, Uid};
use rustix::mount::MountAttrFlags;

use super::HINT;
use super::mounts::{attach_at, attach_new, copy_of, set};
use crate::error::Error;
use crate::plan::{BEHIND, PROGRAMS};
use crate::spec::STAGING;
use crate::wall::{LAUNCHER, SOCKET};

/// What in front of the wall is, and behind it is empty.
const EMPTY: [&str; 3] = ["/var/lib/openclaw", "/etc/openclaw", "/run/creel"];

/// Links to the launcher, one for every program; the spec mounts the folders over the programs.
pub(super) fn make_links() -> std::io::Result<()> {
    for (name, place) in PROGRAMS {
        let folder = Path::new(STAGING).join("links").join(name);
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(programs(place))? {
            symlink(LAUNCHER, folder.join(entry?.file_name()))?;
        }
    }
    Ok(())
}

/// The programs in the jail's own view of /usr.
fn programs(place: &str) -> std::path::PathBuf {
    Path::new(STAGING).join("view").join(place.trim_start_matches('/'))
}

/// The launcher's listener, then the mounts of [`BEHIND`] and of [`PROGRAMS`].
pub(super) fn take(agent: u32) -> Result<Vec<OwnedFd>, Error> {
    let mut out = vec![listener(agent).map_err(Error::host("plant the launcher's socket", HINT))?];
    let plain = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let took = |place: &str| Error::host::<rustix::io::Errno>(format!("take what commands see at `{place}`"), HINT);
    for (folder, place, executable) in BEHIND {
        let copy = copy_of(&Path::new(STAGING).join("volume").join(folder)).map_err(took(place))?;
        let flags = if executable { plain } else { plain | MountAttrFlags::MOUNT_ATTR_NOEXEC };
        set(&copy, flags).map_err(took(place))?;
        out.push(copy);
    }
    for (_, place) in PROGRAMS {
        let copy = copy_of(&programs(place)).map_err(took(place))?;
        set(&copy, plain | MountAttrFlags::MOUNT_ATTR_RDONLY).map_err(took(place))?;
        out.push(copy);
    }
    Ok(out)
}

fn listener(agent: u32) -> std::io::Result<OwnedFd> {
    let path = Path::new(STAGING).join("root").join(SOCKET.trim_start_matches('/'));
    let listener = seqpacket_listener(&path, 0o600)?;
    let owner = (Some(Uid::from_raw(agent)), Some(Gid::from_raw(agent)));
    rustix::fs::chownat(CWD, &path, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(listener)
}

/// Puts the mounts into place, in a mount namespace that nothing runs in yet. `owners` maps the agent's id to the second
/// user's; none where both are the same.
pub(crate) fn attach(mounts: &[OwnedFd], owners: Option<&OwnedFd>) -> Result<(), Error> {
    let places =
        BEHIND.iter().map(|(_, place, _)| (*place, owners)).chain(PROGRAMS.iter().map(|(_, place)| (*place, None)));
    for (mount, (place, owners)) in mounts.iter().zip(places) {
        let put = || Error::host::<std::io::Error>(format!("put `{place}` behind the inner wall"), HINT);
        if let Some(owners) = owners {
            map_owners(mount, owners).map_err(put())?;
        }
        attach_at(mount, Path::new(place)).map_err(|error| put()(error.into()))?;
    }
    for place in EMPTY {
        let flags = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID;
        attach_new("tmpfs", &["size=4k", "nr_inodes=2", "mode=0555"], flags, Path::new(place))
            .map_err(Error::host(format!("empty `{place}` behind the inner wall"), HINT))?;
    }
    Ok(())
}
