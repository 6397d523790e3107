//! Where things lie in the state folder.
//!
//! Owns the paths and the making of folders with the right owners and modes. It never follows what an unprivileged
//! process of ours could have put there: folders are made by root in root-owned parents. Warden, `creel jail` and the
//! command line use it.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::lock::Held;

/// Where the host's slots of user ids are kept: all installations draw from it.
pub(crate) const HOST: &str = "/var/lib/creel-slots";

/// What the names of `creel jail`'s tenants begin with.
pub(crate) const JAIL_PREFIX: &str = "jail-";

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

    /// The socket of those who may answer a tenant's questions, served by its guard.
    #[must_use]
    pub(crate) fn people_socket(&self, tenant: &str) -> PathBuf {
        self.people().join(format!("{tenant}.sock"))
    }

    /// What others than the owner may reach.
    fn people(&self) -> PathBuf {
        self.root.join("ask")
    }

    /// The warden's log.
    #[must_use]
    pub(crate) fn warden_log(&self) -> PathBuf {
        self.root.join("warden.log")
    }

    /// What is laid for thieves in a tenant's jail, root's.
    #[must_use]
    pub(crate) fn canaries(&self, tenant: &str) -> PathBuf {
        self.root.join(format!("canaries-{tenant}.json"))
    }

    /// What stands in a tenant's jail for its secrets, root's.
    #[must_use]
    pub(crate) fn placeholders(&self, tenant: &str) -> PathBuf {
        self.root.join(format!("placeholders-{tenant}.json"))
    }

    /// A tenant's sealed store of secrets, root's.
    #[must_use]
    pub(crate) fn store(&self, tenant: &str) -> PathBuf {
        self.root.join(format!("secrets-{tenant}.sealed"))
    }

    /// The key of the stores, where the configuration names no other, root's.
    #[must_use]
    pub(crate) fn store_key(&self) -> PathBuf {
        self.root.join("secrets.key")
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

    /// Makes the folders, owned by root, or by the plain user whose installation it is.
    ///
    /// # Errors
    /// When the state folder can't be made or is not root's alone to write.
    pub(crate) fn make(&self) -> io::Result<()> {
        if let Some(parent) = self.root.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let owner = owner();
        let open = [self.root.clone(), self.tenants(), self.people()].map(|dir| (dir, 0o711));
        for (dir, mode) in open.into_iter().chain([(self.run(), 0o700)]) {
            make_dir(&dir, mode, owner)?;
        }
        if owner != 0 {
            // nobody else's user must pass
            return Ok(());
        }
        check_ancestors(&self.root)?;
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

    /// Clears away what killed Creels of this installation left: their jails died with them, but control groups, sockets
    /// and the guard's folder of a jail are not alive. Whoever lives holds the lock of its tenant, and takes it before it
    /// makes anything. With `all` tenants too, which only the warden may ask: it starts them.
    pub(crate) fn sweep(&self, all: bool) {
        let Ok(id) = self.id() else { return };
        let dead = |tenant: &str| {
            let asked = all || tenant.starts_with(JAIL_PREFIX);
            asked && Held::take(&self.lock_file(tenant)).map(Held::remove).is_ok()
        };
        let ours = |name: &str| name.strip_suffix(&id).and_then(|name| name.strip_suffix('-')).is_some_and(dead);
        match creel_jail::cgroup::sweep(ours) {
            Ok(left) if left.is_empty() => {}
            Ok(left) => tracing::info!(?left, "swept what killed jails left"),
            Err(error) => tracing::warn!(%error, "what killed jails left could not be swept"),
        }
        for entry in std::fs::read_dir(self.run()).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let socket = path.extension().is_some_and(|kind| kind == "sock");
            if socket && dead(&name) {
                let _ = std::fs::remove_file(&path);
                self.forget_jail(&name);
            }
        }
    }

    /// Of a jail of its own nothing but the ledger stays.
    pub(crate) fn forget_jail(&self, tenant: &str) {
        if tenant.starts_with(JAIL_PREFIX) {
            let _ = std::fs::remove_file(self.control_socket(tenant));
            let _ = std::fs::remove_dir_all(self.tenant(tenant).guard());
        }
    }

    /// The program that this process runs, for the processes that it starts: guards, jails. Where an upgrade has put another
    /// in its place, that is a copy of the old one, for the two need not understand each other; the new one runs from the
    /// next start on.
    ///
    /// # Errors
    /// When it can't be found or copied.
    pub(crate) fn program(&self) -> io::Result<PathBuf> {
        let path = std::env::current_exe()?;
        let running = std::fs::metadata(RUNNING)?;
        let same = |found: std::fs::Metadata| (found.dev(), found.ino()) == (running.dev(), running.ino());
        if std::fs::metadata(&path).is_ok_and(same) {
            return Ok(path);
        }
        // the file lives as long as we do, so nobody else's has its number
        let kept = self.run().join(format!("{KEPT}{:x}-{:x}", running.dev(), running.ino()));
        if std::fs::metadata(&kept).is_ok_and(|found| found.len() == running.len()) {
            return Ok(kept);
        }
        let fresh = self.run().join(format!("new-{}", std::process::id()));
        std::fs::copy(RUNNING, &fresh)?;
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755))?;
        std::fs::rename(&fresh, &kept)?;
        Ok(kept)
    }

    /// A copy of the program that guard `number` is to run: what stands in the file's place may change at any time.
    ///
    /// # Errors
    /// When it is no regular file, too large, or can't be copied.
    pub(crate) fn keep_guards_program(&self, program: &Path, number: u64) -> io::Result<PathBuf> {
        use std::io::Read as _;
        let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
        let found = std::fs::OpenOptions::new().read(true).custom_flags(nonblock).open(program)?;
        if !found.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let kept = self.run().join(format!("{KEPT_GUARD}{number}"));
        let mut copy = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o700).open(&kept)?;
        let copied = io::copy(&mut found.take(LONGEST_PROGRAM + 1), &mut copy).and_then(|length| match length {
            0..=LONGEST_PROGRAM => copy.set_permissions(PermissionsExt::from_mode(0o755)),
            _ => Err(io::Error::other("it is longer than a program of ours can be")),
        });
        match copied {
            Ok(()) => Ok(kept),
            Err(error) => {
                let _ = std::fs::remove_file(&kept);
                Err(error)
            }
        }
    }

    /// Of the programs of guards that took over only this one stays.
    pub(crate) fn forget_guards_programs(&self, but: Option<&Path>) {
        self.forget(KEPT_GUARD, but);
    }

    /// Of earlier wardens' programs nothing stays.
    pub(crate) fn forget_programs(&self) {
        self.forget(KEPT, None);
    }

    fn forget(&self, prefix: &str, but: Option<&Path>) {
        for entry in std::fs::read_dir(self.run()).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with(prefix) && Some(path.as_path()) != but {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// The file whose lock says that `name` (a tenant, or `warden`) lives.
    #[must_use]
    pub(crate) fn lock_file(&self, name: &str) -> PathBuf {
        self.run().join(format!("{name}.lock"))
    }
}

/// What the names of kept programs begin with.
const KEPT: &str = "program-";
/// Those of guards that took over.
const KEPT_GUARD: &str = "program-guard-";
/// No program of ours comes near this, debug information included.
const LONGEST_PROGRAM: u64 = 1 << 30;

/// Leads to the program that runs, even when its file has no name any more (proc_pid_exe(5)).
const RUNNING: &str = "/proc/self/exe";

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

    /// The folder of whoever signs the ledger: key, public key, last checkpoint.
    #[must_use]
    pub(crate) fn signer(&self) -> PathBuf {
        self.root.join("signer")
    }

    /// The witness's, likewise.
    #[must_use]
    pub(crate) fn witness(&self) -> PathBuf {
        self.root.join("witness")
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

    /// Makes the folders: ledger and guard belong to the guard's user, the notaries' to each of them; their public keys and
    /// last checkpoints are for everybody to read.
    ///
    /// # Errors
    /// When they can't be made.
    pub(crate) fn make(&self, users: creel_jail::Users) -> io::Result<()> {
        make_dir(&self.root, 0o711, owner())?;
        make_dir(&self.signer(), 0o755, users.signer_id())?;
        make_dir(&self.witness(), 0o755, users.witness_id())?;
        make_dir(&self.ledger(), 0o700, users.guard_id())?;
        make_dir(&self.guard(), 0o700, users.guard_id())
    }
}

/// Whose an installation is.
fn owner() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Makes `dir` for `owner`. One that exists must be `owner`'s and nobody else's to write; it is only opened further where
/// the guard's user must pass. All of it goes by one descriptor, so that nobody can swap the folder in between.
pub(crate) fn make_dir(dir: &Path, mode: u32, owner: u32) -> io::Result<()> {
    use rustix::fs::{Gid, Mode, OFlags, Uid};
    let named = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", dir.display()));
    let made = match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(named(error)),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::open(dir, flags, Mode::empty()).map_err(|error| named(error.into()))?;
    let found = rustix::fs::fstat(&folder)?;
    if made {
        if self::owner() == 0 {
            rustix::fs::fchown(&folder, Some(Uid::from_raw(owner)), Some(Gid::from_raw(owner)))?;
        }
        rustix::fs::fchmod(&folder, Mode::from_raw_mode(mode))?;
        return Ok(());
    }
    if found.st_uid != owner || found.st_mode & 0o022 != 0 {
        return Err(named(io::Error::other(format!(
            "it must belong to user {owner} and be writable by nobody else (it is {}'s, mode {:o}); name another folder",
            found.st_uid,
            found.st_mode & 0o7777
        ))));
    }
    let wanted = (found.st_mode & 0o7777) | (mode & 0o111);
    if wanted != found.st_mode & 0o7777 {
        rustix::fs::fchmod(&folder, Mode::from_raw_mode(wanted))?;
    }
    Ok(())
}

/// The guard's user must be able to reach its folders.
fn check_ancestors(dir: &Path) -> io::Result<()> {
    for ancestor in dir.ancestors().skip(1) {
        let mode = std::fs::metadata(ancestor)?.permissions().mode();
        if mode & 0o001 == 0 {
            return Err(io::Error::other(format!(
                "the guard's own user can't pass `{}` on the way to `{}`: name a state folder elsewhere",
                ancestor.display(),
                dir.display()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::{Site, make_dir};

    fn scratch(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("creel-site-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused_and_left_as_it_was() {
        let dir = scratch("others");
        std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o1777)).unwrap();
        assert!(Site::new(&dir).make().is_err());
        assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o7777, 0o1777);
        std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o755)).unwrap();
        chown(&dir, Some(1000), Some(1000)).unwrap();
        assert!(Site::new(&dir).make().is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = scratch("link");
        let (real, link) = (dir.join("real"), dir.join("link"));
        std::fs::create_dir(&real).unwrap();
        std::fs::set_permissions(&real, PermissionsExt::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(make_dir(&link, 0o755, 0).is_err());
        assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o7777, 0o700);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_private_folder_is_opened_just_far_enough() {
        let dir = scratch("private");
        std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o700)).unwrap();
        Site::new(&dir).make().unwrap();
        assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o7777, 0o711);
        let site = Site::new(&dir);
        assert_eq!(site.id().unwrap(), site.id().unwrap());
        assert!(site.jail_name(&"t".repeat(63)).unwrap().len() <= 48);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
