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
fn names_are_plain() {
    for good in ["a", "main", "team-7"] {
        assert!(plain_name("name", good, 48).is_ok(), "{good}");
    }
    for bad in ["", "-a", "A", "a/b", "..", "a b", "ä"] {
        assert!(plain_name("name", bad, 48).is_err(), "{bad}");
    }
    assert!(plain_name("name", &"a".repeat(49), 48).is_err());
}
