//! What networks and careless or hostile peers do to the egress door: it stays within its bounds, and each act's end is on record.
//!
//! Figures of a whole process (its memory, its descriptors, its processor time) are taken in a process of their own, which the
//! test starts as this very binary.

use std::net::SocketAddr;
use std::time::Duration;

use creel_guard::Outcome;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::fakes::Row;
use crate::world::{World, approving, certificate, settings};

/// A door that reaches this plain origin as `origin.test`.
async fn reaching(listener: &TcpListener) -> (World, u16) {
    let port = listener.local_addr().unwrap().port();
    let (ca, _) = certificate("origin.test");
    (World::new(approving("origin.test"), vec![settings("origin.test", port, ca)]).await, port)
}

fn settled(rows: &[Row]) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.outcome.is_some())
}

/// Reads a head, to its empty line.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// An origin that answers whatever it is asked.
async fn answer_all(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.unwrap();
        });
    }
}

/// Reads until the peer ends it, in whatever way; says how much that was.
async fn drain(stream: &mut TcpStream) -> u64 {
    let (mut sum, mut buffer) = (0, vec![0; 256 * 1024]);
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        sum += length as u64;
    }
    sum
}

/// Whether this process is the one that was started for the test `name` alone; if not, it is started and must succeed.
fn alone(name: &str) -> bool {
    const ALONE: &str = "CREEL_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let program = std::env::current_exe().unwrap();
    let ran =
        std::process::Command::new(program).args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    false
}

/// KiB that this process holds now.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn a_gigabyte_goes_up_and_comes_down_in_flat_memory() {
    const GIGABYTE: u64 = 1 << 30;
    if !alone("faults::a_gigabyte_goes_up_and_comes_down_in_flat_memory") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (world, port) = reaching(&listener).await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        let (mut left, mut piece) = (GIGABYTE, vec![0; 256 * 1024]);
        while left > 0 {
            left -= stream.read(&mut piece).await.unwrap() as u64;
        }
        stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {GIGABYTE}\r\n\r\n").as_bytes()).await.unwrap();
        for _ in 0..GIGABYTE / piece.len() as u64 {
            stream.write_all(&piece).await.unwrap();
        }
    });
    let mut stream = world.connect("origin.test", port).await;
    let line = format!("POST /big HTTP/1.1\r\nhost: origin.test:{port}\r\nconnection: close\r\n");
    stream.write_all(format!("{line}content-length: {GIGABYTE}\r\n\r\n").as_bytes()).await.unwrap();
    let piece = vec![b'x'; 256 * 1024];
    let before = resident();
    let mut most = before;
    for number in 0..GIGABYTE / piece.len() as u64 {
        stream.write_all(&piece).await.unwrap();
        if number % 64 == 0 {
            most = most.max(resident());
        }
    }
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (mut sum, mut buffer) = (0, vec![0; 256 * 1024]);
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        sum += length as u64;
        if sum % 16 == 0 {
            most = most.max(resident());
        }
    }
    assert_eq!(sum, GIGABYTE);
    let rows = world.book.until("settled", settled).await;
    assert_eq!(rows[0].outcome, Some(Outcome::Done { sent: GIGABYTE, received: GIGABYTE, status: Some(200) }));
    // FAULTS.md: less than 16 MiB; the client and the origin of this test are in it.
    assert!(most - before < 16 * 1024, "{before} KiB grew to {most} KiB");
}

#[tokio::test]
async fn a_reset_amid_a_response_ends_it_for_the_agent_and_is_on_record() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (world, port) = reaching(&listener).await;
    let origin = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n0123456789").await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.set_zero_linger().unwrap();
    });
    let mut stream = world.connect("origin.test", port).await;
    stream.write_all(format!("GET /cut HTTP/1.1\r\nhost: origin.test:{port}\r\n\r\n").as_bytes()).await.unwrap();
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
    // Never the end of a body of this length: the connection breaks.
    assert_eq!(drain(&mut stream).await, 10);
    origin.await.unwrap();
    let rows = world.book.until("settled", settled).await;
    assert!(matches!(rows[0].outcome, Some(Outcome::Failed { .. })), "{rows:?}");
}

#[tokio::test]
async fn a_reset_amid_a_request_ends_it_for_the_origin_and_is_on_record() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (world, port) = reaching(&listener).await;
    let origin = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        drain(&mut stream).await
    });
    let mut stream = world.connect("origin.test", port).await;
    let line = format!("POST /cut HTTP/1.1\r\nhost: origin.test:{port}\r\ncontent-length: 1000\r\n\r\n0123456789");
    stream.write_all(line.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.set_zero_linger().unwrap();
    drop(stream);
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), origin).await.unwrap().unwrap(), 10);
    let rows = world.book.until("settled", settled).await;
    let ended = matches!(rows[0].outcome, Some(Outcome::Failed { .. } | Outcome::Abandoned));
    assert!(ended, "{rows:?}");
}

#[tokio::test]
async fn events_without_end_pass_as_they_come_and_end_with_the_agent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (world, port) = reaching(&listener).await;
    let (tell, mut told) = tokio::sync::mpsc::channel::<u32>(1);
    let origin = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        for number in 0_u32.. {
            // The next one is sent only when the agent has this one; when it left, one a while.
            let event = format!("data: {number:08}\n\n");
            if stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await.is_err() {
                return number;
            }
            let _ = tokio::time::timeout(Duration::from_millis(500), told.recv()).await;
        }
        0
    });
    let mut stream = world.connect("origin.test", port).await;
    stream.write_all(format!("GET /events HTTP/1.1\r\nhost: origin.test:{port}\r\n\r\n").as_bytes()).await.unwrap();
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
    for number in 0_u32..200 {
        let mut seen = Vec::new();
        let expected = format!("data: {number:08}\n\n");
        while !String::from_utf8_lossy(&seen).contains(&expected) {
            seen.push(stream.read_u8().await.unwrap());
        }
        tell.send(number).await.unwrap();
    }
    assert!(world.book.rows()[0].outcome.is_none(), "it goes on");
    drop((stream, tell));
    let sent = tokio::time::timeout(Duration::from_secs(20), origin).await.unwrap().unwrap();
    assert!(sent >= 200, "{sent}");
    let rows = world.book.until("settled", settled).await;
    assert_eq!(rows[0].outcome, Some(Outcome::Abandoned));
}

/// Sends `bytes` one a second; returns the seconds after which the door had enough.
async fn drip(mut stream: TcpStream, bytes: &[u8]) -> u32 {
    for (second, byte) in (0_u32..).zip(bytes.iter().cycle()) {
        if stream.write_all(&[*byte]).await.is_err() {
            return second;
        }
        let mut answer = [0; 512];
        let read = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut answer)).await;
        if let Ok(Ok(0) | Err(_)) = read {
            return second;
        }
    }
    0
}

#[tokio::test]
async fn whoever_says_his_request_a_byte_a_second_is_let_go_and_is_on_record() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (world, port) = reaching(&listener).await;
    let (head, hello) = (world.connect("origin.test", port).await, world.connect("origin.test", port).await);
    let (head, hello) =
        tokio::join!(drip(head, b"GET /slow-and-never-ending"), drip(hello, &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]));
    // docs/limits.md: a head is whole within 15 s, a handshake within 10.
    assert!((14..=20).contains(&head) && (9..=14).contains(&hello), "{head} and {hello} s");
    let rows = world.book.until("recorded", |rows| rows.len() > 1).await;
    let mut told: Vec<_> = rows.iter().map(|row| (row.verdict, row.rule.as_str())).collect();
    told.sort_unstable();
    assert_eq!(told, [("deny", "egress/bad-request"), ("deny", "egress/bad-tls")]);
}

#[tokio::test]
async fn beyond_the_last_place_a_connection_waits_and_is_served_when_one_is_free() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (world, port) = reaching(&listener).await;
    tokio::spawn(answer_all(listener));
    // docs/limits.md: 512 at a time. Each says a letter, so that it is no mere connect.
    let mut held = Vec::new();
    for _ in 0..512 {
        let mut stream = world.connect("origin.test", port).await;
        stream.write_all(b"G").await.unwrap();
        held.push(stream);
    }
    let mut last = world.connect("origin.test", port).await;
    let request = format!("GET / HTTP/1.1\r\nhost: origin.test:{port}\r\nconnection: close\r\n\r\n");
    last.write_all(request.as_bytes()).await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(500), last.read_u8()).await;
    assert!(waits.is_err(), "{waits:?}");
    held.pop();
    let answer = tokio::time::timeout(Duration::from_secs(20), head(&mut last)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    drop(held);
}

/// Always as many at once as are served (512), and some that wait.
#[tokio::test]
async fn ten_thousand_connections_are_all_served_in_bounded_memory() {
    const CLIENTS: usize = 10_000;
    if !alone("faults::ten_thousand_connections_are_all_served_in_bounded_memory") {
        return;
    }
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(most > 4 * 512 + 1500, "`ulimit -Hn` is {most}: too few files for so many connections");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (world, port) = reaching(&listener).await;
    tokio::spawn(answer_all(listener));
    let door = world.connect("origin.test", port).await.peer_addr().unwrap();
    let before = resident();
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(600));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let places = std::sync::Arc::clone(&places);
            tokio::spawn(async move {
                let _place = places.acquire().await.unwrap();
                let mut stream = TcpStream::connect(door).await.unwrap();
                let request = format!("GET / HTTP/1.1\r\nhost: origin.test:{port}\r\nconnection: close\r\n\r\n");
                stream.write_all(request.as_bytes()).await.unwrap();
                let answer = head(&mut stream).await;
                assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
            })
        })
        .collect();
    let mut grown = 0;
    for client in clients {
        tokio::time::timeout(Duration::from_secs(120), client).await.unwrap().unwrap();
        grown = grown.max(resident().saturating_sub(before));
    }
    // the clients and the origin of this test are in it
    assert!(grown < 128 * 1024, "{before} KiB grew by {grown} KiB");
}

#[tokio::test]
async fn without_descriptors_nothing_spins_and_it_goes_on_when_there_are_some() {
    if !alone("faults::without_descriptors_nothing_spins_and_it_goes_on_when_there_are_some") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (world, port) = reaching(&listener).await;
    let address: SocketAddr = listener.local_addr().unwrap();
    tokio::spawn(answer_all(listener));
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(world.connect("origin.test", port).await);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    // What comes now finds no descriptor: whoever connects has taken the last ones before the door gets to run, so that its
    // `accept` fails, again and again.
    let open = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().file_name());
    let most = open.filter_map(|name| name.to_str()?.parse::<u64>().ok()).max().unwrap();
    let bound = most + 32;
    setrlimit(Resource::RLIMIT_NOFILE, bound, bound).unwrap();
    let mut taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    taken.truncate(taken.len().saturating_sub(8));
    let waiting: Vec<_> = std::iter::from_fn(|| std::net::TcpStream::connect(world.door).ok()).collect();
    assert_eq!(waiting.len(), 8);
    let spent = || {
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        Duration::from_micros(u64::try_from((usage.user_time() + usage.system_time()).num_microseconds()).unwrap())
    };
    let before = spent();
    tokio::time::sleep(Duration::from_secs(2)).await;
    // FAULTS.md: less than 5 % of a processor.
    assert!(spent() - before < Duration::from_millis(100), "{:?} in two seconds", spent() - before);
    drop((held, waiting, taken));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut stream = world.connect("origin.test", port).await;
    let request = format!("GET / HTTP/1.1\r\nhost: origin.test:{}\r\nconnection: close\r\n\r\n", address.port());
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(20), head(&mut stream)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
}
