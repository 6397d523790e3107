//! Builds the jail's root file system from the spec, and moves into it.
//!
//! Owns every mount inside a jail, in the order of the spec, and the farewell to the host's tree. It never leaves a
//! writable mount but those of the spec, and follows no link below the new root. The stage's child calls it, as root, in
//! a mount namespace of its own, before anything of the agent runs.

mod place;

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use creel_jail_sys::mount::{MountAttributes, set_attributes};
use creel_jail_sys::socket;
use oci_spec::runtime::{Mount, Spec};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount_change, move_mount, open_tree,
    unmount,
};

use crate::error::Error;
use crate::etc::{Entry, relative};
use crate::spec::{AGENT, STAGING};
use crate::stage::Order;
use crate::volume;
use place::Tree;

const HINT: &str = "this needs root and a kernel of 5.12 or newer with overlayfs";

/// Builds everything below the new root and makes it the root of this process. `volume` is a mounted disk in no place yet;
/// without one the writable places lie in memory. Returns the listener of the secrets socket when the order wants one.
///
/// # Errors
/// `Host` with what was tried; nothing has to be undone, for the mount namespace ends with its process.
pub(crate) fn build(order: &Order, volume: Option<OwnedFd>) -> Result<Option<OwnedFd>, Error> {
    let base = first_host_id(&order.spec)?;
    let tree = gather(order, volume, base)?;
    write_skeleton(&tree, &order.skeleton, base)?;
    for mount in order.spec.mounts().iter().flatten() {
        execute(&tree, mount).map_err(|error| {
            let place = mount.destination().display();
            Error::host(format!("mount `{place}`"), HINT)(error)
        })?;
        if mount.destination() == Path::new("/dev") {
            devices(&tree).map_err(Error::host("make the device nodes", HINT))?;
        }
    }
    cover(&tree, &order.spec).map_err(Error::host("cover parts of /proc", HINT))?;
    let listener = order.secrets_socket.then(|| secrets_socket(base)).transpose()?;
    enter(&tree).map_err(Error::host("move into the new root", HINT))?;
    Ok(listener)
}

/// The host id of the jail's uid 0.
pub(crate) fn first_host_id(spec: &Spec) -> Result<u32, Error> {
    let mappings = spec.linux().as_ref().and_then(|linux| linux.uid_mappings().as_ref());
    mappings
        .and_then(|all| all.iter().find(|one| one.container_id() == 0))
        .map(|one| one.host_id())
        .ok_or_else(|| Error::bug("the spec maps no uid 0"))
}

/// Makes the staging folder: the overlay's extra layers, the volume, and the new root itself, each a mount of its own.
fn gather(order: &Order, volume: Option<OwnedFd>, base: u32) -> Result<Tree, Error> {
    let staging = Path::new(STAGING);
    let host = |doing: &'static str| move |error: rustix::io::Errno| Error::host(doing, HINT)(error);
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|error| Error::missing("ns.mnt", error))?;
    fs::create_dir_all(staging).map_err(Error::host(format!("make `{STAGING}`"), HINT))?;
    attach_new("tmpfs", &["mode=0700", "size=1m"], MountAttrFlags::empty(), staging)
        .map_err(host("mount the staging folder"))?;
    for name in ["alias", "layer", "empty", "volume", "root"] {
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
    volume::lay_out(&disk, base + AGENT, base + AGENT)?;
    let root = staging.join("root");
    attach_new("tmpfs", &["mode=0755", "size=32m", "nr_inodes=16k"], MountAttrFlags::empty(), &root)
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

fn write_skeleton(tree: &Tree, skeleton: &[Entry], base: u32) -> Result<(), Error> {
    for entry in skeleton {
        let written = match entry {
            Entry::Folder { path } => tree.folder(path),
            Entry::Link { path, target } => tree.link(path, target),
            Entry::File { path, bytes, mode, agents } => {
                let owner = if *agents { base + AGENT } else { base };
                tree.file(path, bytes.as_slice(), Mode::from_raw_mode(*mode), owner)
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
    let (flags, data) = split_options(&options);
    let made = if options.contains(&"bind") {
        bind(tree, &place, source, flags)?
    } else {
        tree.make_point(&place, FileType::Directory)?;
        match mount.typ().as_deref() {
            Some("overlay") => overlay(&data, flags)?,
            Some(kind) => new_mount(kind, &data, flags)?,
            None => return Err(rustix::io::Errno::INVAL),
        }
    };
    attach(&made, tree, &place)
}

/// Separates what is set on the mount from what the file system reads itself.
fn split_options<'a>(options: &[&'a str]) -> (MountAttrFlags, Vec<&'a str>) {
    let mut flags = MountAttrFlags::MOUNT_ATTR_NOATIME;
    let mut data = Vec::new();
    for &option in options {
        match option {
            "ro" => flags |= MountAttrFlags::MOUNT_ATTR_RDONLY,
            "nosuid" => flags |= MountAttrFlags::MOUNT_ATTR_NOSUID,
            "nodev" => flags |= MountAttrFlags::MOUNT_ATTR_NODEV,
            "noexec" => flags |= MountAttrFlags::MOUNT_ATTR_NOEXEC,
            "rw" | "bind" => {}
            other => data.push(other),
        }
    }
    (flags, data)
}

/// A detached copy of a host path, with its attributes set before it is seen anywhere. A single file is taken from an
/// overlay of its folder, so that its inode is the jail's own and its host path doesn't show in mountinfo; where the file
/// system can't lie under an overlay, the file itself is taken. Submounts are left out.
fn bind(tree: &Tree, place: &Path, source: &Path, flags: MountAttrFlags) -> rustix::io::Result<OwnedFd> {
    let kind = FileType::from_raw_mode(rustix::fs::stat(source)?.st_mode);
    tree.make_point(place, kind)?;
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let copy = match (kind, source.parent(), source.file_name()) {
        (FileType::RegularFile, Some(folder), Some(name)) => match own_view(folder, name) {
            Ok(copy) => copy,
            Err(_) => open_tree(CWD, source, clone)?,
        },
        _ => open_tree(CWD, source, clone)?,
    };
    // it may have been changed since the plan was checked
    crate::plan::source::check_opened(&copy).map_err(|_| rustix::io::Errno::PERM)?;
    set(&copy, flags)?;
    Ok(copy)
}

/// A file as seen through an overlay instance of its folder.
fn own_view(folder: &Path, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let point = Path::new(STAGING).join("view");
    match rustix::fs::mkdir(&point, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    let lowerdir = format!("lowerdir={STAGING}/empty:{}", folder.display());
    let made = overlay(&[&lowerdir], MountAttrFlags::MOUNT_ATTR_RDONLY)?;
    move_mount(&made, "", CWD, &point, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let copy = open_tree(CWD, point.join(name), clone);
    unmount(&point, UnmountFlags::DETACH)?;
    copy
}

/// An overlay whose layers are named by short links in the staging folder: mountinfo shows the text of `lowerdir`, and the
/// host's paths are nobody's business in there.
fn overlay(data: &[&str], flags: MountAttrFlags) -> rustix::io::Result<OwnedFd> {
    let alias = Path::new(STAGING).join("alias");
    rustix::process::chdir(&alias)?;
    let mut short = Vec::new();
    for option in data {
        let Some(layers) = option.strip_prefix("lowerdir=") else { return Err(rustix::io::Errno::INVAL) };
        let mut names = Vec::new();
        for layer in layers.split(':') {
            let name = fresh_alias(&alias, Path::new(layer))?;
            names.push(name);
        }
        short.push(format!("lowerdir={}", names.join(":")));
    }
    let made = new_mount("overlay", &short.iter().map(String::as_str).collect::<Vec<_>>(), flags);
    rustix::process::chdir("/")?;
    made
}

/// Links the first free number to the layer.
fn fresh_alias(folder: &Path, target: &Path) -> rustix::io::Result<String> {
    for number in 0..256_u32 {
        let name = number.to_string();
        match rustix::fs::symlink(target, folder.join(&name)) {
            Ok(()) => return Ok(name),
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Err(rustix::io::Errno::NOSPC)
}

/// A new file system of that kind, not attached anywhere yet.
fn new_mount(kind: &str, data: &[&str], flags: MountAttrFlags) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for option in data {
        match option.split_once('=') {
            Some((key, value)) => fsconfig_set_string(&context, key, value)?,
            None => fsconfig_set_flag(&context, *option)?,
        }
    }
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)
}

fn attach_new(kind: &str, data: &[&str], flags: MountAttrFlags, place: &Path) -> rustix::io::Result<()> {
    let made = new_mount(kind, data, flags)?;
    move_mount(&made, "", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

fn attach(made: &OwnedFd, tree: &Tree, place: &Path) -> rustix::io::Result<()> {
    let point = tree.find(place)?;
    let empty = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(made, "", &point, "", empty)
}

/// The same attributes for a mount that exists, by `mount_setattr`.
fn set(mount: &OwnedFd, flags: MountAttrFlags) -> rustix::io::Result<()> {
    let mut attributes = MountAttributes::default();
    for (flag, attribute) in [
        (MountAttrFlags::MOUNT_ATTR_RDONLY, MountAttributes::READ_ONLY),
        (MountAttrFlags::MOUNT_ATTR_NOSUID, MountAttributes::NO_SUID),
        (MountAttrFlags::MOUNT_ATTR_NODEV, MountAttributes::NO_DEV),
        (MountAttrFlags::MOUNT_ATTR_NOEXEC, MountAttributes::NO_EXEC),
    ] {
        if flags.contains(flag) {
            attributes = attributes.and(attribute);
        }
    }
    set_attributes(mount, Path::new(""), attributes, false).map_err(errno)
}

fn errno(error: std::io::Error) -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO)
}

/// The OCI default devices (config-linux.md), numbers of `Documentation/admin-guide/devices.txt`.
fn devices(tree: &Tree) -> rustix::io::Result<()> {
    let nodes = [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
    for (name, major, minor) in nodes {
        tree.device(&Path::new("dev").join(name), rustix::fs::makedev(major, minor))?;
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
            open_tree(tree.find(Path::new("dev/null"))?, "", clone)?
        };
        attach(&nothing, tree, &place)?;
    }
    for path in linux.and_then(|linux| linux.readonly_paths().as_ref()).into_iter().flatten() {
        let place = relative(Path::new(path));
        if tree.kind(&place)?.is_none() {
            continue;
        }
        let copy = open_tree(tree.find(&place)?, "", clone)?;
        let flags = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID;
        set(&copy, flags | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC)?;
        attach(&copy, tree, &place)?;
    }
    Ok(())
}

/// The listener of `/run/creel/secrets.sock`, which the agent's user alone may connect to.
fn secrets_socket(base: u32) -> Result<OwnedFd, Error> {
    let path: PathBuf = Path::new(STAGING).join("root/run/creel/secrets.sock");
    let listener = socket::unix_listener(&path, 0o600).map_err(Error::host("plant the secrets socket", HINT))?;
    let agent = base + AGENT;
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
