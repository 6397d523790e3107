//! What a program in a jail can't do, tried from inside.

use std::path::PathBuf;

use creel_jail::{Bind, GuardPaths, confine_guard, confine_porter, confine_warden};

use crate::box_under_test::{launch, launch_plan, plan, state_dir};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("walls::identity_and_privileges", identity_and_privileges),
    ("walls::only_the_listed_places_are_writable", only_the_listed_places_are_writable),
    ("walls::nothing_of_the_host_shows", nothing_of_the_host_shows),
    ("walls::kernel_doors_are_shut", kernel_doors_are_shut),
    ("walls::each_allowed_call_answers", each_allowed_call_answers),
    ("walls::sockets_are_of_the_three_families", sockets_are_of_the_three_families),
    ("walls::receive_queues_keep_their_size", receive_queues_keep_their_size),
    ("walls::pid_1_can_not_be_looked_into", pid_1_can_not_be_looked_into),
    ("walls::processes_are_limited", processes_are_limited),
    ("walls::the_kernel_ends_programs_before_pid_1", the_kernel_ends_programs_before_pid_1),
    ("walls::places_in_memory_take_half_of_it", places_in_memory_take_half_of_it),
    ("walls::binds_are_read_only", binds_are_read_only),
    ("walls::a_hosts_socket_in_a_bound_folder_is_nobodys", a_hosts_socket_in_a_bound_folder_is_nobodys),
    ("walls::usr_is_an_instance_of_its_own", usr_is_an_instance_of_its_own),
    ("walls::a_guard_is_confined", a_guard_is_confined),
    ("walls::a_warden_is_confined", a_warden_is_confined),
    ("walls::a_porter_is_confined", a_porter_is_confined),
    ("walls::memory_of_guard_and_warden_is_bounded", memory_of_guard_and_warden_is_bounded),
];

fn identity_and_privileges() {
    let mut jail = launch();
    let status = jail.status();
    assert_eq!(status["Uid"], "1000\t1000\t1000\t1000");
    assert_eq!(status["Gid"], "1000\t1000\t1000\t1000");
    assert_eq!(status["Groups"], "");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status[set], "0000000000000000", "{set}");
    }
    assert_eq!(status["NoNewPrivs"], "1");
    assert_eq!(status["Seccomp"], "2");
    assert_eq!(status["SigIgn"], "0000000000000000");
    assert_eq!(status["SigBlk"], "0000000000000000");
    assert_eq!(jail.sh("ulimit -n; ulimit -c; pwd; umask; id -un; hostname"), "1024\n0\n/workspace\n0022\nagent\nbox");
    assert_eq!(
        jail.sh("env | grep -v '^_=\\|^SHLVL=\\|^PWD=' | sort"),
        "HOME=/home/agent\nLANG=C.UTF-8\nPATH=/usr/bin:/bin"
    );
    assert_eq!(jail.sh("ls -l /proc/self/fd | grep -c ' -> '"), "4", "0, 1, 2 and the folder itself");
    jail.launched.jail.kill().unwrap();
}

fn only_the_listed_places_are_writable() {
    let mut jail = launch();
    let script = r#"
import os, stat
good, bad = [], []
for folder, names, files in os.walk("/", onerror=lambda error: None):
    if folder.startswith(("/proc/", "/usr/share", "/usr/lib/")):
        names.clear()
    try:
        os.close(os.open(folder + "/.probe", os.O_CREAT | os.O_EXCL | os.O_WRONLY)); os.unlink(folder + "/.probe")
        good.append(folder)
    except OSError as error:
        bad.append(error.errno)
print(sorted(good))
"#;
    assert_eq!(jail.python(script), "['/dev/shm', '/home/agent', '/tmp', '/var/lib/openclaw', '/workspace']");
    for (path, why) in [
        ("/x", "Read-only"),
        ("/usr/x", "Read-only"),
        ("/etc/passwd", "Read-only|Permission"),
        ("/dev/x", "Read-only|Permission"),
        ("/creel/creel", "Read-only|Permission|busy"),
        ("/proc/sys/kernel/hostname", "Read-only|Permission"),
        ("/proc/sys/kernel/core_pattern", "Read-only|Permission"),
    ] {
        let answer = jail.sh(&format!("echo x 2>&1 > {path} || true; (echo x > {path}) 2>&1 | grep -cE '{why}'"));
        assert!(answer.ends_with('1'), "{path}: {answer}");
    }
    assert_eq!(jail.sh("cp /usr/bin/true /dev/shm/t; /dev/shm/t 2>/dev/null; echo $?"), "126");
    assert_eq!(jail.sh("cp /usr/bin/true /workspace/t; /workspace/t; echo $?"), "0");
    assert_eq!(jail.sh("echo 500 > /proc/self/oom_score_adj; echo x > /dev/null; stat -c %a /tmp"), "1777");
    assert_eq!(jail.sh("mknod /workspace/n c 1 3 2>&1 | grep -c 'not permitted\\|denied'"), "1");
    jail.launched.jail.kill().unwrap();
}

fn nothing_of_the_host_shows() {
    let mut jail = launch();
    assert_eq!(jail.sh("ls /sys /usr/local /usr/src /mnt /srv | grep -v : | tr -d '\\n'"), "");
    assert_eq!(jail.sh("ls / | tr '\\n' ' '").trim(), expected_root());
    let mounts = jail.sh("cat /proc/self/mountinfo");
    let exe = std::env::current_exe().unwrap();
    for secret in [exe.to_str().unwrap(), env!("CARGO_MANIFEST_DIR"), "/root", "target/debug", "/run/creel/box"] {
        assert!(!mounts.contains(secret), "{secret} shows:\n{mounts}");
    }
    assert_eq!(jail.sh("ls /proc/net/../1 >/dev/null; cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '"), "lo");
    for masked in ["kcore", "cmdline", "partitions", "kallsyms", "modules", "keys", "timer_list", "interrupts"] {
        assert_eq!(jail.sh(&format!("cat /proc/{masked} 2>/dev/null | wc -c")), "0", "{masked}");
    }
    assert_eq!(jail.sh("ls /proc | grep -cE '^[0-9]+$'"), "4", "PID 1, the shell, ls and grep");
    assert_eq!(jail.sh("cat /proc/self/cgroup | cut -d: -f3 | sort -u"), "/");
    assert_eq!(
        jail.sh("find / -xdev -uid 0 -perm -4000 2>/dev/null | head -1; cat /etc/shadow 2>&1 | grep -c such"),
        "1"
    );
    jail.launched.jail.kill().unwrap();
}

fn expected_root() -> String {
    let mut names = vec![
        "creel",
        "dev",
        "etc",
        "home",
        "mnt",
        "opt",
        "proc",
        "run",
        "srv",
        "sys",
        "tmp",
        "usr",
        "var",
        "workspace",
    ];
    names.extend(
        ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]
            .iter()
            .filter(|name| PathBuf::from("/usr").join(name).exists()),
    );
    names.sort_unstable();
    names.join(" ")
}

fn kernel_doors_are_shut() {
    let mut jail = launch();
    // name, number, arguments, the errnos that a refusal may have
    let calls = [
        ("unshare(NEWUSER)", 272, "0x10000000,0,0,0,0,0", "1"),
        ("unshare(NEWNS)", 272, "0x20000,0,0,0,0,0", "1"),
        ("clone(NEWUSER)", 56, "0x10000011,0,0,0,0,0", "1"),
        ("clone3", 435, "0,0,0,0,0,0", "38"),
        ("mount", 165, "0,0,0,0,0,0", "1"),
        ("umount2", 166, "0,0,0,0,0,0", "1"),
        ("pivot_root", 155, "0,0,0,0,0,0", "1"),
        ("chroot", 161, "0,0,0,0,0,0", "1"),
        ("setns", 308, "0,0,0,0,0,0", "1"),
        ("fsopen", 430, "0,0,0,0,0,0", "1"),
        ("mount_setattr", 442, "0,0,0,0,0,0", "1"),
        ("ptrace(TRACEME)", 101, "0,0,0,0,0,0", "1"),
        ("process_vm_readv", 310, "1,0,0,0,0,0", "1"),
        ("pidfd_getfd", 438, "0,0,0,0,0,0", "1"),
        ("bpf", 321, "0,0,0,0,0,0", "1"),
        ("keyctl", 250, "0,0,0,0,0,0", "1"),
        ("io_uring_setup", 425, "1,0,0,0,0,0", "38"),
        ("userfaultfd", 323, "0,0,0,0,0,0", "1"),
        ("perf_event_open", 298, "0,0,0,0,0,0", "1"),
        ("open_by_handle_at", 304, "0,0,0,0,0,0", "1"),
        ("name_to_handle_at", 303, "0,0,0,0,0,0", "1"),
        ("init_module", 175, "0,0,0,0,0,0", "1"),
        ("kexec_load", 246, "0,0,0,0,0,0", "1"),
        ("sethostname", 170, "0,0,0,0,0,0", "1"),
        ("syslog", 103, "2,0,0,0,0,0", "1"),
        ("personality(ADDR_NO_RANDOMIZE)", 135, "0x40000,0,0,0,0,0", "1"),
        ("ioctl(TIOCSTI)", 16, "0,0x5412,0,0,0,0", "1"),
        ("ioctl(TIOCSTI, high bits)", 16, "0,0x100005412,0,0,0,0", "1"),
        ("ioctl(TIOCLINUX)", 16, "0,0x541c,0,0,0,0", "1"),
        ("prlimit64(1)", 302, "1,7,0,0,0,0", "1"),
        ("x32 getpid", 0x4000_0027, "0,0,0,0,0,0", "38"),
        ("a call of the future", 900, "0,0,0,0,0,0", "38"),
    ];
    for (name, number, arguments, errno) in calls {
        let script = format!(
            "import ctypes as c\nl=c.CDLL(None,use_errno=True)\na=[c.c_long(x) for x in ({arguments})]\n\
             r=l.syscall(c.c_long({number}),*a)\nprint(r,c.get_errno())"
        );
        assert_eq!(jail.python(&script), format!("-1 {errno}"), "{name}");
    }
    // the core limit can't be moved, other limits of oneself can
    assert_eq!(
        jail.python(
            "import resource as r\ntry: r.setrlimit(r.RLIMIT_CORE,(0,0)); print('moved')\nexcept (OSError,ValueError) as e: print('kept')\n\
             r.setrlimit(r.RLIMIT_NOFILE,(100,100)); print(r.getrlimit(r.RLIMIT_NOFILE))"
        ),
        "kept\n(100, 100)"
    );
    jail.launched.jail.kill().unwrap();
}

/// Each with arguments that mean nothing, in a process of its own: whatever it says, it is not the filter's EPERM. A number
/// that is allowed nowhere is, which shows that the script would see it.
fn each_allowed_call_answers() {
    let list: Vec<String> = creel_jail::allowed_calls().map(|(name, number, _)| format!("{name}:{number}")).collect();
    assert!(list.len() > 200);
    let script = format!(
        r#"
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def errno_of(number):
    child = os.fork()
    if child == 0:
        libc.alarm(2)
        minus = ctypes.c_long(-1)
        failed = libc.syscall(ctypes.c_long(number), minus, minus, minus, minus, minus, minus) == -1
        libc._exit(ctypes.get_errno() & 127 if failed else 0)
    status = os.waitpid(child, 0)[1]
    return 0 if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
print([name for name, _, number in (one.partition(":") for one in "{} swapon:{}".split()) if errno_of(int(number)) == 1])
"#,
        list.join(" "),
        libc::SYS_swapon,
    );
    let mut jail = launch();
    assert_eq!(jail.python(&script), "['swapon']");
    jail.launched.jail.kill().unwrap();
}

fn sockets_are_of_the_three_families() {
    let mut jail = launch();
    let script = r#"
import ctypes as c
l = c.CDLL(None, use_errno=True)
for family, kind, protocol in [(1,1,0),(1,2,0),(1,5,0),(2,1,0),(2,1,6),(2,2,17),(10,1|2048|524288,6),(10,2,0),(16,3,0),(16,524290,0)]:
    assert l.socket(family, kind, protocol) >= 0, (family, kind, protocol, c.get_errno())
for family, kind, protocol in [(2,1,262),(2,2,136),(2,3,255),(2,3,1),(2,2,1),(10,2,58),(16,3,12),(16,3,4),(16,3,16),(17,3,0),(17,2,0),(38,5,0),(40,1,0),(44,3,0),(31,3,1),(29,3,1),(2,6,0),(30,1,0),(15,3,2)]:
    r = l.socket(family, kind, protocol)
    assert r == -1 and c.get_errno() == 1, (family, kind, protocol, r, c.get_errno())
import os
assert os.listdir("/proc/self/net")
import socket
assert [name for number, name in socket.if_nameindex()] == ["lo"]
print("ok")
"#;
    assert_eq!(jail.python(script), "ok");
    jail.launched.jail.kill().unwrap();
}

fn receive_queues_keep_their_size() {
    let mut jail = launch();
    let script = r#"
import ctypes as c, socket as s
l = c.CDLL(None, use_errno=True)
for family, kind in [(s.AF_NETLINK, s.SOCK_RAW), (s.AF_INET, s.SOCK_STREAM), (s.AF_UNIX, s.SOCK_DGRAM)]:
    one = s.socket(family, kind)
    before = one.getsockopt(s.SOL_SOCKET, s.SO_RCVBUF)
    for size in [4096, 64 << 20]:
        one.setsockopt(s.SOL_SOCKET, s.SO_RCVBUF, size)
        assert one.getsockopt(s.SOL_SOCKET, s.SO_RCVBUF) == before
    size = c.c_int(4096)
    odd = [c.c_long(n) for n in (one.fileno(), 1 | 7 << 32, 8 | 7 << 32)]
    assert l.syscall(54, *odd, c.byref(size), c.c_long(4)) == 0
    assert one.getsockopt(s.SOL_SOCKET, s.SO_RCVBUF) == before
    for force in [32, 33]:
        r = l.setsockopt(one.fileno(), s.SOL_SOCKET, force, c.byref(size), 4)
        assert r == -1 and c.get_errno() == 1
    one.setsockopt(s.SOL_SOCKET, s.SO_SNDBUF, 8192)
    assert one.getsockopt(s.SOL_SOCKET, s.SO_SNDBUF) == 16384
tcp = s.socket(s.AF_INET6, s.SOCK_STREAM)
for level, option in [(s.SOL_SOCKET, s.SO_REUSEADDR), (s.SOL_SOCKET, s.SO_KEEPALIVE), (s.IPPROTO_TCP, s.TCP_NODELAY), (s.IPPROTO_IPV6, s.IPV6_V6ONLY)]:
    tcp.setsockopt(level, option, 1)
    assert tcp.getsockopt(level, option) == 1, (level, option)
tcp.setsockopt(s.IPPROTO_TCP, 8, 3)
assert tcp.getsockopt(s.IPPROTO_TCP, 8) == 3, "option 8 of another level"
print("ok")
"#;
    assert_eq!(jail.python(script), "ok");
    jail.launched.jail.kill().unwrap();
}

fn pid_1_can_not_be_looked_into() {
    let mut jail = launch();
    for file in ["environ", "mem", "maps", "fd/3", "root/etc/passwd", "exe", "auxv"] {
        assert_eq!(jail.sh(&format!("head -c1 /proc/1/{file} 2>&1 | grep -cE 'denied|not permitted'")), "1", "{file}");
    }
    assert_eq!(
        jail.sh("ls /proc/1/fd 2>&1 | grep -c denied; (echo 1 > /proc/1/oom_score_adj) 2>&1 | grep -c denied"),
        "1\n1"
    );
    assert_eq!(jail.sh("kill -9 1; kill -STOP 1; sleep 0.1; grep -c '^State:.S' /proc/1/status"), "1");
    jail.launched.jail.kill().unwrap();
}

fn processes_are_limited() {
    let (mut plan, lock) = plan();
    plan.limits.pids = 24;
    let mut jail = launch_plan(&plan, lock);
    let script = "import os,time\nn=0\ntry:\n  while True:\n    if os.fork()==0: os.closerange(0,3); time.sleep(60)\n    n+=1\nexcept OSError as e: print(n<24, e.errno)";
    assert_eq!(jail.python(script), "True 11");
    // the sleepers are still there: PID 1 reports that nothing can be started, and lives
    jail.launched.jail.kill().unwrap();
}

fn the_kernel_ends_programs_before_pid_1() {
    // as a service manager may have arranged it for the warden; without the right to do so it stays at 0
    let own = "/proc/self/oom_score_adj";
    let before = std::fs::read_to_string(own).unwrap();
    std::fs::write(own, "-300").ok();
    let launched = std::panic::catch_unwind(launch);
    std::fs::write(own, before).unwrap();
    let mut jail = launched.unwrap();
    for _ in 0..2 {
        assert_eq!(jail.sh("cat /proc/1/oom_score_adj /proc/self/oom_score_adj"), "0\n500");
    }
    assert_eq!(jail.sh("(echo -1 > /proc/self/oom_score_adj) 2>/dev/null || echo refused"), "refused");
    jail.launched.jail.kill().unwrap();
}

fn places_in_memory_take_half_of_it() {
    let (mut plan, lock) = plan();
    plan.limits.memory_bytes = 256 << 20;
    let mut jail = launch_plan(&plan, lock);
    let fill = "for f in /workspace/a /dev/shm/b /tmp/c; do cat /dev/zero 2>&1 > $f | grep -c 'No space'; done; \
                cat /workspace/a /dev/shm/b /tmp/c | wc -c";
    assert_eq!(jail.sh(fill), format!("1\n1\n1\n{}", 128 << 20));
    let touch = "import os\ntry:\n  for n in range(100000): os.close(os.open(f'/tmp/{n}', os.O_CREAT))\nexcept OSError as e: print(n < 16384, e.errno)";
    assert_eq!(jail.python(touch), "True 28");
    jail.launched.jail.kill().unwrap();
}

fn binds_are_read_only() {
    let source = state_dir().join("bound");
    std::fs::create_dir_all(source.join("sub")).unwrap();
    std::fs::write(source.join("file"), "hello").unwrap();
    let (mut plan, lock) = plan();
    plan.binds = vec![
        Bind { src: source.clone(), dst: "/data/deep".into() },
        Bind { src: source.join("file"), dst: "/tmp/one".into() },
        Bind { src: source.clone(), dst: "/usr/local".into() },
    ];
    let mut jail = launch_plan(&plan, lock);
    assert_eq!(jail.sh("cat /data/deep/file /tmp/one /usr/local/file"), "hellohellohello");
    assert_eq!(jail.sh("(echo x > /data/deep/file) 2>&1 | grep -c 'Read-only\\|denied'; (rm /tmp/one) 2>&1 | grep -c 'busy\\|Read-only'"), "1\n1");
    assert_eq!(jail.sh("touch /data/deep/sub/x 2>&1 | grep -c 'Read-only\\|denied'"), "1");
    jail.launched.jail.kill().unwrap();
    assert_eq!(std::fs::read_to_string(source.join("file")).unwrap(), "hello");
}

fn a_hosts_socket_in_a_bound_folder_is_nobodys() {
    use std::os::unix::net::{UnixListener, UnixStream};
    let source = state_dir().join("with-socket");
    std::fs::create_dir_all(&source).unwrap();
    let path = source.join("host.sock");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (mut plan, lock) = plan();
    plan.binds = vec![Bind { src: source, dst: "/mnt/given".into() }];
    let mut jail = launch_plan(&plan, lock);
    let ask = "import os,socket,stat\ns=socket.socket(socket.AF_UNIX)\n\
               print(stat.S_ISSOCK(os.stat('/mnt/given/host.sock').st_mode), s.connect_ex('/mnt/given/host.sock') != 0)";
    assert_eq!(jail.python(ask), "True True");
    assert!(listener.accept().is_err());
    jail.launched.jail.kill().unwrap();
    // whoever is let in could be handed any descriptor (SCM_RIGHTS); outside, the same socket lets one in
    UnixStream::connect(&path).unwrap();
    assert!(listener.accept().is_ok());
}

fn usr_is_an_instance_of_its_own() {
    let (mut one, mut two) = (launch(), launch());
    // a lock that one jail holds on a file of /usr is not seen by the other
    let hold = "import fcntl,time\nf=open('/usr/bin/python3','rb')\nfcntl.flock(f,fcntl.LOCK_EX)\nprint('held',flush=True)\ntime.sleep(60)";
    let (mut reader, writer) = std::io::pipe().unwrap();
    let null = || std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    one.spawn(&["python3", "-c", hold], false, &[null(), writer.into(), null()]);
    let mut word = [0_u8; 4];
    std::io::Read::read_exact(&mut reader, &mut word).unwrap();
    assert_eq!(&word, b"held");
    let take =
        "import fcntl\nf=open('/usr/bin/python3','rb')\nfcntl.flock(f,fcntl.LOCK_EX|fcntl.LOCK_NB)\nprint('free')";
    assert_eq!(two.python(take), "free");
    // the same look within one jail is refused, so the test means something
    let ran = one.run(&["python3", "-c", take]);
    assert!(ran.stderr.contains("BlockingIOError"), "{}", ran.stderr);
    one.launched.jail.kill().unwrap();
    two.launched.jail.kill().unwrap();
}

fn a_guard_is_confined() {
    let own = state_dir().join("guard");
    std::fs::create_dir_all(&own).unwrap();
    let status =
        std::process::Command::new(std::env::current_exe().unwrap()).arg("guard").current_dir(&own).status().unwrap();
    assert_eq!(status.code(), Some(0));
}

/// Runs in a process of its own: confines itself as a guard does and tries.
pub(crate) fn confined_guard() -> i32 {
    let own = std::env::current_dir().unwrap();
    confine_guard(&GuardPaths { write: vec![own.clone()], read: vec!["/etc/hosts".into(), "/etc/resolv.conf".into()] })
        .unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(status.contains(&format!("{set}:\t0000000000000000\n")), "{set} of {status}");
    }
    assert!(status.contains("NoNewPrivs:\t1\n"));
    dumps_and_memory(2 << 30, "0");
    std::fs::write(own.join("mine"), "x").unwrap();
    std::fs::rename(own.join("mine"), own.join("yours")).unwrap();
    assert!(std::fs::read("/etc/hosts").is_ok());
    assert!(std::fs::read("/etc/passwd").is_err());
    assert!(std::fs::write("/tmp/creel-guard-escape", "x").is_err());
    assert!(std::process::Command::new("/usr/bin/true").status().is_err());
    std::thread::spawn(|| assert!(std::fs::read("/etc/passwd").is_err())).join().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    std::os::unix::net::UnixListener::bind(own.join("sock")).unwrap();
    std::fs::remove_file(own.join("sock")).unwrap();
    assert!(std::fs::remove_dir(&own).is_err(), "the folder above is not its own");
    0
}

fn dumps_and_memory(memory: u64, core: &str) {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let soft = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(soft("Max core file size"), core);
    assert_eq!(soft("Max data size"), memory.to_string());
    let dumpable = rustix::process::dumpable_behavior().unwrap();
    assert_eq!(dumpable, rustix::process::DumpableBehavior::NotDumpable);
}

/// What root could do with a warden that was broken into. Arguments that do no harm if they are let through.
const ROOTS_CALLS: &str = r#"
import ctypes, os
c = ctypes.CDLL(None, use_errno=True)
calls = {
    "kexec_load": (246, 0, 17, 0, 0), "init_module": (175, 0, 0, 0), "finit_module": (313, -1, 0, 0), "delete_module": (176, 0, 0),
    "ptrace": (101, 0, 0, 0, 0), "process_vm_readv": (310, os.getpid(), 0, 0, 0, 0, 0), "pidfd_getfd": (438, -1, 0, 0),
    "kcmp": (312, os.getpid(), os.getpid(), 99, 0, 0), "userfaultfd": (323, -1), "perf_event_open": (298, 0, 0, -1, -1, -1),
    "io_uring_setup": (425, 0, 0), "add_key": (248, 0, 0, 0, 0, 0), "settimeofday": (164, 1, 0), "swapon": (167, 0, 0),
    "acct": (163, 1), "open_by_handle_at": (304, -1, 0, 0), "modify_ldt": (154, 99, 0, 0), "x32 getpid": (0x40000000 + 39,),
}
for name, (number, *words) in calls.items():
    ctypes.set_errno(0)
    done = c.syscall(number, *map(ctypes.c_long, words))
    print(name, ctypes.get_errno() if done == -1 else 0)
"#;

fn roots_calls() -> Vec<(String, i32)> {
    let ran = std::process::Command::new("python3").args(["-c", ROOTS_CALLS]).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let text = String::from_utf8(ran.stdout).unwrap();
    text.lines().map(|line| line.rsplit_once(' ').unwrap()).map(|(n, e)| (n.to_owned(), e.parse().unwrap())).collect()
}

fn a_warden_is_confined() {
    let refused = [libc::EPERM, libc::ENOSYS];
    let open = roots_calls().into_iter().filter(|(_, errno)| !refused.contains(errno)).count();
    assert!(open >= 10, "the host itself must let most of them through, or nothing is shown: {:?}", roots_calls());
    let status = std::process::Command::new(std::env::current_exe().unwrap()).arg("confined-warden").status().unwrap();
    assert_eq!(status.code(), Some(0));
}

/// Runs in a process of its own: confines itself as the warden does and tries, itself and by a child.
pub(crate) fn confined_warden() -> i32 {
    confine_warden().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    assert!(status.contains("NoNewPrivs:\t1\n") && status.contains("Seccomp:\t2\n"), "{status}");
    dumps_and_memory(512 << 20, "1");
    for (name, errno) in roots_calls() {
        let expected = if name.starts_with("x32") { libc::ENOSYS } else { libc::EPERM };
        assert_eq!(errno, expected, "{name}");
    }
    // It still builds: a mount in a namespace of its own, and a jail whose programs have the memory limit of theirs alone.
    let mounts =
        std::process::Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "t", "/mnt"]).status().unwrap();
    assert!(mounts.success());
    let mut jail = launch();
    assert_eq!(jail.sh("ulimit -d"), "unlimited");
    jail.launched.jail.kill().unwrap();
    0
}

fn a_porter_is_confined() {
    let status = std::process::Command::new(std::env::current_exe().unwrap()).arg("confined-porter").status().unwrap();
    assert_eq!(status.code(), Some(0));
}

/// Runs in a process of its own: confines itself as the porter does and tries.
pub(crate) fn confined_porter() -> i32 {
    confine_porter().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    // CAP_DAC_READ_SEARCH, CAP_KILL, CAP_SYS_PTRACE
    for line in ["NoNewPrivs:\t1\n", "Seccomp:\t2\n", "CapEff:\t0000000000080024\n", "CapPrm:\t0000000000080024\n"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    let refused = |error: std::io::Error| error.raw_os_error() == Some(libc::EPERM);
    assert!(refused(std::fs::write("/tmp/porter", "x").unwrap_err()));
    assert!(refused(std::fs::OpenOptions::new().write(true).open("/proc/self/mem").unwrap_err()));
    assert!(refused(std::fs::remove_file("/tmp/porter").unwrap_err()));
    assert!(refused(std::net::TcpStream::connect("127.0.0.1:1").unwrap_err()));
    assert!(refused(std::process::Command::new("/usr/bin/true").spawn().unwrap_err()));
    assert!(std::thread::Builder::new().spawn(|| ()).is_err());
    0
}

fn memory_of_guard_and_warden_is_bounded() {
    for who in ["greedy-guard", "greedy-warden"] {
        let ended = std::process::Command::new(std::env::current_exe().unwrap()).arg(who).output().unwrap();
        let code = std::os::unix::process::ExitStatusExt::signal(&ended.status);
        assert_eq!(code, Some(libc::SIGABRT), "{who}: {ended:?}");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(said.contains("memory allocation of"), "{who}: {said}");
    }
}

/// Runs in a process of its own: takes memory, which it does not touch, until it has none.
pub(crate) fn greedy(warden: bool) -> i32 {
    if warden {
        confine_warden().unwrap();
    } else {
        confine_guard(&GuardPaths::default()).unwrap();
    }
    let mut held: Vec<Vec<u8>> = Vec::new();
    for _ in 0..64 {
        held.push(Vec::with_capacity(64 << 20));
    }
    i32::try_from(held.len()).unwrap()
}
