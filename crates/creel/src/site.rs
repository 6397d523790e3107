//! Where things lie in the state folder.
//!
//! Owns the paths and the making of folders with the right owners and modes. It never follows what an unprivileged
//! process of ours could have put there: folders are made by root in root-owned parents. Warden, `creel jail` and the
//! command line use it.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::lock::Held;

/// Where the host's slots of user ids are kept: all installations draw from it.
pub(crate) const HOST: &str = "/var/lib/creel-slots";

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
        make_dir(Path::new(HOST), 0o700, 0)
    }

    /// What tells this installation's jails from those of another one on the same host: 8 hexadecimal digits, drawn once.
    ///
    /// # Errors
    /// When the file that keeps it can't be read or made.
    pub(crate) fn id(&self) -> io::Result<String> {
        let path = self.root.join("id");
        let whole = |text: &str| text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
        match std::fs::read_to_string(&path) {
            Ok(text) if whole(text.trim()) => return Ok(text.trim().to_owned()),
            Ok(_) => return Err(io::Error::other(format!("`{}` is damaged: remove it", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut random = [0u8; 4];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let id = format!("{:08x}", u32::from_le_bytes(random));
        let draft = self.root.join(format!("id.{}", std::process::id()));
        std::fs::write(&draft, &id)?;
        // Several may start at once: the first link counts for all.
        let linked = std::fs::hard_link(&draft, &path);
        std::fs::remove_file(&draft)?;
        match linked {
            Ok(()) => Ok(id),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.id(),
            Err(error) => Err(error),
        }
    }

    /// A jail's name on this host, at most 48 bytes: control groups and user ids are everybody's.
    ///
    /// # Errors
    /// As [`Site::id`].
    pub(crate) fn jail_name(&self, tenant: &str) -> io::Result<String> {
        let id = self.id()?;
        if tenant.len() <= 38 {
            return Ok(format!("{tenant}-{id}"));
        }
        use sha2::Digest as _;
        let digest = sha2::Sha256::digest(tenant.as_bytes());
        let mark: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("{}-{mark}-{id}", tenant.get(..28).unwrap_or_default()))
    }

    /// Clears away what killed Creels of this installation left: their jails died with them, but control groups and
    /// sockets are not alive. Whoever lives holds the lock of its tenant.
    pub(crate) fn sweep(&self) {
        let Ok(id) = self.id() else { return };
        let dead = |name: &str| {
            let ours = name.strip_suffix(&id).and_then(|name| name.strip_suffix('-'));
            ours.is_some_and(|tenant| Held::take(&self.lock_file(tenant)).is_ok())
        };
        match creel_jail::cgroup::sweep(dead) {
            Ok(left) if left.is_empty() => {}
            Ok(left) => tracing::info!(?left, "swept what killed jails left"),
            Err(error) => tracing::warn!(%error, "what killed jails left could not be swept"),
        }
        for entry in std::fs::read_dir(self.run()).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if path.extension().is_none_or(|kind| kind != "sock") {
                continue;
            }
            if let Ok(held) = Held::take(&self.lock_file(&name)) {
                let _ = std::fs::remove_file(&path);
                held.remove();
            }
        }
    }

    /// The file whose lock says that `name` (a tenant, or `warden`) lives.
    #[must_use]
    pub(crate) fn lock_file(&self, name: &str) -> PathBuf {
        self.run().join(format!("{name}.lock"))
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
