use super::*;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::id;

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("creel-volume-{name}-{}", id()));
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Self(path)
    }

    fn volume(&self, mib: u64) -> Volume {
        Volume { image: self.0.join("disk.img"), bytes: mib << 20 }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A path to what a descriptor holds, for std's functions.
fn inside(root: &OwnedFd) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd()))
}

fn reopened(mounted: &OwnedFd) -> OwnedFd {
    layout::open(mounted, ".").unwrap()
}

fn allocated(volume: &Volume) -> u64 {
    std::fs::metadata(&volume.image).unwrap().blocks() * 512
}

const AGENT: u32 = 1_879_049_192;

#[test]
fn a_new_image_is_allocated_whole_private_and_has_a_journal() {
    let place = Place::new("new");
    let volume = place.volume(48);
    assert!(!volume.exists().unwrap());
    std::fs::write(place.0.join("disk.img.new"), b"what a killed process left").unwrap();
    std::fs::set_permissions(place.0.join("disk.img.new"), PermissionsExt::from_mode(0o600)).unwrap();
    volume.create().unwrap();
    assert!(volume.exists().unwrap());
    let metadata = std::fs::metadata(&volume.image).unwrap();
    assert_eq!((metadata.len(), metadata.mode() & 0o7777, metadata.uid()), (48 << 20, 0o600, 0));
    assert!(allocated(&volume) >= 48 << 20, "the image is sparse");
    assert!(!place.0.join("disk.img.new").exists());
    assert!(matches!(volume.create(), Err(Error::Operator { .. })), "made over an existing one");
    volume.remove().unwrap();
    assert!(!volume.exists().unwrap());
}

#[test]
fn the_limit_holds_and_the_image_stays_allocated() {
    let place = Place::new("limit");
    let volume = place.volume(48);
    volume.create().unwrap();
    let device = volume.attach().unwrap();
    let root = reopened(&mount(&device, true).unwrap());
    drop(device);
    let dir = inside(&root);
    // Allocated ahead and written in the middle: what could make ext4 zero blocks on the device.
    for number in 0..100 {
        let file = File::create(dir.join(format!("f{number}"))).unwrap();
        fallocate(&file, FallocateFlags::empty(), 0, 20_000 + number).unwrap();
        file.write_all_at(b"x", 8192).unwrap();
        file.sync_all().unwrap();
    }
    let mut big = File::create(dir.join("big")).unwrap();
    let chunk = vec![7; 1 << 20];
    let mut written = 0;
    let error = loop {
        match big.write_all(&chunk) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 48, "more was written than the disk holds");
    };
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    big.set_len(0).unwrap();
    big.sync_all().unwrap();
    rustix::fs::syncfs(&root).unwrap();
    assert!(allocated(&volume) >= 48 << 20, "writing made holes");
}

#[test]
fn a_disk_is_mounted_once_and_let_go() {
    let place = Place::new("once");
    let volume = place.volume(16);
    volume.create().unwrap();
    let device = volume.attach().unwrap();
    assert!(matches!(volume.attach(), Err(Error::Operator { .. })), "attached twice");
    let mounted = mount(&device, true).unwrap();
    drop(device);
    assert!(matches!(volume.attach(), Err(Error::Operator { .. })), "attached while mounted");
    drop(mounted);
    let free = (0..250).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        volume.attach().is_ok()
    });
    assert!(free, "the loop device stays");
}

#[test]
fn only_our_own_image_is_mounted() {
    let place = Place::new("ours");
    let volume = place.volume(16);
    assert!(volume.attach().is_err());
    volume.create().unwrap();
    let refused = |what: &str| assert!(volume.attach().is_err(), "{what}");
    std::fs::set_permissions(&volume.image, PermissionsExt::from_mode(0o644)).unwrap();
    refused("others may read it");
    std::fs::set_permissions(&volume.image, PermissionsExt::from_mode(0o600)).unwrap();
    std::os::unix::fs::chown(&volume.image, Some(1000), None).unwrap();
    refused("not root's");
    std::os::unix::fs::chown(&volume.image, Some(0), None).unwrap();
    let other = place.0.join("other");
    std::fs::hard_link(&volume.image, &other).unwrap();
    refused("it has two names");
    std::fs::remove_file(&volume.image).unwrap();
    symlink(&other, &volume.image).unwrap();
    refused("a link");
    std::fs::remove_file(&volume.image).unwrap();
    std::fs::rename(&other, &volume.image).unwrap();
    assert!(volume.attach().is_ok());
    let grown = Volume { bytes: 17 << 20, ..volume.clone() };
    assert!(matches!(grown.attach(), Err(Error::Operator { .. })));
    let file = std::fs::OpenOptions::new().write(true).open(&volume.image).unwrap();
    file.write_all_at(b"foreign\0\0\0\0\0\0", 1024 + 0x78).unwrap();
    refused("another label");
    file.write_all_at(superblock::LABEL.as_bytes(), 1024 + 0x78).unwrap();
    std::fs::set_permissions(&place.0, PermissionsExt::from_mode(0o777)).unwrap();
    refused("others may write the folder");
}

#[test]
fn too_little_room_or_too_small_a_disk_is_refused_and_leaves_nothing() {
    let place = Place::new("room");
    let free = rustix::fs::statvfs(&place.0).unwrap();
    let all = free.f_bavail * free.f_frsize;
    let error = Volume { image: place.0.join("disk.img"), bytes: all - (512 << 20) }.create().unwrap_err();
    assert!(matches!(error, Error::Unfit { .. }), "{error}");
    assert!(error.to_string().contains("configure a smaller disk"), "{error}");
    assert!(matches!(place.volume(1).create(), Err(Error::Operator { .. })));
    assert_eq!(std::fs::read_dir(&place.0).unwrap().count(), 0);
    let relative = Volume { image: "disk.img".into(), bytes: 16 << 20 };
    assert!(matches!(relative.create(), Err(Error::Operator { .. })));
}

#[test]
fn a_scratch_image_never_has_a_name() {
    let place = Place::new("scratch");
    let seen = std::thread::scope(|scope| {
        let (done, over) = std::sync::mpsc::channel::<()>();
        let dir = &place.0;
        let watcher = scope.spawn(move || {
            let mut seen = 0;
            while over.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                seen += std::fs::read_dir(dir).unwrap().count();
            }
            seen
        });
        let device = scratch(dir, 32 << 20).unwrap();
        drop(done);
        mount(&device, true).unwrap();
        watcher.join().unwrap()
    });
    assert_eq!(seen, 0);
    assert!(matches!(scratch(&place.0, 1 << 20), Err(Error::Operator { .. })));
    assert!(matches!(scratch(&place.0, 1 << 60), Err(Error::Unfit { .. })));
}

#[test]
fn what_is_free_is_offered_but_for_one_gibibyte() {
    let place = Place::new("offer");
    let stat = rustix::fs::statvfs(&place.0).unwrap();
    let expected = (stat.f_bavail * stat.f_frsize).saturating_sub(1 << 30);
    let offered = room(&place.0).unwrap();
    // others write to this file system meanwhile, but never a twentieth of it
    assert!(offered.abs_diff(expected) < stat.f_blocks * stat.f_frsize / 25, "{offered} {expected}");
    let folder = Folder::open(&place.0).unwrap();
    admit(&folder, offered.saturating_sub(256 << 20)).unwrap();
    assert!(admit(&folder, offered + (512 << 20)).is_err());
    assert!(room(&place.0.join("nowhere")).is_err());
}

#[test]
fn holes_are_filled_before_an_image_is_used() {
    let place = Place::new("holes");
    let volume = place.volume(16);
    volume.create().unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&volume.image).unwrap();
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(&file, punch, 12 << 20, 4 << 20).unwrap();
    assert!(allocated(&volume) < 16 << 20);
    volume.attach().unwrap();
    assert!(allocated(&volume) >= 16 << 20);
}

#[test]
fn the_layout_keeps_what_lasts_and_clears_what_does_not() {
    let place = Place::new("layout");
    let volume = place.volume(32);
    volume.create().unwrap();
    let device = volume.attach().unwrap();
    let mounted = mount(&device, true).unwrap();
    lay_out(&mounted, AGENT, AGENT).unwrap();
    let root = reopened(&mounted);
    let dir = inside(&root);
    let look = |name: &str| {
        let metadata = std::fs::metadata(dir.join(name)).unwrap();
        (metadata.mode() & 0o7777, metadata.uid(), metadata.gid())
    };
    assert_eq!(look("."), (0o755, 0, 0));
    for name in ["workspace", "state", "home"] {
        assert_eq!(look(name), (0o700, AGENT, AGENT));
        std::fs::write(dir.join(name).join("kept"), name).unwrap();
    }
    std::fs::write(place.0.join("outside"), b"").unwrap();
    std::fs::set_permissions(dir.join("state"), PermissionsExt::from_mode(0o777)).unwrap();
    let mut deep = dir.join("tmp");
    for _ in 0..200 {
        deep = deep.join("d");
        std::fs::create_dir(&deep).unwrap();
        std::fs::write(deep.join("1"), b"x").unwrap();
    }
    symlink(&place.0, dir.join("tmp/link")).unwrap();
    for number in 0..1500 {
        File::create(dir.join(format!("shm/{number}"))).unwrap();
    }
    lay_out(&mounted, AGENT, AGENT).unwrap();
    for name in ["tmp", "shm"] {
        assert_eq!(look(name), (0o1777, AGENT, AGENT));
        assert_eq!(std::fs::read_dir(dir.join(name)).unwrap().count(), 0);
    }
    assert_eq!(look("state"), (0o700, AGENT, AGENT));
    assert_eq!(std::fs::read(dir.join("workspace/kept")).unwrap(), b"workspace");
    assert_eq!(std::fs::read_dir(dir.join(".trash")).unwrap().count(), 0);
    assert!(place.0.join("outside").exists(), "a link was followed");
    assert!(matches!(lay_out(&mounted, AGENT + 65_536, AGENT), Err(Error::Unfit { .. })), "another slot");
}

#[test]
fn a_mount_can_be_placed_and_is_nosuid_nodev() {
    let place = Place::new("place");
    let volume = place.volume(16);
    volume.create().unwrap();
    let target = place.0.join("target");
    std::fs::create_dir(&target).unwrap();
    let thread = std::thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).expect("these tests need root");
        rustix::mount::mount_change(
            "/",
            rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC,
        )
        .unwrap();
        let device = volume.attach().unwrap();
        super::place(mount(&device, true).unwrap(), &target).unwrap();
        let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let line = mounts.lines().find(|line| line.contains(target.to_str().unwrap())).unwrap();
        assert!(line.contains("nosuid") && line.contains("nodev") && line.contains("ext4"), "{line}");
        rustix::mount::unmount(&target, rustix::mount::UnmountFlags::empty()).unwrap();
    });
    thread.join().unwrap();
}
