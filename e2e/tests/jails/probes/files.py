# Files, devices and what can be learnt. Files are opened and closed again, never written: that is refused at `open` or
# not at all. New files have no name (O_TMPFILE), so that the control leaves nothing behind.
import re, stat

ROOT = "/proc/self/root"


def opened(path, flags=os.O_RDONLY):
    return lambda: os.close(os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC))


def new_file(folder):
    return opened(folder, os.O_TMPFILE | os.O_WRONLY)


def content(path):
    def act():
        with open(path, "rb") as file:
            if not file.read(4096).strip():
                raise Shut("empty")
    return act


def entries(path):
    def act():
        if not os.listdir(path):
            raise Shut("empty")
    return act


def node(kind, major, minor):
    def act():
        place = tempfile.mkdtemp(dir="/tmp")
        try:
            os.mknod(f"{place}/node", kind | 0o600, os.makedev(major, minor))
            os.unlink(f"{place}/node")
        finally:
            os.rmdir(place)
    return act


def setuid_program():
    if CONTROL:
        os.setgroups([])
        os.setresgid(1000, 1000, 1000)
        os.setresuid(1000, 1000, 1000)
    child = subprocess.Popen(["/usr/bin/su", "-c", "true"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=-2)
    child.stdout.read(1)  # its first word: by then it is whoever it becomes
    ids = next(line for line in open(f"/proc/{child.pid}/status") if line.startswith("Uid:")).split()
    child.kill()
    if ids[2] != "0":
        raise Shut("it runs as " + ids[2])


def lower_oom():
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("-1000")


def descriptors():
    # 3 is the listing's own; Python reads its program from 0
    more = [fd for fd in FDS if fd > 3]
    if not more:
        raise Shut("0, 1, 2 alone")


def mount_sources():
    # the volume's own loop device does show: its number names no path, and no node for it can be opened
    text = open("/proc/self/mountinfo").read()
    if not re.search(r"/dev/(vd|sd|nvme|xvd|mapper|root)|creel-e2e|/var/lib/creel|(lower|upper|work)dir=/", text):
        raise Shut("no path or device of the host")


def host_name():
    if NAME != HOST["name"]:
        raise Shut("a name of its own")


def interfaces():
    names = [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]]
    if names == ["lo"]:
        raise Shut("lo alone")


def marked(kind):
    def act():
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if HOST["marker"].encode() in open(f"/proc/{pid}/{kind}", "rb").read():
                    return
            except OSError:
                pass
        raise Shut("not seen")
    return act


def working_folder():
    # CVE-2024-21626: a working directory or descriptor outside the root
    for fd in FDS:
        try:
            os.stat(f"/proc/self/fd/{fd}/../../../../../../etc/shadow")
            return
        except OSError:
            pass
    os.close(os.open(f"/proc/self/cwd/../../../../../../{HOST['file']}", os.O_RDONLY))


for folder in ["/", "/usr", "/usr/bin", "/etc", "/etc/ssl", "/var", "/opt", "/run", "/home", "/mnt"]:
    probe(f"file: a new one in {folder}", new_file(folder), NO_FILE)
for path in ["/etc/passwd", "/usr/bin/env", "/etc/resolv.conf", "/etc/hosts"]:
    probe(f"file: write {path}", opened(path, os.O_WRONLY), NO_FILE)
for path in ["sysrq-trigger", "sys/kernel/core_pattern", "sys/kernel/hostname", "sys/kernel/modprobe", "sys/kernel/sysrq",
             "sys/kernel/ns_last_pid", "sys/vm/drop_caches", "sys/vm/overcommit_memory", "sys/net/ipv4/ip_forward",
             "sys/fs/protected_symlinks", "irq/default_smp_affinity", "1/mem", "1/oom_score_adj", "1/timens_offsets"]:
    here = None if os.path.exists(f"/proc/{path}") or not CONTROL else "the host has none"
    probe(f"file: write /proc/{path}", opened(f"/proc/{path}", os.O_WRONLY), NO_FILE, here)
for spelling in ["/proc/sys/kernel/../kernel/core_pattern", ROOT + "/proc/sys/kernel/core_pattern",
                 "/dev/fd/../../sys/kernel/core_pattern", "/proc/thread-self/../../../sys/kernel/core_pattern"]:
    probe(f"file: write {spelling}", opened(spelling, os.O_WRONLY), NO_FILE)
for masked in ["kallsyms", "cmdline", "partitions", "interrupts", "diskstats", "swaps", "iomem", "ioports", "buddyinfo",
               "consoles"]:
    for before in ["/proc/", "/proc//", "/proc/./", "/proc/self/../", "/proc/1/../", ROOT + "/proc/",
                   "/proc/self/cwd/../proc/", "/dev/fd/../../", "/proc/thread-self/../../../", "/proc/net/../../"]:
        probe(f"file: read {before}{masked}", content(before + masked), NO_FILE)
for path in ["mem", "kmsg", "kvm", "net/tun", "fuse", "loop0", "loop-control", "port",
             "vhost-vsock", "vhost-net", "console", "tty0", "ttyS0", "hpet", "rtc0", "userfaultfd"]:
    here = None if os.path.exists(f"/dev/{path}") or not CONTROL else "the host has none"
    probe(f"device: /dev/{path}", opened(f"/dev/{path}"), NO_FILE, here)
for path in ["vda", "sda", "nvme0n1", "xvda", "mmcblk0"]:
    probe(f"device: /dev/{path}", opened(f"/dev/{path}"), NO_FILE, "raw disks of the host are left alone")
probe("device: mknod of memory", node(stat.S_IFCHR, 1, 1))
probe("device: mknod of a disk", node(stat.S_IFBLK, 254, 0))
for path in ["cgroup.procs", "unified/cgroup.procs", "memory/cgroup.procs", "pids/cgroup.procs", "memory/release_agent"]:
    here = None if os.path.exists(f"/sys/fs/cgroup/{path}") or not CONTROL else "the host has none"
    probe(f"file: write /sys/fs/cgroup/{path}", opened(f"/sys/fs/cgroup/{path}", os.O_WRONLY), NO_FILE, here)
probe("file: setuid gains root", setuid_program, NO_FILE)
probe("file: a lower oom score", lower_oom, REFUSED,
      None if HOST["resource"] else "root of this host lacks CAP_SYS_RESOURCE")
probe("file: write the program of this process", opened("/proc/self/exe", os.O_WRONLY), NO_FILE)
probe("file: write the program of PID 1", opened("/proc/1/exe", os.O_WRONLY), NO_FILE)
probe("file: write creel's own program", opened("/creel/creel", os.O_WRONLY), NO_FILE, "the same file is no creel outside")
probe("file: inherited descriptors", descriptors)
probe("file: out by the working folder", working_folder, NO_FILE)
for path in ["/proc/1/environ", "/proc/1/maps", "/proc/1/auxv", "/proc/1/mem"]:
    probe(f"info: {path}", opened(path), NO_FILE)
for path in ["/proc/1/fd", "/proc/1/root", "/proc/1/cwd", "/proc/1/map_files", "/sys", "/sys/class/net", "/sys/block"]:
    probe(f"info: list {path}", entries(path), NO_FILE)
probe("info: mounts name the host's paths", mount_sources)
probe("info: the host's name", host_name)
probe("info: interfaces", interfaces, no_control="a new network namespace has `lo` alone; the test reads the host's own")
probe("info: environments of others", marked("environ"))
probe("info: command lines of others", marked("cmdline"))
for path in ["/etc/shadow", HOST["file"]]:
    probe(f"info: the host's {path}", opened(path), NO_FILE)

# Left behind on purpose: objects of the jail's own IPC namespace. Message queues can't be made there at all.
call(29, 0x43726565, 4096, 0o1600)
call(64, 0x43726565, 1, 0o1600)
main()
