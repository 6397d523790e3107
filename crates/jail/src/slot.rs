//! Slots: which host user ids a jail has.
//!
//! Owns the arithmetic of a slot's 65,536 ids, the table that gives a tenant the same slot for ever, and the lock that a
//! slot's user holds for its life. It never gives one slot to two jails at once, and stops on a table that it can't read
//! rather than give a tenant's ids to another. The warden and `creel jail` call it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::folder::{Folder, try_lock};

/// The number of a range of host user and group ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Slot(u32);

impl Slot {
    /// How many slots there are: up to 2^31, above which ids are signed in some programs.
    pub const COUNT: u32 = 4096;
    /// The first id of slot 0, 0x70000000: just above what systemd-nspawn takes (systemd's UIDS-GIDS.md).
    const FIRST: u32 = 1_879_048_192;
    const WIDTH: u32 = 65_536;

    /// None if there is no such slot.
    pub fn new(number: u32) -> Option<Self> {
        (number < Self::COUNT).then_some(Self(number))
    }

    /// The slot's number.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The host id of the jail's uid and gid 0, which owns nothing outside.
    pub fn root_id(self) -> u32 {
        Self::FIRST + self.0 * Self::WIDTH
    }

    /// The host id of the jail's uid and gid 1000, the agent.
    pub fn agent_id(self) -> u32 {
        self.root_id() + 1000
    }

    /// The host id of the jail's uid and gid 1001, the commands behind the inner wall.
    pub fn walled_id(self) -> u32 {
        self.root_id() + 1001
    }

    /// The host id of the tenant's guard: the last of the slot, never mapped into the jail.
    pub fn guard_id(self) -> u32 {
        self.root_id() + Self::WIDTH - 1
    }

    /// The host id of whoever signs the tenant's ledger, never mapped into the jail.
    pub fn signer_id(self) -> u32 {
        self.guard_id() - 1
    }

    /// The host id of whoever witnesses the tenant's ledger, never mapped into the jail.
    pub fn witness_id(self) -> u32 {
        self.guard_id() - 2
    }

    /// The slot of the tenant `name`, the same each time, locked. It fails while another process holds it.
    pub fn claim(state: &Path, name: &str) -> Result<SlotLock, Error> {
        check_name(name)?;
        let book = Book::open(state)?;
        let mut table = book.table()?;
        if let Some(slot) = table.tenants.get(name) {
            return book.lock(*slot)?.ok_or_else(|| {
                Error::operator(format!("tenant `{name}` is already up"), "stop it with `creel down` first")
            });
        }
        let lock = book.first_free(&table, 0)?;
        table.tenants.insert(name.to_owned(), lock.slot);
        book.save(&table)?;
        Ok(lock)
    }

    /// Any free slot, for a jail that leaves nothing behind. Slots are taken in turn, so that the ids of a jail that is
    /// just ending are not given out again at once.
    pub fn transient(state: &Path) -> Result<SlotLock, Error> {
        let book = Book::open(state)?;
        let table = book.table()?;
        let lock = book.first_free(&table, book.turn(&table)?)?;
        book.folder.overwrite(TURN, ((lock.slot.0 + 1) % Self::COUNT).to_string().as_bytes())?;
        Ok(lock)
    }

    /// Forgets which slot `name` has. For a tenant whose files are all gone; it must not be up.
    pub fn forget(state: &Path, name: &str) -> Result<(), Error> {
        let lock = Self::claim(state, name)?;
        let book = Book::open(state)?;
        let mut table = book.table()?;
        table.tenants.remove(name);
        book.save(&table)?;
        drop(lock);
        Ok(())
    }
}

impl TryFrom<u32> for Slot {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        Self::new(number).ok_or_else(|| format!("there is no slot `{number}`"))
    }
}

impl From<Slot> for u32 {
    fn from(slot: Slot) -> Self {
        slot.0
    }
}

/// A slot in use by this process. It is free again when this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct SlotLock {
    slot: Slot,
    _file: File,
}

impl SlotLock {
    /// Which slot it is.
    pub fn slot(&self) -> Slot {
        self.slot
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    tenants: BTreeMap<String, Slot>,
    /// Where the search for a transient slot started, before there was [`TURN`].
    next: u32,
}

const TABLE: &str = "table.json";
const TABLE_LOCK: &str = "table.lock";
/// Where the search for a transient slot starts. Not synced: it keeps ids apart from those of processes that are just ending,
/// and after a power cut there are none.
const TURN: &str = "turn";
/// A full table of long names.
const MOST_BYTES: u64 = 1 << 20;

/// The open folder of slots, with the table locked.
struct Book {
    folder: Folder,
    _lock: File,
}

impl Book {
    fn open(state: &Path) -> Result<Self, Error> {
        let folder = Folder::open(state)?.subfolder("slots")?;
        let path = folder.path().join(TABLE_LOCK);
        let file = folder.file(TABLE_LOCK, OFlags::CREATE)?;
        // Others hold it for some milliseconds.
        for _ in 0..500 {
            if try_lock(&file, &path)? {
                return Ok(Self { folder, _lock: file });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Error::unfit(format!("`{}` stays locked", path.display()), "look for a `creel` process that hangs"))
    }

    fn table(&self) -> Result<Table, Error> {
        let Some(bytes) = self.folder.read(TABLE, MOST_BYTES)? else { return Ok(Table::default()) };
        serde_json::from_slice(&bytes).map_err(|error| {
            let path = self.folder.path().join(TABLE);
            Error::unfit(format!("`{}` is damaged: {error}", path.display()), "restore it from a backup")
        })
    }

    fn turn(&self, table: &Table) -> Result<u32, Error> {
        let bytes = self.folder.read(TURN, 64)?.unwrap_or_default();
        Ok(std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(table.next))
    }

    fn save(&self, table: &Table) -> Result<(), Error> {
        let bytes = serde_json::to_vec(table).map_err(|error| Error::Bug { what: format!("slot table: {error}") })?;
        self.folder.replace(TABLE, &bytes)
    }

    fn lock(&self, slot: Slot) -> Result<Option<SlotLock>, Error> {
        let name = format!("{}.lock", slot.0);
        let file = self.folder.file(&name, OFlags::CREATE)?;
        let free = try_lock(&file, &self.folder.path().join(name))?;
        Ok(free.then_some(SlotLock { slot, _file: file }))
    }

    fn first_free(&self, table: &Table, start: u32) -> Result<SlotLock, Error> {
        let order = (0..Slot::COUNT).map(|step| Slot((start % Slot::COUNT + step) % Slot::COUNT));
        for slot in order.filter(|slot| !table.tenants.values().any(|taken| taken == slot)) {
            if let Some(lock) = self.lock(slot)? {
                return Ok(lock);
            }
        }
        Err(Error::unfit(format!("all {} slots are taken", Slot::COUNT), "stop a jail or purge a tenant"))
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !name.is_empty() && name.len() <= 64 && name.chars().all(fits) {
        return Ok(());
    }
    Err(Error::operator(
        "a tenant's name does not fit",
        "use 1 to 64 of the characters `a` to `z`, `0` to `9`, `-` and `_`",
    ))
}

#[cfg(test)]
mod tests;
