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
    ] {
        assert!(!allowed.iter().any(|name| name == call), "{call}");
    }
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
