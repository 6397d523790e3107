//! What an attacker finds inside.
//!
//! Owns [`look`], run by `creel inside probe` through the jail's init, under the agent's own uid, filter and landlock.
//! It only tries and tells; `creel check` compares it with what is seen from outside. It never believes a configuration.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode};
use serde::{Deserialize, Serialize};

/// What was tried and what came of it: `None` when it worked, else the error's number.
pub(crate) type Tries = BTreeMap<String, Option<i32>>;

/// What the probe found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Findings {
    /// Lines of /proc/self/status that matter (Uid, Gid, CapEff, …), name → value.
    pub(crate) status: BTreeMap<String, String>,
    /// Namespace → its id, as /proc/self/ns shows it.
    pub(crate) namespaces: BTreeMap<String, String>,
    /// Folders in which a file could be made.
    pub(crate) writable: Vec<String>,
    /// Folders in which none could be made: → the error's number.
    pub(crate) read_only: Tries,
    /// Dangerous calls and files.
    pub(crate) tries: Tries,
    /// Network interfaces of /proc/net/dev.
    pub(crate) interfaces: Vec<String>,
    /// The soft limits of /proc/self/limits that matter.
    pub(crate) limits: BTreeMap<String, String>,
    /// Size and inodes of the file system under /workspace.
    pub(crate) disk_bytes: u64,
    /// Its inodes.
    pub(crate) disk_inodes: u64,
    /// Answers to look-ups: name → `nxdomain`, an address, or what went wrong.
    pub(crate) names: BTreeMap<String, String>,
    /// A folder of the workspace in which a file was made, and which is gone again: what sees files must have seen it. None when
    /// it could not be made.
    #[serde(default)]
    pub(crate) made: Option<String>,
    /// Places from which the gateway's token could be read; `None` when nobody looked.
    pub(crate) token_seen: Option<Vec<String>>,
}

/// Where nobody may write, and where the agent may.
const PLACES: [&str; 18] = [
    "/",
    "/usr",
    "/usr/bin",
    "/etc",
    "/etc/openclaw",
    "/opt",
    "/opt/openclaw",
    "/creel",
    "/run",
    "/dev",
    "/proc/sys",
    "/var",
    "/workspace",
    "/var/lib/openclaw",
    "/home/agent",
    "/tmp",
    "/dev/shm",
    "/var/tmp",
];

/// Looks around.
pub(crate) fn look() -> Findings {
    // first of all, so that it has been seen when it goes
    let made = make_a_file();
    let mut found = Findings {
        made,
        status: status(),
        namespaces: namespaces(),
        interfaces: interfaces(),
        limits: limits(),
        ..Findings::default()
    };
    for place in PLACES {
        match try_write(Path::new(place)) {
            Ok(()) => found.writable.push(place.to_owned()),
            Err(error) => {
                found.read_only.insert(place.to_owned(), error.raw_os_error());
            }
        }
    }
    if let Ok(stat) = rustix::fs::statvfs(crate::inside::WORKSPACE) {
        found.disk_bytes = stat.f_blocks.saturating_mul(stat.f_frsize);
        found.disk_inodes = stat.f_files;
    }
    found.tries = tries();
    found.names.insert("not-approved.creel-probe.invalid".to_owned(), resolve("not-approved.creel-probe.invalid"));
    found.names.insert("tcp to 192.0.2.1:443".to_owned(), knock("192.0.2.1:443"));
    found.token_seen = Some(seek_token());
    if let Some(made) = &found.made {
        let _ = fs::remove_dir_all(made);
    }
    found
}

/// Makes a folder of a name that nobody knew before, and a file in it.
fn make_a_file() -> Option<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).ok()?;
    let folder = format!("{}/.creel-check-{:016x}", crate::inside::WORKSPACE, u64::from_le_bytes(random));
    fs::create_dir(&folder).ok()?;
    let written = fs::write(format!("{folder}/seen"), "creel check looks whether this is seen\n");
    if written.is_err() {
        let _ = fs::remove_dir(&folder);
    }
    written.is_ok().then_some(folder)
}

/// Asks an unapproved address for a page: what comes back may only be Creel's refusal.
fn knock(to: &str) -> String {
    use std::io::{Read, Write};
    let Ok(socket) = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None)
    else {
        return "no socket".to_owned();
    };
    let Ok(address) = to.parse::<SocketAddr>() else { return "no address".to_owned() };
    // Without our rules nothing would answer for years, so it isn't waited for.
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&socket, 3000);
    if let Err(error) = rustix::net::connect(&socket, &address) {
        return format!("not taken by creel: {error}");
    }
    let mut stream = std::net::TcpStream::from(socket);
    let _ = stream.set_read_timeout(Some(std::time::Duration::from_secs(5)));
    let _ = stream.write_all(format!("GET / HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n").as_bytes());
    let mut said = Vec::new();
    let _ = stream.take(64 * 1024).read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    match said.lines().next() {
        None => "closed".to_owned(),
        Some(line) if line.contains(" 403") && said.contains("creel:record:") => "refused by creel".to_owned(),
        Some(line) => format!("answered `{line}`"),
    }
}

/// Looks for the gateway's token, known by its prefix, wherever a tool of the agent can read.
fn seek_token() -> Vec<String> {
    let mut places: Vec<PathBuf> =
        ["/etc/openclaw/openclaw.json", "/etc/openclaw/resolver"].map(PathBuf::from).to_vec();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()) {
            places.extend(["environ", "cmdline"].map(|file| entry.path().join(file)));
        }
    }
    collect(Path::new("/var/lib/openclaw"), 6, &mut places);
    collect(Path::new(crate::inside::WORKSPACE), 3, &mut places);
    for place in ["/tmp", "/home/agent", "/dev/shm"] {
        collect(Path::new(place), 3, &mut places);
    }
    let needle = creel_openclaw::resolver::TOKEN_PREFIX.as_bytes();
    let holds = |path: &PathBuf| {
        let bytes = read_bounded(path).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle)
    };
    places.iter().filter(|path| holds(path)).map(|path| path.display().to_string()).collect()
}

fn collect(folder: &Path, depth: u32, places: &mut Vec<PathBuf>) {
    const MOST: usize = 20_000;
    if depth == 0 || places.len() > MOST {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&entry.path(), depth - 1, places),
            Ok(kind) if kind.is_file() => places.push(entry.path()),
            _ => {}
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(OpenOptions::new().read(true).open(path)?, 16 << 20), &mut bytes)?;
    Ok(bytes)
}

fn status() -> BTreeMap<String, String> {
    let wanted = ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"];
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.filter(|(name, _)| wanted.contains(name)).map(|(n, v)| (n.to_owned(), v.trim().to_owned())).collect()
}

fn namespaces() -> BTreeMap<String, String> {
    let read = |name: &str| fs::read_link(format!("/proc/self/ns/{name}")).map(|link| link.display().to_string());
    let names = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"];
    names.iter().filter_map(|name| Some(((*name).to_owned(), read(name).ok()?))).collect()
}

fn interfaces() -> Vec<String> {
    let text = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim().to_owned()).collect()
}

fn limits() -> BTreeMap<String, String> {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let wanted = ["Max open files", "Max core file size"];
    let pick = |name: &&str| {
        let line = text.lines().find(|line| line.starts_with(*name))?;
        Some(((*name).to_owned(), line.strip_prefix(*name)?.split_whitespace().next()?.to_owned()))
    };
    wanted.iter().filter_map(pick).collect()
}

fn try_write(place: &Path) -> io::Result<()> {
    let path = place.join(format!(".creel-probe-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&path)?;
    fs::remove_file(path)
}

fn tries() -> Tries {
    let mut tries = Tries::new();
    let mut note = |what: &str, result: io::Result<()>| {
        tries.insert(what.to_owned(), result.err().map(|error| error.raw_os_error().unwrap_or(-1)));
    };
    note("append /etc/openclaw/openclaw.json", append("/etc/openclaw/openclaw.json"));
    note("append /proc/sysrq-trigger", append("/proc/sysrq-trigger"));
    note("append /proc/sys/kernel/core_pattern", append("/proc/sys/kernel/core_pattern"));
    for path in ["/proc/kcore", "/proc/kallsyms", "/proc/keys", "/proc/timer_list", "/proc/1/environ", "/proc/1/mem"] {
        note(&format!("read {path}"), read_something(path));
    }
    note("list /sys", list_something("/sys"));
    // A whiteout device needs no capability (mknod(2)): only seccomp or landlock stop it, and their errors differ.
    let device =
        rustix::fs::mknodat(rustix::fs::CWD, "/tmp/.creel-probe-device", FileType::CharacterDevice, Mode::RUSR, 0);
    let _ = rustix::fs::unlinkat(rustix::fs::CWD, "/tmp/.creel-probe-device", AtFlags::empty());
    note("make a device in /tmp", device.map_err(io::Error::from));
    note("bind 0.0.0.0:53", TcpListener::bind(("0.0.0.0", 53)).map(drop));
    note("udp to 192.0.2.1:443", send_udp("192.0.2.1:443"));
    note("udp to [2001:db8::1]:443", send_udp("[2001:db8::1]:443"));
    note("new user namespace", new_namespace());
    note("mount", mount());
    tries
}

fn append(path: &str) -> io::Result<()> {
    OpenOptions::new().append(true).open(path).map(drop)
}

fn read_something(path: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).open(path)?;
    let mut byte = [0];
    match io::Read::read(&mut file, &mut byte)? {
        // Masked files are empty: nothing was learnt.
        0 => Err(io::Error::from_raw_os_error(rustix::io::Errno::NODATA.raw_os_error())),
        _ => Ok(()),
    }
}

fn list_something(path: &str) -> io::Result<()> {
    match fs::read_dir(path)?.next() {
        Some(entry) => entry.map(drop),
        None => Err(io::Error::from_raw_os_error(rustix::io::Errno::NODATA.raw_os_error())),
    }
}

fn send_udp(to: &str) -> io::Result<()> {
    let to: SocketAddr = to.parse().map_err(io::Error::other)?;
    let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    UdpSocket::bind(from)?.send_to(b"x", to).map(drop)
}

fn new_namespace() -> io::Result<()> {
    // unshare(2) of a user namespace needs no privilege: nothing but the filter is in the way.
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER).map_err(io::Error::from)
}

fn mount() -> io::Result<()> {
    use rustix::mount::{MountFlags, mount};
    mount("none", "/tmp", "tmpfs", MountFlags::NOSUID, None).map_err(io::Error::from)
}

fn resolve(name: &str) -> String {
    match std::net::ToSocketAddrs::to_socket_addrs(&(name, 443)) {
        Ok(mut found) => found.next().map_or_else(|| "no address".to_owned(), |address| address.ip().to_string()),
        Err(_) => "nxdomain".to_owned(),
    }
}
