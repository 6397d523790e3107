//! Which users of the host one jail has, for as long as it lives.
//!
//! Owns [`Seat`]: a slot of ids that nobody else has where root asks, the one who asks where not. It never lets a plain
//! user's jail pass for one with users of its own. The warden and `creel jail` take one for each jail.

use creel_jail::slot::{Slot, SlotLock};
use creel_jail::{Error, Users};
use rustix::process::geteuid;

/// Held until the jail is gone.
#[derive(Debug)]
pub(crate) enum Seat {
    /// Ids of the host that this jail alone has.
    Slot(SlotLock),
    /// The id of the plain user who asks.
    Own(u32),
}

impl Seat {
    /// The seat of a jail that is called `name` each time, so that its files stay its own.
    ///
    /// # Errors
    /// When it is up already or the host's table can't be used.
    pub(crate) fn of(name: &str) -> Result<Self, Error> {
        Self::or_slot(|| Slot::claim(crate::site::HOST.as_ref(), name))
    }

    /// Any free seat, for a jail that leaves nothing behind.
    ///
    /// # Errors
    /// When the host's table can't be used.
    pub(crate) fn transient() -> Result<Self, Error> {
        Self::or_slot(|| Slot::transient(crate::site::HOST.as_ref()))
    }

    fn or_slot(slot: impl FnOnce() -> Result<SlotLock, Error>) -> Result<Self, Error> {
        if geteuid().is_root() { slot().map(Self::Slot) } else { Ok(Self::Own(geteuid().as_raw())) }
    }

    /// The users.
    pub(crate) fn users(&self) -> Users {
        match self {
            Self::Slot(lock) => Users::Slot(lock.slot()),
            Self::Own(uid) => Users::Own(*uid),
        }
    }
}
