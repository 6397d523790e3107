# Answers each line: starts `echo harmless`, and on `change` another thread makes it `echo terrible` while the call waits.
import ctypes, os, sys, threading, time

libc = ctypes.CDLL(None, use_errno=True)
print("ready", flush=True)
for line in sys.stdin:
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(into, 1)
        word = ctypes.create_string_buffer(b"harmless")
        argv = (ctypes.c_void_p * 3)(ctypes.cast(ctypes.c_char_p(b"echo"), ctypes.c_void_p), ctypes.addressof(word), None)

        def change():
            time.sleep(0.5)
            ctypes.memmove(word, b"terrible", 8)
            open("/workspace/changed", "w").close()

        if line.strip() == "change":
            threading.Thread(target=change, daemon=True).start()
        libc.execve(b"/usr/bin/echo", argv, None)
        os._exit(77)
    os.close(into)
    said = os.read(out, 100).decode().strip() or "nothing"
    os.close(out)
    status = os.waitpid(child, 0)[1]
    ended = os.waitstatus_to_exitcode(status)
    print(f"ended by {abs(ended)} and said {said}", flush=True)
