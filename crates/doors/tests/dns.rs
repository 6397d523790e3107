//! The DNS door over real sockets.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use creel_doors::Shutdown;
use creel_doors::dns::{self, Dns, Sockets};
use creel_doors::names::Names;
use creel_guard::{Deed, HostName, Needs, Outcome};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;

use crate::fakes::{Book, Row, Rules, guard, owes_a_secret, tenant};

fn door(rules: Rules) -> (Dns, Arc<Book>, Arc<Names>) {
    let book = Arc::new(Book::default());
    let names = Arc::new(Names::new(Box::new(|_| Ok(()))));
    (Dns::new(guard(rules, &book), tenant(), Arc::clone(&names)), book, names)
}

fn approving(host: &str) -> Rules {
    Rules { approved: vec![host.to_owned()], ..Rules::default() }
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(77, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

async fn ask(door: &Dns, message: &Message) -> Message {
    Message::from_vec(&door.answer(&message.to_vec().unwrap()).await.unwrap()).unwrap()
}

#[tokio::test]
async fn an_approved_name_gets_its_two_addresses_and_nothing_else() {
    let (door, book, _) = door(approving("origin.test"));
    let a = ask(&door, &question("oRiGin.TEST.", RecordType::A)).await;
    assert_eq!((a.metadata.id, a.metadata.response_code), (77, ResponseCode::NoError));
    assert_eq!(a.queries[0].name().to_ascii(), "oRiGin.TEST.", "the case of the question is kept");
    assert_eq!(a.answers[0].data, RData::A(Ipv4Addr::new(198, 18, 0, 2).into()));
    assert!(a.answers[0].ttl <= 5);
    let v6 = ask(&door, &question("origin.test.", RecordType::AAAA)).await;
    let expected: Ipv6Addr = "fd00:c4ee:1::2".parse().unwrap();
    assert_eq!(v6.answers[0].data, RData::AAAA(expected.into()));
    for kind in
        [RecordType::HTTPS, RecordType::SVCB, RecordType::TXT, RecordType::MX, RecordType::CNAME, RecordType::ANY]
    {
        let answer = ask(&door, &question("origin.test.", kind)).await;
        assert_eq!((answer.metadata.response_code, answer.answers.len()), (ResponseCode::NoError, 0), "{kind}");
    }
    assert!(book.rows().iter().all(|row| row.verdict == "allow" && row.outcome == Some(Outcome::done())));
}

#[tokio::test]
async fn everything_else_does_not_exist_and_is_recorded() {
    let (door, book, names) = door(approving("origin.test"));
    for name in ["evil.test.", "origin.test.evil.io.", "x.origin.test.", "_dmarc.origin.test.", "1.2.3.4.", "."] {
        for kind in [RecordType::A, RecordType::TXT, RecordType::NULL] {
            let answer = ask(&door, &question(name, kind)).await;
            assert_eq!((answer.metadata.response_code, answer.answers.len()), (ResponseCode::NXDomain, 0), "{name}");
        }
    }
    assert_eq!(book.story(), vec!["deny dns/not-approved"; 18]);
    let Deed::Resolve(resolve) = &book.rows()[9].action.deed else { panic!("no look-up") };
    assert_eq!((resolve.name.as_str(), resolve.host.is_none()), ("_dmarc.origin.test.", true));
    assert_eq!(names.journal(), "", "a refused name takes no place");
}

/// RFC 8914: an option whose code is 15, with the reason's code and a text.
#[tokio::test]
async fn a_refusal_names_its_rule_to_whom_speaks_edns() {
    let (door, _, _) = door(approving("origin.test"));
    let plain = ask(&door, &question("evil.test.", RecordType::A)).await;
    assert!(plain.edns.is_none());
    let mut asked = question("evil.test.", RecordType::A);
    asked.set_edns(Edns::new());
    let answer = ask(&door, &asked).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
    let Some(EdnsOption::Unknown(15, data)) = answer.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Unknown(15)))
    else {
        panic!("no explanation: {answer:?}");
    };
    let text = std::str::from_utf8(&data[2..]).unwrap();
    assert_eq!(&data[..2], [0, 15]);
    assert!(text.ends_with("`creel why 2`") && !text.contains("not for the agent"), "{text}");
    let mut known = question("origin.test.", RecordType::A);
    known.set_edns(Edns::new());
    assert!(ask(&door, &known).await.edns.unwrap().option(EdnsCode::Unknown(15)).is_none());
}

#[tokio::test]
async fn a_ledger_that_is_closed_and_a_secret_that_has_no_slot_give_no_address() {
    let (closed, book, names) = door(approving("origin.test"));
    book.closed.store(true, Ordering::SeqCst);
    let answer = ask(&closed, &question("origin.test.", RecordType::A)).await;
    assert_eq!((answer.metadata.response_code, answer.answers.len()), (ResponseCode::NXDomain, 0));
    assert_eq!(names.journal(), "");

    let (owing, book, names) = door(Rules { owes: owes_a_secret(), ..approving("origin.test") });
    let answer = ask(&owing, &question("origin.test.", RecordType::A)).await;
    assert_eq!((answer.metadata.response_code, answer.answers.len()), (ResponseCode::ServFail, 0));
    assert_eq!(names.journal(), "");
    assert!(matches!(book.rows()[0].outcome, Some(Outcome::Failed { .. })));
}

#[tokio::test]
async fn what_is_no_question_is_refused_and_recorded() {
    let (door, book, names) = door(approving("origin.test"));
    let good = question("origin.test.", RecordType::A).to_vec().unwrap();
    let changed = |at: usize, byte: u8| {
        let mut message = good.clone();
        message[at] = byte;
        message
    };
    let long = [&good[..], &[0; 4096]].concat();
    let axfr = question("origin.test.", RecordType::AXFR).to_vec().unwrap();
    let (form, none) = (Some(ResponseCode::FormErr), None);
    let messages = [
        (changed(2, 0x81), none, "response"),
        (good[..11].to_vec(), none, "too-short"),
        (long, none, "too-long"),
        (changed(5, 2), form, "counts"),
        (changed(2, 0x28), Some(ResponseCode::NotImp), "opcode"),
        (changed(2, 0x20), Some(ResponseCode::NotImp), "opcode"),
        (good[..20].to_vec(), form, "unreadable"),
        // A pointer to itself, and a label of a kind that does not exist.
        ([&good[..12], &[0xC0, 12, 0, 1, 0, 1]].concat(), form, "unreadable"),
        (changed(12, 0x80), form, "unreadable"),
        (changed(good.len() - 1, 3), Some(ResponseCode::Refused), "CH A"),
        (axfr, Some(ResponseCode::Refused), "IN AXFR"),
    ];
    for (index, (message, code, kind)) in messages.iter().enumerate() {
        let answer = door.answer(message).await.map(|answer| Message::from_vec(&answer).unwrap().metadata);
        assert_eq!(answer.map(|answer| (answer.id, answer.response_code)), code.map(|code| (77, code)), "{kind}");
        let row = book.rows().pop().unwrap();
        assert_eq!((book.rows().len(), row.verdict, row.rule.as_str()), (index + 1, "deny", "dns/bad-message"));
        let Deed::Resolve(resolve) = row.action.deed else { panic!("no look-up") };
        assert_eq!((resolve.kind.as_str(), resolve.host), (*kind, None));
        assert!(resolve.name.len() <= 256 && resolve.name.bytes().all(|byte| (0x20..0x7F).contains(&byte)));
    }
    assert_eq!(names.journal(), "");
}

#[tokio::test]
async fn a_flood_of_what_is_no_question_does_not_fill_the_ledger() {
    let (door, book, _) = door(approving("origin.test"));
    let axfr = question("origin.test.", RecordType::AXFR).to_vec().unwrap();
    let mut answered = 0;
    for _ in 0..1000 {
        answered += usize::from(door.answer(&axfr).await.is_some());
    }
    // A few a second: a thousand would take minutes.
    assert!((4..=100).contains(&answered), "{answered}");
    assert_eq!(book.rows().len(), answered, "no answer without a record");
    let answer = ask(&door, &question("origin.test.", RecordType::A)).await;
    assert_eq!(answer.answers.len(), 1, "questions go on");
}

#[tokio::test]
async fn it_answers_over_udp_and_tcp_on_both_families() {
    let (door, book, _) = door(approving("origin.test"));
    let udp = [UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("[::1]:0").await.unwrap()];
    let tcp = [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("[::1]:0").await.unwrap()];
    let at = udp.each_ref().map(|socket| socket.local_addr().unwrap());
    let tcp_at = tcp.each_ref().map(|listener| listener.local_addr().unwrap());
    let (trigger, shutdown) = Shutdown::pair();
    let serving = tokio::spawn(dns::serve(door, Sockets { udp: udp.into(), tcp: tcp.into() }, shutdown));
    let message = question("origin.test.", RecordType::A).to_vec().unwrap();
    for (at, local) in at.into_iter().zip(["127.0.0.1:0", "[::1]:0"]) {
        let client = UdpSocket::bind(local).await.unwrap();
        let mut buffer = [0; 512];
        let exchange = async {
            client.send_to(&message, at).await.unwrap();
            client.recv_from(&mut buffer).await.unwrap()
        };
        let (length, from) = tokio::time::timeout(Duration::from_secs(10), exchange).await.unwrap();
        assert_eq!(from, at);
        assert_eq!(Message::from_vec(&buffer[..length]).unwrap().answers.len(), 1);
    }
    for at in tcp_at {
        let mut client = TcpStream::connect(at).await.unwrap();
        let framed = [&(message.len() as u16).to_be_bytes(), message.as_slice()].concat();
        // Two questions in one write, answered one after the other.
        client.write_all(&[framed.clone(), framed].concat()).await.unwrap();
        for _ in 0..2 {
            let length = client.read_u16().await.unwrap();
            let mut answer = vec![0; usize::from(length)];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(Message::from_vec(&answer).unwrap().answers.len(), 1);
        }
        // A message that is announced too long ends the connection.
        client.write_all(&[0xFF, 0xFF]).await.unwrap();
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    }
    // So is a datagram that is too long, and not answered.
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.send_to(&[0; 5000], at[0]).await.unwrap();
    let bad = |rows: &[Row]| rows.iter().filter(|row| row.rule == "dns/bad-message").count() == 3;
    book.until("three messages that are too long are recorded", bad).await;
    trigger.pull();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_thousand_questions_at_once_stay_bounded_and_are_answered_in_the_end() {
    let book = Arc::new(Book { slow: Some(Semaphore::new(0)), ..Book::default() });
    let names = Arc::new(Names::new(Box::new(|_| Ok(()))));
    let door = Dns::new(guard(approving("origin.test"), &book), tenant(), names);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (at, tcp_at) = (udp.local_addr().unwrap(), listener.local_addr().unwrap());
    let (_trigger, shutdown) = Shutdown::pair();
    tokio::spawn(dns::serve(door, Sockets { udp: vec![udp], tcp: vec![listener] }, shutdown));
    let message = question("origin.test.", RecordType::A).to_vec().unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..1000 {
        client.send_to(&message, at).await.unwrap();
    }
    book.until("128 at work", |rows| rows.len() == 128).await;
    // One more over TCP waits for its turn like all others.
    let mut stream = TcpStream::connect(tcp_at).await.unwrap();
    let framed = [&(message.len() as u16).to_be_bytes(), message.as_slice()].concat();
    stream.write_all(&framed).await.unwrap();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(book.rows().len(), 128);
    book.slow.as_ref().unwrap().add_permits(2000);
    assert!(stream.read_u16().await.unwrap() > 0);
}

#[tokio::test]
async fn a_look_up_that_panics_leaves_the_door_to_the_next() {
    let names = Names::new(Box::new(|line| {
        assert!(!line.contains("breaks"), "the test's own panic");
        Ok(())
    }));
    let rules = Rules { approved: vec!["breaks.test".to_owned(), "origin.test".to_owned()], ..Rules::default() };
    let door = Dns::new(guard(rules, &Arc::new(Book::default())), tenant(), Arc::new(names));
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect(udp.local_addr().unwrap()).await.unwrap();
    let (_trigger, shutdown) = Shutdown::pair();
    tokio::spawn(dns::serve(door, Sockets { udp: vec![udp], tcp: Vec::new() }, shutdown));
    for name in ["breaks.test.", "origin.test."] {
        client.send(&question(name, RecordType::A).to_vec().unwrap()).await.unwrap();
    }
    let mut buffer = [0; 512];
    let length = tokio::time::timeout(Duration::from_secs(10), client.recv(&mut buffer)).await.unwrap().unwrap();
    let answer = Message::from_vec(&buffer[..length]).unwrap();
    assert_eq!((answer.queries[0].name().to_ascii().as_str(), answer.answers.len()), ("origin.test.", 1));
}

#[tokio::test]
async fn the_names_below_a_wildcard_are_counted() {
    let below = HostName::parse("wild.test").ok();
    let approved = (0..3).map(|n| format!("n{n}.wild.test")).collect();
    let (door, book, _) = door(Rules { approved, needs: Needs { below, ..Needs::default() }, ..Rules::default() });
    for name in ["n0", "n1", "n0", "nope", "n2"] {
        ask(&door, &question(&format!("{name}.wild.test."), RecordType::A)).await;
    }
    let counted: Vec<_> = book.rows().iter().map(|row| row.facts.siblings).collect();
    assert_eq!(counted, [Some(0), Some(1), Some(0), Some(2), Some(2)]);
}
