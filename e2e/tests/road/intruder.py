"""Puts a process into a jail from outside, with exactly one of its walls left out: sabotage.rs says which.

usage: intruder.py INIT_PID LEAVE_OUT [NAME to go by]
It prints the pid that the host sees, and sleeps until it is killed.
"""
import ctypes, os, resource, struct, sys

init, without = sys.argv[1], sys.argv[2]
name = sys.argv[3] if len(sys.argv) > 3 else "sleep"
libc = ctypes.CDLL(None, use_errno=True)
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_SET_KEEPCAPS = 24, 38, 22, 8


def sure(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


# where every process of the jail is: control groups and limits
for line in open(f"/proc/{init}/cgroup"):
    _, controllers, path = line.strip().split(":", 2)
    if path == "/":
        continue
    base = f"/sys/fs/cgroup/{controllers or ''}"
    if not controllers and not os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        base = "/sys/fs/cgroup/unified"
    with open(f"{base}{path}/cgroup.procs", "w") as procs:
        procs.write(str(os.getpid()))
limits = open(f"/proc/{init}/limits").read().splitlines()
for number, wall, name_of in (
    (resource.RLIMIT_NOFILE, "nofile", "Max open files"),
    (resource.RLIMIT_CORE, "core", "Max core file size"),
):
    hard = next(int(line[len(name_of):].split()[1]) for line in limits if line.startswith(name_of))
    if without != wall:
        resource.setrlimit(number, (hard, hard))
status = dict(line.split(":", 1) for line in open(f"/proc/{init}/status"))
uid = int(status["Uid"].split()[0])
# the user namespace comes last: with the host's own capabilities the rest is open
kinds = ["cgroup", "ipc", "uts", "net", "pid", "mnt", "user"]
fds = {kind: os.open(f"/proc/{init}/ns/{kind}", os.O_RDONLY) for kind in kinds if kind != without}
null = os.open("/dev/null", os.O_RDWR)
# In the jail this name is the launcher's; opened out here it is the program, and it stands for the runtime's Node.
node = os.path.join("/proc", init, "root", "opt/openclaw/node/bin/node")
stand_in = os.open("/usr/bin/sleep" if without == "runtime" else node, os.O_RDONLY)
argument = ["600"] if without == "runtime" else ["-e", "setTimeout(() => {}, 6e5)"]
for fd in fds.values():
    sure(libc.setns(fd, 0))
agent = uid if without == "user" else 1000
user = 0 if without == "uid" else agent
os.setgroups([])
os.setresgid(agent, agent, agent)
sure(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))


class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


if without != "caps":
    for cap in range(64):
        libc.prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)
os.setresuid(user, user, user)
header, data = struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", *([1 << 21, 1 << 21, 0, 0, 0, 0]))
sure(libc.capset(header, data))  # CAP_SYS_ADMIN for the filter
allow = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0x7FFF0000))
program = Program(1, ctypes.cast(allow, ctypes.c_void_p))
if without != "seccomp":
    sure(libc.prctl(PR_SET_SECCOMP, 2, ctypes.byref(program), 0, 0))
if without != "nnp":
    sure(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
sure(libc.capset(header, struct.pack("=6I", *[0] * 6)))
child = os.fork()
if child == 0:
    for fd in range(3, 64):
        if fd not in (null, stand_in):
            try:
                os.close(fd)
            except OSError:
                pass
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.execve(stand_in, [name, *argument], {})
print(child, flush=True)
