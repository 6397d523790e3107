//! What a service manager is told (sd_notify(3)): that the agent answers, that the loop still turns, that it ends.
//!
//! Owns [`Notify`]: the socket that `NOTIFY_SOCKET` names. It never waits for the manager and reads nothing from it. The
//! warden's loop calls it; without a manager each call does nothing.

use std::ffi::{OsStr, OsString};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::time::Instant;

/// The variables that `creel up` hands on to the warden.
pub(crate) const VARIABLES: [&str; 2] = ["NOTIFY_SOCKET", "WATCHDOG_USEC"];

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub(super) struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    every: Option<Duration>,
    last: Option<Instant>,
    ready: bool,
}

impl Notify {
    /// The manager that the environment names.
    pub(super) fn from_environment() -> Self {
        let [socket, watchdog] = VARIABLES.map(std::env::var_os);
        Self::new(socket.as_deref(), watchdog)
    }

    fn new(socket: Option<&OsStr>, watchdog: Option<OsString>) -> Self {
        let Some(name) = socket.filter(|name| !name.is_empty()) else { return Self::default() };
        match way(name) {
            Ok(to) => {
                let micros = watchdog.and_then(|text| text.to_str()?.parse().ok()).filter(|micros| *micros > 0);
                // three signs of life in the time of one (sd_watchdog_enabled(3) asks for two)
                Self { to: Some(to), every: micros.map(|micros| Duration::from_micros(micros) / 3), ..Self::default() }
            }
            Err(error) => {
                tracing::warn!(%error, "the service manager's socket can't be used");
                Self::default()
            }
        }
    }

    /// The agent answers. Said once; the warden names itself, for `creel up`, which was started, is about to end.
    pub(super) fn ready(&mut self) {
        if !std::mem::replace(&mut self.ready, true) {
            self.tell(&format!("MAINPID={}\nREADY=1", std::process::id()));
        }
    }

    /// The loop turns.
    pub(super) fn alive(&mut self, moment: Instant) {
        let Some(every) = self.every else { return };
        if self.last.is_none_or(|last| moment >= last + every) {
            self.last = Some(moment);
            self.tell("WATCHDOG=1");
        }
    }

    /// What goes on, in a line.
    pub(super) fn status(&self, text: &str) {
        self.tell(&format!("STATUS={}", crate::escape::one_line(text)));
    }

    /// It ends.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, words: &str) {
        let Some((socket, address)) = &self.to else { return };
        if let Err(error) = socket.send_to_addr(words.as_bytes(), address) {
            tracing::warn!(%error, "the service manager could not be told");
        }
    }
}

/// A path, or a name in the abstract namespace after `@`.
fn way(name: &OsStr) -> std::io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(rest) => SocketAddr::from_abstract_name(rest)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(manager: &UnixDatagram) -> Vec<String> {
        let mut all = Vec::new();
        let mut bytes = [0; 512];
        while let Ok(length) = manager.recv(&mut bytes) {
            all.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
        }
        all
    }

    fn check(manager: &UnixDatagram, name: &OsStr) {
        manager.set_nonblocking(true).unwrap();
        let mut notify = Notify::new(Some(name), Some("30000000".into()));
        let start = crate::clock::now();
        for second in [0, 1, 9, 10, 11, 25] {
            notify.alive(start + Duration::from_secs(second));
        }
        notify.status("two\nlines");
        notify.ready();
        notify.ready();
        notify.stopping();
        let ready = format!("MAINPID={}\nREADY=1", std::process::id());
        let status = "STATUS=two\\nlines";
        assert_eq!(heard(manager), ["WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1", status, &ready, "STOPPING=1"]);
    }

    #[test]
    fn a_manager_hears_it_at_a_path_and_at_an_abstract_name() {
        let path = std::env::temp_dir().join(format!("creel-notify-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        check(&UnixDatagram::bind(&path).unwrap(), path.as_os_str());
        std::fs::remove_file(&path).unwrap();
        let name = format!("creel-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        check(&UnixDatagram::bind_addr(&address).unwrap(), OsStr::new(&format!("@{name}")));
    }

    #[test]
    fn a_manager_that_reads_nothing_or_is_gone_holds_nothing_up() {
        let name = format!("creel-deaf-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notify = Notify::new(Some(OsStr::new(&format!("@{name}"))), None);
        for _ in 0..10_000 {
            notify.stopping();
        }
        manager.set_nonblocking(true).unwrap();
        assert!((1..10_000).contains(&heard(&manager).len()));
        drop(manager);
        notify.stopping();
        Notify::new(None, None).stopping();
    }

    /// The unit and the code must agree: `creel up` ends, and the warden tells.
    #[test]
    fn the_unit_lets_the_warden_tell_and_watches_it() {
        let unit = include_str!("../../../../deploy/systemd/creel.service");
        for line in [
            "Type=notify",
            "NotifyAccess=all",
            "WatchdogSec=30",
            "Restart=on-failure",
            "ExecReload=/usr/local/bin/creel reload",
            "ExecStop=/usr/local/bin/creel down",
        ] {
            assert!(unit.lines().any(|known| known == line), "{line}");
        }
    }
}
