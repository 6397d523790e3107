//! The inner wall: a gateway in front of it, which is a Python of ours, and what its commands can do behind it.

use std::path::PathBuf;

use creel_jail::{Disk, Engine, InnerWall, Jail, MadeFile, OciRuntime, Owner, Plan};

use crate::box_under_test::{Box, Ran, launch_plan, plan, state_dir};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("inner_wall::commands_run_behind_it", commands_run_behind_it),
    ("inner_wall::the_gateways_own_is_out_of_their_reach", the_gateways_own_is_out_of_their_reach),
    ("inner_wall::the_workspace_is_both_sides_own", the_workspace_is_both_sides_own),
    ("inner_wall::the_gateway_executes_nothing_itself", the_gateway_executes_nothing_itself),
    (
        "inner_wall::what_commands_write_is_not_read_at_the_next_start",
        what_commands_write_is_not_read_at_the_next_start,
    ),
    ("inner_wall::ends_and_signals_pass_through", ends_and_signals_pass_through),
    ("inner_wall::a_terminal_passes_through", a_terminal_passes_through),
    ("inner_wall::commands_cant_speak_to_the_gateway", commands_cant_speak_to_the_gateway),
    ("inner_wall::runc_gives_the_same", runc_gives_the_same),
    ("inner_wall::the_jail_ends_with_it", the_jail_ends_with_it),
    ("inner_wall::many_at_once_and_large_ones", many_at_once_and_large_ones),
];

/// A runtime folder with the one program that stands for OpenClaw's Node.
fn runtime() -> PathBuf {
    let folder = state_dir().join("runtime");
    if !folder.is_dir() {
        std::fs::create_dir(&folder).unwrap();
        std::fs::copy("/usr/bin/python3", folder.join("gateway")).unwrap();
    }
    folder
}

fn walled(disk: Disk, engine: Engine) -> Box {
    let (plan, lock) = plan();
    launch_plan(&Plan { disk, engine, ..walled_plan(plan) }, lock)
}

const GATEWAY: InnerWall = InnerWall { gateway_port: 18789 };

fn walled_plan(mut plan: Plan) -> Plan {
    plan.files.push(MadeFile {
        path: "/etc/openclaw/openclaw.json".into(),
        bytes: b"the configuration".to_vec(),
        mode: 0o444,
        owner: Owner::Root,
    });
    Plan { inner_wall: Some(GATEWAY), runtime: Some(runtime()), ..plan }
}

fn fresh() -> Box {
    walled(Disk::Memory, Engine::Embedded)
}

/// Runs the gateway.
fn gateway(jail: &mut Box, script: &str) -> Ran {
    jail.run(&["/opt/openclaw/gateway", "-c", script])
}

fn said(jail: &mut Box, script: &str) -> String {
    let ran = gateway(jail, script);
    assert_eq!((ran.code, ran.signal), (Some(0), None), "{script}: {}{}", ran.stdout, ran.stderr);
    ran.stdout.trim_end().to_owned()
}

/// Has the gateway run a shell command as OpenClaw does.
fn command(jail: &mut Box, script: &str) -> String {
    said(
        jail,
        &format!(
            "import subprocess as s\nr = s.run(['/bin/sh', '-c', {script:?}], capture_output=True, text=True)\nprint((r.stdout + r.stderr).rstrip())"
        ),
    )
}

fn commands_run_behind_it() {
    let mut jail = fresh();
    assert_eq!(
        command(&mut jail, "id -u; id -g; id -G; pwd; echo $0; umask"),
        "1001\n1001\n1001\n/workspace\n/bin/sh\n0022"
    );
    // programs by their names, a script by its interpreter, a login shell by its argv[0]
    assert_eq!(
        said(
            &mut jail,
            "import subprocess as s\nprint(s.run(['git', '--version'], capture_output=True, text=True).stdout[:11])"
        ),
        "git version"
    );
    let login = "import subprocess as s\nprint(s.run(['-sh', '-c', 'echo $0; id -u'], executable='/usr/bin/sh', capture_output=True, text=True).stdout)";
    assert_eq!(said(&mut jail, login), "-sh\n1001");
    // the same filter, no privileges
    assert_eq!(
        command(
            &mut jail,
            "grep -E '^(Cap...|NoNewPrivs|Seccomp):' /proc/self/status | awk '{print $2}' | sort -u | tr '\\n' ' '"
        ),
        "0000000000000000 1 2"
    );
    assert_eq!(command(&mut jail, "unshare -U true 2>/dev/null; echo $?"), "1");
    assert_eq!(said(&mut jail, "import os; print(os.getuid())"), "1000");
    jail.launched.jail.kill().unwrap();
}

/// What a hijacked command tries against the gateway that is its parent's parent.
const TRIES: [(&str, &str); 15] = [
    ("ls -A /var/lib/openclaw /etc/openclaw /run/creel | grep -v : | tr -d '\\n'", ""),
    ("cat /etc/openclaw/openclaw.json 2>&1 | grep -c 'No such file'", "1"),
    ("touch /var/lib/openclaw/x 2>&1 | grep -c 'Read-only file system\\|Permission denied'", "1"),
    ("cat /home/agent/secret /tmp/secret /dev/shm/secret 2>/dev/null; echo none", "none"),
    ("for p in /proc/[0-9]*; do cat $p/environ 2>/dev/null; done | tr '\\0' '\\n' | grep -c GATEWAYS_OWN", "0"),
    ("for p in /proc/[0-9]*; do head -c 1 $p/mem 2>/dev/null; done | wc -c", "0"),
    (
        "for p in /proc/[0-9]*; do case $(head -n 1 $p/status) in *gateway) ls $p/cwd/ $p/fd/ 2>/dev/null; stat -L $p/root 2>/dev/null; esac; done | wc -l",
        "0",
    ),
    ("kill -0 1 2>/dev/null || echo no", "no"),
    ("pkill -9 -x gateway 2>/dev/null; echo $?", "1"),
    (
        "python3 -c 'import os; os.sched_setaffinity(int(open(\"/workspace/pid\").read()), {0})' 2>&1 | tail -n 1 | grep -c PermissionError",
        "1",
    ),
    (
        "python3 -c 'import os; os.setpriority(os.PRIO_PROCESS, int(open(\"/workspace/pid\").read()), 19)' 2>&1 | tail -n 1 | grep -c PermissionError",
        "1",
    ),
    (
        "python3 -c 'import resource; resource.prlimit(int(open(\"/workspace/pid\").read()), resource.RLIMIT_NOFILE, (0, 0))' 2>&1 | tail -n 1 | grep -c PermissionError",
        "1",
    ),
    ("nsenter -t $(cat /workspace/pid) -m true 2>/dev/null || echo no", "no"),
    ("umount /var/lib/openclaw 2>/dev/null; umount /workspace 2>/dev/null; echo $?", "32"),
    ("ls /creel/launch /creel/creel >/dev/null && /creel/launch id 2>&1 | grep -c 'no program of this jail'", "1"),
];

const PREPARE: &str = "import os\n\
    for p in ('/var/lib/openclaw', '/home/agent', '/tmp', '/dev/shm'):\n open(p + '/secret', 'w').write('GATEWAYS_OWN')\n\
    open('/workspace/pid', 'w').write(str(os.getpid()))\n\
    os.environ['SECRET'] = 'GATEWAYS_OWN'\n";

fn the_gateways_own_is_out_of_their_reach() {
    let mut jail = fresh();
    for (script, answer) in TRIES {
        // a gateway that lives while the command runs, with a secret in its memory and in its environment as executed
        let runs = format!(
            "{PREPARE}\nimport subprocess as s\nr = s.run(['/bin/sh', '-c', {script:?}], capture_output=True, text=True, env={{'PATH': '/usr/bin'}})\nprint((r.stdout + r.stderr).rstrip())"
        );
        assert_eq!(said(&mut jail, &runs), answer, "{script}");
    }
    // the positive control: in front of the wall all of it is there
    assert_eq!(
        said(&mut jail, "print(open('/var/lib/openclaw/secret').read(), open('/etc/openclaw/openclaw.json').read())"),
        "GATEWAYS_OWN the configuration"
    );
    jail.launched.jail.kill().unwrap();
}

fn the_workspace_is_both_sides_own() {
    let image = state_dir().join("walled.img");
    let mut jail = walled(Disk::Volume { image, bytes: 64 << 20 }, Engine::Embedded);
    assert_eq!(said(&mut jail, "open('/workspace/a', 'w').write('front')"), "");
    assert_eq!(
        command(&mut jail, "cat a; stat -c ' %U %u' a; echo behind > b; mkdir -m 700 c; echo x > c/d; chmod 600 a"),
        "front agent-commands 1001"
    );
    let script = "import os\nprint(open('/workspace/b').read().strip(), open('/workspace/c/d').read().strip(), os.stat('/workspace/b').st_uid, oct(os.stat('/workspace/a').st_mode))";
    assert_eq!(said(&mut jail, script), "behind x 1000 0o100600");
    assert_eq!(
        command(
            &mut jail,
            "git init -q r && cd r && git -c user.name=a -c user.email=b commit -q --allow-empty -m m && git log --format=%s"
        ),
        "m"
    );
    jail.launched.jail.kill().unwrap();
}

fn the_gateway_executes_nothing_itself() {
    let mut jail = fresh();
    let attempts = [
        ("/workspace/own", "import shutil; shutil.copy('/opt/openclaw/gateway', '/workspace/own')"),
        ("/tmp/own", "import shutil; shutil.copy('/opt/openclaw/gateway', '/tmp/own')"),
        ("/usr/lib/git-core/git", "pass"),
    ];
    for (program, first) in attempts {
        let script = format!(
            "{first}\nimport os\ntry:\n os.execv('{program}', ['x', '-c', 'print(1)'])\nexcept OSError as e:\n print(type(e).__name__)"
        );
        assert_eq!(said(&mut jail, &script), "PermissionError", "{program}");
    }
    // what it may: itself, and, behind the wall, whatever it names
    assert_eq!(
        said(&mut jail, "import os; os.execv('/opt/openclaw/gateway', ['x', '-c', 'import os; print(os.getuid())'])"),
        "1000"
    );
    assert_eq!(command(&mut jail, "/usr/lib/git-core/git --version | cut -c 1-11"), "git version");
    jail.launched.jail.kill().unwrap();
}

fn what_commands_write_is_not_read_at_the_next_start() {
    let (plan, _lock) = plan();
    let disk = Disk::Volume { image: state_dir().join("poisoned.img"), bytes: 64 << 20 };
    let plan = Plan { disk, degraded: Vec::new(), ..walled_plan(plan) };
    let mut jail = Box::of(Jail::launch(&plan).unwrap(), None);
    // each place that OpenClaw, its Node, its shell or its git would read at a start
    let poison = "for f in /home/agent/.profile /home/agent/.bashrc /home/agent/.gitconfig /home/agent/.npmrc \
        /home/agent/.cache/x /tmp/node-compile-cache/x /tmp/openclaw-state-locks-1000/x /dev/shm/x; do \
        mkdir -p $(dirname $f) && echo 'id -u > /workspace/ran; touch /workspace/poisoned' > $f; done; ls -A /home/agent | wc -l";
    assert_eq!(command(&mut jail, poison), "5");
    jail.launched.jail.kill().unwrap();

    let mut jail = Box::of(Jail::launch(&plan).unwrap(), None);
    // in front of the wall nothing of it is there
    assert_eq!(
        said(&mut jail, "import os; print(os.listdir('/home/agent'), os.listdir('/tmp'), os.listdir('/dev/shm'))"),
        "[] [] []"
    );
    // OpenClaw's login shell reads it, behind the wall
    assert_eq!(
        said(
            &mut jail,
            "import subprocess as s\nprint(s.run(['sh', '-l', '-c', 'cat /workspace/ran'], capture_output=True, text=True).stdout)"
        ),
        "1001"
    );
    jail.launched.jail.kill().unwrap();
}

fn ends_and_signals_pass_through() {
    let mut jail = fresh();
    assert_eq!(said(&mut jail, "import subprocess as s; print(s.run(['sh', '-c', 'exit 42']).returncode)"), "42");
    assert_eq!(
        said(&mut jail, "import subprocess as s; print(s.run(['sh', '-c', 'kill -SEGV $$']).returncode)"),
        "-11"
    );
    let stopped = "import subprocess as s, time\np = s.Popen(['sh', '-c', 'trap \"echo got; exit 7\" TERM; echo up; while :; do sleep 0.05; done'], stdout=s.PIPE, text=True)\nprint(p.stdout.readline().strip())\np.terminate()\nprint(p.stdout.read().strip(), p.wait())";
    assert_eq!(said(&mut jail, stopped), "up\ngot 7");
    // a killed launcher takes its command along, with its whole group
    let killed = "import subprocess as s, time\np = s.Popen(['sh', '-c', 'sleep 600 & echo up; wait'], stdout=s.PIPE, text=True)\np.stdout.readline()\np.kill()\nprint(repr(p.stdout.read()), p.wait())";
    assert_eq!(said(&mut jail, killed), "'' -9");
    // what a command leaves in the background stays, as anywhere
    assert_eq!(command(&mut jail, "sleep 600 >/dev/null 2>&1 & echo started"), "started");
    assert_eq!(command(&mut jail, "pgrep -x sleep | wc -l"), "1");
    let missing = "import subprocess as s\nr = s.run(['/usr/bin/not-there'], capture_output=True) if False else None\ntry:\n s.run(['/usr/bin/not-there'])\nexcept FileNotFoundError:\n print('not there')";
    assert_eq!(said(&mut jail, missing), "not there");
    jail.launched.jail.kill().unwrap();
}

fn a_terminal_passes_through() {
    let mut jail = fresh();
    let script = "import os, pty, sys\npid, fd = pty.fork()\n\
        if pid == 0: os.execv('/bin/sh', ['sh', '-c', 'test -t 0 && test -t 1 && tty >/dev/null && echo yes; : < /dev/tty && echo controlled; id -u'])\n\
        out = b''\n\
        while True:\n try:\n  got = os.read(fd, 1000)\n except OSError:\n  break\n if not got: break\n out += got\n\
        print(out.decode().split(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";
    assert_eq!(said(&mut jail, script), "['yes', 'controlled', '1001'] 0");
    jail.launched.jail.kill().unwrap();
}

fn commands_cant_speak_to_the_gateway() {
    let mut jail = fresh();
    // a server at the gateway's port and one beside it, asked by a command and by the gateway itself
    let script = "import socket, subprocess as s, threading\n\
        for family, address in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):\n\
        \x20for port in (18789, 18790):\n\
        \x20 l = socket.socket(family)\n  l.bind((address, port))\n  l.listen()\n\
        \x20 ask = f'import socket; c = socket.socket({family.value}); print(c.connect_ex((\"{address}\", {port})))'\n\
        \x20 print(s.run(['python3', '-c', ask], capture_output=True, text=True).stdout.strip(), socket.socket(family).connect_ex((address, port)))";
    assert_eq!(said(&mut jail, script), "111 0\n0 0\n111 0\n0 0");
    jail.launched.jail.kill().unwrap();
}

fn runc_gives_the_same() {
    let mut jail = walled(Disk::Memory, Engine::Runtime(OciRuntime::Runc));
    assert_eq!(
        command(&mut jail, "id -u; ls -A /var/lib/openclaw /etc/openclaw /run/creel | grep -v : | tr -d '\\n'"),
        "1001"
    );
    assert_eq!(said(&mut jail, "open('/workspace/a', 'w').write('front')"), "");
    assert_eq!(command(&mut jail, "cat a; echo x > a; umount /var/lib/openclaw 2>/dev/null; echo $?"), "front32");
    jail.launched.jail.kill().unwrap();
}

fn the_jail_ends_with_it() {
    let mut jail = fresh();
    let pid = jail.launched.jail.pid();
    let null = || std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let kill = "import subprocess as s; s.run(['/bin/sh', '-c', 'kill -9 $(pgrep -f \"^/creel/creel wall\")'])";
    jail.spawn(&["/opt/openclaw/gateway", "-c", kill], false, &[null(), null(), null()]);
    let ended = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        !std::path::Path::new(&format!("/proc/{pid}")).exists()
    });
    assert!(ended, "the jail outlives the process behind its wall");
    jail.launched.jail.kill().unwrap();
}

fn many_at_once_and_large_ones() {
    let mut jail = fresh();
    let many = "import subprocess as s\nps = [s.Popen(['sh', '-c', f'echo {i}'], stdout=s.PIPE, text=True) for i in range(40)]\nprint(sum(int(p.communicate()[0]) for p in ps))";
    assert_eq!(said(&mut jail, many), "780");
    let large = "import subprocess as s\nprint(len(s.run(['sh', '-c', 'echo -n $X; :' , 'y' * 100000], env={'X': 'x' * 100000}, capture_output=True).stdout))";
    assert_eq!(said(&mut jail, large), "100000");
    // nonsense at the socket harms nobody
    let nonsense = "import socket\nfor m in (b'x', b'{}', b'\"start\"', b'{\"signal\":{\"number\":9}}', b'y' * 120000):\n c = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n c.connect('/run/creel/launch.sock')\n c.send(m)\n print(len(c.recv(1000)) < 200)";
    assert_eq!(said(&mut jail, nonsense), "True\nTrue\nTrue\nTrue\nTrue");
    assert_eq!(command(&mut jail, "echo alive"), "alive");
    let refused = Jail::launch(&Plan { inner_wall: Some(GATEWAY), runtime: None, ..plan().0 });
    assert!(refused.is_err());
    jail.launched.jail.kill().unwrap();
}
