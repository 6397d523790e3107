//! The calls that are looked at from outside before they are done, or while they are refused.
//!
//! Owns what is put in front of the allow-list: each `execve` waits for the porter, so does the first call by which the C
//! library of a new program sets itself up, each netlink socket is counted, and calls by which one would break out are
//! refused by the porter, which records that. It never allows a call that the list does not. [`super::Filters`] installs it.

use std::os::fd::OwnedFd;

use creel_jail_sys::notify::{Instruction, install};
use seccompiler::BpfProgram;

use super::AUDIT_ARCH;
use super::table::Group;
use crate::error::Error;

/// What may start a program.
pub const EXECUTES: [i64; 2] = [libc::SYS_execve, libc::SYS_execveat];

/// What a program's C library, or Go's runtime, does once before the program's own first instruction: it sets the base of
/// its thread's variables (`arch_prctl(2)`), or tells where its number is to be cleared (`set_tid_address(2)`).
#[cfg(target_arch = "x86_64")]
pub const SETS_UP: (i64, Option<u32>) = (libc::SYS_arch_prctl, Some(0x1002));
/// See there.
#[cfg(target_arch = "aarch64")]
pub const SETS_UP: (i64, Option<u32>) = (libc::SYS_set_tid_address, None);

/// What opens a netlink socket, with its first argument `AF_NETLINK`. What lies in such a socket's queue counts for no memory
/// limit, so that there may be few of them.
pub const OPENS_NETLINK: (i64, u32) = (libc::SYS_socket, libc::AF_NETLINK.unsigned_abs());

macro_rules! group {
    ($($name:ident),* $(,)?) => { Group { calls: &[$((stringify!($name), libc::$name)),*], needed_by: &[] } };
}

/// Refused calls of which each try is worth a record; none of them is ever allowed to the agent.
const REFUSED: &[Group] = &[
    group![SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_pidfd_getfd, SYS_kcmp],
    group![SYS_mount, SYS_umount2, SYS_pivot_root, SYS_move_mount, SYS_open_tree, SYS_mount_setattr],
    group![SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_unshare, SYS_setns, SYS_chroot],
    group![SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_fanotify_init, SYS_open_by_handle_at],
    group![SYS_add_key, SYS_request_key, SYS_keyctl],
    group![SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_reboot],
    group![
        SYS_settimeofday,
        SYS_clock_settime,
        SYS_adjtimex,
        SYS_swapon,
        SYS_swapoff,
        SYS_acct,
        SYS_quotactl,
        SYS_syslog
    ],
];
#[cfg(target_arch = "x86_64")]
const REFUSED_OLD: &[Group] = &[group![SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_kexec_file_load]];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_OLD: &[Group] = &[];

pub(super) fn refused() -> impl Iterator<Item = &'static (&'static str, i64)> {
    REFUSED.iter().chain(REFUSED_OLD).flat_map(|group| group.calls)
}

/// The name of a refused call, `mount` for example.
#[must_use]
pub fn refused_call(number: i64) -> Option<&'static str> {
    refused().find(|(_, call)| *call == number).and_then(|(name, _)| name.strip_prefix("SYS_"))
}

/// Installs the allow-list with this in front. Nobody may execute anything until the listener is served.
pub(super) fn install_before(allowed: &BpfProgram) -> Result<OwnedFd, Error> {
    let mut program = prefix()?;
    let plain = |one: &seccompiler::sock_filter| Instruction { code: one.code, jt: one.jt, jf: one.jf, k: one.k };
    program.extend(allowed.iter().map(plain));
    install(&program).map_err(|error| Error::missing("seccomp", error))
}

/// Falls through to what follows for every other call. Offsets: `struct seccomp_data`, `seccomp(2)`.
fn prefix() -> Result<Vec<Instruction>, Error> {
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const ARCHITECTURE: u32 = 4;
    const NUMBER: u32 = 0;
    /// The lower half on a little-endian machine, as both of ours are.
    const FIRST_ARGUMENT: u32 = 16;
    const THIRD_ARGUMENT: u32 = 32;
    /// The one protocol that the list allows.
    const NETLINK_ROUTE: u32 = 0;
    let step = |code, jt, jf, k| Instruction { code, jt, jf, k };
    let number = |call: i64| u32::try_from(call).map_err(Error::bug);
    let notify = step(RETURN, 0, 0, libc::SECCOMP_RET_USER_NOTIF);
    let mut program = vec![
        step(LOAD_WORD, 0, 0, ARCHITECTURE),
        step(JUMP_IF_EQUAL, 1, 0, AUDIT_ARCH),
        step(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        step(LOAD_WORD, 0, 0, NUMBER),
    ];
    for call in EXECUTES.into_iter().chain(refused().map(|(_, call)| *call)) {
        program.extend([step(JUMP_IF_EQUAL, 0, 1, number(call)?), notify]);
    }
    // Whatever is let go on from here passes by the allow-list: what waits must be what the list allows.
    let mut waits_with = |call: i64, arguments: &[(u32, u32)]| -> Result<(), Error> {
        let pairs = u8::try_from(2 * arguments.len()).map_err(Error::bug)?;
        program.push(step(JUMP_IF_EQUAL, 0, pairs + 2, number(call)?));
        for (after, (place, value)) in (0..pairs).step_by(2).rev().zip(arguments) {
            program.extend([step(LOAD_WORD, 0, 0, *place), step(JUMP_IF_EQUAL, 0, after + 1, *value)]);
        }
        // what follows looks at the number again
        program.extend([notify, step(LOAD_WORD, 0, 0, NUMBER)]);
        Ok(())
    };
    let (call, first) = SETS_UP;
    waits_with(call, first.map(|first| (FIRST_ARGUMENT, first)).as_slice())?;
    let (call, family) = OPENS_NETLINK;
    waits_with(call, &[(FIRST_ARGUMENT, family), (THIRD_ARGUMENT, NETLINK_ROUTE)])?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::table;

    #[test]
    fn what_is_refused_with_a_record_is_allowed_to_nobody() {
        let allowed: Vec<i64> =
            table::agent().flat_map(|group| group.calls).chain(table::CONDITIONAL).map(|(_, call)| *call).collect();
        for (name, call) in refused() {
            assert!(!allowed.contains(call), "{name}");
            assert_eq!(refused_call(*call), name.strip_prefix("SYS_"));
        }
        assert!(EXECUTES.iter().all(|call| allowed.contains(call) && refused_call(*call).is_none()));
        assert!(allowed.contains(&SETS_UP.0));
    }

    #[test]
    fn only_what_is_named_waits() {
        // A BPF machine of the few instructions that are used.
        let program = prefix().unwrap();
        let with_third = |call: i64, first: u32, third: u32| {
            let (mut at, mut word) = (0, 0);
            while let Some(&Instruction { code, jt, jf, k }) = program.get(at) {
                at += 1;
                match code {
                    0x20 => {
                        let call = u32::try_from(call).unwrap();
                        word = [call, AUDIT_ARCH, 0, 0, first, 0, 0, 0, third][usize::try_from(k / 4).unwrap()];
                    }
                    0x15 => at += usize::from(if word == k { jt } else { jf }),
                    _ => return Some(k),
                }
            }
            None
        };
        let run = |call: i64, first: u32| with_third(call, first, 0);
        let waits = Some(libc::SECCOMP_RET_USER_NOTIF);
        for call in EXECUTES.into_iter().chain(refused().map(|(_, call)| *call)) {
            assert_eq!(run(call, 0), waits, "{call}");
        }
        assert_eq!(run(SETS_UP.0, SETS_UP.1.unwrap_or(0)), waits);
        assert_eq!(run(libc::SYS_read, 0), None);
        assert_eq!(run(libc::SYS_clone, 0), None);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(run(SETS_UP.0, 0x1003), None);
        assert_eq!(run(OPENS_NETLINK.0, OPENS_NETLINK.1), waits);
        assert_eq!(run(OPENS_NETLINK.0, libc::AF_UNIX.unsigned_abs()), None);
        // every other protocol is the list's to refuse
        assert_eq!(with_third(OPENS_NETLINK.0, OPENS_NETLINK.1, libc::NETLINK_NETFILTER.unsigned_abs()), None);
    }
}
