//! A jail for one test, and what a program in it did.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use creel_jail::slot::{Slot, SlotLock};
use creel_jail::{Disk, Engine, InitEvent, InitRequest, Jail, Launched, Limits, MadeFile, Owner, Plan, Users};
use creel_jail_sys::socket::wait;
use rustix::event::{PollFd, PollFlags, poll};

/// Long enough for a loaded machine; only a failing test waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Box {
    pub(crate) launched: Launched,
    _lock: Option<SlotLock>,
    next: u64,
}

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

pub(crate) fn state_dir() -> PathBuf {
    let dir = std::env::temp_dir().join(format!("creel-jail-test-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// A plan with small limits, in memory, without a runtime. The slot is this test's until the lock is dropped.
pub(crate) fn plan() -> (Plan, SlotLock) {
    let lock = Slot::transient(&state_dir()).unwrap();
    (plan_of(Users::Slot(lock.slot())), lock)
}

/// The same for these users.
pub(crate) fn plan_of(users: Users) -> Plan {
    Plan {
        name: format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)),
        users,
        engine: Engine::Embedded,
        limits: Limits { cpus: 2.0, memory_bytes: 1 << 30, pids: 128, nofile: 1024 },
        disk: Disk::Memory,
        files: vec![MadeFile {
            path: "/etc/ssl/certs/ca-certificates.crt".into(),
            bytes: b"none\n".to_vec(),
            mode: 0o644,
            owner: Owner::Root,
        }],
        runtime: None,
        binds: Vec::new(),
        exe: std::env::current_exe().unwrap(),
        secrets_socket: false,
        inner_wall: None,
        degraded: vec!["limit.disk".to_owned()],
        hostname: "box".to_owned(),
    }
}

pub(crate) fn launch() -> Box {
    let (plan, lock) = plan();
    launch_plan(&plan, lock)
}

pub(crate) fn launch_plan(plan: &Plan, lock: SlotLock) -> Box {
    Box::of(Jail::launch(plan).unwrap(), Some(lock))
}

pub(crate) fn environment() -> Vec<(String, String)> {
    [("PATH", "/usr/bin:/bin"), ("HOME", "/home/agent"), ("LANG", "C.UTF-8")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec()
}

/// Stands in for the porter: lets all be executed, and refuses what the kernel would have refused.
fn wave_through(listener: OwnedFd) {
    use creel_jail_sys::notify::Listener;
    let listener = Listener::new(listener);
    std::thread::spawn(move || {
        loop {
            let mut fds = [PollFd::new(&listener, PollFlags::IN)];
            match poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => continue,
                // else nobody is left who could make a call
                Ok(_) if fds[0].revents().contains(PollFlags::IN) => {}
                _ => break,
            }
            match listener.next() {
                Ok(Some(notice)) if creel_jail::refused_call(notice.call).is_none() => drop(listener.go_on(notice.id)),
                Ok(Some(notice)) => drop(listener.refuse(notice.id, libc::EPERM)),
                Ok(None) => {}
                Err(_) => break,
            }
        }
    });
}

impl Box {
    pub(crate) fn of(mut launched: Launched, lock: Option<SlotLock>) -> Self {
        std::mem::take(&mut launched.listeners).into_iter().for_each(wave_through);
        Self { launched, _lock: lock, next: 1 }
    }

    pub(crate) fn event(&self) -> (InitEvent, Vec<OwnedFd>) {
        loop {
            if let Some(event) = self.launched.jail.init().recv().unwrap() {
                return event;
            }
            assert!(wait(self.launched.jail.init().fd(), PollFlags::IN, PATIENCE).unwrap(), "PID 1 says nothing");
        }
    }

    pub(crate) fn spawn(&mut self, argv: &[&str], tty: bool, fds: &[OwnedFd]) -> u64 {
        let id = self.next;
        self.next += 1;
        let request = InitRequest::Spawn {
            id,
            argv: argv.iter().map(|&text| text.to_owned()).collect(),
            env: environment(),
            cwd: "/workspace".to_owned(),
            tty,
            leader: true,
        };
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        self.launched.jail.init().send(&request, &fds).unwrap();
        id
    }

    /// Runs a program to its end.
    pub(crate) fn run(&mut self, argv: &[&str]) -> Ran {
        let (out_reader, out) = std::io::pipe().unwrap();
        let (err_reader, err) = std::io::pipe().unwrap();
        let null = File::open("/dev/null").unwrap();
        let id = self.spawn(argv, false, &[null.into(), out.into(), err.into()]);
        let collect = |mut reader: std::io::PipeReader| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                reader.read_to_end(&mut text).unwrap();
                String::from_utf8_lossy(&text).into_owned()
            })
        };
        let (stdout, stderr) = (collect(out_reader), collect(err_reader));
        loop {
            match self.event().0 {
                InitEvent::Exited { id: ended, code, signal } if ended == id => {
                    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
                    return Ran { code, signal, stdout, stderr };
                }
                InitEvent::NotStarted { errno, why, .. } => panic!("{argv:?}: {why}: {errno}"),
                _ => {}
            }
        }
    }

    /// Runs a shell script and gives what it printed, without the last line end; it must succeed.
    pub(crate) fn sh(&mut self, script: &str) -> String {
        let ran = self.run(&["bash", "-c", script]);
        assert_eq!((ran.code, ran.signal), (Some(0), None), "{script}: {}{}", ran.stdout, ran.stderr);
        ran.stdout.trim_end().to_owned()
    }

    /// Runs a Python script and gives what it printed.
    pub(crate) fn python(&mut self, script: &str) -> String {
        let ran = self.run(&["python3", "-c", script]);
        assert_eq!((ran.code, ran.signal), (Some(0), None), "{script}: {}{}", ran.stdout, ran.stderr);
        ran.stdout.trim_end().to_owned()
    }

    /// The name and value lines of /proc/self/status of a program in the jail.
    pub(crate) fn status(&mut self) -> HashMap<String, String> {
        let text = self.sh("cat /proc/self/status");
        let pair = |line: &str| line.split_once(':').map(|(key, value)| (key.to_owned(), value.trim().to_owned()));
        text.lines().filter_map(pair).collect()
    }
}
