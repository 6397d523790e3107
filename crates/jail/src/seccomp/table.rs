//! The system calls that are allowed, in groups, each with its reason.
//!
//! Owns the one list for the jail and the one for a guard. What is not here is refused with EPERM. `seccomp` turns it into
//! an OCI section and a filter.

/// Calls that go together.
pub(super) struct Group {
    /// Names as in `libc`, `SYS_read`, with their numbers on this architecture.
    pub(super) calls: &'static [(&'static str, i64)],
    /// Who needs each of them, for `docs/system-calls.md`; empty where a list refuses.
    pub(super) needed_by: &'static [&'static str],
}

macro_rules! group {
    ($($call:ident: $who:literal),* $(,)?) => {
        Group { calls: &[$((stringify!($call), libc::$call)),*], needed_by: &[$($who),*] }
    };
    ($($call:ident),* $(,)?) => {
        Group { calls: &[$((stringify!($call), libc::$call)),*], needed_by: &[] }
    };
}

/// What every program here needs: files by descriptor, memory, time, signals, waiting, identity. Used by both lists.
const BASE: &[Group] = &[
    // bytes of open files
    group![
        SYS_read: "every program",
        SYS_write: "every program",
        SYS_readv: "libuv, Python's os.readv, musl's stdio",
        SYS_writev: "libuv, OpenSSL, musl's stdio",
        SYS_pread64: "the loader, git, SQLite",
        SYS_pwrite64: "git, SQLite",
        SYS_preadv: "libuv's fs.read with several buffers",
        SYS_pwritev: "libuv's fs.write with several buffers",
        SYS_preadv2: "the C library's preadv2; databases",
        SYS_pwritev2: "the C library's pwritev2; databases",
        SYS_lseek: "every program that reads files",
        SYS_close: "every program",
        SYS_close_range: "Python's subprocess, glibc's closefrom",
        SYS_dup: "shells, git",
        SYS_dup3: "libuv, Python",
        SYS_pipe2: "libuv, Python, shells",
        SYS_fcntl: "every program: close-on-exec, locks, non-blocking descriptors",
        SYS_flock: "npm, pip, git-lfs, flock(1)",
        SYS_fsync: "git, npm, databases",
        SYS_fdatasync: "SQLite, Python, databases",
        SYS_sync_file_range: "dpkg, PostgreSQL",
        SYS_ftruncate: "git, SQLite, shared memory",
        SYS_fallocate: "SQLite, package managers, curl",
        SYS_fadvise64: "coreutils, git, dpkg",
        SYS_readahead: "ld caches, file indexers",
        SYS_sendfile: "libuv, Python's shutil and http.server",
        SYS_copy_file_range: "coreutils cp, libuv, Python's shutil",
        SYS_splice: "coreutils, busybox, proxies written in Go",
    ],
    // names in the file system; landlock and the mounts say which
    group![
        SYS_openat: "every program",
        SYS_openat2: "runtimes that open beneath a folder: Rust's cap-std, Go's os.Root",
        SYS_fstat: "every program",
        SYS_newfstatat: "every program",
        SYS_statx: "libuv, coreutils, Rust",
        SYS_statfs: "coreutils, npm's free-space checks",
        SYS_fstatfs: "git, SQLite",
        SYS_faccessat: "older shells, Go",
        SYS_faccessat2: "shells, glibc's access with flags",
        SYS_readlinkat: "coreutils, Go",
        SYS_getdents64: "every program that lists folders",
        SYS_getcwd: "shells, Node",
        SYS_chdir: "shells, git",
        SYS_fchdir: "find, tar, rm",
        SYS_renameat: "Go, older coreutils",
        SYS_renameat2: "coreutils mv, Rust, dpkg",
        SYS_mkdirat: "coreutils, Go, tar",
        SYS_unlinkat: "coreutils rm, Python's shutil",
        SYS_linkat: "coreutils ln, git on Go file systems",
        SYS_symlinkat: "coreutils ln, tar",
        SYS_fchmod: "git, npm, tar",
        SYS_fchmodat: "coreutils chmod, tar",
        SYS_fchmodat2: "glibc's fchmodat with flags, since 2.39",
        SYS_fchown: "npm, sed -i, tar",
        SYS_fchownat: "coreutils cp -a, tar",
        SYS_utimensat: "touch, tar, npm",
        SYS_umask: "shells, git, tar",
        SYS_truncate: "Node's fs.truncate, Python's os.truncate",
    ],
    // memory
    group![
        SYS_brk: "the C library's allocator",
        SYS_mmap: "every program",
        SYS_munmap: "every program",
        SYS_mprotect: "the loader, every just-in-time compiler",
        SYS_mremap: "the C library's realloc, databases",
        SYS_madvise: "V8, Go, jemalloc",
        SYS_msync: "databases with mapped files",
        SYS_mincore: "Go's runtime of old, page-cache tools",
        SYS_mlock: "GnuPG, password managers",
        SYS_mlock2: "the C library's mlock2",
        SYS_munlock: "GnuPG",
        SYS_membarrier: "V8, user-space RCU",
        SYS_memfd_create: "Chromium, Wayland clients, loaders",
        SYS_pkey_alloc: "V8's guard for compiled code",
        SYS_pkey_free: "V8's guard for compiled code",
        SYS_pkey_mprotect: "V8's guard for compiled code",
    ],
    // time
    group![
        SYS_clock_gettime: "every program, where the vDSO has none",
        SYS_clock_getres: "libuv, Python's time",
        SYS_gettimeofday: "older programs, where the vDSO has none",
        SYS_nanosleep: "sleep(1) of old, musl",
        SYS_clock_nanosleep: "sleep(1), Python, Rust",
        SYS_timer_create: "timeout(1), Go's profiler",
        SYS_timer_settime: "timeout(1)",
        SYS_timer_gettime: "POSIX timers",
        SYS_timer_getoverrun: "POSIX timers",
        SYS_timer_delete: "POSIX timers",
        SYS_getitimer: "Python's signal",
        SYS_setitimer: "Python's signal, git's progress",
        SYS_timerfd_create: "event loops in Rust and Qt",
        SYS_timerfd_settime: "event loops in Rust and Qt",
        SYS_timerfd_gettime: "event loops in Rust and Qt",
        SYS_times: "bash's time, make",
    ],
    // signals
    group![
        SYS_rt_sigaction: "every program",
        SYS_rt_sigprocmask: "every program",
        SYS_rt_sigreturn: "whoever handled a signal",
        SYS_rt_sigpending: "bash, Python's signal",
        SYS_rt_sigsuspend: "bash, dash",
        SYS_rt_sigtimedwait: "Python's signal, PID 1 of the jail",
        SYS_sigaltstack: "Node, Go, Rust",
        SYS_signalfd4: "event loops, systemd's libraries",
        SYS_tgkill: "the C library's raise and pthread_kill",
        SYS_restart_syscall: "the kernel itself, after a stop",
    ],
    // waiting
    group![
        SYS_futex: "every program with threads",
        SYS_futex_waitv: "Wine and runtimes with many locks",
        SYS_pselect6: "Python, git, curl",
        SYS_ppoll: "OpenSSH, Rust",
        SYS_epoll_create1: "libuv, Chromium",
        SYS_epoll_ctl: "libuv, Chromium",
        SYS_epoll_pwait: "libuv",
        SYS_epoll_pwait2: "glib's loop",
        SYS_eventfd2: "libuv, Chromium",
    ],
    // threads and who we are; changing the identity needs capabilities that nobody has
    group![
        SYS_exit: "threads",
        SYS_exit_group: "every program",
        SYS_getpid: "every program",
        SYS_getppid: "shells, npm",
        SYS_gettid: "Node, Python, Chromium",
        SYS_set_tid_address: "the C library",
        SYS_set_robust_list: "the C library",
        SYS_get_robust_list: "debuggers of locks",
        SYS_rseq: "glibc since 2.35",
        SYS_sched_yield: "allocators, V8",
        SYS_sched_getaffinity: "nproc, V8, Go: how many threads to start",
        SYS_sched_getparam: "the C library's pthread_getattr_np, Python's os",
        SYS_sched_getscheduler: "Chromium, Python's os",
        SYS_sched_getattr: "chrt, tools that look",
        SYS_sched_get_priority_max: "V8's platform, Python's os",
        SYS_sched_get_priority_min: "V8's platform, Python's os",
        SYS_sched_rr_get_interval: "Python's os",
        SYS_getcpu: "allocators, where the vDSO has none",
        SYS_getpriority: "nice(1), Chromium",
        SYS_getrusage: "bash's time, Node's process.resourceUsage",
        SYS_getrlimit: "older programs; the C library asks prlimit64",
        SYS_getuid: "every program",
        SYS_geteuid: "every program",
        SYS_getgid: "every program",
        SYS_getegid: "every program",
        SYS_getgroups: "bash, id",
        SYS_getresuid: "bash, OpenSSH",
        SYS_getresgid: "bash, OpenSSH",
        SYS_capget: "Node, iputils, dpkg's scripts",
        SYS_prctl: "thread names, no_new_privs, death signals",
        SYS_uname: "every configure script, Node's os",
        SYS_sysinfo: "Node's os, uptime",
        SYS_getrandom: "every runtime",
    ],
    // sockets once made; which may be made is a rule of its own
    group![
        SYS_connect: "every client",
        SYS_bind: "every server",
        SYS_listen: "every server",
        SYS_accept: "older servers",
        SYS_accept4: "libuv, Go",
        SYS_getsockname: "libuv, curl",
        SYS_getpeername: "libuv, Python",
        SYS_sendto: "the C library's resolver",
        SYS_recvfrom: "the C library's resolver, curl",
        SYS_sendmsg: "libuv, Chromium's channels",
        SYS_recvmsg: "libuv, Chromium's channels",
        SYS_sendmmsg: "the C library's resolver",
        SYS_recvmmsg: "libuv's UDP",
        SYS_shutdown: "libuv, curl",
        SYS_getsockopt: "every client that connects without waiting",
    ],
    // walls that a process builds for itself: they only stack
    group![
        SYS_seccomp: "Chromium's renderers, sandboxes within",
        SYS_landlock_create_ruleset: "the inner wall, sandboxes within",
        SYS_landlock_add_rule: "the inner wall, sandboxes within",
        SYS_landlock_restrict_self: "the inner wall, sandboxes within",
    ],
];

/// What the agent's programs need beyond [`BASE`].
const AGENT: &[Group] = &[
    // processes: start, wait, signal, sessions; namespaces and tracing are absent
    group![
        SYS_execve: "every start of a program; the porter looks at each",
        SYS_execveat: "loaders that start what is open; the porter looks at each",
        SYS_wait4: "shells, libuv",
        SYS_waitid: "Python, glib, Rust",
        SYS_kill: "shells, npm",
        SYS_tkill: "musl's raise",
        SYS_rt_sigqueueinfo: "sigqueue(3): procps kill -q",
        SYS_setpgid: "shells, job control",
        SYS_getpgid: "shells, npm",
        SYS_getsid: "bash, ssh",
        SYS_setsid: "libuv's detached processes, setsid(1)",
        SYS_pidfd_open: "Python, Go, Rust: waiting for a child",
        SYS_pidfd_send_signal: "Python, Go, Rust",
        SYS_setpriority: "nice(1), Chromium; upwards needs a capability",
        SYS_sched_setaffinity: "taskset(1), numerical libraries",
        SYS_sched_setparam: "the C library's pthread_setschedparam; real time needs a capability",
        SYS_sched_setscheduler: "V8's platform, chrt; real time needs a capability",
        SYS_ioprio_get: "ionice(1)",
        SYS_ioprio_set: "ionice(1), npm's background work",
    ],
    // programs that try to become who they are already
    group![
        SYS_setuid: "su-like tools, to whom they are already",
        SYS_setgid: "su-like tools, to whom they are already",
        SYS_setreuid: "Perl's $<, sudo's library",
        SYS_setregid: "Perl's $(, sudo's library",
        SYS_setresuid: "OpenSSH, to whom it is already",
        SYS_setresgid: "OpenSSH, to whom it is already",
        SYS_capset: "bubblewrap-like tools, dropping what they have not",
    ],
    // package managers and build tools: whole-file-system sync, attributes, fifos (device nodes need a capability)
    group![
        SYS_sync: "sync(1), package scripts",
        SYS_syncfs: "sync -f, dpkg",
        SYS_mknodat: "mkfifo(1); device nodes need a capability",
        SYS_getxattr: "ls, cp -a, tar",
        SYS_lgetxattr: "ls, cp -a, tar",
        SYS_fgetxattr: "cp -a, rsync",
        SYS_listxattr: "cp -a, tar",
        SYS_llistxattr: "cp -a, tar",
        SYS_flistxattr: "cp -a, rsync",
        SYS_setxattr: "tar, attr",
        SYS_lsetxattr: "tar, attr",
        SYS_fsetxattr: "cp -a, rsync",
        SYS_removexattr: "attr",
        SYS_lremovexattr: "attr",
        SYS_fremovexattr: "cp -a, rsync",
    ],
    // file watchers
    group![
        SYS_inotify_init1: "libuv's fs.watch, tail -f",
        SYS_inotify_add_watch: "libuv's fs.watch, tail -f",
        SYS_inotify_rm_watch: "libuv's fs.watch",
    ],
    // System V objects, in the jail's own IPC namespace (databases, Python's multiprocessing)
    group![
        SYS_shmget: "PostgreSQL, X clients",
        SYS_shmat: "PostgreSQL, X clients",
        SYS_shmdt: "PostgreSQL, X clients",
        SYS_shmctl: "PostgreSQL, X clients",
        SYS_semget: "PostgreSQL, Perl",
        SYS_semop: "PostgreSQL, Perl",
        SYS_semtimedop: "PostgreSQL, Perl",
        SYS_semctl: "PostgreSQL, Perl",
    ],
];

/// The older forms of the calls above, which only x86_64 has.
#[cfg(target_arch = "x86_64")]
const BASE_OLD: &[Group] = &[group![
    SYS_open: "programs built against old C libraries",
    SYS_creat: "programs built against old C libraries",
    SYS_stat: "programs built against old C libraries",
    SYS_lstat: "programs built against old C libraries",
    SYS_access: "glibc's access, bash",
    SYS_readlink: "glibc's readlink",
    SYS_getdents: "programs built against old C libraries",
    SYS_rename: "glibc's rename",
    SYS_mkdir: "glibc's mkdir",
    SYS_rmdir: "glibc's rmdir",
    SYS_unlink: "glibc's unlink",
    SYS_link: "glibc's link, git",
    SYS_symlink: "glibc's symlink",
    SYS_chmod: "glibc's chmod",
    SYS_chown: "glibc's chown",
    SYS_lchown: "glibc's lchown",
    SYS_utime: "programs built against old C libraries",
    SYS_utimes: "programs built against old C libraries",
    SYS_futimesat: "programs built against old C libraries",
    SYS_dup2: "shells",
    SYS_pipe: "programs built against old C libraries",
    SYS_select: "programs built against old C libraries",
    SYS_poll: "glibc's poll",
    SYS_epoll_create: "programs built against old C libraries",
    SYS_epoll_wait: "glibc's epoll_wait",
    SYS_eventfd: "programs built against old C libraries",
    SYS_signalfd: "programs built against old C libraries",
    SYS_time: "programs without the vDSO",
    SYS_alarm: "Perl, curl, timeouts in shells",
    SYS_pause: "shells, containers' placeholders",
    SYS_arch_prctl: "the C library: the base of a thread's variables",
]];
#[cfg(not(target_arch = "x86_64"))]
const BASE_OLD: &[Group] = &[];

#[cfg(target_arch = "x86_64")]
const AGENT_OLD: &[Group] = &[group![
    SYS_fork: "dash, programs built against old C libraries",
    SYS_vfork: "glibc's posix_spawn of old, make",
    SYS_getpgrp: "bash",
    SYS_mknod: "mkfifo(1) of old; device nodes need a capability",
    SYS_inotify_init: "programs built against old C libraries",
]];
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

/// What the agent's programs may call whatever the arguments are: names as in `read(2)`, numbers, and who needs it.
pub fn allowed_calls() -> impl Iterator<Item = (&'static str, i64, &'static str)> {
    let named = |((name, number), who): (&'static (&'static str, i64), &'static &'static str)| {
        (name.strip_prefix("SYS_").unwrap_or(name), *number, *who)
    };
    agent().flat_map(move |group| group.calls.iter().zip(group.needed_by).map(named))
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
