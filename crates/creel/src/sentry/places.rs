//! Where a handle is, and what lies there.
//!
//! Owns the mounts that are looked through, and the one way to a path of the agent's: by handle for a name, beneath workspace or
//! state for content, no link followed and nothing waited for. It writes nothing. The sentry asks it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use creel_jail_sys::fanotify::{Handle, open};
use creel_openclaw::layout::{HOME, STATE, WORKSPACE};
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat};

/// Folders whose names are remembered.
const MOST_REMEMBERED: usize = 4096;
/// The longest content that is kept.
pub(crate) const LONGEST: u64 = 1 << 20;
/// So many entries of a folder are looked at.
const MOST_ENTRIES: usize = 20_000;

pub(super) struct Places {
    workspace: OwnedFd,
    state: OwnedFd,
    homes: Vec<OwnedFd>,
    names: HashMap<Handle, Option<Rc<str>>>,
}

/// What stands at a path.
#[derive(Debug)]
pub(super) enum Content {
    Gone,
    Here(Vec<u8>),
    Unread,
}

impl Places {
    /// `homes` are those of the agent and of its commands.
    pub(super) fn new(workspace: OwnedFd, state: OwnedFd, homes: Vec<OwnedFd>) -> Self {
        Self { workspace, state, homes, names: HashMap::new() }
    }

    /// Any folder of the file system.
    pub(super) fn any(&self) -> BorrowedFd<'_> {
        self.workspace.as_fd()
    }

    /// A folder's path in the jail: none of a place that is thrown away at each start. A folder that is gone is `/**`.
    pub(super) fn folder(&mut self, handle: Handle) -> Option<Rc<str>> {
        if let Some(known) = self.names.get(&handle) {
            return known.clone();
        }
        let mut path = None;
        // a mount tells the paths of what it shows
        for mount in [&self.workspace, &self.state].into_iter().chain(&self.homes) {
            match open(mount.as_fd(), &handle) {
                Ok(folder) => path = path_of(&folder),
                Err(_) => return Some(GONE.into()),
            }
            if path.is_some() {
                break;
            }
        }
        if self.names.len() >= MOST_REMEMBERED {
            self.names.clear();
        }
        self.names.insert(handle, path.clone());
        path
    }

    /// Folders have other names now.
    pub(super) fn forget_names(&mut self) {
        self.names.clear();
    }

    /// What stands at this path of the jail.
    pub(super) fn read(&self, path: &str) -> Content {
        let file = match self.open(path, OFlags::RDONLY | OFlags::NONBLOCK) {
            Ok(file) => file,
            Err(error) => {
                let gone = [libc::ENOENT, libc::ENOTDIR].map(Some).contains(&error.raw_os_error());
                return if gone { Content::Gone } else { Content::Unread };
            }
        };
        let regular =
            rustix::fs::fstat(&file).is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::RegularFile);
        let mut bytes = Vec::new();
        match File::from(file).take(LONGEST + 1).read_to_end(&mut bytes) {
            Ok(read) if regular && read as u64 <= LONGEST => Content::Here(bytes),
            _ => Content::Unread,
        }
    }

    /// A place, not to be read.
    pub(super) fn place(&self, path: &str) -> io::Result<(OwnedFd, Stat)> {
        let place = self.open(path, OFlags::PATH)?;
        let found = rustix::fs::fstat(&place)?;
        Ok((place, found))
    }

    /// What a folder holds: names that are text, and whether that is all.
    pub(super) fn list(&self, path: &str) -> io::Result<(Vec<(String, FileType)>, bool)> {
        let folder = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let name = text(entry.file_name().to_bytes());
            if matches!(name.as_str(), "." | "..") {
                continue;
            }
            if names.len() >= MOST_ENTRIES {
                return Ok((names, false));
            }
            names.push((name, entry.file_type()));
        }
        names.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        Ok((names, true))
    }

    fn open(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let beneath = |top: &str| path.strip_prefix(top)?.strip_prefix('/').or((path == top).then_some("."));
        let (top, rest) = match (beneath(WORKSPACE), beneath(STATE)) {
            (Some(rest), _) => (&self.workspace, rest),
            (None, Some(rest)) => (&self.state, rest),
            (None, None) => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(rustix::fs::openat2(top, rest, flags, Mode::empty(), resolve)?)
    }
}

/// Where what happened in a folder that is no more is counted.
const GONE: &str = "/**";

fn path_of(folder: &OwnedFd) -> Option<Rc<str>> {
    // not by the words that the kernel adds, for any folder can be called so
    if rustix::fs::fstat(folder).is_ok_and(|found| found.st_nlink == 0) {
        return Some(GONE.into());
    }
    let link = format!("/proc/self/fd/{}", folder.as_raw_fd());
    let path = rustix::fs::readlink(link, Vec::new()).ok()?;
    in_jail(path.as_bytes())
}

/// The kernel says where a folder is in the jail's tree; `/` when the mount that was asked by does not show it.
fn in_jail(path: &[u8]) -> Option<Rc<str>> {
    let path = text(path);
    let below = |place: &str| path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    [WORKSPACE, STATE, HOME].into_iter().any(below).then(|| path.as_str().into())
}

/// A name that is no text is shown with its bytes escaped.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_as_the_jail_sees_it() {
        let named = |path: &str| in_jail(path.as_bytes()).map(|path| path.to_string());
        for path in ["/workspace", "/workspace/a/b", "/var/lib/openclaw/agents", "/home/agent/.config"] {
            assert_eq!(named(path).as_deref(), Some(path));
        }
        for path in ["/workspaces", "/tmp/x", "/", "/home", "/state"] {
            assert_eq!(named(path), None, "{path}");
        }
        assert_eq!(in_jail(b"/workspace/\xff").as_deref(), Some("/workspace/\\xff"));
    }

    #[test]
    fn a_link_a_pipe_and_what_lies_elsewhere_are_not_read() {
        let scratch = crate::canary::scratch::Scratch::new();
        let (workspace, state) = (scratch.0.join("w"), scratch.0.join("s"));
        std::fs::create_dir_all(workspace.join("skills")).unwrap();
        std::fs::create_dir_all(&state).unwrap();
        std::fs::write(scratch.0.join("secret"), "host").unwrap();
        std::fs::write(workspace.join("AGENTS.md"), "text").unwrap();
        std::fs::write(workspace.join("long"), vec![0; usize::try_from(LONGEST).unwrap() + 1]).unwrap();
        std::os::unix::fs::symlink("../secret", workspace.join("link")).unwrap();
        std::os::unix::fs::symlink("skills", workspace.join("folder")).unwrap();
        nix::unistd::mkfifo(&workspace.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let open = |path: &std::path::Path| rustix::fs::open(path, OFlags::RDONLY, Mode::empty()).unwrap();
        let places = Places::new(open(&workspace), open(&state), Vec::new());
        assert!(matches!(places.read("/workspace/AGENTS.md"), Content::Here(bytes) if bytes == b"text"));
        for path in ["/workspace/none", "/workspace/AGENTS.md/x"] {
            assert!(matches!(places.read(path), Content::Gone), "{path}");
        }
        for path in
            ["/workspace/link", "/workspace/pipe", "/workspace/skills", "/workspace/long", "/workspace/folder/x"]
        {
            assert!(matches!(places.read(path), Content::Unread), "{path}");
        }
        for path in ["/workspace/../secret", "/etc/passwd", "/workspacex"] {
            assert!(!matches!(places.read(path), Content::Here(_)), "{path}");
        }
        let (names, all) = places.list("/workspace").unwrap();
        assert!(all && names.len() == 6 && places.list("/workspace/folder").is_err());
    }
}
