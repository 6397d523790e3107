//! The runtime folder: Node and OpenClaw, fetched by npm, then root's and read-only.
//!
//! Owns the road from two committed lock files to a folder that is whole or absent: everything is made beside it, as a
//! user with no rights but over that staging folder, and put in place by one rename. It never runs an install script,
//! and what runs of OpenClaw itself (its "lifecycle" step) runs with no network. `creel up` calls [`prepare`].
//!
//! ```text
//! node/bin/node        mode 0111: what can't be read is not dumpable, so no sibling reads its memory or environment
//! node/bin/npm, npx    links into node/lib/node_modules/npm
//! app/node_modules/    openclaw and all it needs
//! manifest.json        versions, digest of the locks, digests of the files that start everything
//! ```

mod assemble;
mod confine;
mod install;
mod manifest;
mod seal;

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::Error;
pub use manifest::RuntimeInfo;

/// The user that npm runs as on the host: the id below the first of Creel's own range, owner of nothing but the staging
/// folder while it is filled.
pub const BUILD_UID: u32 = 1_879_048_191;

/// Unpacked: 650 MB of OpenClaw, 190 MB of Node, 280 MB of npm's cache.
const ROOM: u64 = 1_500_000_000;

/// What [`prepare`] is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Another Creel prepares the same folder.
    Waiting,
    /// npm fetches Node and npm.
    FetchingNode,
    /// npm fetches OpenClaw.
    FetchingOpenClaw,
    /// OpenClaw's own first step, with no network.
    FinishingOpenClaw,
    /// The files become root's and read-only.
    Sealing,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => write!(f, "waiting for another Creel that prepares the runtime"),
            Self::FetchingNode => write!(f, "fetching Node {}", crate::NODE_VERSION),
            Self::FetchingOpenClaw => write!(f, "fetching OpenClaw {} (330 packages)", crate::OPENCLAW_VERSION),
            Self::FinishingOpenClaw => write!(f, "finishing OpenClaw's installation, without network"),
            Self::Sealing => write!(f, "making the runtime read-only"),
        }
    }
}

/// Makes `dest` the runtime folder that this Creel wants, unless it is already: then it returns at once. Needs root, and
/// npm on the machine. The folder that holds `dest` must be passable for everybody.
///
/// # Errors
/// [`Error::Operator`] without root, npm or room; [`Error::Upstream`] when the registry can't be reached or gives
/// something else than the lock files say; [`Error::Host`] otherwise. A half-made runtime is never left at `dest`.
pub fn prepare(dest: &Path, progress: &mut dyn FnMut(Progress)) -> Result<RuntimeInfo, Error> {
    if let Some(info) = manifest::check(dest) {
        return Ok(info);
    }
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::operator(
            "the runtime is made as root and belongs to root",
            "run `creel up` once as root; a plain user may use what it made",
        ));
    }
    let site = Site::beside(dest)?;
    let _lock = site.lock(progress)?;
    if let Some(info) = manifest::check(dest) {
        return Ok(info);
    }
    site.begin()?;
    let outcome = fill(&site, progress).and_then(|info| site.publish().map(|()| info));
    if outcome.is_err() {
        let _ = fs::remove_dir_all(&site.staging);
    }
    outcome
}

fn fill(site: &Site, progress: &mut dyn FnMut(Progress)) -> Result<RuntimeInfo, Error> {
    let npm = install::HostNpm::find()?;
    progress(Progress::FetchingNode);
    install::node(site, &npm)?;
    progress(Progress::FetchingOpenClaw);
    install::openclaw(site, &npm)?;
    progress(Progress::FinishingOpenClaw);
    install::lifecycle(site)?;
    progress(Progress::Sealing);
    assemble::assemble(site)?;
    seal::seal(&site.staging)?;
    manifest::record(&site.staging)
}

/// The folders of one preparation.
struct Site {
    dest: PathBuf,
    /// Beside `dest`, so that a rename puts it in place.
    staging: PathBuf,
    lock: PathBuf,
}

impl Site {
    fn beside(dest: &Path) -> Result<Self, Error> {
        let (Some(parent), Some(name)) = (dest.parent(), dest.file_name().and_then(|name| name.to_str())) else {
            return Err(Error::operator("the runtime folder has no name", "give the path of a folder"));
        };
        fs::create_dir_all(parent).map_err(Error::host(format!("create `{}`", parent.display())))?;
        let parent = parent.canonicalize().map_err(Error::host(format!("find `{}`", parent.display())))?;
        Ok(Self {
            dest: parent.join(name),
            staging: parent.join(format!(".{name}.staging")),
            lock: parent.join(format!(".{name}.lock")),
        })
    }

    /// What the build user fills.
    fn build(&self) -> PathBuf {
        self.staging.join("build")
    }

    fn lock(&self, progress: &mut dyn FnMut(Progress)) -> Result<fs::File, Error> {
        let act = || format!("lock `{}`", self.lock.display());
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.lock)
            .map_err(Error::host(act()))?;
        if file.try_lock().is_err() {
            progress(Progress::Waiting);
            file.lock().map_err(Error::host(act()))?;
        }
        Ok(file)
    }

    /// An empty staging folder, once there is room for what comes.
    fn begin(&self) -> Result<(), Error> {
        let act = || format!("make `{}`", self.staging.display());
        if self.staging.exists() {
            fs::remove_dir_all(&self.staging).map_err(Error::host(act()))?;
        }
        fs::create_dir(&self.staging).map_err(Error::host(act()))?;
        seal::set_mode(&self.staging, 0o755)?;
        self.check_passable()?;
        let room = nix::sys::statvfs::statvfs(&self.staging).map_err(Error::host(act()))?;
        if room.blocks_available().saturating_mul(room.fragment_size()) < ROOM {
            return Err(Error::operator(
                format!("there is too little room at `{}`", self.staging.display()),
                "the runtime takes 1.5 GB while it is made: free some, or choose another state folder",
            ));
        }
        for folder in ["build", "build/own", "build/own/tmp", "build/node", "build/app"] {
            let path = self.staging.join(folder);
            fs::create_dir(&path).map_err(Error::host(act()))?;
            seal::set_mode(&path, 0o700)?;
            seal::give(&path, BUILD_UID)?;
        }
        Ok(())
    }

    /// The build user works inside: every folder above must let it pass.
    fn check_passable(&self) -> Result<(), Error> {
        for folder in self.staging.ancestors().skip(1) {
            let meta = fs::metadata(folder).map_err(Error::host(format!("look at `{}`", folder.display())))?;
            if meta.mode() & 0o001 == 0 {
                return Err(Error::operator(
                    format!("`{}` lets nobody but its owner pass", folder.display()),
                    "the runtime is filled by a user without rights: `chmod o+x` it, or choose another state folder",
                ));
            }
        }
        Ok(())
    }

    fn publish(&self) -> Result<(), Error> {
        if self.dest.symlink_metadata().is_ok() {
            fs::remove_dir_all(&self.dest)
                .map_err(Error::host(format!("remove the old runtime `{}`", self.dest.display())))?;
        }
        fs::rename(&self.staging, &self.dest).map_err(Error::host(format!("put `{}` in place", self.dest.display())))
    }
}

#[cfg(test)]
mod tests;
