//! The system calls that are allowed, in groups, each with its reason.
//!
//! Owns the one list for the jail and the one for a guard. What is not here is refused with EPERM. `seccomp` turns it into
//! an OCI section and a filter.

/// Calls that go together, and why they may.
pub(super) struct Group {
    /// Names as in `libc`, `SYS_read`, with their numbers on this architecture.
    pub(super) calls: &'static [(&'static str, i64)],
}

macro_rules! group {
    ($($call:ident),* $(,)?) => {
        Group { calls: &[$((stringify!($call), libc::$call)),*] }
    };
}

/// What every program here needs: files by descriptor, memory, time, signals, waiting, identity. Used by both lists.
const BASE: &[Group] = &[
    // bytes of open files
    group![
        SYS_read,
        SYS_write,
        SYS_readv,
        SYS_writev,
        SYS_pread64,
        SYS_pwrite64,
        SYS_preadv,
        SYS_pwritev,
        SYS_preadv2,
        SYS_pwritev2,
        SYS_lseek,
        SYS_close,
        SYS_close_range,
        SYS_dup,
        SYS_dup3,
        SYS_pipe2,
        SYS_fcntl,
        SYS_flock,
        SYS_fsync,
        SYS_fdatasync,
        SYS_sync_file_range,
        SYS_ftruncate,
        SYS_fallocate,
        SYS_fadvise64,
        SYS_readahead,
        SYS_sendfile,
        SYS_copy_file_range,
        SYS_splice,
        SYS_tee,
    ],
    // names in the file system; landlock and the mounts say which
    group![
        SYS_openat,
        SYS_openat2,
        SYS_fstat,
        SYS_newfstatat,
        SYS_statx,
        SYS_statfs,
        SYS_fstatfs,
        SYS_faccessat,
        SYS_faccessat2,
        SYS_readlinkat,
        SYS_getdents64,
        SYS_getcwd,
        SYS_chdir,
        SYS_fchdir,
        SYS_renameat,
        SYS_renameat2,
        SYS_mkdirat,
        SYS_unlinkat,
        SYS_linkat,
        SYS_symlinkat,
        SYS_fchmod,
        SYS_fchmodat,
        SYS_fchmodat2,
        SYS_fchown,
        SYS_fchownat,
        SYS_utimensat,
        SYS_umask,
        SYS_truncate,
    ],
    // memory
    group![
        SYS_brk,
        SYS_mmap,
        SYS_munmap,
        SYS_mprotect,
        SYS_mremap,
        SYS_madvise,
        SYS_msync,
        SYS_mincore,
        SYS_mlock,
        SYS_mlock2,
        SYS_munlock,
        SYS_mlockall,
        SYS_munlockall,
        SYS_membarrier,
        SYS_memfd_create,
        SYS_mseal,
        SYS_pkey_alloc,
        SYS_pkey_free,
        SYS_pkey_mprotect,
    ],
    // time
    group![
        SYS_clock_gettime,
        SYS_clock_getres,
        SYS_gettimeofday,
        SYS_nanosleep,
        SYS_clock_nanosleep,
        SYS_timer_create,
        SYS_timer_settime,
        SYS_timer_gettime,
        SYS_timer_getoverrun,
        SYS_timer_delete,
        SYS_getitimer,
        SYS_setitimer,
        SYS_timerfd_create,
        SYS_timerfd_settime,
        SYS_timerfd_gettime,
        SYS_times,
    ],
    // signals
    group![
        SYS_rt_sigaction,
        SYS_rt_sigprocmask,
        SYS_rt_sigreturn,
        SYS_rt_sigpending,
        SYS_rt_sigsuspend,
        SYS_rt_sigtimedwait,
        SYS_sigaltstack,
        SYS_signalfd4,
        SYS_tgkill,
        SYS_restart_syscall,
    ],
    // waiting
    group![
        SYS_futex,
        SYS_futex_waitv,
        SYS_pselect6,
        SYS_ppoll,
        SYS_epoll_create1,
        SYS_epoll_ctl,
        SYS_epoll_pwait,
        SYS_epoll_pwait2,
        SYS_eventfd2,
    ],
    // threads and who we are; changing the identity needs capabilities that nobody has
    group![
        SYS_exit,
        SYS_exit_group,
        SYS_getpid,
        SYS_getppid,
        SYS_gettid,
        SYS_set_tid_address,
        SYS_set_robust_list,
        SYS_get_robust_list,
        SYS_rseq,
        SYS_sched_yield,
        SYS_sched_getaffinity,
        SYS_sched_getparam,
        SYS_sched_getscheduler,
        SYS_sched_getattr,
        SYS_sched_get_priority_max,
        SYS_sched_get_priority_min,
        SYS_sched_rr_get_interval,
        SYS_getcpu,
        SYS_getpriority,
        SYS_getrusage,
        SYS_getrlimit,
        SYS_getuid,
        SYS_geteuid,
        SYS_getgid,
        SYS_getegid,
        SYS_getgroups,
        SYS_getresuid,
        SYS_getresgid,
        SYS_capget,
        SYS_prctl,
        SYS_uname,
        SYS_sysinfo,
        SYS_getrandom,
    ],
    // sockets once made; which may be made is a rule of its own
    group![
        SYS_connect,
        SYS_bind,
        SYS_listen,
        SYS_accept,
        SYS_accept4,
        SYS_getsockname,
        SYS_getpeername,
        SYS_sendto,
        SYS_recvfrom,
        SYS_sendmsg,
        SYS_recvmsg,
        SYS_sendmmsg,
        SYS_recvmmsg,
        SYS_shutdown,
        SYS_getsockopt,
    ],
    // walls that a process builds for itself: they only stack
    group![SYS_seccomp, SYS_landlock_create_ruleset, SYS_landlock_add_rule, SYS_landlock_restrict_self],
];

/// What the agent's programs need beyond [`BASE`].
const AGENT: &[Group] = &[
    // processes: start, wait, signal, sessions; namespaces and tracing are absent
    group![
        SYS_execve,
        SYS_execveat,
        SYS_wait4,
        SYS_waitid,
        SYS_kill,
        SYS_tkill,
        SYS_rt_sigqueueinfo,
        SYS_rt_tgsigqueueinfo,
        SYS_setpgid,
        SYS_getpgid,
        SYS_getsid,
        SYS_setsid,
        SYS_pidfd_open,
        SYS_pidfd_send_signal,
        SYS_setpriority,
        SYS_sched_setaffinity,
        SYS_sched_setparam,
        SYS_sched_setscheduler,
        SYS_sched_setattr,
        SYS_ioprio_get,
        SYS_ioprio_set,
    ],
    // programs that try to become who they are already
    group![
        SYS_setuid,
        SYS_setgid,
        SYS_setreuid,
        SYS_setregid,
        SYS_setresuid,
        SYS_setresgid,
        SYS_setgroups,
        SYS_setfsuid,
        SYS_setfsgid,
        SYS_capset,
    ],
    // package managers and build tools: whole-file-system sync, attributes, fifos (device nodes need a capability)
    group![
        SYS_sync,
        SYS_syncfs,
        SYS_vmsplice,
        SYS_mknodat,
        SYS_getxattr,
        SYS_lgetxattr,
        SYS_fgetxattr,
        SYS_listxattr,
        SYS_llistxattr,
        SYS_flistxattr,
        SYS_setxattr,
        SYS_lsetxattr,
        SYS_fsetxattr,
        SYS_removexattr,
        SYS_lremovexattr,
        SYS_fremovexattr,
    ],
    // file watchers
    group![SYS_inotify_init1, SYS_inotify_add_watch, SYS_inotify_rm_watch],
    // System V objects, in the jail's own IPC namespace (databases, Python's multiprocessing)
    group![
        SYS_shmget,
        SYS_shmat,
        SYS_shmdt,
        SYS_shmctl,
        SYS_semget,
        SYS_semop,
        SYS_semtimedop,
        SYS_semctl,
        SYS_msgget,
        SYS_msgsnd,
        SYS_msgrcv,
        SYS_msgctl,
    ],
];

/// The older forms of the calls above, which only x86_64 has.
#[cfg(target_arch = "x86_64")]
const BASE_OLD: &[Group] = &[group![
    SYS_open,
    SYS_creat,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_getdents,
    SYS_rename,
    SYS_mkdir,
    SYS_rmdir,
    SYS_unlink,
    SYS_link,
    SYS_symlink,
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
    SYS_utime,
    SYS_utimes,
    SYS_futimesat,
    SYS_dup2,
    SYS_pipe,
    SYS_select,
    SYS_poll,
    SYS_epoll_create,
    SYS_epoll_wait,
    SYS_eventfd,
    SYS_signalfd,
    SYS_time,
    SYS_alarm,
    SYS_pause,
    SYS_arch_prctl,
]];
#[cfg(not(target_arch = "x86_64"))]
const BASE_OLD: &[Group] = &[];

#[cfg(target_arch = "x86_64")]
const AGENT_OLD: &[Group] = &[group![SYS_fork, SYS_vfork, SYS_getpgrp, SYS_mknod, SYS_inotify_init]];
#[cfg(not(target_arch = "x86_64"))]
const AGENT_OLD: &[Group] = &[];

/// Answered with ENOSYS instead of EPERM, so that the C library falls back: `clone3` hides its flags behind a pointer that
/// a filter can't follow; io_uring does its work past any filter; the rest are new and their callers test for ENOSYS.
/// The last eight are not yet in `libc`; the numbers are the same on all architectures (`asm-generic/unistd.h`).
pub(super) const ABSENT: &[(&str, i64)] = &[
    ("SYS_clone3", libc::SYS_clone3),
    ("SYS_io_uring_setup", libc::SYS_io_uring_setup),
    ("SYS_io_uring_enter", libc::SYS_io_uring_enter),
    ("SYS_io_uring_register", libc::SYS_io_uring_register),
    ("SYS_cachestat", 451),
    ("SYS_map_shadow_stack", 453),
    ("SYS_futex_wake", 454),
    ("SYS_futex_wait", 455),
    ("SYS_futex_requeue", 456),
    ("SYS_statmount", 457),
    ("SYS_listmount", 458),
];

/// The highest number that this table was written against (`mseal`, Linux 6.10); what is newer is ENOSYS too.
pub(super) const HIGHEST_KNOWN: u32 = 462;

/// Calls that are allowed by their arguments; see the rules beside `profile`.
pub(super) const CONDITIONAL: &[(&str, i64)] = &[
    ("SYS_clone", libc::SYS_clone),
    ("SYS_socket", libc::SYS_socket),
    ("SYS_socketpair", libc::SYS_socketpair),
    ("SYS_ioctl", libc::SYS_ioctl),
    ("SYS_personality", libc::SYS_personality),
    ("SYS_prlimit64", libc::SYS_prlimit64),
    ("SYS_setrlimit", libc::SYS_setrlimit),
    ("SYS_setsockopt", libc::SYS_setsockopt),
];

/// What neither the warden nor anything that it starts ever calls, though root could.
const WARDEN_NEVER: &[Group] = &[
    // another kernel, or code in this one
    group![SYS_kexec_load, SYS_kexec_file_load, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_reboot],
    // other processes' memory and descriptors
    group![SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_pidfd_getfd, SYS_kcmp],
    // large parts of the kernel that are open to whoever asks
    group![
        SYS_io_uring_setup,
        SYS_io_uring_enter,
        SYS_io_uring_register,
        SYS_userfaultfd,
        SYS_perf_event_open,
        SYS_add_key,
        SYS_request_key,
    ],
    // the host's clock, swap, accounting, quotas and log
    group![
        SYS_settimeofday,
        SYS_clock_settime,
        SYS_adjtimex,
        SYS_clock_adjtime,
        SYS_swapon,
        SYS_swapoff,
        SYS_acct,
        SYS_quotactl,
        SYS_syslog,
        SYS_vhangup,
    ],
];

/// Ports of the machine.
#[cfg(target_arch = "x86_64")]
const WARDEN_NEVER_OLD: &[Group] = &[group![SYS_iopl, SYS_ioperm, SYS_modify_ldt]];
#[cfg(not(target_arch = "x86_64"))]
const WARDEN_NEVER_OLD: &[Group] = &[];

/// What the porter calls, besides opening for reading and answering at its listeners.
const PORTER: &[Group] = &[
    group![SYS_read, SYS_pread64, SYS_write, SYS_close, SYS_readlinkat, SYS_openat2, SYS_lseek, SYS_fstat, SYS_statx],
    group![SYS_recvmsg, SYS_sendmsg, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_ppoll, SYS_fcntl],
    group![SYS_pidfd_open, SYS_pidfd_send_signal],
    group![SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect, SYS_futex, SYS_sched_yield],
    group![SYS_clock_gettime, SYS_getrandom, SYS_getpid, SYS_gettid, SYS_restart_syscall, SYS_prctl, SYS_seccomp],
    group![SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack, SYS_tgkill],
    group![SYS_exit, SYS_exit_group],
];
#[cfg(target_arch = "x86_64")]
const PORTER_OLD: &[Group] = &[group![SYS_readlink, SYS_epoll_wait, SYS_poll]];
#[cfg(not(target_arch = "x86_64"))]
const PORTER_OLD: &[Group] = &[];

/// What the sentry calls besides: places by handle, lists of folders, marks, memory files.
const SENTRY: &[Group] = &[group![
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_fanotify_mark,
    SYS_getdents64,
    SYS_newfstatat,
    SYS_memfd_create,
]];

/// Every call of the sentry's.
pub(super) fn sentry() -> impl Iterator<Item = &'static (&'static str, i64)> {
    porter().chain(SENTRY.iter().flat_map(|group| group.calls)).filter(|(name, _)| *name != "SYS_pidfd_send_signal")
}

/// Every call of the porter's.
pub(super) fn porter() -> impl Iterator<Item = &'static (&'static str, i64)> {
    PORTER.iter().chain(PORTER_OLD).flat_map(|group| group.calls)
}

/// Every call that the warden forgoes.
pub(super) fn warden_never() -> impl Iterator<Item = &'static (&'static str, i64)> {
    WARDEN_NEVER.iter().chain(WARDEN_NEVER_OLD).flat_map(|group| group.calls)
}

/// Every group that the jail's programs may use.
pub(super) fn agent() -> impl Iterator<Item = &'static Group> {
    guard().chain(AGENT).chain(AGENT_OLD)
}

/// Every group that a guard may use: no process is started, nothing is signalled.
pub(super) fn guard() -> impl Iterator<Item = &'static Group> {
    BASE.iter().chain(BASE_OLD)
}

/// The number of a call by its OCI name, `read` for example.
pub(super) fn number(name: &str) -> Option<i64> {
    agent()
        .flat_map(|group| group.calls)
        .chain(ABSENT)
        .chain(CONDITIONAL)
        .find(|(full, _)| full.strip_prefix("SYS_") == Some(name))
        .map(|(_, number)| *number)
}
