# Answers each line: `start` starts a program and says whether it has to wait, a number starts so many one after the other, and
# `bomb` lets copies of copies go off, each of which starts a program first.
import os, sys, time


def start(word):
    pid = os.fork()
    if pid == 0:
        os.execv("/usr/bin/true", ["true", word])
    return pid


def started(pid):
    return os.waitpid(pid, 0)[1] == 0


def waits(pid):
    until = time.monotonic() + 3
    while time.monotonic() < until:
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            return False
        time.sleep(0.01)
    return True


def copy(depth, tell):
    try:
        if started(start("bomb")):
            os.write(tell, b".")
    except OSError:
        pass
    for _ in range(2 if depth else 0):
        try:
            if os.fork() == 0:
                copy(depth - 1, tell)
        except OSError:
            pass
    try:
        while True:
            os.wait()
    except OSError:
        os._exit(0)


def bomb():
    told, tell = os.pipe()
    if os.fork() == 0:
        copy(11, tell)
    os.close(tell)
    count = 0
    while piece := os.read(told, 4096):
        count += len(piece)
    os.wait()
    return count


print("ready", flush=True)
for line in sys.stdin:
    match line.strip():
        case "start":
            print("waits" if waits(start("once")) else "started", flush=True)
        case "bomb":
            print(f"bombs {bomb()}", flush=True)
        case number:
            print(f"started {sum(started(start('many')) for _ in range(int(number)))}", flush=True)
