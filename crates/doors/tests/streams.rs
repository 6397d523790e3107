//! Connections that are no HTTP: tunnels, plain TCP, and protocols that turn to TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use creel_doors::egress::HostSettings;
use creel_doors::stream::Io;
use creel_guard::{Deed, Mode, Obligations, Outcome};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::fakes::{Row, Rules};
use crate::world::{Origin, World, approving, certificate, exchange, get, pinned, settings};

/// A server whose connections `serve` answers.
struct Server {
    settings: HostSettings,
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn new<F, W>(mode: Mode, serve: F) -> Self
    where
        F: Fn(TcpStream, tokio_rustls::TlsAcceptor) -> W + Send + 'static,
        W: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (ca, config) = certificate("origin.test");
        let own = HostSettings { mode, ..settings("origin.test", port, ca) };
        let connections = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, tokio_rustls::TlsAcceptor::from(Arc::clone(&config))));
            }
        });
        Self { settings: own, port, connections }
    }

    async fn world(&self) -> World {
        World::new(approving("origin.test"), vec![self.settings.clone()]).await
    }
}

fn settled(rows: &[Row]) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.verdict == "deny" || row.outcome.is_some())
}

/// A handshake that trusts this certificate alone.
async fn shake(stream: impl Io + 'static, ca: &CertificateDer<'static>, sni: &str) -> std::io::Result<Box<dyn Io>> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(sni.to_owned()).unwrap();
    Ok(Box::new(tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?))
}

async fn line(stream: &mut (impl Io + ?Sized)) -> String {
    let mut line = Vec::new();
    let reading = async {
        while !line.ends_with(b"\n") {
            line.push(stream.read_u8().await.unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("a line within 20 s");
    String::from_utf8(line).unwrap()
}

#[tokio::test]
async fn a_tunnel_is_for_the_name_that_was_approved_and_nobody_looks_into_it() {
    let origin = Origin::new(true).await;
    let settings = HostSettings { mode: Mode::Tunnel, ..pinned("origin.test", &origin) };
    let world = World::new(approving("origin.test"), vec![settings]).await;
    let port = origin.port;
    let stream = world.connect("origin.test", port).await;
    // The upstream's own certificate arrives: the client pins it.
    let tls = shake(stream, &origin.ca, "origin.test").await.unwrap();
    let answer = exchange(tls, get("/a?3", port)).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ooo"), "{answer}");
    let rows = world.book.until("settled", settled).await;
    let Deed::Send(send) = &rows[0].action.deed else { panic!("{rows:?}") };
    assert_eq!((send.to_string(), send.body), (format!("tunnel://origin.test:{port}"), None));
    let Some(Outcome::Done { sent, received, status: None }) = rows[0].outcome else { panic!("{rows:?}") };
    assert!(sent > 300 && received > 1000, "{sent} {received}");
    // By CONNECT as well.
    let mut stream = TcpStream::connect(world.proxy).await.unwrap();
    let ask = format!("CONNECT origin.test:{port} HTTP/1.1\r\nhost: origin.test:{port}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    assert!(line(&mut stream).await.contains("200"));
    while line(&mut stream).await != "\r\n" {}
    let tls = shake(stream, &origin.ca, "origin.test").await.unwrap();
    assert!(exchange(tls, get("/b", port)).await.starts_with("HTTP/1.1 200"));
    let reached = origin.connections();
    // Another name, none, and what is no TLS.
    for (sni, rule) in [("other.test", "sni-mismatch"), ("192.0.2.1", "sni-mismatch"), ("", "bad-tls")] {
        let stream = world.connect("origin.test", port).await;
        if sni.is_empty() {
            assert_eq!(exchange(stream, get("/", port)).await, "");
        } else {
            assert!(shake(stream, &origin.ca, sni).await.is_err());
        }
        let rule = format!("egress/{rule}");
        world.book.until("refused", |rows| rows.last().is_some_and(|row| row.rule == rule)).await;
    }
    assert_eq!(origin.connections(), reached);
}

#[tokio::test]
async fn tcp_passes_whoever_speaks_first_and_ends_by_halves() {
    let server = Server::new(Mode::Tcp, |mut stream, _| async move {
        stream.write_all(b"SSH-2.0-x\r\n").await?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await?;
        stream.write_all(&all).await?;
        stream.shutdown().await
    })
    .await;
    let world = server.world().await;
    let mut stream = world.connect("origin.test", server.port).await;
    assert_eq!(line(&mut stream).await, "SSH-2.0-x\r\n");
    let big = vec![b'x'; 3_000_000];
    let (mut read, mut write) = stream.into_split();
    let sent = big.clone();
    let writer = tokio::spawn(async move {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
        write
    });
    let mut back = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), read.read_to_end(&mut back)).await.unwrap().unwrap();
    assert!(back == big, "{} bytes came back", back.len());
    writer.await.unwrap();
    let rows = world.book.until("settled", settled).await;
    assert_eq!(rows[0].outcome, Some(Outcome::Done { sent: 3_000_000, received: 3_000_011, status: None }));
}

#[tokio::test]
async fn what_no_rule_allows_is_not_connected_to_and_budgets_hold() {
    let server = Server::new(Mode::Tcp, |mut stream, _| async move {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await?;
        Ok(())
    })
    .await;
    let rules = Rules { owes: Obligations { max_bytes: Some(10), ..Obligations::default() }, ..Rules::default() };
    let world = World::new(rules, vec![server.settings.clone()]).await;
    let stream = world.connect("origin.test", server.port).await;
    assert_eq!(exchange(stream, "hello").await, "");
    assert_eq!(
        (world.book.story(), server.connections.load(Ordering::SeqCst)),
        (vec!["deny egress/not-approved".to_owned()], 0)
    );
    world.rules.0.lock().unwrap().approved.push("origin.test".to_owned());
    let stream = world.connect("origin.test", server.port).await;
    exchange(stream, "more than ten bytes").await;
    let rows = world.book.until("settled", settled).await;
    assert!(format!("{:?}", rows[1].outcome).contains("more went out than may; 0 bytes had left"), "{rows:?}");
    // New rules end what is open.
    let stream = world.connect("origin.test", server.port).await;
    world.book.until("admitted", |rows| rows.len() == 3).await;
    world.rules.0.lock().unwrap().approved.clear();
    world.config.send_modify(|_| {});
    assert_eq!(exchange(stream, "").await, "");
    let rows = world.book.until("settled", settled).await;
    assert!(format!("{:?}", rows[2].outcome).contains("the rules changed"), "{rows:?}");
}

/// A mail server: says what it must, turns to TLS, and then repeats lines.
async fn mail(stream: TcpStream, tls: tokio_rustls::TlsAcceptor, imap: bool) -> std::io::Result<()> {
    let mut stream: Box<dyn Io> = Box::new(stream);
    stream.write_all(if imap { b"* OK hello\r\n" } else { b"220-mail\r\n220 ready\r\n" }).await?;
    loop {
        let said = line(&mut stream).await;
        let tag = said.split(' ').next().unwrap().trim().to_owned();
        if said.to_ascii_uppercase().contains("STARTTLS") {
            stream
                .write_all(if imap { format!("{tag} OK go\r\n") } else { "220 go\r\n".to_owned() }.as_bytes())
                .await?;
            let mut stream = tls.accept(stream).await?;
            loop {
                let said = line(&mut stream).await;
                stream.write_all(format!("heard {said}").as_bytes()).await?;
                stream.flush().await?;
            }
        }
        let answer = if imap {
            format!("* CAPABILITY STARTTLS\r\n{tag} OK done\r\n")
        } else {
            "250-mail\r\n250 STARTTLS\r\n".to_owned()
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}

#[tokio::test]
async fn smtp_and_imap_turn_to_tls_and_nothing_but_greetings_leaves_before() {
    for imap in [false, true] {
        let mode = if imap { Mode::Imap } else { Mode::Smtp };
        let server = Server::new(mode, move |stream, tls| mail(stream, tls, imap)).await;
        let world = server.world().await;
        let mut stream = world.connect("origin.test", server.port).await;
        let (greeting, hello, early, turn, yes) = if imap {
            ("* OK hello", "a CAPABILITY", "b LOGIN me secret", "c STARTTLS", "c OK go")
        } else {
            ("220-mail", "EHLO me", "AUTH PLAIN secret", "STARTTLS", "220 go")
        };
        assert!(line(&mut stream).await.starts_with(greeting));
        if !imap {
            line(&mut stream).await;
        }
        stream.write_all(format!("{hello}\r\n").as_bytes()).await.unwrap();
        line(&mut stream).await;
        assert!(line(&mut stream).await.contains(if imap { "a OK" } else { "250 STARTTLS" }));
        stream.write_all(format!("{early}\r\n").as_bytes()).await.unwrap();
        let refused = line(&mut stream).await;
        assert!(refused.contains("PRIVACYREQUIRED") || refused.starts_with("530"), "{refused}");
        stream.write_all(format!("{turn}\r\n").as_bytes()).await.unwrap();
        assert!(line(&mut stream).await.starts_with(yes));
        // Creel's certificate, not the upstream's.
        let mut tls = world.shake_for(stream, "origin.test", &[]).await.unwrap();
        tls.write_all(b"secret\r\n").await.unwrap();
        assert_eq!(line(&mut tls).await, "heard secret\r\n");
        drop(tls);
        let rows = world.book.until("settled", settled).await;
        assert!(format!("{:?}", rows[0]).contains(mode.word()), "{rows:?}");
        // What waits in plain text behind the turn is not taken along.
        let mut stream = world.connect("origin.test", server.port).await;
        line(&mut stream).await;
        if !imap {
            line(&mut stream).await;
        }
        let _ = exchange(stream, format!("{turn}\r\nd NOOP injected\r\n")).await;
        let rows = world.book.until("settled", |rows| rows.len() == 2 && settled(rows)).await;
        assert!(format!("{:?}", rows[1].outcome).contains("plain text behind the turn"), "{rows:?}");
    }
}

#[tokio::test]
async fn mail_over_tls_from_the_first_byte_is_terminated_too() {
    let server = Server::new(Mode::Imap, |stream, tls| async move {
        let mut stream = tls.accept(stream).await?;
        stream.write_all(b"* OK hello\r\n").await?;
        stream.flush().await?;
        let said = line(&mut stream).await;
        stream.write_all(format!("heard {said}").as_bytes()).await?;
        stream.shutdown().await
    })
    .await;
    let world = server.world().await;
    let stream = world.connect("origin.test", server.port).await;
    let mut tls = world.shake_for(stream, "origin.test", &[]).await.unwrap();
    assert_eq!(line(&mut tls).await, "* OK hello\r\n");
    tls.write_all(b"a LOGIN me secret\r\n").await.unwrap();
    assert_eq!(line(&mut tls).await, "heard a LOGIN me secret\r\n");
    drop(tls);
    // Another name in the handshake.
    let stream = world.connect("origin.test", server.port).await;
    assert!(world.shake_for(stream, "other.test", &[]).await.is_err());
    // An upstream whose certificate is for nobody we know.
    let mut settings = server.settings.clone();
    settings.ca.clear();
    world.config.send_modify(|config| *config = Arc::new(creel_doors::egress::Config::new(vec![settings])));
    let stream = world.connect("origin.test", server.port).await;
    assert!(world.shake_for(stream, "origin.test", &[]).await.is_err());
    let rows = world.book.until("settled", settled).await;
    assert!(format!("{:?}", rows.last().unwrap().outcome).contains("the TLS handshake with"), "{rows:?}");
}

#[tokio::test]
async fn postgresql_asks_for_tls_and_gets_nothing_without() {
    let server = Server::new(Mode::Postgres, |mut stream, tls| async move {
        let mut ask = [0; 8];
        stream.read_exact(&mut ask).await?;
        assert_eq!(ask, [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]);
        stream.write_all(b"S").await?;
        let mut stream = tls.accept(stream).await?;
        let said = line(&mut stream).await;
        stream.write_all(format!("heard {said}").as_bytes()).await?;
        stream.shutdown().await
    })
    .await;
    let world = server.world().await;
    let mut stream = world.connect("origin.test", server.port).await;
    // Kerberos first, as libpq does: No.
    stream.write_all(&[0, 0, 0, 8, 4, 0xd2, 0x16, 0x30]).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'N');
    stream.write_all(&[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'S');
    let mut tls = world.shake_for(stream, "origin.test", &["postgresql"]).await.unwrap();
    tls.write_all(b"select 1\n").await.unwrap();
    assert_eq!(line(&mut tls).await, "heard select 1\n");
    drop(tls);
    let stream = world.connect("origin.test", server.port).await;
    let startup = [&[0, 0, 0, 20, 0, 3, 0, 0][..], b"user\0me\0\0\0\0\0"].concat();
    let answer = exchange(stream, startup).await;
    assert!(answer.starts_with('E') && answer.contains("sslmode=require"), "{answer:?}");
    let rows = world.book.until("settled", settled).await;
    assert!(format!("{:?}", rows.last().unwrap().outcome).contains("asked for no TLS"), "{rows:?}");
}
