//! Real clients, unconfigured, through the door: each speaks to a server of its kind outside the jail.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use creel_e2e::{fresh, root};
use creel_testkit::Creel;

/// The servers, and a configuration that approves them.
struct World {
    creel: Creel,
    config: String,
    /// HTTPS, WebSocket, SMTP, IMAP, PostgreSQL.
    ports: [u16; 5],
    servers: Child,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.servers.kill();
        let _ = self.servers.wait();
    }
}

fn run(program: &str, words: &[&str], at: &Path) {
    let done = Command::new(program).args(words).current_dir(at).output().unwrap();
    assert!(done.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

impl World {
    fn new(name: &str) -> Self {
        let creel = fresh(name).unwrap();
        let folder = creel.file("x", "").unwrap().parent().unwrap().to_owned();
        let certificate = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem \
                           -days 2 -subj /CN=origin.test -addext subjectAltName=DNS:origin.test";
        run("openssl", &certificate.split_whitespace().collect::<Vec<_>>(), &folder);
        let _ = std::fs::remove_dir_all(folder.join("repo.git"));
        run("git", &["init", "-q", "--bare", "-b", "main", "repo.git"], &folder);
        run("git", &["-C", "repo.git", "config", "http.receivepack", "true"], &folder);
        let script = root().join("e2e/tests/jails/clients/servers.py");
        let mut servers = Command::new("/usr/bin/python3")
            .arg(script)
            .arg(&folder)
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(servers.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Vec<u16> = line.split_whitespace().map(|port| port.parse().unwrap()).collect();
        let ports: [u16; 5] = ports.try_into().expect("five servers listen");
        let modes =
            ["mode = \"http\"", "websocket = true", "mode = \"smtp\"", "mode = \"imap\"", "mode = \"postgres\""];
        let entry = |(port, mode): (&u16, &str)| {
            format!(
                "[[egress.allow]]\nhost = \"origin.test\"\nports = [{port}]\naddress = \"127.0.0.1\"\nca = \"{}\"\n{mode}\n",
                folder.join("cert.pem").display()
            )
        };
        let text: String = ports.iter().zip(modes).map(entry).collect();
        let config = creel.file("creel.toml", &text).unwrap().display().to_string();
        Self { creel, config, ports, servers }
    }

    /// Each line runs in a jail of its own; its output must hold the words.
    fn each(&self, lines: &[(&str, String, &str)]) {
        for (name, line, words) in lines {
            let ran = self.creel.jail(&["--config", &self.config, "--no-disk-limit"], line).unwrap();
            assert!(ran.code == 0 && ran.out.contains(words), "{name}: {ran:?}");
        }
    }
}

#[test]
fn web_clients_of_three_languages_and_websockets() {
    let world = World::new("clients-web");
    let [web, ws, ..] = world.ports;
    let (web, ws) = (format!("https://origin.test:{web}"), format!("wss://origin.test:{ws}"));
    let python = |program: &str| format!("python3 -c '{program}'");
    let node = |program: &str| format!("NODE_PATH=/usr/share/nodejs node -e '{program}'");
    let asked = "r => { let t = \"\"; r.on(\"data\", d => t += d); r.on(\"end\", () => console.log(t)) }";
    world.each(&[
        (
            "curl, HTTP/1.1, an upload",
            format!("curl -sS --http1.1 --max-time 20 -T /usr/bin/env -X POST {web}/up"),
            "got ",
        ),
        (
            "curl, HTTP/2",
            format!("curl -sS --http2 --max-time 20 -w '%{{http_version}}' {web}/x"),
            "hello from ORIGIN\n2",
        ),
        (
            "curl, by proxy",
            format!("curl -sS --proxy http://127.0.0.1:982 --max-time 20 {web}/x"),
            "hello from ORIGIN",
        ),
        ("requests", python(&format!("import requests; print(requests.get(\"{web}/x\", timeout=20).text)")), "ORIGIN"),
        ("httpx", python(&format!("import httpx; print(httpx.get(\"{web}/x\", timeout=20).text)")), "ORIGIN"),
        (
            "websockets",
            python(&format!(
                "import asyncio, websockets\nasync def go():\n async with websockets.connect(\"{ws}\") as s:\n  await s.send(\"echo \" * 2000)\n  print(len(await s.recv()), s.extensions)\nasyncio.run(go())"
            )),
            "10000 [PerMessageDeflate",
        ),
        ("node https", node(&format!("require(\"https\").get(\"{web}/x\", {asked})")), "ORIGIN"),
        ("node fetch", node(&format!("fetch(\"{web}/x\").then(r => r.text()).then(console.log)")), "ORIGIN"),
        (
            "node http2",
            node(&format!(
                "const c = require(\"http2\").connect(\"{web}\"); const r = c.request({{\":path\": \"/x\"}}); let t = \"\"; \
                 r.on(\"data\", d => t += d); r.on(\"end\", () => {{ console.log(t); c.close() }}); r.end()"
            )),
            "ORIGIN",
        ),
        (
            "node ws",
            node(&format!(
                "const W = require(\"ws\"); const s = new W(\"{ws}\"); s.on(\"open\", () => s.send(\"echo\")); \
                 s.on(\"message\", m => {{ console.log(String(m), s.extensions); s.close() }})"
            )),
            "echo permessage-deflate",
        ),
    ]);
    let log = world.creel.run(&["log", "--json"]).unwrap();
    assert!(log.out.contains("wss://origin.test"), "{}", log.out);
}

#[test]
fn a_browser_loads_a_page_and_what_nobody_approved_stays_away() {
    let world = World::new("clients-browser");
    let page = format!("https://origin.test:{}/page", world.ports[0]);
    let line = format!(
        "timeout 60 chromium --headless --disable-gpu --virtual-time-budget=10000 --dump-dom {page} 2>/tmp/said || tail /tmp/said >&2"
    );
    world.each(&[("chromium", line, "own: hello from ORIGIN")]);
    let log = world.creel.run(&["log", "--json"]).unwrap();
    let thief: Vec<&str> = log.out.lines().filter(|line| line.contains("thief.test")).collect();
    assert!(!thief.is_empty() && thief.iter().all(|line| line.contains("\"verdict\":\"deny\"")), "{}", log.out);
}

#[test]
fn git_pip_and_npm_fetch_and_git_pushes() {
    let world = World::new("clients-packages");
    let web = format!("https://origin.test:{}", world.ports[0]);
    let git = "git -c user.name=a -c user.email=a@b.test";
    world.each(&[
        (
            "git push",
            format!(
                "cd /tmp && git init -q -b main one && cd one && head -c 3000000 /dev/urandom > big && git add big && \
                 {git} commit -qm first && git push -q {web}/repo.git main && echo pushed"
            ),
            "pushed",
        ),
        ("git clone", format!("cd /tmp && git clone -q {web}/repo.git two && wc -c < two/big"), "3000000"),
        (
            "pip",
            format!(
                "python3 -m pip install -q --no-input --disable-pip-version-check --target /tmp/wheels --index-url {web}/simple/ creelpkg \
                 && PYTHONPATH=/tmp/wheels python3 -c 'import creelpkg; print(creelpkg.GREETING)'"
            ),
            "hello from a wheel",
        ),
        (
            "npm",
            format!(
                "mkdir /tmp/npm && cd /tmp/npm && npm install --silent --no-audit --no-fund --registry {web}/ creelpkg && node -p 'require(\"creelpkg\")'"
            ),
            "hello from a package",
        ),
    ]);
}

#[test]
fn mail_and_a_database_turn_to_tls_that_creel_terminates() {
    let world = World::new("clients-mail");
    let [_, _, smtp, imap, postgres] = world.ports;
    let trusting = "import ssl; t = ssl.create_default_context()";
    world.each(&[
        (
            "smtplib",
            format!(
                "python3 -c '{trusting}\nimport smtplib\ns = smtplib.SMTP(\"origin.test\", {smtp}, timeout=20)\ns.starttls(context=t)\n\
                 s.login(\"me\", \"secret\")\ns.sendmail(\"a@origin.test\", [\"b@origin.test\"], \"Subject: x\\n\\nhello\")\nprint(s.quit())'"
            ),
            "221",
        ),
        (
            "imaplib",
            format!(
                "python3 -c '{trusting}\nimport imaplib\ni = imaplib.IMAP4(\"origin.test\", {imap}, timeout=20)\ni.starttls(t)\n\
                 i.login(\"me\", \"secret\")\nprint(i.select(\"INBOX\"))\ni.logout()'"
            ),
            "b'3'",
        ),
        (
            "psql",
            format!("psql 'host=origin.test port={postgres} user=me dbname=me sslmode=require' -Atc 'select 42'"),
            "42",
        ),
        (
            "psql without TLS",
            format!("psql 'host=origin.test port={postgres} user=me dbname=me sslmode=disable' -c 'select 42' 2>&1 || true"),
            "sslmode=require",
        ),
    ]);
    let log = world.creel.run(&["log", "--json"]).unwrap();
    assert!(
        ["smtp", "imap", "postgres"].iter().all(|mode| log.out.contains(&format!("{mode}://origin.test"))),
        "{}",
        log.out
    );
}
