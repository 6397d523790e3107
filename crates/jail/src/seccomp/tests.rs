use super::*;

#[test]
fn all_but_covers_everything_else_exactly_once() {
    let pairs = all_but(&[TIOCSTI, TIOCLINUX]);
    let hits = |value: u32| pairs.iter().filter(|(mask, rest)| value & mask == *rest).count();
    for value in (0..=0xffff).chain([u32::MAX, 0x8000_5412, 0x5412 << 1, 0x1_5412]) {
        let expected = usize::from(value != TIOCSTI && value != TIOCLINUX);
        assert_eq!(hits(value), expected, "{value:#x}");
    }
}

#[test]
fn both_profiles_compile_and_fit() {
    for profile in [agent_profile().unwrap(), guard_profile().unwrap()] {
        let filters = compile(&profile).unwrap();
        assert!(filters.allowed.len() < 4096, "{}", filters.allowed.len());
    }
    assert!(compile(&agent_profile().unwrap()).unwrap().feigned.is_some());
    assert!(compile(&guard_profile().unwrap()).unwrap().feigned.is_none(), "a guard gets what it asks for");
}

/// What a filter answers, by running its program.
fn run(program: &BpfProgram, arch: u32, number: u32, args: [u64; 6]) -> u32 {
    let mut data = number.to_ne_bytes().to_vec();
    data.extend(arch.to_ne_bytes());
    data.extend([0; 8]);
    data.extend(args.iter().flat_map(|arg| arg.to_ne_bytes()));
    let (mut at, mut a) = (0, 0);
    for _ in 0..program.len() {
        let sock_filter { code, jt, jf, k } = program[at].clone();
        let on = |holds: bool| usize::from(if holds { jt } else { jf });
        at += 1;
        match code {
            0x20 => a = u32::from_ne_bytes(data[k as usize..][..4].try_into().unwrap()),
            0x05 => at += k as usize,
            0x15 => at += on(a == k),
            0x25 => at += on(a > k),
            0x35 => at += on(a >= k),
            0x54 => a &= k,
            0x06 => return k,
            other => panic!("an instruction that is not known: {other:#x}"),
        }
    }
    panic!("a program without an end")
}

/// The rules of a section, as a program of the crate's own making.
fn chained(section: &LinuxSeccomp) -> BpfProgram {
    use seccompiler::{SeccompAction, SeccompFilter};
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in section.syscalls().iter().flatten() {
        if call.action() == LinuxSeccompAction::ScmpActAllow {
            for name in call.names() {
                let of_it = rules.entry(table::number(name).unwrap()).or_default();
                of_it.extend(call.args().as_ref().map(|args| rule(args).unwrap()));
            }
        }
    }
    let target = std::env::consts::ARCH.try_into().unwrap();
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, target).unwrap().try_into().unwrap()
}

/// Arguments of interest: those that some rule names, their neighbours, and halves that the kernel ignores.
fn interesting(section: &LinuxSeccomp) -> Vec<u64> {
    let args = section.syscalls().iter().flatten().filter_map(|call| call.args().as_ref()).flatten();
    let named: std::collections::BTreeSet<u64> =
        args.flat_map(|arg| [arg.value(), arg.value_two().unwrap_or(0)]).collect();
    named.into_iter().flat_map(|one| [one, one ^ 1, one | 1 << 32, one | 1 << 63]).collect()
}

#[test]
fn the_tree_answers_as_the_chain_does() {
    for section in [agent_profile().unwrap(), guard_profile().unwrap()] {
        let (tree, chain) = (compile(&section).unwrap().allowed, chained(&section));
        let mut answers = std::collections::BTreeSet::new();
        let values = interesting(&section);
        let judged: std::collections::BTreeSet<i64> = section
            .syscalls()
            .iter()
            .flatten()
            .filter(|call| call.args().is_some())
            .flat_map(|call| call.names().iter().map(|name| table::number(name).unwrap()))
            .collect();
        for number in (0..1024).chain([0x4000_0000, 0x4000_0001, 0x7fff_ffff, u32::MAX]) {
            let mut check = |args| {
                let got = run(&tree, AUDIT_ARCH, number, args);
                assert_eq!(got, run(&chain, AUDIT_ARCH, number, args), "call {number} with {args:x?}");
                answers.insert(got);
            };
            [[0; 6], [1; 6], [u64::MAX; 6]].into_iter().for_each(&mut check);
            if judged.contains(&i64::from(number)) {
                for (at, value) in (0..3).flat_map(|at| values.iter().map(move |value| (at, *value))) {
                    let mut args = [0; 6];
                    args[at] = value;
                    check(args);
                    args[0] = 1;
                    check(args);
                }
            }
        }
        let socket = u32::try_from(table::number("socket").unwrap()).unwrap();
        for (family, kind) in (0..20).flat_map(|family| (0..12).map(move |kind| (family, kind))) {
            for protocol in 0..20 {
                let args = [family, kind | 0x800, protocol, 0, 0, 0];
                assert_eq!(run(&tree, AUDIT_ARCH, socket, args), run(&chain, AUDIT_ARCH, socket, args), "{args:?}");
            }
        }
        let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
        assert_eq!(answers, [libc::SECCOMP_RET_ALLOW, refuse].into());
        assert_eq!(run(&tree, AUDIT_ARCH ^ 1, 0, [0; 6]), libc::SECCOMP_RET_KILL_PROCESS);
    }
}

#[test]
fn the_wardens_filter_refuses_what_is_listed_and_nothing_else() {
    let program = warden_filters().unwrap().allowed;
    let by_handle = u32::try_from(libc::SYS_open_by_handle_at).unwrap();
    for number in (0..1024).filter(|number| *number != by_handle) {
        let listed = table::warden_never().any(|(_, one)| *one == i64::from(number));
        let wanted =
            if listed { libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs() } else { libc::SECCOMP_RET_ALLOW };
        assert_eq!(run(&program, AUDIT_ARCH, number, [7; 6]), wanted, "call {number}");
    }
    let place = libc::O_PATH.unsigned_abs().into();
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    assert_eq!(run(&program, AUDIT_ARCH, by_handle, [0; 6]), refuse);
    assert_eq!(run(&program, AUDIT_ARCH, by_handle, [0, 0, place, 0, 0, 0]), libc::SECCOMP_RET_ALLOW);
}

#[test]
fn the_sentry_reads_and_opens_nothing_for_writing() {
    let program = sentry_filters().unwrap().allowed;
    let answers = |name: i64, args| run(&program, AUDIT_ARCH, u32::try_from(name).unwrap(), args);
    let (allow, refuse) = (libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs());
    let flags = |flags: i32| [0, 0, flags.unsigned_abs().into(), 0, 0, 0];
    assert_eq!(answers(libc::SYS_openat, flags(libc::O_RDONLY | libc::O_NOFOLLOW)), allow);
    for writes in [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC] {
        assert_eq!(answers(libc::SYS_openat, flags(writes)), refuse);
    }
    let never = [libc::SYS_execve, libc::SYS_clone, libc::SYS_unlinkat, libc::SYS_renameat2, libc::SYS_socket];
    for call in never.into_iter().chain([libc::SYS_pidfd_send_signal, libc::SYS_kill, libc::SYS_mount]) {
        assert_eq!(answers(call, [0; 6]), refuse, "{call}");
    }
}

#[test]
fn what_must_never_be_allowed_is_not() {
    let allowed = names(table::agent());
    for call in [
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "unshare",
        "setns",
        "clone3",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "pidfd_getfd",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "keyctl",
        "add_key",
        "request_key",
        "kexec_load",
        "init_module",
        "finit_module",
        "delete_module",
        "open_by_handle_at",
        "quotactl",
        "syslog",
        "clock_settime",
        "settimeofday",
        "adjtimex",
        "sethostname",
        "setdomainname",
        "reboot",
        "swapon",
        "acct",
        "iopl",
        "ioperm",
        "move_mount",
        "fsopen",
        "fsmount",
        "open_tree",
        "mount_setattr",
        "fanotify_init",
        "kcmp",
        "personality",
        "socket",
        "clone",
        "ioctl",
        "prlimit64",
        "setsockopt",
        "vmsplice",
        "msgsnd",
        "setgroups",
    ] {
        assert!(!allowed.iter().any(|name| name == call), "{call}");
    }
}

/// `docs/system-calls.md`; `UPDATE=1` writes it anew.
#[test]
fn the_page_tells_who_needs_each_call() {
    let mut page = String::from(
        "# System calls that the agent's programs may make\n\nWritten from `crates/jail/src/seccomp/table.rs`; \
         `UPDATE=1 cargo test -p creel-jail --lib seccomp` writes it anew. A test makes each of them in a jail\n\
         (`walls::each_allowed_call_answers`). What is not here is answered with EPERM, and what is newer than this list with ENOSYS, as \
         are\n`clone3` and io_uring. `clone`, `socket`, `socketpair`, `ioctl`, `personality`, `prlimit64`, `setrlimit` and `setsockopt` are \
         allowed by\ntheir arguments.\n\n| call | who needs it |\n|---|---|\n",
    );
    let mut calls: Vec<_> = table::allowed_calls().collect();
    assert_eq!(calls.len(), names(table::agent()).len(), "some call has no reason");
    calls.sort_unstable();
    assert!(calls.windows(2).all(|two| two[0].0 != two[1].0), "a call stands there twice");
    for (name, _, who) in calls {
        page.push_str(&format!("| `{name}` | {who} |\n"));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/system-calls.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == page,
        "docs/system-calls.md is old: run with UPDATE=1"
    );
}

#[test]
fn a_section_that_is_not_understood_is_an_error() {
    let mut section = agent_profile().unwrap();
    section.set_default_action(LinuxSeccompAction::ScmpActAllow);
    assert!(compile(&section).is_err());
    let mut section = agent_profile().unwrap();
    section.set_syscalls(Some(vec![allow(vec!["no_such_call".into()], Vec::new()).unwrap()]));
    assert!(compile(&section).is_err());
}
