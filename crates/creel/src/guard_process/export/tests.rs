//! Records to real sockets, that are away and back.

use std::collections::HashSet;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};

use creel_doors::upstream::{Client, SystemResolver, Trust};
use creel_guard::{Ledger, Resolve};
use creel_ledger::{FileLedger, OpenOptions};
use creel_secrets::MemoryBroker;
use creel_testkit::{Asked, Origin};
use serde_json::Value;

use super::*;
use crate::canary::scratch::Scratch;
use crate::config::Config;
use crate::guard_process::played::Book;

/// A ledger that is written, and a folder for the place in it.
pub(super) struct World {
    scratch: Scratch,
    ledger: FileLedger,
    book: Arc<Book>,
}

impl World {
    fn new() -> Self {
        let tenant = Tenant::parse("main").unwrap();
        Self::with(|folder| FileLedger::open(&folder.join("ledger"), &tenant, OpenOptions::default()).unwrap())
    }

    /// With a ledger that `open` makes in `ledger` below its folder.
    pub(super) fn with(open: impl FnOnce(&Path) -> FileLedger) -> Self {
        let scratch = Scratch::new();
        std::fs::create_dir_all(scratch.0.join("home")).unwrap();
        let ledger = open(&scratch.0);
        Self { scratch, ledger, book: Arc::default() }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.scratch.0
    }

    /// Writes `count` refused look-ups, the first named `nFIRST`.
    pub(super) fn write(&self, first: usize, count: usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for n in first..first + count {
            let name = format!("n{n}.test");
            let deed = creel_guard::Deed::Resolve(Resolve { name, host: None, kind: "A".to_owned() });
            let tenant = Tenant::parse("main").unwrap();
            let action = creel_guard::Action { tenant, actor: Actor::Agent, door: creel_guard::Door::Dns, deed };
            let rule = creel_guard::RuleId::new("dns/not-approved");
            let refusal = creel_guard::Refusal::new(rule.clone(), "no", "no");
            let verdict = creel_guard::Verdict::Deny(refusal);
            let judgement = creel_guard::Judgement { verdict, rule, why: "no".to_owned(), generation: 1 };
            let durability = creel_guard::Durability::Soon;
            let entry = creel_guard::Entry { action, facts: Facts::default(), judgement, answer: None, durability };
            runtime.block_on(self.ledger.admitted(entry)).unwrap();
        }
    }

    pub(super) fn export(&self, text: &str) -> Arc<Exports> {
        self.export_with(text, MemoryBroker::new([]).unwrap())
    }

    /// With a broker that has secrets.
    pub(super) fn export_with(&self, text: &str, broker: MemoryBroker) -> Arc<Exports> {
        let config = Config::again("c".as_ref(), text, &[]).unwrap_or_else(|report| panic!("{report}"));
        let means = Means {
            client: Client::new(Trust::new(&[]).unwrap()),
            resolver: Arc::new(SystemResolver),
            broker: Arc::new(broker),
            own_addresses: Vec::new(),
        };
        let tenant = Tenant::parse("main").unwrap();
        let folders = [self.scratch.0.join("ledger"), self.scratch.0.join("home")];
        Exports::start(config.exports(), (&self.book.guard(), &tenant), &means, folders.each_ref())
    }
}

pub(super) fn until(what: &str, is_true: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if is_true() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not in time: {what}");
}

/// Every `nN` in order, each at least once: a repetition starts somewhere before, and leaves nothing out.
fn in_order(names: &[usize], count: usize) {
    let mut next = 0;
    for name in names {
        assert!(*name <= next, "{name} before {next}: {names:?}");
        next = next.max(name + 1);
    }
    assert_eq!((next, names.iter().collect::<HashSet<_>>().len()), (count, count));
}

fn number(line: &Value) -> Option<usize> {
    line["target"].as_str()?.strip_prefix('n')?.split('.').next()?.parse().ok()
}

/// The records of OTLP requests that were taken.
fn of_otlp(asked: &[Asked]) -> Vec<usize> {
    let records = |asked: &Asked| {
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        body["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().unwrap().clone()
    };
    let line = |record: Value| serde_json::from_str::<Value>(record["body"]["stringValue"].as_str().unwrap()).unwrap();
    asked.iter().flat_map(records).filter_map(|record| number(&line(record))).collect()
}

#[test]
fn otlp_loses_nothing_while_the_collector_is_away_and_goes_on_after_a_new_start() {
    let world = World::new();
    let is_away = Arc::new(AtomicBool::new(true));
    let taken = Arc::new(Mutex::new(Vec::new()));
    let (away, keep) = (Arc::clone(&is_away), Arc::clone(&taken));
    let origin = Origin::answering("127.0.0.1:0", move |asked| {
        let status = if away.load(Ordering::SeqCst) { 503 } else { 200 };
        if status == 200 {
            lock(&keep).push(asked.clone());
        }
        http::Response::builder().status(status).body(bytes::Bytes::new()).unwrap()
    })
    .unwrap();
    let text = format!("[[export]]\nurl = \"http://{}/v1/logs\"\n", origin.address());
    world.write(0, 300);
    let exports = world.export(&text);
    until("a failure", || exports.list()[0].failed.as_ref().is_some_and(|why| why.contains("503")));
    assert!(
        matches!(&world.book.ends.lock().unwrap()[0], Outcome::Failed { why } if why.contains("503")),
        "it is on record"
    );
    world.write(300, 400);
    assert_eq!(exports.list()[0].lines, 0);
    is_away.store(false, Ordering::SeqCst);
    until("all of it", || exports.list()[0].lines == 700);
    assert_eq!(exports.list()[0].failed, None);
    in_order(&of_otlp(&lock(&taken)), 700);
    assert_eq!(origin.asked()[0].path, "/v1/logs");
    assert_eq!(world.book.ends.lock().unwrap().last(), Some(&Outcome::done()));
    // Another guard: nothing is sent twice that was answered, and what is new comes.
    let before = lock(&taken).len();
    let next = world.export(&text);
    world.write(700, 10);
    until("the new ones", || next.list()[0].lines == 710 && of_otlp(&lock(&taken)[before..]).len() >= 10);
    assert!(of_otlp(&lock(&taken)[before..]).iter().all(|n| *n >= 700));
    in_order(&of_otlp(&lock(&taken)), 710);
}

/// What stands in a stream of counted messages, whole ones.
fn of_stream(mut bytes: &[u8]) -> Vec<usize> {
    let mut names = Vec::new();
    while let Some(space) = bytes.iter().position(|b| *b == b' ') {
        let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let Some(message) = bytes.get(space + 1..space + 1 + length) else { break };
        names.extend(of_message(message));
        bytes = &bytes[space + 1 + length..];
    }
    names
}

fn of_message(message: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(message).unwrap();
    number(&serde_json::from_str(text.splitn(8, ' ').nth(7).unwrap()).unwrap())
}

#[test]
fn syslog_over_a_stream_starts_before_where_it_broke_off() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::<u8>::new()));
    let exports = world.export(&format!("[[export]]\nurl = \"tcp://{address}\"\n"));
    world.write(0, 50);
    let (mut first, _) = listener.accept().unwrap();
    let mut part = [0; 2_000];
    first.read_exact(&mut part).unwrap();
    assert!(!of_stream(&part).is_empty());
    assert_eq!(exports.list()[0].lines, 0, "nothing counts before the connection has lived on");
    // It goes away in the middle.
    drop(first);
    world.write(50, 50);
    until("it is noticed", || exports.list()[0].failed.is_some());
    let (mut second, _) = listener.accept().unwrap();
    second.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let keep = Arc::clone(&seen);
    std::thread::spawn(move || {
        let mut piece = [0; 4_096];
        loop {
            match second.read(&mut piece) {
                Ok(0) => return,
                Ok(read) => lock(&keep).extend_from_slice(&piece[..read]),
                Err(_) => {}
            }
        }
    });
    until("all of it", || of_stream(&lock(&seen)).len() >= 100);
    in_order(&of_stream(&lock(&seen)), 100);
    until("it counts", || exports.list()[0].lines >= 100);
    assert_eq!(exports.list()[0].failed, None);
}

#[test]
fn a_stream_that_nobody_reads_holds_up_nothing_and_takes_bounded_room() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let exports = world.export(&format!("[[export]]\nurl = \"tcp://{}\"\n", listener.local_addr().unwrap()));
    let (stuck, _) = listener.accept().unwrap();
    let begun = std::time::SystemTime::now();
    world.write(0, 5_000);
    assert!(begun.elapsed().unwrap() < Duration::from_secs(30), "the ledger waits for no collector");
    assert_eq!(exports.list()[0].lines, 0);
    drop(stuck);
}

fn received(count: usize, receive: impl Fn(&mut [u8]) -> std::io::Result<usize>) -> Vec<usize> {
    let one = |_| {
        let mut buffer = [0; 16_384];
        let length = receive(&mut buffer).unwrap();
        of_message(&buffer[..length]).unwrap()
    };
    (0..count).map(one).collect()
}

#[test]
fn datagrams_reach_the_machines_own_syslog_and_one_elsewhere() {
    let world = World::new();
    let path = world.scratch.0.join("log");
    let (udp, local) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UnixDatagram::bind(&path).unwrap());
    let address = udp.local_addr().unwrap();
    world.write(0, 20);
    let exports = world
        .export(&format!("[[export]]\nurl = \"unix:{}\"\n[[export]]\nurl = \"udp://{address}\"\n", path.display()));
    in_order(&received(20, |buffer| udp.recv(buffer)), 20);
    in_order(&received(20, |buffer| local.recv(buffer)), 20);
    until("both count", || exports.list().iter().all(|one| one.lines == 20));
    // The machine's own goes away and comes back.
    drop(local);
    std::fs::remove_file(&path).unwrap();
    world.write(20, 5);
    until("it is missed", || exports.list()[0].failed.is_some());
    let local = UnixDatagram::bind(&path).unwrap();
    assert_eq!(received(5, |buffer| local.recv(buffer)), [20, 21, 22, 23, 24]);
    until("it catches up", || exports.list()[0].lines == 25);
}

#[test]
fn tls_is_checked_before_a_record_is_sent() {
    let world = World::new();
    world.write(0, 1);
    let origin = Origin::https("127.0.0.1:0", &["logs.test"]).unwrap();
    let port = origin.address().port();
    let exports = world.export(&format!("[[export]]\nurl = \"tls://logs.test:{port}\"\naddress = \"127.0.0.1\"\n"));
    until("it is refused", || exports.list()[0].failed.as_ref().is_some_and(|why| why.contains("TLS")));
    assert_eq!(exports.list()[0].lines, 0);
}
