//! Our readings beside those of others, over made-up URLs and connections: what we let pass, they read as we do.
//!
//! Owns the generator (seeded, so that each run tries the same) and the comparison with the `url` crate, curl and Node. Where
//! somebody reads otherwise, we must have refused.

#![expect(clippy::disallowed_methods, reason = "tests start other readers")]

use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use creel_guard::{CleanPath, HostName, Oddities, Target};
use http::{HeaderMap, Method, Uri};

use super::aim::Aim;
use super::fuzzing::through;
use super::head::{self, Framing, Switch};
use super::see;
use crate::names::Names;
use crate::upstream::Scheme;

/// So many of each.
const URLS: usize = 30_000;
const CONNECTIONS: usize = 12_000;

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end as u64).unwrap()
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// Scheme, host, port, path and query.
type Reading = (String, Target, u16, String);

const SCHEMES: [&str; 10] = ["http", "http", "http", "https", "https", "HTTP", "hTTps", "ftp", "file", "javascript"];
const JOINTS: [&str; 12] = ["://", "://", "://", "://", "://", "://", "://", ":/", ":", ":///", ":\\\\", ":/\\"];
const USERS: [&str; 14] = ["", "", "", "", "", "", "", "", "", "me@", "a:b@", "@", "origin.test@", "%40@"];
const HOSTS: [&str; 62] = [
    "origin.test",
    "origin.test",
    "origin.test",
    "a.b.origin.test",
    "ORIGIN.test",
    "origin.test.",
    "origin.test..",
    "origin..test",
    ".origin.test",
    "or_igin.test",
    "-a.test",
    "a-.test",
    "xn--rigin-jye.test",
    "xn--a.test",
    "xn--.test",
    "\u{43e}rigin.test",
    "origin\u{3002}test",
    "ori\u{ad}gin.test",
    "fa\u{df}.test",
    "\u{ff4f}rigin.test",
    "%6frigin.test",
    "origin%2etest",
    "origin%00.test",
    "origin.test%2f",
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "2130706433",
    "017700000001",
    "192.0.2.7",
    "192.0.2.7.",
    "192.0.2.256",
    "192.0.2",
    "0xc0.0x0.0x2.0x7",
    "0300.0.2.7",
    "192.0.2.08",
    "4294967296",
    "1.2.3.4.5",
    "1e3",
    "0x",
    "0x.test",
    "a.0x7",
    "a.1",
    "[::1]",
    "[2001:db8::7]",
    "[2001:DB8:0:0::7]",
    "[::ffff:192.0.2.7]",
    "[2001:db8::7%25eth0]",
    "[v1.x]",
    "[::1",
    "::1",
    "[]",
    "",
    "*",
    "a b.test",
    "a\tb.test",
    "a\nb.test",
    "localhost",
    "1",
    "a",
    "203.0.113.9",
    "[2001:db8::192.0.2.7]",
];
const PORTS: [&str; 20] = [
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    ":80",
    ":443",
    ":8080",
    ":",
    ":0",
    ":65535",
    ":65536",
    ":08080",
    ":+80",
    ":-1",
    ": 80",
    ":80:90",
    ":8\u{660}",
];
const SEGMENTS: [&str; 44] = [
    "a", "b", "v1", ".", "..", "...", "%2e", "%2E%2e", ".%2e", "a%2fb", "a%2Fb", "a%5cb", "a\\b", "..\\x", "%252e",
    "%25", "%", "%zz", "%00", "%0a", "%20", " ", "a b", "a;b=c", ";", "", "a:b", "a@b", "a!b", "a'b", "a(b)", "a*b",
    "a,b", "a+b", "a=b", "a&b", "a~b", "%7Ea", "%41", "\u{e9}", "%C3%A9", "a|b", "a^b", "a\"b",
];
const QUERIES: [&str; 22] = [
    "",
    "",
    "",
    "",
    "?",
    "?a",
    "?a=b",
    "?a=b&c=d",
    "?a=%20",
    "?a=+",
    "?a=?",
    "?a=/../b",
    "?a=#",
    "#",
    "#frag",
    "#?x",
    "?a[]=1",
    "?a='",
    "?a=\\",
    "?a=\u{e9}",
    "?a=%",
    "?a= b",
];
const NASTY: [&str; 18] =
    ["\t", "\n", "\r", " ", "\0", "\\", "/", "@", ":", "#", "?", "%", "[", "]", "\u{a0}", "\u{200b}", "..", "//"];

fn url(dice: &mut Dice) -> String {
    // Half of them are strange in few places, so that they get far enough for the strangeness to matter.
    let mild = dice.one_in(2);
    let mut part = |all: &[&'static str], usual: usize| {
        let known = if mild && !dice.one_in(8) { usual } else { all.len() };
        dice.pick(all.get(..known).unwrap_or(all)).to_owned()
    };
    let mut url = [part(&SCHEMES, 7), part(&JOINTS, 7), part(&USERS, 9), part(&HOSTS, 6), part(&PORTS, 11)].concat();
    let segments: Vec<String> = (0..5).map(|_| part(&SEGMENTS, 6)).collect();
    let query = part(&QUERIES, 12);
    for segment in segments.iter().take(dice.below(6)) {
        url.push(if dice.one_in(40) { '\\' } else { '/' });
        url += segment;
    }
    url += &query;
    if dice.one_in(5) {
        let places: Vec<usize> = url.char_indices().map(|(at, _)| at).collect();
        let at = places[dice.below(places.len())];
        url.insert_str(at, dice.pick(&NASTY));
    }
    url
}

/// What the explicit proxy makes of it; `None` when it refuses.
fn ours(url: &str, names: &Names) -> Option<Reading> {
    let authority = Uri::try_from(url).ok()?.authority()?.to_string();
    let bytes = format!("GET {url} HTTP/1.1\r\nhost: {authority}\r\n\r\n").into_bytes();
    let length = head::find(&bytes, 0).ok()??;
    let ruling = head::read(&bytes[..length]);
    if length != bytes.len() || ruling.is_err() {
        return None;
    }
    let uri = Uri::try_from(url).ok()?;
    let scheme = match uri.scheme_str()? {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let aim = Aim::named(&authority, Some(scheme.default_port()), names)?;
    let seen = see::request(&aim, scheme, &Method::GET, &uri, &HeaderMap::new(), ruling);
    let clean = CleanPath::parse(&seen.send.path).ok()?;
    let one_reading = Oddities::default().covers(clean.odd());
    (seen.flaw.is_none() && one_reading)
        .then(|| (scheme.name().to_owned(), aim.to, aim.port, plain_end(clean.into_string())))
}

/// A query without a letter says nothing; and browsers write `'` in one as `%27`, which decodes to the same.
fn plain_end(path: String) -> String {
    match path.split_once('?') {
        None => path,
        Some((path, "")) => path.to_owned(),
        Some((path, query)) => format!("{path}?{}", query.replace('\'', "%27")),
    }
}

/// The reading of somebody else in our terms. A host or path that we can't read is a reading all the same: another one.
fn reading(scheme: &str, host: &str, port: &str, target: &str) -> Reading {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let to = match bare.parse::<IpAddr>() {
        Ok(address) => Target::Address(address.to_canonical()),
        Err(_) => HostName::parse(host).map_or(Target::Address([0, 0, 0, 0].into()), Target::Host),
    };
    let target = if target.is_empty() || target.starts_with('?') { format!("/{target}") } else { target.to_owned() };
    let path = CleanPath::parse(&target).map_or_else(|_| format!("unclear: {target}"), CleanPath::into_string);
    (scheme.to_ascii_lowercase(), to, port.parse().unwrap_or(0), plain_end(path))
}

/// Runs a reader of `tests/readers` over lines.
fn ask(program: &str, script: &str, lines: &[String]) -> Vec<serde_json::Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers").join(script);
    let mut child = Command::new(program)
        .arg(script)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; `make setup` names what tests need"));
    let (mut stdin, text) = (child.stdin.take().unwrap(), lines.join("\n") + "\n");
    let feeder = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let out = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    let answers: Vec<_> =
        std::str::from_utf8(&out.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), lines.len(), "{program} stopped early");
    answers
}

#[test]
fn urls_that_we_let_pass_are_read_the_same_by_others() {
    let mut dice = Dice(4);
    let urls: Vec<String> = (0..URLS).map(|_| url(&mut dice)).collect();
    let lines: Vec<String> = urls.iter().map(|url| serde_json::to_string(url).unwrap()).collect();
    let (node, curl) = (ask("node", "urls.mjs", &lines), ask("python3", "urls.py", &lines));
    let names = Names::new(Box::new(|_| Ok(())));
    let (mut passed, mut findings) = (0, Vec::new());
    for (url, (node, curl)) in urls.iter().zip(node.iter().zip(&curl)) {
        let Some(own) = ours(url, &names) else { continue };
        passed += 1;
        let text = |read: &serde_json::Value| {
            let part = |at: usize| read[at].as_str().unwrap().to_owned();
            (!read.is_null()).then(|| reading(&part(0), &part(1), &part(2), &part(3)))
        };
        let crates = url::Url::parse(url).ok().map(|read| {
            let target =
                format!("{}{}", read.path(), read.query().map_or_else(String::new, |query| format!("?{query}")));
            let port = read.port_or_known_default().map_or_else(String::new, |port| port.to_string());
            reading(read.scheme(), read.host_str().unwrap_or_default(), &port, &target)
        });
        for (who, other) in [("url", crates), ("node", text(node)), ("curl", text(curl))] {
            // Who reads no URL in it sends nothing.
            if let Some(other) = other.filter(|other| *other != own) {
                findings.push(format!("{who}: {url:?}: {other:?}, we: {own:?}"));
            }
        }
    }
    assert!(passed * 20 > URLS, "only {passed} of {URLS} pass: the corpus says little");
    assert!(findings.is_empty(), "{} differences:\n{}", findings.len(), findings[..findings.len().min(40)].join("\n"));
}

const LINES: [&str; 14] = [
    "GET / HTTP/1.1",
    "GET /a?b HTTP/1.1",
    "POST / HTTP/1.1",
    "POST /x HTTP/1.1",
    "PUT /y HTTP/1.1",
    "GET http://origin.test/ HTTP/1.1",
    "GET / HTTP/1.0",
    "POST / HTTP/1.0",
    "get / HTTP/1.1",
    "GET  / HTTP/1.1",
    "GET /\tHTTP/1.1",
    "GET / HTTP/1.1 ",
    "GET / HTTP/1.2",
    "GET / http/1.1",
];
const HEADERS: [&str; 58] = [
    "Host: origin.test",
    "Host: origin.test",
    "host:origin.test",
    "Host : origin.test",
    "Host: origin.test, evil.test",
    "Host:",
    "Content-Length: 5",
    "Content-Length: 5",
    "Content-Length: 0",
    "Content-Length: 05",
    "Content-Length: +5",
    "Content-Length: -5",
    "Content-Length: 5 ",
    "Content-Length: 5, 5",
    "Content-Length: 5,6",
    "Content-Length: 0x5",
    "Content-Length:",
    "Content-Length: 5\t",
    "Content-Length: 99999999999999999999",
    "Content-Length : 5",
    "Content-Length\t: 5",
    " Content-Length: 5",
    "Content_Length: 5",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: Chunked",
    "transfer-encoding:chunked",
    "Transfer-Encoding: chunked ",
    "Transfer-Encoding: \tchunked",
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding:",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding: \"chunked\"",
    "Transfer_Encoding: chunked",
    "Transfer-Encoding\0: chunked",
    "X: y",
    "X: a\r\n b",
    "X: a\r\n\tb",
    "X: a\nY: b",
    "X: a\rY: b",
    "X: a\0b",
    "X",
    ": y",
    "X y: z",
    "X: \u{e9}",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: upgrade",
    "Upgrade: h2c",
    "Upgrade: websocket",
    "Expect: 100-continue",
    "Trailer: x",
    "Accept: */*",
];
const ENDS: [&str; 10] = ["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r"];
const BODIES: [&str; 22] = [
    "",
    "",
    "hello",
    "hello",
    "5\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "0\r\n\r\n",
    "0\r\n\r\n",
    "5;a=b\r\nhello\r\n0\r\n\r\n",
    "5;\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "05\r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "5\nhello\n0\n\n",
    "5\r\nhello0\r\n\r\n",
    "4\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "5\r\nhello\r\n00\r\n\r\n",
    "fffffffffffffffff\r\nhello",
    "5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
    "-0\r\n\r\n",
];
const NEXT: [&str; 4] = [
    "",
    "GET /next HTTP/1.1\r\nHost: origin.test\r\n\r\n",
    "GET /next HTTP/1.1\r\nHost: origin.test\r\n\r\n",
    "\r\nGET /next HTTP/1.1\r\nHost: origin.test\r\n\r\n",
];

fn connection(dice: &mut Dice) -> Vec<u8> {
    let known = if dice.one_in(3) { LINES.len() } else { 6 };
    let mut bytes = format!("{}{}", dice.pick(&LINES[..known]), dice.pick(&ENDS));
    if !dice.one_in(8) {
        bytes += "Host: origin.test\r\n";
    }
    for _ in 0..dice.below(4) {
        bytes += dice.pick(&HEADERS);
        bytes += dice.pick(&ENDS);
    }
    bytes += dice.pick(&ENDS);
    bytes += dice.pick(&BODIES);
    bytes += dice.pick(&NEXT);
    let mut bytes = bytes.into_bytes();
    if dice.one_in(10) {
        let at = dice.below(bytes.len());
        bytes[at] = u8::try_from(dice.below(256)).unwrap();
    }
    bytes
}

/// Method, target, host and body length (`None` for chunks) of each request that may pass, as far as the first wrong one.
fn may_pass(bytes: &[u8]) -> Vec<(String, String, String, Option<u64>)> {
    let (passed, rulings) = through(&[&[255], bytes].concat());
    let mut rest = passed.as_slice();
    let mut found = Vec::new();
    for ruling in rulings {
        let Ok(head) = ruling else { break };
        let length = head::find(rest, 0).unwrap().unwrap();
        let line = std::str::from_utf8(rest[..length].split(|byte| *byte == b'\r').next().unwrap()).unwrap();
        let mut words = line.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        rest = &rest[length..];
        let body = match head.framing {
            Framing::Length(length) if (rest.len() as u64) < length => break,
            Framing::Length(length) => {
                rest = &rest[usize::try_from(length).unwrap()..];
                Some(length)
            }
            Framing::Chunked => {
                let Ok(step) = super::chunks::Chunks::default().read(rest) else { break };
                if !step.ended {
                    break;
                }
                rest = &rest[step.passed..];
                None
            }
        };
        if head.switch != Switch::None {
            break;
        }
        found.push((method, target, head.host, body));
    }
    found
}

#[test]
fn requests_that_we_let_pass_are_the_ones_that_node_sees() {
    let mut dice = Dice(4);
    let connections: Vec<Vec<u8>> = (0..CONNECTIONS).map(|_| connection(&mut dice)).collect();
    let lines: Vec<String> =
        connections.iter().map(|bytes| base64::engine::general_purpose::STANDARD.encode(bytes)).collect();
    let node = ask("node", "requests.mjs", &lines);
    let (mut passed, mut findings) = (0, Vec::new());
    for (bytes, node) in connections.iter().zip(&node) {
        let own = may_pass(bytes);
        passed += usize::from(!own.is_empty());
        let theirs = node.as_array().unwrap();
        for (at, (method, target, host, body)) in own.iter().enumerate() {
            let same = match theirs.get(at) {
                // It is stricter: nothing of this reached a service behind it.
                None | Some(serde_json::Value::String(_)) => break,
                Some(seen) => {
                    seen[0] == **method
                        && seen[1] == **target
                        && seen[2] == **host
                        && body.is_none_or(|body| seen[3] == body)
                }
            };
            if !same {
                findings.push(format!("{}: {node}, we: {own:?}", bytes.escape_ascii()));
                break;
            }
        }
    }
    assert!(passed * 10 > CONNECTIONS, "only {passed} of {CONNECTIONS} pass: the corpus says little");
    assert!(findings.is_empty(), "{} differences:\n{}", findings.len(), findings[..findings.len().min(40)].join("\n"));
}
