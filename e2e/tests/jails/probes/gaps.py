# Programs of others by descriptor, what loaders are told, names of other tenants.
import re, socket, stat


def reopened(path):
    """CVE-2019-5736: hold a program by a descriptor and open it for writing through that. ETXTBSY counts as let in."""
    def act():
        held = os.open(path, os.O_PATH | os.O_CLOEXEC)
        writer = os.open(f"/proc/self/fd/{held}", os.O_WRONLY | os.O_CLOEXEC)
        if not CONTROL:
            os.write(writer, b"#!/bin/sh\n")
    return act


def any_program():
    """The same for whatever runs here."""
    refused = None
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            return reopened(f"/proc/{pid}/exe")()
        except OSError as error:
            if error.errno == errno.ETXTBSY:
                raise
            refused = error
    raise refused or Shut("nothing runs")


def made(path):
    return lambda: os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def linked(name):
    """A link beside the workspace to what the host or Creel would open by name."""
    def act():
        os.symlink("/proc/self/exe", name)
        os.unlink(name)
    return act


def tenants():
    """Names that Creel gives to jails, and places where it keeps their files."""
    seen = ""
    for path in ["/proc/self/mountinfo", "/proc/self/cgroup", "/proc/1/cgroup", "/proc/self/environ", "/proc/net/unix"]:
        try:
            seen += open(path, errors="replace").read()
        except OSError:
            pass
    for folder in ["/run", "/run/creel", "/var/lib", "/sys/fs/cgroup", "/tmp", "/home", "/mnt"]:
        try:
            seen += " ".join(os.listdir(folder))
        except OSError:
            pass
    if not re.search(r"jail-[0-9]{8}t|creel-slots|tenants/|default-[0-9a-f]{8}", seen):
        raise Shut("no name of a tenant")


def passed():
    """A descriptor by SCM_RIGHTS through any socket file that can be found."""
    for folder, _, names in os.walk("/tmp" if CONTROL else "/"):
        if folder.startswith("/proc"):
            continue
        for name in names:
            path = f"{folder}/{name}"
            try:
                if not stat.S_ISSOCK(os.lstat(path).st_mode):
                    continue
                with socket.socket(socket.AF_UNIX) as one:
                    one.settimeout(1)
                    one.connect(path)
                    if socket.recv_fds(one, 1, 1)[1]:
                        return
            except OSError:
                pass
    raise Shut("no socket hands anything out")


for program in ["/proc/self/exe", "/proc/1/exe", "/creel/creel", "/usr/bin/env"]:
    absent = "outside that is no program of ours" if program == "/creel/creel" else None
    probe(f"program: reopen {program} for writing", reopened(program), NO_FILE, absent)
probe("program: reopen whatever runs for writing", any_program, NO_FILE)
for path in ["/etc/ld.so.preload", "/etc/ld.so.conf.d/own.conf", "/usr/lib/own.so", "/etc/profile.d/own.sh"]:
    probe(f"loader: make {path}", made(path), NO_FILE)
probe("loader: a link in /usr/bin", linked("/usr/bin/creel-probe"), NO_FILE)
probe("loader: a link in /creel", linked("/creel/own"), NO_FILE, "outside there is no such folder")
probe("info: names of tenants", tenants)
probe("sockets: one that hands out descriptors", passed)
