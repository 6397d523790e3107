//! Running `mkfs.ext4`, the one program that Creel starts on the host.
//!
//! Owns its arguments, an empty environment and a time limit. It is given an open file of root's and nothing that an agent
//! wrote. `volume` calls it when an image is made.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use creel_jail_sys::pidfd;

use super::superblock::LABEL;
use crate::Error;

const PLACES: [&str; 4] =
    ["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/bin/mkfs.ext4", "/run/current-system/sw/bin/mkfs.ext4"];

/// An inode for each 16 KiB: 655,360 in 10 GiB, where OpenClaw with its modules takes some 40,000.
const BYTES_PER_INODE: &str = "16384";
/// `nodiscard`, so that the image stays allocated; the rest is zero already, since it was just allocated.
const EXTENDED: &str = "nodiscard,lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0";
const PATIENCE: Duration = Duration::from_secs(120);
const NEXT: &str = "run it by hand to see why, or report it";

/// Writes an empty ext4 with a journal and our label over the whole of the file.
pub(super) fn ext4(image: &File) -> Result<(), Error> {
    let Some(program) = PLACES.iter().find(|place| Path::new(place).exists()) else {
        return Err(Error::unfit("`mkfs.ext4` is not installed", "install e2fsprogs"));
    };
    let copy = image.try_clone().map_err(Error::host("copy a descriptor", NEXT))?;
    let mut child = start(program, copy).map_err(Error::host(format!("start `{program}`"), "install e2fsprogs"))?;
    let ended = i32::try_from(child.id())
        .map_err(std::io::Error::other)
        .and_then(pidfd::open)
        .and_then(|pidfd| pidfd::wait_ended(pidfd, PATIENCE));
    if !matches!(ended, Ok(true)) {
        // It can only have ended by itself meanwhile, which is as good.
        child.kill().ok();
    }
    let status = child.wait().map_err(Error::host(format!("wait for `{program}`"), NEXT))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::unfit(format!("`{program}` failed ({status}): {}", complaint(&mut child)), NEXT))
}

#[expect(clippy::disallowed_methods, reason = "the one program that is run on the host, from this file alone")]
fn start(program: &str, image: File) -> std::io::Result<Child> {
    Command::new(program)
        .args(["-q", "-F", "-t", "ext4", "-O", "has_journal", "-b", "4096", "-m", "0", "-i", BYTES_PER_INODE])
        // By descriptor, since an image may have no name.
        .args(["-L", LABEL, "-E", EXTENDED, "--", "/proc/self/fd/0"])
        .env_clear()
        .current_dir("/")
        .stdin(image)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
}

/// The first line that it wrote; what doesn't fit the pipe made it wait, and then the time limit ended it.
fn complaint(child: &mut Child) -> String {
    let mut text = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        // Without its words the status alone has to do.
        stderr.take(4096).read_to_end(&mut text).ok();
    }
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or("it gave no reason").chars().filter(|c| !c.is_control()).collect()
}
