//! The proxies as processes: how each is started, what it takes, what it costs.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::load::Kind;
use super::naive::dial;
use super::origin::{Authority, Ports};
use super::{Failure, HOST, note};

/// A proxy that runs.
pub(super) struct Process {
    pub(super) name: &'static str,
    pub(super) port: u16,
    pub(super) takes: &'static [Kind],
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// This program in another role.
    pub(super) async fn own(name: &'static str, folder: &Path) -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        let ready = note(folder, &format!("{name}.ready"));
        let child = command(&program).arg(name).arg(folder).spawn()?;
        for _ in 0..200 {
            if let Ok(port) = std::fs::read_to_string(&ready)
                && let Ok(port) = port.parse()
            {
                let takes: &[Kind] = if name == "naive" {
                    &[Kind::Plain, Kind::Intercepted1, Kind::Intercepted2, Kind::Fresh]
                } else {
                    &Kind::ALL
                };
                return Ok(Self { name, port, takes, child });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("`{name}` did not start").into())
    }

    /// Another program, once it takes connections at that port.
    pub(super) async fn other(
        name: &'static str,
        port: u16,
        takes: &'static [Kind],
        mut command: Command,
    ) -> Result<Self, Failure> {
        let child = command.spawn().map_err(|error| format!("{name} can't be started: {error}"))?;
        let this = Self { name, port, takes, child };
        for _ in 0..100 {
            if dial(port).await.is_ok() {
                return Ok(this);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("{name} does not listen").into())
    }

    /// CPU seconds so far, all its processes and threads, by the scheduler's own count.
    pub(super) fn cpu(&self) -> f64 {
        family(self.child.id()).into_iter().map(nanoseconds).sum::<u64>() as f64 / 1e9
    }

    /// Resident bytes of its first process.
    pub(super) fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    }
}

/// A process and what it started.
fn family(first: u32) -> Vec<u32> {
    let parent = |id: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let mut all = vec![first];
    for _ in 0..4 {
        let more: Vec<u32> = ids
            .iter()
            .copied()
            .filter(|id| !all.contains(id) && parent(*id).is_some_and(|of| all.contains(&of)))
            .collect();
        all.extend(more);
    }
    all
}

fn nanoseconds(process: u32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let spent = |thread: std::fs::DirEntry| -> Option<u64> {
        std::fs::read_to_string(thread.path().join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    threads.filter_map(spent).sum()
}

#[expect(clippy::disallowed_methods, reason = "a bench starts what it measures")]
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A port that nobody has.
pub(super) fn free() -> Result<u16, Failure> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

pub(super) fn installed(program: &str) -> Result<&Path, Failure> {
    let path = Path::new(program);
    if path.exists() { Ok(path) } else { Err(format!("`{program}` is not installed").into()) }
}

/// squid with ssl-bump, no cache.
pub(super) async fn squid(folder: &Path, ports: Ports) -> Result<Process, Failure> {
    let program = installed("/usr/sbin/squid")?;
    let (port, place) = (free()?, folder.display());
    Authority::new(folder, "squid")?;
    let both = ["squid.key", "squid.pem"].map(|name| std::fs::read_to_string(note(folder, name)));
    let [key, certificate] = both;
    std::fs::write(note(folder, "squid-both.pem"), key? + &certificate?)?;
    std::fs::write(note(folder, "hosts"), format!("127.0.0.1 {HOST}\n"))?;
    let home = note(folder, "squid");
    std::fs::create_dir_all(&home)?;
    let helper = "/usr/lib/squid/security_file_certgen";
    let made = command(installed(helper)?).args(["-c", "-s"]).arg(home.join("ssl_db")).args(["-M", "4MB"]).status()?;
    if !made.success() {
        return Err("squid's store of certificates can't be made".into());
    }
    let config = format!(
        "http_port 127.0.0.1:{port} ssl-bump tls-cert={place}/squid-both.pem generate-host-certificates=on dynamic_cert_mem_cache_size=4MB\n\
         sslcrtd_program {helper} -s {place}/squid/ssl_db -M 4MB\nacl all src all\nhttp_access allow all\nssl_bump bump all\n\
         tls_outgoing_options cafile={place}/origin.pem\nsslproxy_cert_error allow all\ncache deny all\ncache_mem 8 MB\naccess_log stdio:{place}/squid/access.log\n\
         cache_log {place}/squid/cache.log\npid_filename {place}/squid/pid\nhosts_file {place}/hosts\nshutdown_lifetime 0\n# {}\n",
        ports.tls
    );
    std::fs::write(note(folder, "squid.conf"), config)?;
    // It refuses to be root, and its own user is the package's.
    command(Path::new("/usr/bin/chown")).args(["-R", "proxy"]).arg(&home).status()?;
    let mut command = command(program);
    command.args(["-N", "-f"]).arg(note(folder, "squid.conf"));
    Process::other("squid", port, &[Kind::Plain, Kind::Intercepted1, Kind::Fresh], command).await
}

/// tinyproxy with a filter of hosts.
pub(super) async fn tinyproxy(folder: &Path, _ports: Ports) -> Result<Process, Failure> {
    let program = installed("/usr/bin/tinyproxy")?;
    let port = free()?;
    std::fs::write(note(folder, "filter"), format!("^{HOST}$\n"))?;
    let config = format!(
        "Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 512\nLogLevel Error\nFilterDefaultDeny Yes\nFilter \"{}\"\nAddHeader \"x-bench\" \"1\"\n",
        note(folder, "filter").display()
    );
    std::fs::write(note(folder, "tinyproxy.conf"), config)?;
    // It resolves by the system alone: in a view of its own that knows the name.
    std::fs::write(note(folder, "hosts"), format!("127.0.0.1 localhost {HOST}\n"))?;
    let mut command = command(installed("/usr/bin/unshare")?);
    command.args(["-m", "sh", "-c", "mount --bind \"$1\" /etc/hosts && exec \"$2\" -d -c \"$3\"", "sh"]);
    command.arg(note(folder, "hosts")).arg(program).arg(note(folder, "tinyproxy.conf"));
    Process::other("tinyproxy", port, &[Kind::Plain], command).await
}

/// haproxy with a list of hosts.
pub(super) async fn haproxy(folder: &Path, ports: Ports) -> Result<Process, Failure> {
    let program = installed("/usr/sbin/haproxy")?;
    let port = free()?;
    let config = format!(
        "global\n  maxconn 2000\n  nbthread 2\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 600s\n  timeout server 600s\n\
         frontend in\n  bind 127.0.0.1:{port}\n  acl known hdr(host) -i {HOST}:{}\n  http-request deny unless known\n  default_backend out\n\
         backend out\n  http-reuse always\n  server one 127.0.0.1:{}\n",
        ports.plain, ports.plain
    );
    std::fs::write(note(folder, "haproxy.cfg"), config)?;
    let mut command = command(program);
    command.arg("-db").arg("-f").arg(note(folder, "haproxy.cfg"));
    Process::other("haproxy", port, &[Kind::Plain], command).await
}
