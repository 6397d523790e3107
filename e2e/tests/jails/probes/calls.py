# System calls and namespaces. Calls that would harm a host that lets them through get arguments that can't work.
BAD = 1  # a pointer nobody has
AT_FDCWD = -100
NAMESPACES = {"mnt": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000,
              "pid": 0x20000000, "net": 0x40000000}


def own_mounts():
    try:
        call(272, 0x20000)
        call(165, b"none", b"/", 0, 0x44000, 0)
    except OSError:
        pass


def mounted():
    place = tempfile.mkdtemp(dir="/tmp").encode()
    own_mounts()
    try:
        call(165, b"none", place, b"tmpfs", 0, 0)
    finally:
        if not CONTROL:
            os.rmdir(place)
    return place


def unmount():
    # inside there is no mount of one's own: /proc is tried
    call(166, mounted() if CONTROL else b"/proc", 2)


def pivot():
    place = mounted() if CONTROL else b"/tmp"
    old = os.path.join(place, b"old")
    os.makedirs(old, exist_ok=True)
    call(155, place, old)


def bind_over_proc():
    own_mounts()
    call(165, b"/tmp", b"/mnt", 0, 0x1000, 0)


def remount_root():
    own_mounts()
    call(165, 0, b"/", 0, 0x1000 | 0x20, 0)


def make_clone(flags):
    def act():
        if call(56, flags | signal.SIGCHLD, 0, 0, 0, 0) == 0:
            os._exit(0)
    return act


def make_clone3(flags):
    def act():
        if call(435, block("8Q", flags, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, size=64), 64) == 0:
            os._exit(0)
    return act


def make_setns(name):
    def act():
        fd = os.open(f"/proc/1/ns/{name}", os.O_RDONLY)
        call(308, fd, 0)
    return act


def set_namespace_by_pidfd():
    call(308, os.pidfd_open(1), 0x20000)


def descriptor_of_pid1():
    call(438, os.pidfd_open(1), 0, 0)


def by_handle():
    # the "shocker": inode 2 of the file system that holds /workspace or, outside, /
    root = os.open("/", os.O_RDONLY)
    call(304, root, block("IiII", 8, 1, 2, 0), os.O_RDONLY)


def machine_code(code):
    def act():
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(code)
        entry = ctypes.addressof(ctypes.c_char.from_buffer(page))
        got = ctypes.CFUNCTYPE(ctypes.c_int)(entry)()
        if got < 0:
            raise OSError(-got, "")
    return act


def terminal(request):
    def act():
        os.setsid()
        _, end = os.openpty()
        call(16, end, 0x540E, 0)
        call(16, end, request, block("B", 120))
    return act


def unlimited_core():
    import resource
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError:
        raise PermissionError(errno.EPERM, "")


def limit_of_pid1():
    call(302, 1, 7, 0, block("2Q", 0, 0))


for name, act in {
    "mount": mounted, "umount": unmount, "pivot_root": pivot, "bind mount": bind_over_proc, "remount /": remount_root,
    "chroot": sys_call(161, b"/tmp"), "fsopen": sys_call(430, b"tmpfs", 0), "fspick": sys_call(433, AT_FDCWD, b"/", 0),
    "fsmount": sys_call(432, -1, 0, 0), "open_tree": sys_call(428, AT_FDCWD, b"/", 1),
    "move_mount": sys_call(429, -1, b"", AT_FDCWD, b"/", 4),
    "mount_setattr": sys_call(442, AT_FDCWD, b"/", 0, block("4Q", 0, 0, 0, 0, size=32), 32),
    "ptrace of PID 1": sys_call(101, 0x4206, 1, 0, 0), "ptrace traceme": sys_call(101, 0, 0, 0, 0),
    "process_vm_readv of PID 1": sys_call(310, 1, block("2Q", 0, 0), 1, block("2Q", 4096, 8), 1, 0),
    "process_vm_writev of PID 1": sys_call(311, 1, block("2Q", 0, 0), 1, block("2Q", 4096, 8), 1, 0),
    "pidfd_getfd of PID 1": descriptor_of_pid1, "setns by pidfd": set_namespace_by_pidfd,
    "kcmp of PID 1": sys_call(312, 1, 1, 0, 0, 0), "limits of PID 1": limit_of_pid1,
    "move_pages": sys_call(279, 1, 0, 0, 0, 0, 0), "process_madvise": sys_call(440, -1, 0, 0, 0, 0),
    "bpf": sys_call(321, 0, block("4I", 2, 4, 4, 1, size=128), 128),
    "perf_event_open": sys_call(298, block("2IQ", 1, 128, 0, size=128), 0, -1, -1, 0),
    "userfaultfd": sys_call(323, 1), "io_uring_setup": sys_call(425, 4, block("Q", 0, size=120)),
    "add_key": sys_call(248, b"user", b"probe", b"x", 1, -2), "request_key": sys_call(249, b"user", b"probe", 0, 0),
    "keyctl": sys_call(250, 0, -3, 1), "open_by_handle_at": by_handle,
    "name_to_handle_at": sys_call(303, AT_FDCWD, b"/", block("Ii", 128, 0, size=136), block("I", 0), 0),
    "quotactl": sys_call(179, 0x800001 << 8, 0, 0, 0), "syslog": sys_call(103, 3, block("Q", 0, size=64), 64),
    "clock_settime": sys_call(227, 0, BAD), "settimeofday": sys_call(164, BAD, 0),
    "clock_adjtime": sys_call(305, 0, block("Q", 0, size=208)), "adjtimex": sys_call(159, block("Q", 0, size=208)),
    "personality": sys_call(135, 0x0040000), "sethostname": sys_call(170, b"probed", 6),
    "setdomainname": sys_call(171, b"probed", 6), "swapon": sys_call(167, b"/no/such/file", 0),
    "swapoff": sys_call(168, b"/no/such/file"), "acct": sys_call(163, b"/no/such/file"),
    "reboot": sys_call(169, 0, 0, 0, 0), "init_module": sys_call(175, BAD, 64, b""),
    "finit_module": sys_call(313, -1, b"", 0), "delete_module": sys_call(176, b"no_such_module", 0o4000),
    "iopl": sys_call(172, 3), "ioperm": sys_call(173, 0x80, 1, 1), "fanotify_init": sys_call(300, 0, 0),
    "core dumps": unlimited_core, "root by setuid": sys_call(105, 0), "root by setresuid": sys_call(117, 0, 0, 0),
    "root's group": sys_call(116, 1, block("I", 0)), "any capability": sys_call(126, block("Ii", 0x20080522, 0), block("6I", 1 << 21, 1 << 21, 0, 0, 0, 0)),
    "TIOCSTI": terminal(0x5412), "TIOCSTI with high bits": terminal(0x5412 | 1 << 32),
    "TIOCLINUX": terminal(0x541C), "TIOCLINUX with high bits": terminal(0x541C | 1 << 40),
}.items():
    probe(f"call: {name}", act)

probe("call: kexec_load", sys_call(246, 0, 1000, 0, 0xFF))
probe("call: x32 getpid", sys_call(0x40000000 | 39))
# mov eax, 20 (getpid); int 0x80; ret
probe("call: int 0x80 getpid", machine_code(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"))

for name, flag in NAMESPACES.items():
    probe(f"namespace: unshare {name}", sys_call(272, flag))
    probe(f"namespace: clone {name}", make_clone(flag))
    probe(f"namespace: clone3 {name}", make_clone3(flag))
for name in ["mnt", "cgroup", "uts", "ipc", "user", "pid", "pid_for_children", "net", "time"]:
    probe(f"namespace: setns {name}", make_setns(name))
probe("namespace: unshare time", sys_call(272, 0x80))
probe("namespace: clone3 time", make_clone3(0x80))
probe("namespace: clone3 without flags", make_clone3(0))

STREAM, DGRAM, RAW, RDM, SEQPACKET = 1, 2, 3, 4, 5
# (family, type, protocol)
for name, kind in {
    "packet": (17, RAW, 0), "packet dgram": (17, DGRAM, 0), "raw v4": (2, RAW, 255), "raw icmp": (2, RAW, 1),
    "raw v6": (10, RAW, 255), "ping v4": (2, DGRAM, 1), "ping v6": (10, DGRAM, 58), "sctp": (2, STREAM, 132),
    "sctp v6": (10, SEQPACKET, 132), "mptcp": (2, STREAM, 262), "udplite": (2, DGRAM, 136), "dccp": (2, 6, 33),
    "vsock": (40, STREAM, 0), "vsock dgram": (40, DGRAM, 0), "alg": (38, SEQPACKET, 0), "xdp": (44, RAW, 0),
    "bluetooth": (31, RAW, 1), "can": (29, RAW, 1), "tipc": (30, SEQPACKET, 0), "rds": (21, SEQPACKET, 0),
    "key": (15, RAW, 2), "smc": (43, STREAM, 0), "qipcrtr": (42, DGRAM, 0), "kcm": (41, DGRAM, 0),
    "phonet": (35, DGRAM, 0), "nfc": (39, SEQPACKET, 0), "ax25": (3, DGRAM, 0), "appletalk": (5, DGRAM, 0),
    "unix rdm": (1, RDM, 0), "netlink audit": (16, RAW, 9), "netlink netfilter": (16, RAW, 12),
    "netlink uevent": (16, RAW, 15), "netlink generic": (16, RAW, 16), "netlink xfrm": (16, RAW, 6),
    "netlink diag": (16, RAW, 4), "netlink crypto": (16, RAW, 21), "netlink connector": (16, RAW, 11),
}.items():
    probe(f"socket: {name}", sys_call(41, *kind))
    probe(f"socket: {name}, close-on-exec", sys_call(41, kind[0], kind[1] | 0o2000000, kind[2]))
