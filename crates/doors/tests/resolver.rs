//! Our own resolver against name servers on real sockets, honest and hostile.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use creel_doors::upstream::{Client, DnsResolver, Over, Resolve, Resolved, Servers, Trust};
use creel_guard::HostName;
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use crate::world::certificate;

/// What a server says to one question; it may spoil the message before it is sent.
type Zone = fn(&Name, RecordType, &mut Message);

struct Server {
    at: SocketAddr,
    datagrams: Arc<AtomicUsize>,
    streams: Arc<AtomicUsize>,
}

fn reply(zone: Zone, question: &[u8]) -> Message {
    let asked = Message::from_vec(question).unwrap();
    let query = asked.queries[0].clone();
    let mut message = Message::new(asked.metadata.id, MessageType::Response, asked.metadata.op_code);
    message.add_query(query.clone());
    zone(query.name(), query.query_type(), &mut message);
    message
}

fn record(name: &Name, ttl: u32, data: RData) -> Record {
    Record::from_rdata(name.clone(), ttl, data)
}

fn address(name: &Name, kind: RecordType, ttl: u32, message: &mut Message) {
    message.add_answer(match kind {
        RecordType::A => record(name, ttl, RData::A(A(Ipv4Addr::new(192, 0, 2, 1)))),
        _ => record(name, ttl, RData::AAAA(AAAA("2001:db8::1".parse().unwrap()))),
    });
}

fn named(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

async fn framed(mut io: impl AsyncRead + AsyncWrite + Unpin, zone: Zone) {
    let Ok(length) = io.read_u16().await else { return };
    let mut question = vec![0; usize::from(length)];
    io.read_exact(&mut question).await.unwrap();
    let mut message = reply(zone, &question);
    // Only a datagram may be cut.
    message.metadata.truncation = false;
    let bytes = message.to_vec().unwrap();
    let _ = io.write_all(&[&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes.as_slice()].concat()).await;
    let _ = io.flush().await;
    let _ = io.shutdown().await;
}

/// UDP and TCP on one port.
async fn plain(zone: Zone) -> Server {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(at).await.unwrap();
    let server = Server { at, datagrams: Arc::default(), streams: Arc::default() };
    let (datagrams, streams) = (Arc::clone(&server.datagrams), Arc::clone(&server.streams));
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            datagrams.fetch_add(1, Ordering::SeqCst);
            let bytes = reply(zone, &buffer[..length]).to_vec().unwrap();
            udp.send_to(&bytes, from).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = tcp.accept().await {
            streams.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(framed(stream, zone));
        }
    });
    server
}

fn resolver(addresses: Vec<SocketAddr>, over: Over) -> DnsResolver {
    DnsResolver::new(Servers { addresses, over, client: Client::new(Trust::new(&[]).unwrap()) })
}

async fn look_up(resolver: &DnsResolver) -> Result<Resolved, String> {
    resolver.look_up(&HostName::parse("a.test").unwrap()).await.map_err(|error| error.to_string())
}

/// What one plain server makes of `a.test`.
async fn check(zone: Zone) -> Result<Resolved, String> {
    let server = plain(zone).await;
    look_up(&resolver(vec![server.at], Over::Plain)).await
}

fn both() -> Vec<IpAddr> {
    vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]
}

#[tokio::test]
async fn both_families_are_found_and_the_ad_bit_is_kept() {
    let plain = check(|name, kind, message| address(name, kind, 60, message)).await;
    let Resolved { addresses, dnssec, resolver } = plain.unwrap();
    assert_eq!((addresses, dnssec), (both(), Some(false)));
    assert!(resolver.unwrap().starts_with("plain:127.0.0.1:"));
    let vouched = check(|name, kind, message| {
        address(name, kind, 60, message);
        message.metadata.authentic_data = true;
    });
    assert_eq!(vouched.await.unwrap().dnssec, Some(true));
    let half = check(|name, kind, message| {
        address(name, kind, 60, message);
        message.metadata.authentic_data = kind == RecordType::A;
    });
    assert_eq!(half.await.unwrap().dnssec, Some(false));
}

#[tokio::test]
async fn an_answer_is_kept_for_its_time_and_no_longer() {
    let kept = plain(|name, kind, message| address(name, kind, 60, message)).await;
    let brief = plain(|name, kind, message| address(name, kind, 1, message)).await;
    let never = plain(|name, kind, message| address(name, kind, 0, message)).await;
    for (server, soon, later) in [(kept, 2, 2), (brief, 2, 4), (never, 4, 6)] {
        let resolver = resolver(vec![server.at], Over::Plain);
        look_up(&resolver).await.unwrap();
        look_up(&resolver).await.unwrap();
        assert_eq!(server.datagrams.load(Ordering::SeqCst), soon);
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        look_up(&resolver).await.unwrap();
        assert_eq!(server.datagrams.load(Ordering::SeqCst), later);
    }
}

#[tokio::test]
async fn a_cut_answer_is_asked_for_over_tcp() {
    let server = plain(|name, kind, message| {
        address(name, kind, 60, message);
        message.metadata.truncation = true;
    })
    .await;
    assert_eq!(look_up(&resolver(vec![server.at], Over::Plain)).await.unwrap().addresses, both());
    assert_eq!(server.streams.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_does_not_answer_the_question_is_not_believed() {
    let strangers: [Zone; 4] = [
        // Another name's address.
        |_, kind, message| address(&named("evil.test."), kind, 60, message),
        // Another question.
        |name, kind, message| {
            address(name, kind, 60, message);
            message.queries[0].set_name(named("evil.test."));
        },
        // Another number.
        |name, kind, message| {
            address(name, kind, 60, message);
            message.metadata.id = message.metadata.id.wrapping_add(1);
        },
        // A question, not an answer.
        |name, kind, message| {
            address(name, kind, 60, message);
            message.metadata.message_type = MessageType::Query;
        },
    ];
    for zone in strangers {
        let found = check(zone).await.map(|found| found.addresses).unwrap_or_default();
        assert_eq!(found, Vec::<IpAddr>::new());
    }
}

#[tokio::test]
async fn aliases_are_followed_to_a_bounded_end() {
    let straight = check(|name, kind, message| {
        let target = named("b.test.");
        message.add_answer(record(name, 60, RData::CNAME(CNAME(target.clone()))));
        address(&target, kind, 60, message);
    });
    assert_eq!(straight.await.unwrap().addresses, both());
    let in_two = check(|name, kind, message| match name.to_lowercase().to_ascii().as_str() {
        "a.test." => drop(message.add_answer(record(name, 60, RData::CNAME(CNAME(named("b.test.")))))),
        _ => address(name, kind, 60, message),
    });
    assert_eq!(in_two.await.unwrap().addresses, both());
    let round = check(|name, _, message| {
        let target = named(if name.to_lowercase().to_ascii() == "a.test." { "b.test." } else { "a.test." });
        message.add_answer(record(name, 60, RData::CNAME(CNAME(target))));
    });
    assert!(round.await.unwrap_err().contains("a loop"));
    let endless = plain(|name, _, message| {
        let target = named(&format!("x{}", name.to_ascii()));
        message.add_answer(record(name, 60, RData::CNAME(CNAME(target))));
    })
    .await;
    let found = look_up(&resolver(vec![endless.at], Over::Plain)).await.unwrap();
    assert_eq!(found.addresses, Vec::<IpAddr>::new());
    assert!(endless.datagrams.load(Ordering::SeqCst) <= 6);
}

#[tokio::test]
async fn a_name_with_too_many_addresses_is_refused() {
    let many = check(|name, kind, message| {
        for last in 0..70 {
            if kind == RecordType::A {
                message.add_answer(record(name, 60, RData::A(A(Ipv4Addr::new(192, 0, 2, last)))));
            }
        }
    });
    assert!(many.await.unwrap_err().contains("too many"));
}

/// An answer that sends on to name servers without an address: NXNSAttack, which has a resolver ask for each of them.
#[tokio::test]
async fn name_servers_in_an_answer_are_not_asked_for() {
    let server = plain(|name, _, message| {
        message.metadata.truncation = true;
        for number in 0..1500 {
            message.add_authority(record(name, 60, RData::NS(NS(named(&format!("ns{number}.victim.test."))))));
        }
    })
    .await;
    let found = look_up(&resolver(vec![server.at], Over::Plain)).await;
    assert!(!found.is_ok_and(|found| !found.addresses.is_empty()));
    // both families, at most once by datagram and once by stream
    let asked = [&server.datagrams, &server.streams].map(|count| count.load(Ordering::SeqCst));
    assert!(asked[0] <= 2 && asked[1] <= 2, "{asked:?}");
}

/// After the longest message that there can be, more of them without end.
#[tokio::test]
async fn of_a_stream_without_end_one_message_is_read() {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(at).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            let cut = reply(|_, _, message| message.metadata.truncation = true, &buffer[..length]);
            udp.send_to(&cut.to_vec().unwrap(), from).await.unwrap();
        }
    });
    let taken = Arc::new(AtomicUsize::new(0));
    let written = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let written = Arc::clone(&written);
            tokio::spawn(async move {
                let piece = vec![0xff; 65_537];
                while stream.write_all(&piece).await.is_ok() {
                    written.fetch_add(piece.len(), Ordering::SeqCst);
                }
            });
        }
    });
    let found =
        tokio::time::timeout(std::time::Duration::from_secs(30), look_up(&resolver(vec![at], Over::Plain))).await;
    assert!(found.unwrap().is_err());
    // a message of each family is read; what the kernel holds of a connection is some megabytes at most
    assert!(taken.load(Ordering::SeqCst) < 64 << 20, "{taken:?}");
}

#[tokio::test]
async fn one_family_that_fails_hides_nothing() {
    let half = check(|name, kind, message| match kind {
        RecordType::A => address(name, kind, 60, message),
        _ => message.metadata.response_code = ResponseCode::ServFail,
    });
    assert!(half.await.is_err());
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_fails() {
    let broken = plain(|_, _, message| message.metadata.response_code = ResponseCode::ServFail).await;
    let whole = plain(|name, kind, message| address(name, kind, 60, message)).await;
    let resolver = resolver(vec![broken.at, whole.at], Over::Plain);
    assert_eq!(look_up(&resolver).await.unwrap().addresses, both());
}

#[tokio::test]
async fn over_tls_the_server_must_prove_its_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (ca, config) = certificate("dns.test");
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    framed(stream, |name, kind, message| address(name, kind, 60, message)).await;
                }
            });
        }
    });
    let over = |name: &str, roots| Over::Tls { name: HostName::parse(name).unwrap(), roots };
    let proved = resolver(vec![at], over("dns.test", vec![ca.clone()]));
    assert_eq!(look_up(&proved).await.unwrap().addresses, both());
    assert!(look_up(&resolver(vec![at], over("other.test", vec![ca]))).await.is_err());
    assert!(look_up(&resolver(vec![at], over("dns.test", Vec::new()))).await.is_err());
}

#[tokio::test]
async fn over_https_only_a_small_200_counts() {
    async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let question = body.collect().await.unwrap().to_bytes();
        assert_eq!(parts.headers["content-type"], "application/dns-message");
        let bytes = match parts.uri.path() {
            "/huge" => vec![0; 1 << 20],
            _ => reply(|name, kind, message| address(name, kind, 60, message), &question).to_vec().unwrap(),
        };
        let status = if parts.uri.path() == "/gone" { 404 } else { 200 };
        Ok(Response::builder().status(status).body(Full::new(bytes.into())).unwrap())
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (ca, config) = certificate("dns.test");
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let server = hyper::server::conn::http1::Builder::new();
                let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
            });
        }
    });
    let name = HostName::parse("dns.test").unwrap();
    let over = |path: &str| Over::Https { name: name.clone(), path: path.to_owned(), roots: vec![ca.clone()] };
    assert_eq!(look_up(&resolver(vec![at], over("/dns-query"))).await.unwrap().addresses, both());
    assert!(look_up(&resolver(vec![at], over("/gone"))).await.is_err());
    assert!(look_up(&resolver(vec![at], over("/huge"))).await.is_err());
}

/// A server that answers each datagram with several.
async fn crowd(answers: fn(&[u8]) -> Vec<Message>) -> Server {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(at).await.unwrap();
    let server = Server { at, datagrams: Arc::default(), streams: Arc::default() };
    let streams = Arc::clone(&server.streams);
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            for message in answers(&buffer[..length]) {
                udp.send_to(&message.to_vec().unwrap(), from).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = tcp.accept().await {
            streams.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(framed(stream, |name, kind, message| address(name, kind, 60, message)));
        }
    });
    server
}

fn forged(name: &Name, kind: RecordType, message: &mut Message) {
    if kind == RecordType::A {
        message.add_answer(record(name, 60, RData::A(A(Ipv4Addr::new(203, 0, 113, 66)))));
    }
}

#[tokio::test]
async fn forged_answers_that_come_first_are_passed_over() {
    let server = crowd(|question| {
        let mut messages: Vec<Message> = (1..9)
            .map(|off| {
                let mut lie = reply(forged, question);
                lie.metadata.id = lie.metadata.id.wrapping_add(off);
                lie
            })
            .collect();
        messages.push(reply(|name, kind, message| address(name, kind, 60, message), question));
        messages
    })
    .await;
    assert_eq!(look_up(&resolver(vec![server.at], Over::Plain)).await.unwrap().addresses, both());
    assert_eq!(server.streams.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_in_other_letters_is_asked_for_over_tcp() {
    // The number may have been guessed; the case of the letters was not.
    let server = crowd(|question| {
        let mut lie = reply(forged, question);
        let other: String = lie.queries[0].name().to_ascii().chars().map(flip).collect();
        lie.queries[0].set_name(named(&other));
        vec![lie]
    })
    .await;
    assert_eq!(look_up(&resolver(vec![server.at], Over::Plain)).await.unwrap().addresses, both());
    assert_eq!(server.streams.load(Ordering::SeqCst), 2);
}

fn flip(c: char) -> char {
    if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
}

#[tokio::test]
async fn another_port_or_address_is_not_heard() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = udp.local_addr().unwrap();
    tokio::spawn(async move {
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let elsewhere = UdpSocket::bind("127.0.0.2:0").await.unwrap();
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            let lie = reply(forged, &buffer[..length]).to_vec().unwrap();
            let _ = stranger.send_to(&lie, from).await;
            let _ = elsewhere.send_to(&lie, from).await;
            let truth = reply(|name, kind, message| address(name, kind, 60, message), &buffer[..length]);
            udp.send_to(&truth.to_vec().unwrap(), from).await.unwrap();
        }
    });
    assert_eq!(look_up(&resolver(vec![at], Over::Plain)).await.unwrap().addresses, both());
}

#[tokio::test]
async fn a_silent_server_costs_three_seconds_and_then_the_next_is_asked() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let whole = plain(|name, kind, message| address(name, kind, 60, message)).await;
    let patient = resolver(vec![silent.local_addr().unwrap(), whole.at], Over::Plain);
    assert_eq!(look_up(&patient).await.unwrap().addresses, both());
    let alone = resolver(vec![silent.local_addr().unwrap()], Over::Plain);
    assert!(look_up(&alone).await.unwrap_err().contains("did not answer in time"));
}

#[tokio::test]
async fn failures_are_no_addresses_and_are_not_kept() {
    for code in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::NotImp, ResponseCode::FormErr] {
        static CODE: std::sync::Mutex<ResponseCode> = std::sync::Mutex::new(ResponseCode::NoError);
        *CODE.lock().unwrap() = code;
        let server = plain(|_, _, message| message.metadata.response_code = *CODE.lock().unwrap()).await;
        let resolver = resolver(vec![server.at], Over::Plain);
        assert!(look_up(&resolver).await.is_err(), "{code}");
        let asked = server.datagrams.load(Ordering::SeqCst);
        assert!(look_up(&resolver).await.is_err(), "{code}");
        assert_eq!(server.datagrams.load(Ordering::SeqCst), 2 * asked, "{code}");
    }
    let none = check(|_, _, message| message.metadata.response_code = ResponseCode::NXDomain).await.unwrap();
    assert_eq!(none.addresses, Vec::<IpAddr>::new());
}
