//! The host, as the probes must leave it, and what of it they must not see.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use creel_testkit::Creel;

/// A process of the host whose command line and environment bear a text that nobody in a jail may read.
pub(crate) struct Marker {
    child: Child,
    text: String,
}

impl Marker {
    pub(super) fn start(name: &str) -> std::io::Result<Self> {
        let text = format!("{name}-{}", std::process::id());
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 300; :", &text]).env("MARKED", &text).stdin(Stdio::null());
        Ok(Self { child: command.spawn()?, text })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it still runs, and still shows its text to the host.
    pub(crate) fn lives(&self) -> bool {
        let line = std::fs::read(format!("/proc/{}/cmdline", self.child.id())).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&self.text)
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        let of_it = format!("/proc/{0}/task/{0}/children", self.child.id());
        for pid in std::fs::read_to_string(of_it).unwrap_or_default().split_whitespace() {
            let _ = Command::new("kill").arg(pid).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A service of the host's that hands a descriptor to whoever connects, in a folder that is bound into the jail.
pub(super) struct Careless {
    child: Child,
    folder: PathBuf,
}

impl Careless {
    pub(super) fn start(creel: &Creel) -> std::io::Result<Self> {
        let folder = creel.file("given.txt", "")?.with_file_name("given");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder)?;
        let program = "import os, socket\n\
                       listener = socket.socket(socket.AF_UNIX)\n\
                       listener.bind('service')\n\
                       os.chmod('service', 0o777)\n\
                       listener.listen()\n\
                       while True:\n    \
                           try: socket.send_fds(listener.accept()[0], [b'x'], [0])\n    \
                           except OSError: pass\n";
        let mut command = Command::new("/usr/bin/python3");
        let child = command.args(["-c", program]).current_dir(&folder).stdin(Stdio::null()).spawn()?;
        let service = Self { child, folder };
        for _ in 0..100 {
            if service.lets_in() {
                return Ok(service);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Err(std::io::Error::other("the careless service does not listen"))
    }

    /// Whether it serves whoever is outside.
    pub(super) fn lets_in(&self) -> bool {
        let mut byte = [0];
        let connected = std::os::unix::net::UnixStream::connect(self.folder.join("service"));
        connected.is_ok_and(|mut peer| std::io::Read::read(&mut peer, &mut byte).is_ok_and(|count| count == 1))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Careless {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first lines of the program: what it compares with. `secret` is a file of the host.
pub(super) fn facts(marker: &Marker, secret: &Path, control: bool) -> String {
    let status = text("/proc/self/status");
    let bits = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
    // CAP_SYS_RESOURCE, `linux/capability.h`
    let resource = u64::from_str_radix(bits, 16).unwrap() >> 24 & 1 == 1;
    let facts = serde_json::json!({
        "name": text("/proc/sys/kernel/hostname").trim(),
        "marker": marker.text,
        "file": secret.display().to_string(),
    });
    let spelled = |yes: bool| if yes { "True" } else { "False" };
    // The object's strings are Python's too.
    format!("HOST = {facts}\nHOST[\"resource\"] = {}\nCONTROL = {}\n", spelled(resource), spelled(control))
}

/// What must be the same before and after.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Host {
    settings: Vec<(String, String)>,
    mounts: Vec<String>,
    ipc: Vec<String>,
    interfaces: Vec<String>,
}

impl Host {
    pub(super) fn seen(creel: &Creel) -> Self {
        let kernel = [
            "hostname",
            "domainname",
            "core_pattern",
            "core_uses_pid",
            "randomize_va_space",
            "kptr_restrict",
            "dmesg_restrict",
            "pid_max",
            "threads-max",
            "panic",
            "sysrq",
            "modprobe",
            "perf_event_paranoid",
            "unprivileged_bpf_disabled",
        ];
        let paths = kernel.iter().map(|name| format!("/proc/sys/kernel/{name}"));
        let others =
            ["/proc/sys/vm/overcommit_memory", "/proc/sys/net/ipv4/ip_forward", "/proc/modules", "/proc/swaps"];
        let settings = paths.chain(others.map(str::to_owned)).map(|path| (path.clone(), text(&path))).collect();
        // Other tests' jails come and go beside this one.
        let own = creel.state().display().to_string();
        let ours_or_nobodys = |line: &&str| line.contains(&own) || !line.contains("creel");
        let table = text("/proc/self/mountinfo");
        let mounts = table.lines().filter(ours_or_nobodys).map(str::to_owned).collect();
        let ipc = ["shm", "sem", "msg"].map(|kind| text(&format!("/proc/sysvipc/{kind}")));
        Self { settings, mounts, ipc: ipc.to_vec(), interfaces: interfaces() }
    }
}

/// The host's network interfaces, as the probe inside reads them.
pub(super) fn interfaces() -> Vec<String> {
    let table = text("/proc/net/dev");
    table.lines().skip(2).filter_map(|line| line.split(':').next()).map(|name| name.trim().to_owned()).collect()
}

/// Control groups and processes of this installation that outlived its jails.
pub(super) fn leftovers(creel: &Creel) -> Vec<String> {
    let id = text(&creel.state().join("id").display().to_string()).trim().to_owned();
    assert!(!id.is_empty(), "an installation without an id");
    let groups = Command::new("find").args(["/sys/fs/cgroup", "-name", &format!("*-{id}")]).output().unwrap();
    let mut left: Vec<String> = String::from_utf8_lossy(&groups.stdout).lines().map(str::to_owned).collect();
    let own = creel.state().display().to_string();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let seen = [read("environ"), read("cmdline"), read("cgroup")].concat();
        let seen = String::from_utf8_lossy(&seen).into_owned();
        if seen.contains(&own) || seen.contains(&format!("-{id}")) {
            left.push(format!("process {}", entry.file_name().to_string_lossy()));
        }
    }
    left
}

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
