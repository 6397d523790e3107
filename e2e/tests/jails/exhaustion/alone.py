"""One resource after the other, each up to its limit: a line of JSON says how far it went and what stopped it."""
import ctypes, errno, json, os, resource, socket, struct, sys, time

libc = ctypes.CDLL(None, use_errno=True)

def call(function, *args):
    result = function(*args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def until_it_fails(most, make):
    """How many can be had, and the error that says no more; `most` is where a test gives up."""
    for count in range(most):
        try:
            make(count)
        except OSError as error:
            return count, errno.errorcode.get(error.errno, str(error.errno))
    return most, None

def in_children(children, make, most):
    """The same, from several processes that hold what they got until all have told."""
    told_read, told_write = os.pipe()
    hold_read, hold_write = os.pipe()
    pids = []
    for _ in range(children):
        pid = os.fork()
        if pid == 0:
            os.close(hold_write)
            count, error = until_it_fails(most, make)
            os.write(told_write, (json.dumps([count, error]) + "\n").encode())
            os.read(hold_read, 1)
            os._exit(0)
        pids.append(pid)
    os.close(told_write)
    with os.fdopen(told_read) as told:
        all = [json.loads(told.readline()) for _ in pids]
        os.close(hold_write)
        for pid in pids:
            os.waitpid(pid, 0)
    os.close(hold_read)
    return sum(count for count, _ in all), sorted({str(error) for _, error in all})

def report(name, reached, stopped):
    print(json.dumps({"name": name, "reached": reached, "stopped": stopped}), flush=True)

def files():
    held = []
    count, error = until_it_fails(1 << 20, lambda _: held.append(os.open("/dev/null", os.O_RDONLY)))
    for fd in held:
        os.close(fd)
    return count, error

def timers():
    made = []
    def one(_):
        timer = ctypes.c_void_p()
        call(libc.timer_create, 1, None, ctypes.byref(timer))
        made.append(timer)
    result = until_it_fails(1 << 20, one)
    for timer in made:
        libc.timer_delete(timer)
    return result

def shared_memory():
    """Segments that nobody is attached to, touched: 8 MiB each."""
    IPC_CREAT, IPC_RMID, size = 0o1000, 0, 8 << 20
    libc.shmat.restype = ctypes.c_void_p
    pid = os.fork()
    if pid == 0:
        for _ in range(4096):
            segment = libc.shmget(0, size, IPC_CREAT | 0o600)
            if segment < 0:
                os._exit(1)
            place = libc.shmat(segment, None, 0)
            ctypes.memset(place, 1, size)
            libc.shmdt(ctypes.c_void_p(place))
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    count = 0
    for line in open("/proc/sysvipc/shm").read().splitlines()[1:]:
        libc.shmctl(int(line.split()[1]), IPC_RMID, None)
        count += 1
    return count, "killed" if os.WIFSIGNALED(status) else "code %d" % os.WEXITSTATUS(status)

def messages():
    """SysV message queues, filled."""
    IPC_CREAT, IPC_NOWAIT, IPC_RMID = 0o1000, 0o4000, 0
    queues, sent = [], 0
    body = struct.pack("l", 1) + b"x" * 8000
    def one(_):
        nonlocal sent
        queue = call(libc.msgget, 0, IPC_CREAT | 0o600)
        queues.append(queue)
        while libc.msgsnd(queue, body, 8000, IPC_NOWAIT) == 0:
            sent += 8000
    _, error = until_it_fails(4096, one)
    for queue in queues:
        libc.msgctl(queue, IPC_RMID, None)
    return sent, error

def posix_queue(_):
    mq = ctypes.CDLL("librt.so.1", use_errno=True)
    call(mq.mq_open, b"/queue%d" % os.getpid(), os.O_CREAT | os.O_RDWR, 0o600, None)

def key(number):
    call(libc.syscall, 248, b"user", b"key%d" % number, b"x" * 1000, 1000, -3)

def connections():
    """Connections to the egress door, held open and silent."""
    held = []
    def one(_):
        one = socket.socket()
        one.settimeout(2)
        one.connect(("192.0.2.1", 443))
        held.append(one)
    return until_it_fails(1500, one)

report("open files", *files())
pty = lambda _: os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
report("pseudo-terminals", *in_children(2, pty, 1024))
report("inotify instances", *in_children(2, lambda _: call(libc.inotify_init1, 0), 4096))
def netlink(_):
    made.append(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
made = []
report("netlink sockets", *in_children(2, netlink, 4096))
report("timers", *timers())
report("shared memory", *shared_memory())
report("message bytes", *messages())
report("posix queues", *until_it_fails(16, posix_queue))
report("keys", *until_it_fails(16, key))
report("connections", *connections())
def pipe(_):
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while os.write(write, b"x" * 65536):
            pass
    except BlockingIOError:
        pass
resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))
report("pipes", *until_it_fails(4096, pipe))
