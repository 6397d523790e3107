//! Where things lie in the state folder.
//!
//! Owns the paths and the making of folders with the right owners and modes. It never follows what an unprivileged
//! process of ours could have put there: folders are made by root in root-owned parents. Warden, `creel jail` and the
//! command line use it.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// One installation: everything below one state folder.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    root: PathBuf,
}

impl Site {
    /// The installation at `root`.
    #[must_use]
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The state folder.
    #[must_use]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The prepared runtime.
    #[must_use]
    pub(crate) fn runtime(&self) -> PathBuf {
        self.root.join("runtime")
    }

    /// Sockets and locks.
    #[must_use]
    pub(crate) fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// The warden's socket.
    #[must_use]
    pub(crate) fn warden_socket(&self) -> PathBuf {
        self.run().join("warden.sock")
    }

    /// A tenant's control socket, served by its guard.
    #[must_use]
    pub(crate) fn control_socket(&self, tenant: &str) -> PathBuf {
        self.run().join(format!("{tenant}.sock"))
    }

    /// The warden's log.
    #[must_use]
    pub(crate) fn warden_log(&self) -> PathBuf {
        self.root.join("warden.log")
    }

    /// All tenants' folders.
    #[must_use]
    pub(crate) fn tenants(&self) -> PathBuf {
        self.root.join("tenants")
    }

    /// One tenant's folder.
    #[must_use]
    pub(crate) fn tenant(&self, name: &str) -> TenantSite {
        TenantSite { root: self.tenants().join(name) }
    }

    /// Makes the folders, root-owned.
    ///
    /// # Errors
    /// When the state folder can't be made or is not root's alone to write.
    pub(crate) fn make(&self) -> io::Result<()> {
        if let Some(parent) = self.root.parent() {
            std::fs::create_dir_all(parent)?;
        }
        for (dir, mode) in [(self.root.clone(), 0o755), (self.run(), 0o700), (self.tenants(), 0o711)] {
            make_dir(&dir, mode, 0)?;
        }
        Ok(())
    }
}

/// One tenant's folder. The jail can never see it.
#[derive(Clone, Debug)]
pub(crate) struct TenantSite {
    root: PathBuf,
}

impl TenantSite {
    /// The ledger's folder, the guard's.
    #[must_use]
    pub(crate) fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }

    /// The guard's own folder: certificate authority, address book.
    #[must_use]
    pub(crate) fn guard(&self) -> PathBuf {
        self.root.join("guard")
    }

    /// The volume's image, root's.
    #[must_use]
    pub(crate) fn volume(&self) -> PathBuf {
        self.root.join("volume.img")
    }

    /// Makes the folders: ledger and guard belong to the guard's user.
    ///
    /// # Errors
    /// When they can't be made.
    pub(crate) fn make(&self, guard_uid: u32) -> io::Result<()> {
        make_dir(&self.root, 0o711, 0)?;
        make_dir(&self.ledger(), 0o700, guard_uid)?;
        make_dir(&self.guard(), 0o700, guard_uid)
    }
}

fn make_dir(dir: &Path, mode: u32, owner: u32) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(mode).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = std::fs::symlink_metadata(dir)?;
            if !found.is_dir() {
                return Err(io::Error::other(format!("`{}` is no folder", dir.display())));
            }
        }
        Err(error) => return Err(io::Error::new(error.kind(), format!("`{}`: {error}", dir.display()))),
    }
    // The parent is root's, so nobody can have swapped the folder in between.
    std::fs::set_permissions(dir, PermissionsExt::from_mode(mode))?;
    chown(dir, Some(owner), Some(owner))
}
