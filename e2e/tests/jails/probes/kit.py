# What the probes are made of: raw system calls by number, one forked child a probe, one JSON line a result.
# A probe returns normally when the act went through and raises OSError when it did not. `open` also means "the kernel got
# past its question of permission": a call with a bad pointer that answers EFAULT was not refused.
# Before this text the test puts `HOST` (what the host knows) and `CONTROL` (true in the positive control).
import ctypes, errno, json, mmap, os, signal, socket, struct, subprocess, sys, tempfile

NAME = os.uname().nodename
FDS = sorted(int(n) for n in os.listdir("/proc/self/fd"))
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS}
# Of files also: not there, or on a read-only mount.
NO_FILE = REFUSED | {errno.EROFS, errno.ENOENT, errno.ENXIO}
TABLE = []


def probe(name, act, shut=REFUSED, no_control=None):
    """`no_control`: why the host can't or must not show the act going through."""
    TABLE.append((name, act, shut, no_control))


class Shut(Exception):
    """Not refused by an error, but nothing was gained."""


def call(number, *args):
    plain = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    plain += [ctypes.c_long(0)] * (6 - len(plain))
    ctypes.set_errno(0)
    got = LIBC.syscall(ctypes.c_long(number), *plain)
    if got < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return got


def sys_call(number, *args):
    return lambda: call(number, *args)


def block(form, *values, size=0):
    data = struct.pack(form, *values)
    return ctypes.create_string_buffer(data, max(size, len(data)))


def attempt(act, shut):
    try:
        act()
        return "open", "went through"
    except Shut as why:
        return "shut", str(why)
    except OSError as error:
        name = errno.errorcode.get(error.errno, str(error.errno))
        return ("shut" if error.errno in shut else "open"), name
    except BaseException as why:
        return "broken", repr(why)


def run(act, shut):
    """In a child of its own, for many acts change or end the process."""
    there, back = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        os.close(there)
        os.write(back, json.dumps(attempt(act, shut)).encode())
        os._exit(0)
    os.close(back)
    with os.fdopen(there, "rb") as pipe:
        text = pipe.read()
    status = os.waitpid(pid, 0)[1]
    if text:
        return json.loads(text)
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return ("shut" if ended == signal.SIGSYS else "broken"), f"signal {ended}"


def ready():
    """What the control needs so that an act can go through; it is in namespaces of its own."""
    call(165, b"none", b"/tmp", b"tmpfs", 0, 0)
    os.chdir("/tmp")
    with open("/proc/sys/net/ipv4/ping_group_range", "w") as file:
        file.write("0 0")
    # what is written there must not reach the host's own
    for place in ["etc", "usr"]:
        for layer in ["upper", "work"]:
            os.makedirs(f"/tmp/{place}/{layer}")
        layers = f"lowerdir=/{place},upperdir=/tmp/{place}/upper,workdir=/tmp/{place}/work"
        call(165, b"none", f"/{place}".encode(), b"overlay", 0, layers.encode())
    if os.fork() == 0:
        hand_out("/tmp/hands-out")


def hand_out(path):
    """A service of the host's that is careless with its descriptors."""
    with socket.socket(socket.AF_UNIX) as listener, open(os.devnull) as given:
        listener.bind(path)
        listener.listen()
        while True:
            with listener.accept()[0] as peer:
                socket.send_fds(peer, [b"x"], [given.fileno()])


def main():
    if CONTROL:
        ready()
    for name, act, shut, no_control in TABLE:
        if CONTROL and no_control:
            verdict, how = "skipped", no_control
        else:
            verdict, how = run(act, shut)
            if CONTROL and how in ("ENOSYS", "signal 11"):
                verdict = "absent"
        print(json.dumps({"probe": name, "got": verdict, "how": how}), flush=True)
