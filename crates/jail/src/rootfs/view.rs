//! The jail's own view of what it sees of the host: /usr, the runtime, Creel's program, and what the operator binds.
//!
//! Owns the read-only overlays that give files inodes of this jail's own, so that locks and watches don't reach another
//! jail's view of the same files (HARDENING.md 24), and keep the host's paths out of mountinfo. Everything lies below the
//! staging folder, from where any engine mounts it. It never shows what `plan::source` refuses. `spec` asks what there will
//! be, `rootfs` has it made.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, UnmountFlags, unmount};
use serde::{Deserialize, Serialize};

use super::mounts::{attach_at, copy_of, new_mount, part_of};
use crate::plan::Plan;
use crate::spec::STAGING;

/// One view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct View {
    /// Its name below the staging folder's `view`.
    name: String,
    /// Where it is seen in the jail.
    pub(crate) place: PathBuf,
    /// What of the host it shows.
    source: PathBuf,
    /// The staging folder's layer on top of it; none for a bind.
    layer: Option<String>,
}

impl View {
    /// Where it stands before it is mounted in the jail.
    pub(crate) fn path(&self) -> PathBuf {
        Path::new(STAGING).join("view").join(&self.name)
    }
}

/// What each jail sees, in the order of mounting.
pub(crate) fn views(plan: &Plan) -> Vec<View> {
    let one = |name: &str, place: &str, source: &Path, layer: Option<&str>| View {
        name: name.to_owned(),
        place: place.into(),
        source: source.to_owned(),
        layer: layer.map(str::to_owned),
    };
    let mut out = vec![one("usr", "/usr", Path::new("/usr"), Some("layer"))];
    out.extend(plan.runtime.iter().map(|runtime| one("runtime", "/opt/openclaw", runtime, Some("empty"))));
    if let Some(runtime) = plan.runtime.as_ref().filter(|_| plan.users.is_own()) {
        // What root lets others execute and not read, a plain user's overlay can't read either.
        out.push(one("node", "/opt/openclaw/node/bin/node", &runtime.join("node/bin/node"), None));
    }
    out.push(one("creel", "/creel/creel", &plan.exe, None));
    if plan.inner_wall.is_some() {
        out.push(one("launch", crate::wall::LAUNCHER, &plan.exe, None));
    }
    out
}

/// What the operator binds.
pub(crate) fn binds(plan: &Plan) -> Vec<View> {
    let one = |(number, bind): (usize, &crate::plan::Bind)| View {
        name: format!("bind-{number}"),
        place: bind.dst.clone(),
        source: bind.src.clone(),
        layer: None,
    };
    plan.binds.iter().enumerate().map(one).collect()
}

/// Makes one view below the staging folder.
pub(super) fn make(view: &View) -> rustix::io::Result<()> {
    let point = view.path();
    let made = match &view.layer {
        Some(layer) => {
            let upper = Path::new(STAGING).join(layer);
            overlay(&[&upper, &view.source])?
        }
        None => bound(&view.source)?,
    };
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&made)?.st_mode);
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    match kind {
        FileType::Directory => fs::create_dir(&point).map_err(errno)?,
        _ => fs::write(&point, "").map_err(errno)?,
    }
    attach_at(&made, &point)
}

/// A folder is taken from an overlay, in which a host's socket is nobody's, and a single file from an overlay of its folder;
/// where the file system can't lie under an overlay, and where we can't read it, the thing itself is taken. Submounts are left
/// out.
fn bound(source: &Path) -> rustix::io::Result<OwnedFd> {
    let kind = FileType::from_raw_mode(rustix::fs::stat(source)?.st_mode);
    let copy = match (kind, source.parent(), source.file_name()) {
        (FileType::RegularFile, Some(folder), Some(name)) if is_readable(source) => match of_file(folder, name) {
            Ok(copy) => copy,
            Err(_) => copy_of(source)?,
        },
        (FileType::Directory, ..) if is_readable(source) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let held = rustix::fs::openat(CWD, source, flags, Mode::empty())?;
            crate::plan::source::check_opened(&held).map_err(|_| Errno::PERM)?;
            // by its descriptor: what the path leads to may change
            let itself = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
            overlay(&[&Path::new(STAGING).join("empty"), &itself]).or_else(|_| copy_of(&itself))?
        }
        _ => copy_of(source)?,
    };
    // it may have been changed since the plan was checked
    crate::plan::source::check_opened(&copy).map_err(|_| Errno::PERM)?;
    Ok(copy)
}

/// An overlay reads with the rights of who mounts it.
fn is_readable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::READ_OK).is_ok()
}

/// A file as seen through an overlay instance of its folder.
fn of_file(folder: &Path, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let made = overlay(&[&Path::new(STAGING).join("empty"), folder])?;
    // Since 6.15 a copy of a part can be taken before the whole is attached, which saves a grace period of the unmount.
    if let Ok(copy) = part_of(&made, name) {
        return Ok(copy);
    }
    let point = Path::new(STAGING).join("folder");
    match rustix::fs::mkdir(&point, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    attach_at(&made, &point)?;
    let copy = copy_of(&point.join(name));
    unmount(&point, UnmountFlags::DETACH)?;
    copy
}

/// An overlay whose layers are named by short links in the staging folder: mountinfo shows the text of `lowerdir`, and the
/// host's paths are nobody's business in there.
fn overlay(layers: &[&Path]) -> rustix::io::Result<OwnedFd> {
    let alias = Path::new(STAGING).join("alias");
    rustix::process::chdir(&alias)?;
    let names = layers.iter().map(|layer| fresh_alias(&alias, layer)).collect::<rustix::io::Result<Vec<_>>>()?;
    let flags =
        MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let flags = flags | MountAttrFlags::MOUNT_ATTR_NOATIME;
    let made = new_mount("overlay", &[&format!("lowerdir={}", names.join(":"))], flags);
    rustix::process::chdir("/")?;
    made
}

/// Links the first free number to the layer.
fn fresh_alias(folder: &Path, target: &Path) -> rustix::io::Result<String> {
    for number in 0..256_u32 {
        let name = number.to_string();
        match rustix::fs::symlink(target, folder.join(&name)) {
            Ok(()) => return Ok(name),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Errno::NOSPC)
}
