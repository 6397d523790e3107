//! Starting, speaking to, and ending a jail.

use std::io::{Read, Write};
use std::path::Path;

use creel_jail::{Disk, Error, InitEvent, InitRequest, Jail, ListenerOwner};

use crate::box_under_test::{Box, launch, launch_plan, plan, state_dir};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("life::programs_of_the_trade_run", programs_of_the_trade_run),
    ("life::ends_are_relayed", ends_are_relayed),
    ("life::what_can_not_start_says_why", what_can_not_start_says_why),
    ("life::a_terminal_is_one", a_terminal_is_one),
    ("life::the_gateway_alone_is_connected_to", the_gateway_alone_is_connected_to),
    ("life::the_secrets_socket_is_planted", the_secrets_socket_is_planted),
    ("life::a_scratch_disk_is_limited_and_goes", a_scratch_disk_is_limited_and_goes),
    ("life::a_volume_stays", a_volume_stays),
    ("life::nothing_is_left", nothing_is_left),
    ("life::a_fork_bomb_is_cleared", a_fork_bomb_is_cleared),
    ("life::a_killed_warden_takes_the_jail_along", a_killed_warden_takes_the_jail_along),
    ("life::a_jail_outlives_no_stage", a_jail_outlives_no_stage),
    ("life::a_missing_layer_is_named", a_missing_layer_is_named),
    ("life::a_plan_that_makes_no_sense_is_refused", a_plan_that_makes_no_sense_is_refused),
];

fn programs_of_the_trade_run() {
    let mut jail = launch();
    assert!(jail.sh("git --version").starts_with("git version"));
    assert!(jail.sh("curl --version").starts_with("curl"));
    assert_eq!(
        jail.python(
            "import ssl,json,socket,subprocess,threading; print(subprocess.check_output(['echo','hi']).decode())"
        ),
        "hi"
    );
    assert_eq!(jail.sh("git init -q x && cd x && git -c user.name=a -c user.email=b commit -q --allow-empty -m m && git log --format=%s"), "m");
    assert_eq!(
        jail.python("import multiprocessing as m\nq=m.Queue()\np=m.Process(target=q.put,args=(7,))\np.start()\nprint(q.get())\np.join()"),
        "7"
    );
    if Path::new("/usr/bin/node").exists() {
        let script = "const {Worker}=require('worker_threads');const c=require('child_process');\
            console.log(Object.keys(require('os').networkInterfaces()).join(),c.execSync('echo sub').toString().trim());\
            new Worker('require(\"worker_threads\").parentPort.postMessage(1)',{eval:true}).on('message',m=>console.log('worker',m))";
        assert_eq!(jail.sh(&format!("node -e '{}'", script.replace('\'', "'\\''"))), "lo sub\nworker 1");
    }
    jail.launched.jail.kill().unwrap();
}

fn ends_are_relayed() {
    let mut jail = launch();
    assert_eq!(jail.run(&["sh", "-c", "exit 42"]).code, Some(42));
    let ran = jail.run(&["sh", "-c", "kill -TERM $$"]);
    assert_eq!((ran.code, ran.signal), (None, Some(15)));
    // a signal from outside, and orphans that nobody asked about
    let null = || std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let id = jail.spawn(&["sleep", "600"], false, &[null(), null(), null()]);
    let (started, _) = jail.event();
    let InitEvent::Started { host_pid: Some(host_pid), .. } = started else { panic!("{started:?}") };
    let cmdline = std::fs::read(format!("/proc/{host_pid}/cmdline")).unwrap();
    assert_eq!(cmdline, b"sleep\x00600\x00");
    jail.launched.jail.init().send(&InitRequest::Kill { id, signal: 9 }, &[]).unwrap();
    assert_eq!(jail.event().0, InitEvent::Exited { id, code: None, signal: Some(9) });
    assert_eq!(jail.sh("(sleep 0.01 &) ; (sleep 0.02 &) ; true"), "");
    assert_eq!(jail.sh("sleep 0.1; grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l"), "0", "no zombies");
    jail.launched.jail.kill().unwrap();
}

fn what_can_not_start_says_why() {
    let mut jail = launch();
    let null = || std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let errno = |jail: &mut Box, argv: &[&str]| {
        jail.spawn(argv, false, &[null(), null(), null()]);
        match jail.event().0 {
            InitEvent::NotStarted { errno, .. } => errno,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(errno(&mut jail, &["no-such-program"]), libc::ENOENT);
    assert_eq!(errno(&mut jail, &["/etc/passwd"]), libc::EACCES);
    assert_eq!(errno(&mut jail, &["/workspace"]), libc::EACCES);
    assert_eq!(errno(&mut jail, &[]), libc::ENOENT);
    // without descriptors, and PID 1 lives on
    let id = jail.spawn(&["true"], false, &[]);
    assert!(matches!(jail.event().0, InitEvent::NotStarted { id: said, errno: libc::EBADF, .. } if said == id));
    assert_eq!(jail.run(&["true"]).code, Some(0));
    jail.launched.jail.kill().unwrap();
}

fn a_terminal_is_one() {
    let mut jail = launch();
    let id = jail.spawn(&["sh", "-c", "tty; read line; stty size; exit 3"], true, &[]);
    let (event, mut fds) = jail.event();
    assert_eq!(event, InitEvent::Tty { id });
    let mut master = std::fs::File::from(fds.pop().unwrap());
    creel_jail::resize_tty(&master, 33, 99).unwrap();
    master.write_all(b"go\n").unwrap();
    let mut text = Vec::new();
    // EIO is how a terminal ends
    let _ended = master.read_to_end(&mut text);
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("/dev/pts/0\r\n") && text.ends_with("33 99\r\n"), "{text}");
    assert!(matches!(jail.event().0, InitEvent::Started { .. }));
    assert_eq!(jail.event().0, InitEvent::Exited { id, code: Some(3), signal: None });
    jail.launched.jail.kill().unwrap();
}

fn the_gateway_alone_is_connected_to() {
    let mut jail = launch();
    let serve = "import socket,sys\ns=socket.socket()\ns.bind(('127.0.0.1',18789))\ns.listen()\nprint('up',flush=True)\n\
        while True:\n  c,_=s.accept()\n  c.sendall(b'hello'); c.close()";
    let (mut reader, writer) = std::io::pipe().unwrap();
    let null = || std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    jail.spawn(&["python3", "-c", serve], false, &[null(), writer.into(), null()]);
    let (started, _) = jail.event();
    let InitEvent::Started { host_pid: Some(host_pid), .. } = started else { panic!("{started:?}") };
    let mut word = [0_u8; 2];
    reader.read_exact(&mut word).unwrap();
    let jail = jail.launched.jail;
    for owner in [ListenerOwner::Process(host_pid), ListenerOwner::Tree(host_pid), ListenerOwner::Tree(jail.pid())] {
        let connection = jail.connect(18789, owner).unwrap();
        let mut stream = std::net::TcpStream::from(connection);
        stream.set_nonblocking(false).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }
    let own = i32::try_from(std::process::id()).unwrap();
    for owner in [ListenerOwner::Process(jail.pid()), ListenerOwner::Process(own)] {
        assert!(matches!(jail.connect(18789, owner), Err(Error::Gone { .. })));
    }
    assert!(matches!(jail.connect(18790, ListenerOwner::Tree(host_pid)), Err(Error::Gone { .. })));
    jail.kill().unwrap();
}

fn the_secrets_socket_is_planted() {
    let (mut plan, lock) = plan();
    plan.secrets_socket = true;
    let mut jail = launch_plan(&plan, lock);
    let listener = std::os::unix::net::UnixListener::from(jail.launched.secrets.take().unwrap());
    listener.set_nonblocking(false).unwrap();
    let serve = std::thread::spawn(move || listener.accept().unwrap().0.write_all(b"secret").unwrap());
    let ask = "import socket\ns=socket.socket(socket.AF_UNIX)\ns.connect('/run/creel/secrets.sock')\nprint(s.recv(10).decode())";
    assert_eq!(jail.python(ask), "secret");
    serve.join().unwrap();
    assert_eq!(
        jail.sh("stat -c %a:%U /run/creel/secrets.sock; rm -f /run/creel/secrets.sock 2>/dev/null; echo $?"),
        "600:agent\n1"
    );
    jail.launched.jail.kill().unwrap();
}

fn a_scratch_disk_is_limited_and_goes() {
    let (mut plan, lock) = plan();
    let dir = state_dir().join("scratch");
    std::fs::create_dir_all(&dir).unwrap();
    plan.disk = Disk::Scratch { dir: dir.clone(), bytes: 64 << 20 };
    plan.degraded = Vec::new();
    let mut jail = launch_plan(&plan, lock);
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0, "the image has no name");
    let fill =
        "cat /dev/zero 2>&1 >/workspace/big | grep -c 'No space'; cat /usr/bin/bash > /tmp/y 2>/dev/null || echo full";
    assert_eq!(jail.sh(fill), "1\nfull");
    jail.launched.jail.kill().unwrap();
}

fn a_volume_stays() {
    let (mut plan, lock) = plan();
    let dir = state_dir().join("volumes");
    std::fs::create_dir_all(&dir).unwrap();
    plan.disk = Disk::Volume { image: dir.join("main.img"), bytes: 64 << 20 };
    plan.degraded = Vec::new();
    let mut jail = launch_plan(&plan, lock);
    jail.sh("echo one > /workspace/a; echo two > /var/lib/openclaw/b; echo three > /tmp/c");
    jail.launched.jail.kill().unwrap();
    let again = Jail::launch(&plan).unwrap();
    drop(again);
    let (_, other) = crate::box_under_test::plan();
    let mut jail = launch_plan(&plan, other);
    assert_eq!(
        jail.sh("cat /workspace/a /var/lib/openclaw/b; cat /tmp/c 2>/dev/null || echo fresh"),
        "one\ntwo\nfresh"
    );
    jail.launched.jail.kill().unwrap();
}

/// How many loop devices have an image of this folder.
fn loops_of(dir: &Path) -> usize {
    let devices = std::fs::read_dir("/sys/block").unwrap().flatten();
    let images = devices.filter_map(|entry| std::fs::read_to_string(entry.path().join("loop/backing_file")).ok());
    images.filter(|image| Path::new(image).starts_with(dir)).count()
}

/// How many processes of the host are in this namespace.
fn members(namespace: &Path) -> usize {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| std::fs::read_link(entry.path().join("ns/net")).is_ok_and(|link| link == namespace)).count()
}

fn nothing_is_left() {
    let (mut plan, lock) = plan();
    let dir = state_dir().join("left");
    std::fs::create_dir_all(&dir).unwrap();
    plan.disk = Disk::Scratch { dir: dir.clone(), bytes: 64 << 20 };
    let mut jail = launch_plan(&plan, lock);
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains("/run/creel/box"), "no mount shows on the host");
    let groups = jail.launched.jail.cgroup().unwrap().dirs();
    let pid = jail.launched.jail.pid();
    let network = std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    let null = || std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    jail.spawn(&["sh", "-c", "trap '' TERM HUP INT; while :; do sleep 1; done"], false, &[null(), null(), null()]);
    assert!(matches!(jail.event().0, InitEvent::Started { .. }));
    assert!(!groups.is_empty() && groups.iter().all(|dir| dir.exists()));
    assert_eq!(loops_of(&dir), 1);
    assert!(members(&network) >= 3, "the stage, PID 1 and the shell");

    jail.launched.jail.kill().unwrap();
    assert!(groups.iter().all(|dir| !dir.exists()));
    assert_eq!(loops_of(&dir), 0);
    assert_eq!(members(&network), 0);
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

fn a_fork_bomb_is_cleared() {
    let mut jail = launch();
    let null = || std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    jail.spawn(&["bash", "-c", "b() { b | b & }; b; sleep 1"], false, &[null(), null(), null()]);
    assert!(matches!(jail.event().0, InitEvent::Started { .. }));
    std::thread::sleep(std::time::Duration::from_millis(300));
    let pid = jail.launched.jail.pid();
    jail.launched.jail.kill().unwrap();
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

/// Runs in a process of its own: launches a jail with a disk and a program, says which, and waits to be killed.
pub(crate) fn warden_to_be_killed() {
    let (mut plan, lock) = plan();
    let dir = std::env::current_dir().unwrap();
    plan.disk = Disk::Scratch { dir, bytes: 64 << 20 };
    let mut jail = launch_plan(&plan, lock);
    let null = || std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    jail.spawn(&["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], false, &[null(), null(), null()]);
    let (started, _) = jail.event();
    let InitEvent::Started { host_pid: Some(host_pid), .. } = started else { panic!("{started:?}") };
    println!("{} {host_pid} {}", jail.launched.jail.pid(), plan.name);
    std::thread::sleep(crate::box_under_test::PATIENCE);
}

fn a_killed_warden_takes_the_jail_along() {
    let dir = state_dir().join("warden");
    std::fs::create_dir_all(&dir).unwrap();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let mut warden = command.arg("warden").current_dir(&dir).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut reader = std::io::BufReader::new(warden.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let pids = [words[0], words[1]].map(|word| creel_jail_sys::pidfd::open(word.parse().unwrap()).unwrap());
    warden.kill().unwrap();
    warden.wait().unwrap();
    for pid in pids {
        assert!(creel_jail_sys::pidfd::wait_ended(pid, std::time::Duration::from_secs(2)).unwrap());
    }
    // its groups are what a kill leaves; the next start sweeps them
    assert_eq!(creel_jail::cgroup::sweep(|name| name == words[2]).unwrap(), [words[2]]);
    let freed = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        loops_of(&dir) == 0
    });
    assert!(freed, "its loop device is free");
}

fn a_jail_outlives_no_stage() {
    let jail = launch();
    let status = std::fs::read_to_string(format!("/proc/{}/status", jail.launched.jail.pid())).unwrap();
    let stage = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().parse().unwrap();
    creel_jail_sys::pidfd::kill(creel_jail_sys::pidfd::open(stage).unwrap()).unwrap();
    let ended = creel_jail_sys::pidfd::wait_ended(jail.launched.jail.pidfd(), std::time::Duration::from_secs(2));
    assert!(ended.unwrap());
    jail.launched.jail.kill().unwrap();
}

fn a_missing_layer_is_named() {
    let (mut plan, _lock) = plan();
    plan.degraded = Vec::new();
    // a disk in memory is no limit.disk, and nobody gave it up
    match Jail::launch(&plan) {
        Err(Error::Missing { layers, .. }) => assert_eq!(layers, ["limit.disk"]),
        other => panic!("{other:?}"),
    }
}

fn a_plan_that_makes_no_sense_is_refused() {
    let (mut plan, _lock) = plan();
    plan.name = "../x".into();
    assert!(matches!(Jail::launch(&plan), Err(Error::Operator { .. })));
}
