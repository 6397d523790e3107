"""Asks a URL for what each line says; holds connections to it when told to."""
import socket, sys, urllib.parse, urllib.request

url = sys.argv[1]
held = []
print("ready", flush=True)
for line in sys.stdin:
    said = line.split()
    if said[0] == "hold":
        place = urllib.parse.urlsplit(url)
        for _ in range(int(said[1])):
            one = socket.create_connection((place.hostname, place.port), timeout=5)
            one.sendall(b"GET / HTTP/1.1\r\n")
            held.append(one)
        print("held", len(held), flush=True)
    elif said[0] == "release":
        for one in held:
            one.close()
        print("released", flush=True)
    else:
        try:
            right = b"hello" in urllib.request.urlopen(url + said[0], timeout=3).read()
            print("yes" if right else "no", flush=True)
        except OSError as why:
            print("no", why, flush=True)
