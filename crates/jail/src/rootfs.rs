//! Builds the jail's root file system from the spec, and moves into it.
//!
//! Owns every mount inside a jail, in the order of the spec, and the farewell to the host's tree. It never leaves a
//! writable mount but those of the spec, and follows no link below the new root. The stage's child calls it, with power
//! over a mount namespace of its own, before anything of the agent runs.

pub(crate) mod inner;
mod mounts;
mod place;
pub(crate) mod view;

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use creel_jail_sys::socket;
use oci_spec::runtime::{Mount, Spec};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid};
use rustix::mount::{
    MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount_change, move_mount,
    unmount,
};

use crate::error::Error;
use crate::etc::{Entry, relative};
use crate::plan::{FRONT, WRITABLE};
use crate::spec::{STAGING, builders_ids};
use crate::stage::Order;
use crate::volume;
use mounts::{attach_new, copy_of, new_mount, set, split_options};
use place::Tree;

const HINT: &str = "this needs a kernel of 5.12 or newer with overlayfs";

/// The new root, not yet entered, and what is handed over: the listener of the secrets socket when the order wants one, then
/// what [`inner`] takes when there is to be an inner wall.
pub(crate) struct Gathered {
    tree: Tree,
    pub(crate) handed: Vec<OwnedFd>,
}

/// Gathers below the staging folder all that the jail is made of. `volume` is a mounted disk in no place yet; without one
/// the writable places lie in memory. `late` gives the files that were not known when the order was written.
///
/// # Errors
/// `Host` with what was tried; nothing has to be undone, for the mount namespace ends with its process.
pub(crate) fn gather(
    order: &Order,
    volume: Option<OwnedFd>,
    late: impl FnOnce() -> Result<Vec<Entry>, Error>,
) -> Result<Gathered, Error> {
    let (root, agent) = builders_ids(&order.spec)?;
    let tree = stage(order, volume, agent)?;
    write_skeleton(&tree, &order.skeleton, (root, agent))?;
    for one in &order.views {
        let place = one.place.display();
        view::make(one).map_err(Error::host(format!("take what the jail sees at `{place}`"), HINT))?;
    }
    let mut handed: Vec<_> = order.secrets_socket.then(|| secrets_socket(agent)).transpose()?.into_iter().collect();
    if order.inner_wall.is_some() {
        inner::make_links().map_err(Error::host("make the links to the launcher", HINT))?;
        handed.extend(inner::take(agent)?);
    }
    write_skeleton(&tree, &late()?, (root, agent))?;
    Ok(Gathered { tree, handed })
}

impl Gathered {
    /// Mounts what the spec says below the new root and makes it the root of this process.
    ///
    /// # Errors
    /// As [`gather`].
    pub(crate) fn enter(self, order: &Order) -> Result<(), Error> {
        let Self { tree, handed } = self;
        drop(handed);
        for mount in order.spec.mounts().iter().flatten() {
            execute(&tree, mount).map_err(|error| {
                let place = mount.destination().display();
                Error::host(format!("mount `{place}`"), HINT)(error)
            })?;
            if mount.destination() == Path::new("/dev") {
                devices(&tree, order.own_user).map_err(Error::host("make the device nodes", HINT))?;
            }
        }
        cover(&tree, &order.spec).map_err(Error::host("cover parts of /proc", HINT))?;
        enter(&tree).map_err(Error::host("move into the new root", HINT))
    }

    /// Makes each mount point of the spec that another engine, which is no host root, could not make.
    ///
    /// # Errors
    /// As [`gather`].
    pub(crate) fn make_points(&self, spec: &Spec) -> Result<(), Error> {
        for mount in spec.mounts().iter().flatten() {
            let place = mount.destination();
            let kind = match mount.source().as_deref().filter(|_| mount.typ().as_deref() == Some("bind")) {
                Some(source) => fs::metadata(source).map(|found| found.is_dir()),
                None => Ok(true),
            };
            let made = kind.map_err(|error| rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO));
            made.and_then(|folder| {
                let kind = if folder { FileType::Directory } else { FileType::RegularFile };
                self.make_point(place, kind)
            })
            .map_err(Error::host(format!("make `{}` of the jail", place.display()), HINT))?;
        }
        Ok(())
    }

    fn make_point(&self, place: &Path, kind: FileType) -> rustix::io::Result<()> {
        // in /dev and /usr nothing is missing, or the engine makes it on a file system of its own
        if ["/dev", "/usr"].iter().any(|above| place.starts_with(above)) {
            return Ok(());
        }
        let beneath = |(folder, above, _): &(&str, &str, bool)| {
            let rest = place.strip_prefix(above).ok().filter(|rest| !rest.as_os_str().is_empty())?;
            Some((Path::new(STAGING).join("volume").join(folder), rest.to_owned()))
        };
        match FRONT.iter().chain(&WRITABLE).find_map(beneath) {
            Some((folder, rest)) => Tree::open(&folder)?.make_point(&rest, kind),
            None => self.tree.make_point(&relative(place), kind),
        }
    }
}

/// Makes the staging folder: the overlay's extra layers, the volume, and the new root itself, each a mount of its own.
fn stage(order: &Order, volume: Option<OwnedFd>, agent: u32) -> Result<Tree, Error> {
    let staging = Path::new(STAGING);
    let host = |doing: &'static str| move |error: rustix::io::Errno| Error::host(doing, HINT)(error);
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|error| Error::missing("ns.mnt", error))?;
    if order.own_user {
        // A plain user can make no folder in /run; what the host has there is not seen any more.
        attach_new("tmpfs", &["mode=0755", "size=64k"], MountAttrFlags::empty(), Path::new("/run"))
            .map_err(host("cover `/run`"))?;
    }
    fs::create_dir_all(staging).map_err(Error::host(format!("make `{STAGING}`"), HINT))?;
    // Nobody but this mount namespace sees it; another engine passes it as the jail's user.
    attach_new("tmpfs", &["mode=0711", "size=16m"], MountAttrFlags::empty(), staging)
        .map_err(host("mount the staging folder"))?;
    for name in ["alias", "layer", "empty", "volume", "root", "view"] {
        let path = staging.join(name);
        fs::create_dir(&path).map_err(Error::host(format!("make `{}`", path.display()), HINT))?;
    }
    extra_layer(&staging.join("layer")).map_err(Error::host("make the extra layer of /usr", HINT))?;
    let disk = match volume {
        Some(mounted) => mounted,
        None => {
            let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
            // Programs keep the other half: killing one doesn't free what lies on a tmpfs. An inode takes about 1 KiB.
            let size = format!("size={}", order.memory_bytes / 2);
            let inodes = format!("nr_inodes={}", order.memory_bytes / (16 << 10));
            new_mount("tmpfs", &["mode=0755", &inodes, &size], flags).map_err(host("mount a tmpfs"))?
        }
    };
    volume::place(&disk, &staging.join("volume"))?;
    volume::lay_out(&disk, agent, agent)?;
    let root = staging.join("root");
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    attach_new("tmpfs", &["mode=0755", "size=32m", "nr_inodes=16k"], flags, &root)
        .map_err(host("mount the new root"))?;
    Tree::open(&root).map_err(Error::host("open the new root", HINT))
}

/// OpenSSL's own default file, where the distribution has its folder but no such link: programs find the bundle with an
/// empty environment.
fn extra_layer(layer: &Path) -> std::io::Result<()> {
    if !Path::new("/usr/lib/ssl").is_dir() || Path::new("/usr/lib/ssl/cert.pem").exists() {
        return Ok(());
    }
    fs::create_dir_all(layer.join("lib/ssl"))?;
    symlink("/etc/ssl/certs/ca-certificates.crt", layer.join("lib/ssl/cert.pem"))
}

fn write_skeleton(tree: &Tree, skeleton: &[Entry], (root, agent): (u32, u32)) -> Result<(), Error> {
    for entry in skeleton {
        let written = match entry {
            Entry::Folder { path } => tree.folder(path),
            Entry::Link { path, target } => tree.link(path, target),
            Entry::File { path, bytes, mode, agents } => {
                let owner = if *agents { agent } else { root };
                tree.file(path, &bytes.to_vec(), Mode::from_raw_mode(*mode), owner)
            }
        };
        written.map_err(Error::host(format!("make `/{}` of the jail", entry.path().display()), HINT))?;
    }
    Ok(())
}

/// One mount of the spec.
fn execute(tree: &Tree, mount: &Mount) -> rustix::io::Result<()> {
    let place = relative(mount.destination());
    let options: Vec<&str> = mount.options().iter().flatten().map(String::as_str).collect();
    let source = mount.source().as_deref().unwrap_or(Path::new("none"));
    let (mut flags, data) = split_options(&options);
    let made = if options.contains(&"bind") {
        let copy = copy_of(source)?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&copy)?.st_mode);
        tree.make_point(&place, kind)?;
        set(&copy, flags)?;
        copy
    } else {
        tree.make_point(&place, FileType::Directory)?;
        if mount.destination() == Path::new("/dev") {
            // It becomes read-only when everything in it is made.
            flags &= !MountAttrFlags::MOUNT_ATTR_RDONLY;
        }
        match mount.typ().as_deref() {
            Some(kind) => new_mount(kind, &data, flags)?,
            None => return Err(rustix::io::Errno::INVAL),
        }
    };
    attach(&made, tree, &place)
}

fn attach(made: &OwnedFd, tree: &Tree, place: &Path) -> rustix::io::Result<()> {
    let point = tree.find(place)?;
    let empty = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(made, "", &point, "", empty)
}

/// The OCI default devices (config-linux.md), numbers of `Documentation/admin-guide/devices.txt`. Without root no node can be
/// made, and the host's own are shown instead.
fn devices(tree: &Tree, own_user: bool) -> rustix::io::Result<()> {
    let nodes = [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
    for (name, major, minor) in nodes {
        let place = Path::new("dev").join(name);
        let number = rustix::fs::makedev(major, minor);
        if own_user {
            let copy = copy_of(&Path::new("/").join(&place))?;
            let found = rustix::fs::fstat(&copy)?;
            if FileType::from_raw_mode(found.st_mode) != FileType::CharacterDevice || found.st_rdev != number {
                return Err(rustix::io::Errno::NODEV);
            }
            tree.make_point(&place, FileType::CharacterDevice)?;
            // a device is as writable as before: this is about the node
            let flags = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID;
            set(&copy, flags | MountAttrFlags::MOUNT_ATTR_NOEXEC)?;
            attach(&copy, tree, &place)?;
        } else {
            tree.device(&place, number)?;
        }
    }
    let links = [
        ("dev/fd", "/proc/self/fd"),
        ("dev/stdin", "/proc/self/fd/0"),
        ("dev/stdout", "/proc/self/fd/1"),
        ("dev/stderr", "/proc/self/fd/2"),
        ("dev/ptmx", "pts/ptmx"),
    ];
    for (path, target) in links {
        tree.link(Path::new(path), Path::new(target))?;
    }
    tree.folder(Path::new("dev/shm"))
}

/// Hides the masked paths under nothing and makes the read-only ones so. A path that this kernel lacks needs no cover.
fn cover(tree: &Tree, spec: &Spec) -> rustix::io::Result<()> {
    let linux = spec.linux().as_ref();
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    for path in linux.and_then(|linux| linux.masked_paths().as_ref()).into_iter().flatten() {
        let place = relative(Path::new(path));
        let Some(kind) = tree.kind(&place)? else { continue };
        let nothing = if kind == FileType::Directory {
            let flags = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID;
            new_mount("tmpfs", &["size=4k", "nr_inodes=2", "mode=0555"], flags)?
        } else {
            rustix::mount::open_tree(tree.find(Path::new("dev/null"))?, "", clone)?
        };
        attach(&nothing, tree, &place)?;
    }
    for path in linux.and_then(|linux| linux.readonly_paths().as_ref()).into_iter().flatten() {
        let place = relative(Path::new(path));
        if tree.kind(&place)?.is_none() {
            continue;
        }
        let copy = rustix::mount::open_tree(tree.find(&place)?, "", clone)?;
        let flags = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID;
        set(&copy, flags | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC)?;
        attach(&copy, tree, &place)?;
    }
    Ok(())
}

/// The listener of `/run/creel/secrets.sock`, which the agent's user alone may connect to.
fn secrets_socket(agent: u32) -> Result<OwnedFd, Error> {
    let path: PathBuf = Path::new(STAGING).join("root/run/creel/secrets.sock");
    let listener = socket::unix_listener(&path, 0o600).map_err(Error::host("plant the secrets socket", HINT))?;
    rustix::fs::chownat(CWD, &path, Some(Uid::from_raw(agent)), Some(Gid::from_raw(agent)), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(Error::host("give the secrets socket to the agent", HINT))?;
    Ok(listener)
}

/// Makes the tree the root of this process, read-only, and lets go of the host's.
fn enter(tree: &Tree) -> rustix::io::Result<()> {
    let dev = tree.open_at(Path::new("dev"), OFlags::PATH | OFlags::DIRECTORY)?;
    set(&dev, MountAttrFlags::MOUNT_ATTR_RDONLY)?;
    rustix::process::fchdir(tree.root())?;
    // pivot_root(2), "pivot_root(".", ".")": the old root is then mounted above the new one, and goes with the unmount
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")?;
    let root = rustix::fs::openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID;
    set(&root, flags | MountAttrFlags::MOUNT_ATTR_NODEV)
}
