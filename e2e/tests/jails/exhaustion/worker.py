"""A jail at its work: one line is one piece of it."""
import hashlib, subprocess, sys, urllib.request

url = sys.argv[1]
print("ready", flush=True)
for line in sys.stdin:
    if line.strip() == "work":
        subprocess.run(["/usr/bin/true"], check=True)
        with open("/workspace/file", "wb") as file:
            file.write(b"x" * 65536)
        with open("/workspace/file", "rb") as file:
            hashlib.sha256(file.read()).digest()
    else:
        assert b"hello" in urllib.request.urlopen(url, timeout=20).read()
    print("done", flush=True)
