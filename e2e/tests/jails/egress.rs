//! Nothing reaches what is not approved; what is approved is reached unconfigured.

use creel_e2e::fresh;
use creel_testkit::{Creel, Origin, Sink, UdpSink};

/// An approved TLS origin at 127.0.0.1 under the name `origin.test`, and its configuration.
fn world(name: &str, at: &str) -> (Creel, Origin, String) {
    let creel = fresh(name).unwrap();
    let origin = Origin::https(at, &["origin.test"]).unwrap();
    let ca = creel.file("ca.pem", origin.ca_pem()).unwrap();
    let (ip, port) = (origin.address().ip(), origin.address().port());
    let text = format!(
        "[[egress.allow]]\nhost = \"origin.test\"\nports = [{port}]\naddress = \"{ip}\"\nca = \"{}\"\n",
        ca.display()
    );
    let config = creel.file("creel.toml", &text).unwrap().display().to_string();
    (creel, origin, config)
}

#[test]
fn curl_python_node_and_git_reach_an_approved_origin_unconfigured() {
    let (creel, origin, config) = world("egress-open", "127.0.0.1:0");
    let url = format!("https://origin.test:{}", origin.address().port());
    let programs = [
        ("curl", format!("curl -sS --max-time 20 {url}/curl")),
        ("curl, no environment", format!("env -i curl -sS --max-time 20 {url}/curl-bare")),
        (
            "python",
            format!(
                "python3 -c 'import urllib.request as u; print(u.urlopen(\"{url}/python\", timeout=20).read().decode())'"
            ),
        ),
        (
            "python, no environment",
            format!(
                "env -i python3 -c 'import urllib.request as u; print(u.urlopen(\"{url}/python-bare\", timeout=20).read().decode())'"
            ),
        ),
        ("node", format!("node -e 'fetch(\"{url}/node\").then(r => r.text()).then(console.log)'")),
    ];
    for (name, line) in programs {
        let ran = creel.jail(&["--config", &config, "--no-disk-limit"], &line).unwrap();
        assert!(ran.code == 0 && ran.out.contains("hello from ORIGIN"), "{name}: {ran:?}");
    }
    let git = creel.jail(&["--config", &config, "--no-disk-limit"], &format!("git ls-remote {url}/repo.git")).unwrap();
    assert!(git.code == 0 && git.out.contains("refs/heads/main"), "git: {git:?}");
    let paths: Vec<String> = origin.asked().into_iter().map(|asked| asked.path).collect();
    for path in ["/curl", "/curl-bare", "/python", "/python-bare", "/node"] {
        assert!(paths.iter().any(|seen| seen == path), "{path} in {paths:?}");
    }
    let log = creel.run(&["log", "--json"]).unwrap();
    assert!(log.out.contains("\"resolve\"") && log.out.contains("/curl"), "{}", log.out);
}

#[test]
fn nothing_reaches_what_is_not_approved_and_the_sinks_stay_empty() {
    let (creel, origin, config) = world("egress-shut", "127.0.0.1:0");
    let sink = Sink::listen("127.0.0.2:0").unwrap();
    let sink6 = Sink::listen("[::1]:0").unwrap();
    let udp = UdpSink::listen("127.0.0.2:0").unwrap();
    let (to, to6, to_udp) = (sink.address(), sink6.address(), udp.address());
    let tries = [
        format!("curl -sk --max-time 5 https://evil.test:{}/ && exit 0 || exit 9", to.port()),
        format!("curl -s --max-time 5 http://evil.test:{}/ && exit 0 || exit 9", to.port()),
        format!("curl -sk --max-time 5 --resolve evil.test:{p}:{ip} https://evil.test:{p}/ | grep -q ORIGIN && exit 0 || exit 9", p = to.port(), ip = to.ip()),
        format!("curl -sk --max-time 5 https://[{}]:{}/ && exit 0 || exit 9", to6.ip(), to6.port()),
        // The approved name at another port, and another name at the approved address.
        format!("curl -sk --max-time 5 https://origin.test:{}/ -o /dev/null -w '%{{http_code}}' | grep -q 200 && exit 0 || exit 9", to.port()),
        format!("python3 -c 'import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.sendto(b\"x\",(\"{}\",{}))' && exit 9", to_udp.ip(), to_udp.port()),
        "python3 -c 'import socket; socket.socket(socket.AF_INET,socket.SOCK_DGRAM).sendto(b\"x\",(\"192.0.2.1\",443))' && exit 0 || exit 9".to_owned(),
        "python3 -c 'import socket; socket.socket(socket.AF_INET6,socket.SOCK_DGRAM).sendto(b\"x\",(\"2001:db8::1\",443))' && exit 0 || exit 9".to_owned(),
        "getent hosts data.in.a.label.evil.test && exit 0 || exit 9".to_owned(),
    ];
    for line in tries {
        let ran = creel.jail(&["--config", &config, "--no-disk-limit"], &line).unwrap();
        assert_eq!(ran.code, 9, "{line}: {ran:?}");
    }
    assert_eq!((sink.visits(), sink6.visits(), udp.visits()), (0, 0, 0));
    assert_eq!(origin.asked().len(), 0);
    let log = creel.run(&["log", "--json"]).unwrap();
    assert!(log.out.contains("evil.test") && log.out.contains("\"deny\""), "{}", log.out);
}

#[test]
fn each_sink_is_reached_once_with_the_rule_opened() {
    let creel = fresh("egress-control").unwrap();
    let sink = Origin::http("127.0.0.2:0").unwrap();
    let sink6 = Origin::http("[::1]:0").unwrap();
    let text = format!(
        "[[egress.allow]]\nhost = \"evil.test\"\nports = [{}]\naddress = \"127.0.0.2\"\nhttp = true\n\
         [[egress.allow]]\nhost = \"six.test\"\nports = [{}]\naddress = \"::1\"\nhttp = true\n",
        sink.address().port(),
        sink6.address().port()
    );
    let config = creel.file("creel.toml", &text).unwrap().display().to_string();
    let line = format!(
        "curl -sS --max-time 10 http://evil.test:{}/v4 && curl -sS --max-time 10 http://six.test:{}/v6",
        sink.address().port(),
        sink6.address().port()
    );
    let ran = creel.jail(&["--config", &config, "--no-disk-limit"], &line).unwrap();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!((sink.asked().len(), sink6.asked().len()), (1, 1));
}

#[test]
fn a_refusal_explains_itself() {
    let (creel, origin, config) = world("egress-why", "127.0.0.1:0");
    let port = origin.address().port();
    let ran = creel
        .jail(
            &["--config", &config, "--no-disk-limit"],
            &format!("curl -sk --max-time 10 -H 'Host: other.test' https://origin.test:{port}/"),
        )
        .unwrap();
    assert!(ran.out.contains("creel:record:") && ran.out.contains("egress/"), "{ran:?}");
    assert_eq!(origin.asked().len(), 0);
}

/// A name server that says `127.0.0.3` to every question for an address, and counts.
fn name_server() -> (std::net::SocketAddr, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    use std::sync::atomic::Ordering;
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut question = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            count.fetch_add(1, Ordering::SeqCst);
            // The name ends with an empty label; type and class follow (RFC 1035, section 4.1.2).
            let end = 12 + question[12..length].iter().position(|byte| *byte == 0).unwrap() + 5;
            let is_a = question[end - 4..end - 2] == [0, 1];
            let mut answer = question[..end].to_vec();
            answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
            if is_a {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 3]);
            }
            socket.send_to(&answer, from).unwrap();
        }
    });
    (at, asked)
}

#[test]
fn the_operators_name_servers_are_asked_and_what_they_say_is_judged() {
    use std::sync::atomic::Ordering;
    let creel = fresh("egress-dns").unwrap();
    let (server, asked) = name_server();
    let sink = Origin::http("127.0.0.3:0").unwrap();
    let port = sink.address().port();
    let config = |pin: &str| {
        let text = format!(
            "[dns]\nresolver = \"plain\"\nservers = [\"{server}\"]\n\
             [[egress.allow]]\nhost = \"inside.test\"\nports = [{port}]\nhttp = true\n{pin}"
        );
        creel.file("creel.toml", &text).unwrap().display().to_string()
    };
    let line = format!("curl -sS --max-time 20 http://inside.test:{port}/x");
    let ran = creel.jail(&["--config", &config(""), "--no-disk-limit"], &line).unwrap();
    assert!(ran.out.contains("egress/deny-closed-range"), "{ran:?}");
    assert_eq!((asked.load(Ordering::SeqCst), sink.asked().len()), (2, 0), "one question a family");
    let ran = creel.jail(&["--config", &config("address = \"127.0.0.3\"\n"), "--no-disk-limit"], &line).unwrap();
    assert!(ran.out.contains("hello from ORIGIN"), "{ran:?}");
    assert_eq!((asked.load(Ordering::SeqCst), sink.asked().len()), (2, 1), "what is pinned is not looked up");
    let log = creel.run(&["log", "--json"]).unwrap();
    assert!(log.out.contains("egress/deny-closed-range"), "{}", log.out);
}

#[test]
fn what_is_on_record_is_judged_again_by_another_file() {
    let (creel, origin, config) = world("egress-replay", "127.0.0.1:0");
    let url = format!("https://origin.test:{}", origin.address().port());
    let line = format!("curl -sS --max-time 20 {url}/ >/dev/null; curl -s --max-time 5 https://other.test/; true");
    assert_eq!(creel.jail(&["--config", &config, "--no-disk-limit"], &line).unwrap().code, 0);
    let same = creel.run(&["policy", "replay", "--config", &config]).unwrap();
    assert!(same.code == 0 && same.out.contains(" 0 differ,"), "{same:?}");
    // one host more, one less
    let other = creel.file("other.toml", "[[egress.allow]]\nhost = \"other.test\"\n").unwrap().display().to_string();
    let differs = creel.run(&["policy", "replay", "--config", &other, "--json"]).unwrap();
    assert_eq!(differs.code, 1, "{differs:?}");
    let lines: Vec<serde_json::Value> = differs.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let change = |target: &str, was: &str, would: &str| {
        lines.iter().find(|line| {
            let target = line["target"].as_str().is_some_and(|text| text.contains(target));
            target && line["was"]["verdict"] == was && line["would"]["verdict"] == would
        })
    };
    let closed = change("GET https://origin.test", "allow", "deny").unwrap_or_else(|| panic!("{lines:#?}"));
    assert!(change("other.test", "deny", "allow").is_some(), "{lines:#?}");
    let seq = closed["seq"].to_string();
    let tenant = closed["tenant"].as_str().unwrap();
    let why = creel.run(&["policy", "explain", &seq, "--tenant", tenant, "--config", &other]).unwrap();
    assert!(why.out.contains("on record: allow by") && why.out.contains("=> egress/not-approved: deny"), "{why:?}");
    // what was allowed, as the narrowest entry; what was refused, likewise
    let narrow = creel.run(&["policy", "suggest"]).unwrap();
    let entry = format!(
        "host = \"origin.test\"\nports = [{}]\nmethods = [\"GET\"]\npaths = [\"/\"]\n",
        origin.address().port()
    );
    assert!(narrow.code == 0 && narrow.out.contains(&entry), "{narrow:?}");
    let wanted = creel.run(&["policy", "suggest", "--refused"]).unwrap();
    assert!(wanted.out.contains("host = \"other.test\"\n"), "{wanted:?}");
    // and nothing was written down by any of it
    assert_eq!(creel.run(&["ledger", "verify"]).unwrap().code, 0);
}
