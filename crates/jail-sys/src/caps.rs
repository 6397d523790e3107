//! Giving up every privilege for good, and asking the kernel what landlock it has.
//!
//! Owns the order in which capabilities, securebits and no_new_privs go. It never keeps one. The future PID 1 of a jail
//! calls it as its last act before `execve`.

use std::io;

use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits, set_no_new_privs,
};

/// Above the highest capability number of any kernel so far (`capabilities(7)`: 40 in 6.x).
const HIGHEST_TRIED: u32 = 63;

/// Empties the bounding set and locks the securebits, so that no later program of uid 0 gains anything. Needs
/// `CAP_SETPCAP` in the current user namespace, so it comes before [`drop_all`].
///
/// # Errors
/// What the kernel says.
pub fn close_bounding_set() -> io::Result<()> {
    for number in 0..=HIGHEST_TRIED {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            // EINVAL: the kernel knows no capability of that number, so none above it either.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    set_capabilities_secure_bits(bits)?;
    Ok(())
}

/// Becomes `uid` by the effective user id alone and keeps every capability that the thread has.
///
/// # Errors
/// What the kernel says.
pub fn seteuid_with_capabilities(uid: u32) -> io::Result<()> {
    let had = capabilities(None)?;
    // The real and the saved id stay, so what is permitted stays as well (`capabilities(7)`, "Effect of user ID changes").
    nix::unistd::seteuid(nix::unistd::Uid::from_raw(uid))?;
    set_capabilities(None, had)?;
    Ok(())
}

/// Whether [`close_bounding_set`] is possible: the calling thread has `CAP_SETPCAP`.
///
/// # Errors
/// What the kernel says.
pub fn may_close_bounding_set() -> io::Result<bool> {
    Ok(capabilities(None)?.effective.contains(CapabilitySet::SETPCAP))
}

/// Drops all capabilities of the calling thread and sets no_new_privs.
///
/// # Errors
/// What the kernel says.
pub fn drop_all() -> io::Result<()> {
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    set_no_new_privs(true)?;
    Ok(())
}

/// Keeps of the calling thread's capabilities those to look into other users' processes and to end them, for good, and sets
/// no_new_privs. Who has none keeps none.
///
/// # Errors
/// What the kernel says.
pub fn keep_looking_and_killing() -> io::Result<()> {
    keep(CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH | CapabilitySet::KILL)
}

/// Keeps of the calling thread's capabilities the one to read what others own, for good, and sets no_new_privs. Who has none
/// keeps none.
///
/// # Errors
/// What the kernel says.
pub fn keep_reading() -> io::Result<()> {
    keep(CapabilitySet::DAC_READ_SEARCH)
}

fn keep(kept: CapabilitySet) -> io::Result<()> {
    clear_ambient_capability_set()?;
    let kept = capabilities(None)?.permitted & kept;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })?;
    set_no_new_privs(true)?;
    Ok(())
}

/// The landlock version of the running kernel: 0 when it has none or it is off, `landlock_create_ruleset(2)`.
#[must_use]
pub fn landlock_version() -> u32 {
    /// `LANDLOCK_CREATE_RULESET_VERSION`, `landlock_create_ruleset(2)`.
    const VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the call reads no memory: the pointer is null and the size 0, as the man page wants.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0_usize, VERSION) };
    u32::try_from(version).unwrap_or(0)
}
