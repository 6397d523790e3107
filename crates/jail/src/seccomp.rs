//! The system-call filters: what the agent's programs may call, and what a guard may.
//!
//! Owns the OCI `seccomp` section, its translation to BPF, and its installation. It never weakens a filter: what the
//! section does not allow is refused. `spec` embeds the section, `init` and `confine` install it.

pub(crate) mod notice;
mod program;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompBuilder,
    LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};
use seccompiler::{BpfProgram, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule, sock_filter};

use crate::error::Error;

/// The section for the jail: an allow-list, EPERM for the rest.
///
/// # Errors
/// `Bug` when the table can't be expressed.
pub(crate) fn agent_profile() -> Result<LinuxSeccomp, Error> {
    let mut calls = vec![allow(names(table::agent()), Vec::new())?];
    // no new namespaces; clone3 is absent, unshare and setns are not allowed
    calls.push(allow_one("clone", vec![masked(0, NAMESPACES, 0)?])?);
    for (mask, value) in all_but(&[TIOCSTI, TIOCLINUX]) {
        calls.push(allow_one("ioctl", vec![masked(1, mask.into(), value.into())?])?);
    }
    for value in [0, 0xffff_ffff] {
        calls.push(allow_one("personality", vec![equal(0, value)?])?);
    }
    limits(&mut calls)?;
    sockets(&mut calls)?;
    socket_options(&mut calls)?;
    // any kind of pair: it has no name and reaches nobody but its makers' children
    calls.push(allow_one("socketpair", vec![equal(0, AF_UNIX)?])?);
    profile(calls)
}

/// The section for a guard: threads but no processes, files, sockets; EPERM for the rest.
///
/// # Errors
/// `Bug` when the table can't be expressed.
pub(crate) fn guard_profile() -> Result<LinuxSeccomp, Error> {
    let mut calls = vec![allow(names(table::guard()), Vec::new())?];
    calls.push(allow_one("clone", vec![masked(0, NAMESPACES | CLONE_THREAD, CLONE_THREAD)?])?);
    for request in [libc::FIONBIO, libc::FIONREAD, libc::FIOCLEX, libc::TCGETS, libc::TIOCGWINSZ] {
        calls.push(allow_one("ioctl", vec![masked(1, 0xffff_ffff, request)?])?);
    }
    limits(&mut calls)?;
    sockets(&mut calls)?;
    calls.push(allow_one("setsockopt", Vec::new())?);
    calls.push(allow_one("socketpair", vec![equal(0, AF_UNIX)?])?);
    profile(calls)
}

/// The warden's filter, which all that it starts inherits: what root may do and no part of Creel does, refused with EPERM.
/// No allow-list, for the engines and `mkfs` run under it too.
///
/// # Errors
/// `Bug` when the list can't be expressed.
pub(crate) fn warden_filters() -> Result<Filters, Error> {
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
        table::warden_never().map(|(_, number)| (*number, Vec::new())).collect();
    // Files by handle, past every folder's permissions, but as mere places: the sentry asks where a handle is.
    let opens = masked(2, libc::O_PATH.unsigned_abs().into(), 0)?;
    refused.insert(libc::SYS_open_by_handle_at, vec![rule(&[opens])?]);
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    let allowed = program::program(refused, refuse, libc::SECCOMP_RET_ALLOW)?;
    Ok(Filters { allowed, feigned: None, absent: absent_program(&[]) })
}

/// The porter's filter: to read, to answer what waits at its listeners, to send messages and to end a process. It opens for
/// reading alone and starts nothing.
///
/// # Errors
/// `Bug` when the list can't be expressed.
pub(crate) fn porter_filters() -> Result<Filters, Error> {
    let requests = [0xc050_2100_u64, 0xc018_2101, 0x4008_2102, 0x4008_2104, 0xc040_ff0b, libc::FIONBIO];
    onlookers_filters(table::porter(), &requests)
}

/// The sentry's filter: to read, to find files by handle, to watch folders and to send messages. It opens for reading alone and
/// starts nothing.
///
/// # Errors
/// `Bug` when the list can't be expressed.
pub(crate) fn sentry_filters() -> Result<Filters, Error> {
    onlookers_filters(table::sentry(), &[libc::FIONBIO])
}

fn onlookers_filters<'a>(
    calls: impl Iterator<Item = &'a (&'static str, i64)>,
    requests: &[u64],
) -> Result<Filters, Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = calls.map(|(_, number)| (*number, Vec::new())).collect();
    let when = |arg: LinuxSeccompArg| rule(&[arg]);
    let read_only = libc::O_ACCMODE.unsigned_abs() | libc::O_CREAT.unsigned_abs() | libc::O_TRUNC.unsigned_abs();
    rules.insert(libc::SYS_openat, vec![when(masked(2, read_only.into(), 0)?)?]);
    let asked = requests.iter().map(|request| when(masked(1, 0xffff_ffff, *request)?)).collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_ioctl, asked);
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    let allowed = program::program(rules, libc::SECCOMP_RET_ALLOW, refuse)?;
    Ok(Filters { allowed, feigned: None, absent: absent_program(&[]) })
}

/// Limits of oneself only. RLIMIT_CORE stays as it was set: 1 stops a core pattern that is a pipe, and 0 would open it
/// again (`core(5)`; `do_coredump` treats 1 alone as "no dump" for pipes).
fn limits(calls: &mut Vec<LinuxSyscall>) -> Result<(), Error> {
    const RLIMIT_CORE: u32 = 4;
    calls.push(allow_one("prlimit64", vec![equal(0, 0)?, equal(2, 0)?])?);
    for (mask, value) in all_but(&[RLIMIT_CORE]) {
        calls.push(allow_one("prlimit64", vec![equal(0, 0)?, masked(1, mask.into(), value.into())?])?);
        calls.push(allow_one("setrlimit", vec![masked(0, mask.into(), value.into())?])?);
    }
    Ok(())
}

/// Unix, IPv4 and IPv6 streams and datagrams with their own protocol (MPTCP, UDPLITE and ICMP are other protocols of the
/// same families), and NETLINK_ROUTE, without which Node's `os.networkInterfaces` throws.
fn sockets(calls: &mut Vec<LinuxSyscall>) -> Result<(), Error> {
    const STREAM: u64 = 1;
    const DGRAM: u64 = 2;
    const RAW: u64 = 3;
    const SEQPACKET: u64 = 5;
    let mut wanted = Vec::new();
    for kind in [STREAM, DGRAM, SEQPACKET] {
        wanted.push((AF_UNIX, kind, 0));
    }
    for family in [AF_INET, AF_INET6] {
        wanted.extend([(family, STREAM, 0), (family, STREAM, 6), (family, DGRAM, 0), (family, DGRAM, 17)]);
    }
    wanted.extend([(AF_NETLINK, RAW, 0), (AF_NETLINK, DGRAM, 0)]);
    for (family, kind, protocol) in wanted {
        // SOCK_TYPE_MASK: SOCK_NONBLOCK and SOCK_CLOEXEC share the argument
        calls.push(allow_one("socket", vec![equal(0, family)?, masked(1, 0xf, kind)?, equal(2, protocol)?])?);
    }
    Ok(())
}

/// Every option but the sizes of a receive queue. What lies in a netlink socket's queue counts for no memory limit, so the
/// queue keeps its default size; a program that asks for another is told that it has it, as `socket(7)` lets it expect
/// less than it asked for anyway. The kinds that go beyond the host's limit are refused.
fn socket_options(calls: &mut Vec<LinuxSyscall>) -> Result<(), Error> {
    const SOL_SOCKET: u32 = 1;
    const SO_RCVBUF: u32 = 8;
    const SO_SNDBUFFORCE: u32 = 32;
    const SO_RCVBUFFORCE: u32 = 33;
    let at_socket = || masked(1, 0xffff_ffff, SOL_SOCKET.into());
    for (mask, value) in all_but(&[SOL_SOCKET]) {
        calls.push(allow_one("setsockopt", vec![masked(1, mask.into(), value.into())?])?);
    }
    for (mask, value) in all_but(&[SO_RCVBUF, SO_SNDBUFFORCE, SO_RCVBUFFORCE]) {
        calls.push(allow_one("setsockopt", vec![at_socket()?, masked(2, mask.into(), value.into())?])?);
    }
    let feigned = LinuxSyscallBuilder::default()
        .names(vec!["setsockopt".to_owned()])
        .action(LinuxSeccompAction::ScmpActErrno)
        .errno_ret(0_u32)
        .args(vec![at_socket()?, masked(2, 0xffff_ffff, SO_RCVBUF.into())?]);
    calls.push(feigned.build().map_err(bug)?);
    Ok(())
}

const AF_UNIX: u64 = 1;
const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;
const AF_NETLINK: u64 = 16;

/// Writes into a terminal's input: the classic way out of a session (`ioctl_tty(2)`).
const TIOCSTI: u32 = 0x5412;
/// The same on a virtual console.
const TIOCLINUX: u32 = 0x541c;

const CLONE_THREAD: u64 = 0x0001_0000;
/// All CLONE_NEW* of `clone(2)`; CLONE_NEWTIME shares its bit with the exit signal, so only `clone3` could pass it.
const NAMESPACES: u64 = 0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;

/// All 32-bit values but these, as (mask, value) pairs: a filter can't say "not equal" on the lower half of an argument,
/// and the kernel ignores the upper half (flatpak's CVE-2019-10063).
fn all_but(excluded: &[u32]) -> Vec<(u32, u32)> {
    fn split(bit: u32, mask: u32, value: u32, excluded: &[u32], out: &mut Vec<(u32, u32)>) {
        let here: Vec<u32> = excluded.iter().copied().filter(|one| one & mask == value).collect();
        if here.is_empty() {
            out.push((mask, value));
        } else if bit > 0 {
            let bit = bit - 1;
            split(bit, mask | 1 << bit, value, &here, out);
            split(bit, mask | 1 << bit, value | 1 << bit, &here, out);
        }
    }
    let mut out = Vec::new();
    split(32, 0, 0, excluded, &mut out);
    out
}

fn names<'a>(groups: impl Iterator<Item = &'a table::Group>) -> Vec<String> {
    groups.flat_map(|group| group.calls).filter_map(|(name, _)| name.strip_prefix("SYS_")).map(str::to_owned).collect()
}

fn profile(mut calls: Vec<LinuxSyscall>) -> Result<LinuxSeccomp, Error> {
    let absent = table::ABSENT.iter().filter_map(|(name, _)| name.strip_prefix("SYS_")).map(str::to_owned);
    calls.push(
        LinuxSyscallBuilder::default()
            .names(absent.collect::<Vec<_>>())
            .action(LinuxSeccompAction::ScmpActErrno)
            .errno_ret(libc::ENOSYS.unsigned_abs())
            .build()
            .map_err(bug)?,
    );
    LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .default_errno_ret(libc::EPERM.unsigned_abs())
        .architectures(vec![ARCH])
        .syscalls(calls)
        .build()
        .map_err(bug)
}

fn allow(names: Vec<String>, args: Vec<LinuxSeccompArg>) -> Result<LinuxSyscall, Error> {
    let builder = LinuxSyscallBuilder::default().names(names).action(LinuxSeccompAction::ScmpActAllow);
    if args.is_empty() { builder } else { builder.args(args) }.build().map_err(bug)
}

fn allow_one(name: &str, args: Vec<LinuxSeccompArg>) -> Result<LinuxSyscall, Error> {
    allow(vec![name.to_owned()], args)
}

fn equal(index: usize, value: u64) -> Result<LinuxSeccompArg, Error> {
    let builder = LinuxSeccompArgBuilder::default().index(index).value(value);
    builder.op(LinuxSeccompOperator::ScmpCmpEq).build().map_err(bug)
}

/// In OCI's form `value` is the mask and `valueTwo` what must remain.
fn masked(index: usize, mask: u64, rest: u64) -> Result<LinuxSeccompArg, Error> {
    let builder = LinuxSeccompArgBuilder::default().index(index).value(mask).value_two(rest);
    builder.op(LinuxSeccompOperator::ScmpCmpMaskedEq).build().map_err(bug)
}

fn bug(error: impl std::fmt::Display) -> Error {
    Error::bug(format!("seccomp: {error}"))
}

/// Programs that stack: what is allowed, what answers success without being done, and what answers ENOSYS.
#[derive(Debug)]
pub(crate) struct Filters {
    allowed: BpfProgram,
    feigned: Option<BpfProgram>,
    absent: BpfProgram,
}

impl Filters {
    /// Installs them on the calling thread, with what is looked at from outside in front ([`notice`]). Gives the listener.
    ///
    /// # Errors
    /// `Missing` for the layer `seccomp`.
    pub(crate) fn install_noticed(&self) -> Result<std::os::fd::OwnedFd, Error> {
        let listener = notice::install_before(&self.allowed)?;
        Self::stack(&[self.feigned.as_ref(), Some(&self.absent)], false)?;
        Ok(listener)
    }

    /// Installs them on the calling thread, or on every thread of the process. Sets no_new_privs.
    ///
    /// # Errors
    /// `Missing` for the layer `seccomp`.
    pub(crate) fn install(&self, all_threads: bool) -> Result<(), Error> {
        Self::stack(&[Some(&self.allowed), self.feigned.as_ref(), Some(&self.absent)], all_threads)
    }

    /// Of two errno answers the newer filter's wins (seccomp(2)), so the refusals with EPERM go in first.
    fn stack(programs: &[Option<&BpfProgram>], all_threads: bool) -> Result<(), Error> {
        let apply = if all_threads { seccompiler::apply_filter_all_threads } else { seccompiler::apply_filter };
        for program in programs.iter().flatten() {
            apply(program).map_err(|error| Error::missing("seccomp", error))?;
        }
        Ok(())
    }
}

/// Translates the section of a spec. Only what [`agent_profile`] and [`guard_profile`] produce is understood; all else is
/// an error, never left out.
///
/// # Errors
/// `Bug` for a name, action or operator that is not known.
pub(crate) fn compile(section: &LinuxSeccomp) -> Result<Filters, Error> {
    if section.default_action() != LinuxSeccompAction::ScmpActErrno {
        return Err(bug("the default action must be an errno"));
    }
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut feigned: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut absent = Vec::new();
    for call in section.syscalls().iter().flatten() {
        for name in call.names() {
            let number = table::number(name).ok_or_else(|| bug(format!("no system call `{name}`")))?;
            match (call.action(), call.args()) {
                (LinuxSeccompAction::ScmpActAllow, None) => {
                    rules.entry(number).or_default();
                }
                (LinuxSeccompAction::ScmpActAllow, Some(args)) => {
                    rules.entry(number).or_default().push(rule(args)?);
                }
                (LinuxSeccompAction::ScmpActErrno, Some(args)) if call.errno_ret() == Some(0) => {
                    feigned.entry(number).or_default().push(rule(args)?);
                }
                (LinuxSeccompAction::ScmpActErrno, None) if call.errno_ret() == Some(libc::ENOSYS.unsigned_abs()) => {
                    absent.push(u32::try_from(number).map_err(bug)?);
                }
                other => return Err(bug(format!("`{name}` has an action that is not understood: {other:?}"))),
            }
        }
    }
    let errno = section.default_errno_ret().unwrap_or(libc::EPERM.unsigned_abs());
    let refuse = libc::SECCOMP_RET_ERRNO | (errno & libc::SECCOMP_RET_DATA);
    let allowed = program::program(rules, libc::SECCOMP_RET_ALLOW, refuse)?;
    Ok(Filters { allowed, feigned: feigned_program(feigned)?, absent: absent_program(&absent) })
}

/// Errno 0 for what matches: the kernel skips the call and returns 0.
fn feigned_program(rules: BTreeMap<i64, Vec<SeccompRule>>) -> Result<Option<BpfProgram>, Error> {
    if rules.is_empty() {
        return Ok(None);
    }
    program::program(rules, libc::SECCOMP_RET_ERRNO, libc::SECCOMP_RET_ALLOW).map(Some)
}

fn rule(args: &[LinuxSeccompArg]) -> Result<SeccompRule, Error> {
    SeccompRule::new(args.iter().map(condition).collect::<Result<Vec<_>, _>>()?).map_err(bug)
}

fn condition(arg: &LinuxSeccompArg) -> Result<SeccompCondition, Error> {
    let index = u8::try_from(arg.index()).map_err(bug)?;
    let (operator, value) = match (arg.op(), arg.value_two()) {
        (LinuxSeccompOperator::ScmpCmpEq, None) => (SeccompCmpOp::Eq, arg.value()),
        (LinuxSeccompOperator::ScmpCmpMaskedEq, Some(rest)) => (SeccompCmpOp::MaskedEq(arg.value()), rest),
        other => return Err(bug(format!("an operator that is not understood: {other:?}"))),
    };
    SeccompCondition::new(index, SeccompCmpArgLen::Qword, operator, value).map_err(bug)
}

/// ENOSYS for the numbers given and for all above the table, ALLOW for the rest; another architecture is killed.
/// A program of its own, for it is the newer of two that answer with an errno. Offsets: `struct seccomp_data`, `seccomp(2)`.
fn absent_program(numbers: &[u32]) -> BpfProgram {
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const JUMP_IF_GREATER: u16 = 0x25;
    const RETURN: u16 = 0x06;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let enosys = step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs());
    let mut program = vec![
        step(LOAD_WORD, 0, 0, 4),
        step(JUMP_IF_EQUAL, 1, 0, AUDIT_ARCH),
        step(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        step(LOAD_WORD, 0, 0, 0),
        // above: also the x32 numbers, which carry bit 30
        step(JUMP_IF_GREATER, 0, 1, table::HIGHEST_KNOWN),
        enosys.clone(),
    ];
    for number in numbers {
        program.push(step(JUMP_IF_EQUAL, 0, 1, *number));
        program.push(enosys.clone());
    }
    program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    program
}

#[cfg(target_arch = "x86_64")]
const ARCH: Arch = Arch::ScmpArchX86_64;
/// `AUDIT_ARCH_X86_64`, `linux/audit.h`.
#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;

#[cfg(target_arch = "aarch64")]
const ARCH: Arch = Arch::ScmpArchAarch64;
/// `AUDIT_ARCH_AARCH64`, `linux/audit.h`.
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;
