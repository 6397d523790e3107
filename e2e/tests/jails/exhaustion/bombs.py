"""Four bombs in one jail. Each says once that it has hit its limit, and goes on."""
import errno, os, sys, time

def say(text):
    os.write(1, (text + "\n").encode())

def disk():
    told = False
    data = b"x" * (1 << 20)
    while True:
        with open("/workspace/full", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(data)
            except OSError as error:
                if error.errno == errno.ENOSPC and not told:
                    told = True
                    say("disk is full")
        time.sleep(0.01)

def inodes():
    told, number = False, 0
    os.mkdir("/tmp/many")
    while True:
        try:
            os.mknod("/tmp/many/%d" % number)
            number += 1
        except OSError as error:
            if error.errno == errno.ENOSPC and not told and os.statvfs("/tmp").f_ffree == 0:
                told = True
                say("inodes are used up")
            for old in range(max(0, number - 1000), number):
                try:
                    os.unlink("/tmp/many/%d" % old)
                except OSError:
                    pass
            number = max(0, number - 1000)

def memory():
    held = []
    try:
        while True:
            held.append(bytearray(os.urandom(1) * (8 << 20)))
    except MemoryError:
        pass

def memory_again():
    told = False
    while True:
        try:
            child = os.fork()
        except OSError:
            continue
        if child == 0:
            memory()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and not told:
            told = True
            say("memory is used up")

def processes():
    told = False
    while True:
        try:
            if os.fork() == 0:
                told = True
        except OSError as error:
            if error.errno == errno.EAGAIN and not told:
                told = True
                say("processes are used up")

for bomb in (disk, inodes, memory_again):
    if os.fork() == 0:
        bomb()
time.sleep(1.5)
processes()
