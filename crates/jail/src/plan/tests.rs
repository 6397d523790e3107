use super::*;

fn bind(dst: &str) -> Result<(), Error> {
    check_bind(&Bind { src: "/srv".into(), dst: dst.into() })
}

#[test]
fn binds_stay_out_of_the_way() {
    for good in ["/data", "/mnt/a", "/usr/local", "/srv/x", "/workspace/fixtures", "/tmp/kit", "/etc/foo.conf"] {
        assert!(bind(good).is_ok(), "{good}");
    }
    for bad in [
        "/",
        "/proc",
        "/proc/sys",
        "/dev",
        "/dev/shm",
        "/sys",
        "/etc",
        "/etc/ssl",
        "/etc/ssl/certs",
        "/creel/x",
        "/run",
        "/opt",
        "/home",
        "/home/agent",
        "/workspace",
        "/tmp",
        "/var",
        "/var/lib",
        "relative",
        "/a/../etc",
        "",
    ] {
        assert!(bind(bad).is_err(), "{bad}");
    }
    assert!(check_bind(&Bind { src: "srv".into(), dst: "/srv".into() }).is_err());
}

#[test]
fn the_kernels_own_files_are_not_bound() {
    let dir = std::env::temp_dir().join(format!("creel-bind-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let link = |name: &str, target: &str| {
        std::os::unix::fs::symlink(target, dir.join(name)).unwrap();
        dir.join(name)
    };
    let socket = dir.join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::fs::write(dir.join("file"), "x").unwrap();
    let source = |src: &Path| check_bind(&Bind { src: src.into(), dst: "/mnt/x".into() });
    for good in ["/etc/hosts", "/usr", "/nowhere"].map(PathBuf::from).into_iter().chain([dir.clone(), dir.join("file")])
    {
        assert!(source(&good).is_ok(), "{}", good.display());
    }
    let links = [link("all", "/"), link("up", "/usr/.."), link("me", "/proc/self"), link("null", "/dev/null"), socket];
    let plain =
        ["/", "/proc", "/sys", "/dev", "/proc/1/root", "/proc/self/root", "/sys/fs/cgroup", "/dev/shm", "/usr/../proc"];
    for bad in plain.map(PathBuf::from).into_iter().chain(links) {
        assert!(matches!(source(&bad), Err(Error::Operator { .. })), "{}", bad.display());
    }
    for bad in ["/proc/self/status", "/proc/self/ns/net", "/sys/kernel", "/dev/null", "/dev/pts"] {
        let flags = rustix::fs::OFlags::PATH;
        let opened = rustix::fs::open(bad, flags, rustix::fs::Mode::empty()).unwrap();
        assert!(source::check_opened(opened).is_err(), "{bad}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn names_are_plain() {
    for good in ["a", "main", "team-7"] {
        assert!(plain_name("name", good, 48).is_ok(), "{good}");
    }
    for bad in ["", "-a", "A", "a/b", "..", "a b", "ä"] {
        assert!(plain_name("name", bad, 48).is_err(), "{bad}");
    }
    assert!(plain_name("name", &"a".repeat(49), 48).is_err());
}
