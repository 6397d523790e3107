//! What upstreams do to get around the door: redirects, certificates, names that lead elsewhere next time (EGRESS.md 8, 36, 57).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use creel_guard::Outcome;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::table::{Ask, Stage, Way};

fn entry(port: u16) -> String {
    format!("[[egress.allow]]\nhost = \"web.test\"\nports = [{port}]\nhttp = true\naddress = \"127.0.0.1\"\n")
}

/// A plain upstream that says the same to everybody, and counts.
async fn saying(answer: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let visits = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&visits);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, visits)
}

#[tokio::test]
async fn a_redirect_is_handed_on_and_where_it_leads_is_a_request_of_its_own() {
    for (answer, to, rule) in [
        (
            "HTTP/1.1 302 Found\r\nlocation: http://evil.test/x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            Ask::get("evil.test", "/x"),
            "egress/not-approved",
        ),
        (
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://169.254.169.254/latest\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            Ask::get("169.254.169.254", "/latest"),
            "egress/not-approved",
        ),
        (
            "HTTP/1.1 301 Moved\r\nlocation: ftp://web.test/\r\nrefresh: 0; url=http://127.0.0.1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            Ask::get("127.0.0.1", "/"),
            "egress/planted-socket",
        ),
    ] {
        let (port, visits) = saying(answer).await;
        let stage = Stage::new(&entry(port)).await;
        let ask = Ask { port: Some(port), ..Ask::get("web.test", "/") };
        for (at, way) in [Way::TurnedPlain, Way::ConnectPlain, Way::Absolute].into_iter().enumerate() {
            let back = stage.send(way, &ask).await.unwrap();
            assert!(back.starts_with("HTTP/1.1 30") && back.contains("location: "), "{way:?}: {back}");
            assert_eq!(visits.load(Ordering::SeqCst), at + 1, "{way:?}: the door followed it");
            let next = stage.send(way, &to).await.unwrap();
            assert!(!next.starts_with("HTTP/1.1 2"), "{way:?}: {next}");
            let last = stage.world.book.rows().pop().unwrap();
            // Past the resolver he may also be refused for the name that he says.
            let refused = last.rule == rule || (way == Way::TurnedPlain && last.rule == "egress/host-mismatch");
            assert!(refused, "{way:?}: {:?}", stage.world.book.story());
        }
        assert_eq!(stage.arrived(), 0);
    }
}

/// What is wrong with a certificate.
type Spoil = fn(&mut CertificateParams);

/// An upstream over TLS with a certificate like this, and who signed it.
async fn shown(spoil: Spoil) -> (u16, CertificateDer<'static>, Arc<AtomicUsize>) {
    let (leaf, key, ca) = certificate_of(spoil);
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    let (port, heard) = serve(builder.with_single_cert(vec![leaf], key).unwrap()).await;
    (port, ca, heard)
}

/// A certificate for `web.test`, spoiled, its key, and who signed it.
fn certificate_of(spoil: Spoil) -> (CertificateDer<'static>, PrivateKeyDer<'static>, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&key).unwrap();
    let leaf_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["web.test".to_owned()]).unwrap();
    spoil(&mut params);
    let leaf = params.signed_by(&leaf_key, &Issuer::new(authority, key)).unwrap();
    (leaf.der().clone(), PrivateKeyDer::Pkcs8(leaf_key.serialize_der().into()), ca.der().clone())
}

/// Says 200 to whoever gets through the handshake and sends something, and counts these.
async fn serve(config: ServerConfig) -> (u16, Arc<AtomicUsize>) {
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                if stream.read(&mut [0; 4096]).await.is_ok_and(|length| length > 0) {
                    count.fetch_add(1, Ordering::SeqCst);
                    let _ =
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
                    let _ = stream.shutdown().await;
                }
            });
        }
    });
    (port, heard)
}

async fn all_fail(stage: &Stage, port: u16, what: &str) {
    let ask = Ask { port: Some(port), ..Ask::get("web.test", "/") };
    for way in Way::TLS {
        let before = stage.world.book.rows().len();
        let answer = stage.send(way, &ask).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 502"), "{what}, {way:?}: {answer}");
        let rows =
            stage.world.book.until(what, |rows| rows.len() > before && rows.iter().all(|row| row.outcome.is_some()));
        assert!(matches!(rows.await.last().unwrap().outcome, Some(Outcome::Failed { .. })), "{what}, {way:?}");
    }
}

#[tokio::test]
async fn an_upstream_that_proves_nothing_gets_nothing() {
    let spoiled: [(&str, Spoil); 3] = [
        ("an expired certificate", |params| params.not_after = rcgen::date_time_ymd(2001, 1, 1)),
        ("one for later", |params| params.not_before = rcgen::date_time_ymd(2090, 1, 1)),
        ("another host's", |params| *params = CertificateParams::new(vec!["evil.test".to_owned()]).unwrap()),
    ];
    for (what, spoil) in spoiled {
        let (port, ca, heard) = shown(spoil).await;
        all_fail(&Stage::trusting(&entry(port), Some(ca), &[]).await, port, what).await;
        assert_eq!(heard.load(Ordering::SeqCst), 0, "{what}");
    }
    let (port, _, heard) = shown(|_| ()).await;
    all_fail(&Stage::new(&entry(port)).await, port, "one that nobody vouches for").await;
    assert_eq!(heard.load(Ordering::SeqCst), 0);
    // TLS 1.0 alone (RFC 5246, appendix E.1): a fatal alert, protocol_version, in records of that version.
    let (port, _) = saying("\x15\x03\x01\x00\x02\x02\x46").await;
    all_fail(&Stage::new(&entry(port)).await, port, "an old protocol").await;
    // The control: the same host with a good certificate.
    let (port, ca, heard) = shown(|_| ()).await;
    let stage = Stage::trusting(&entry(port), Some(ca), &[]).await;
    let ask = Ask { port: Some(port), ..Ask::get("web.test", "/") };
    assert!(stage.send(Way::TurnedTls, &ask).await.unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(heard.load(Ordering::SeqCst), 1);
}

/// Row 8: what a name leads to is asked and judged for each request, and only what was judged is reached.
#[tokio::test]
async fn a_name_that_leads_inside_the_next_time_is_refused_the_next_time() {
    let policy = "[[egress.allow]]\nhost = \"inside.test\"\nports = [{tls}, {plain}]\nhttp = true\n";
    let stage = Stage::new(policy).await;
    let ask = |resolves| Ask { resolves, ..Ask::get("inside.test", "/") };
    // A place of documentation: admitted, and nobody is there.
    let outside = ask(&["203.0.113.80"]);
    let _ = tokio::time::timeout(std::time::Duration::from_millis(300), stage.send(Way::TurnedPlain, &outside)).await;
    let answer = stage.send(Way::TurnedPlain, &ask(&["127.0.0.1"])).await.unwrap();
    assert!(answer.contains("egress/deny-closed-range"), "{answer}");
    let rows = stage.world.book.rows();
    let addresses: Vec<IpAddr> = rows.iter().flat_map(|row| row.facts.addresses.clone()).collect();
    assert_eq!(addresses, ["203.0.113.80".parse::<IpAddr>().unwrap(), "127.0.0.1".parse().unwrap()]);
    assert_eq!(stage.arrived(), 0);
}

#[tokio::test]
async fn an_upstream_that_asks_who_we_are_is_told_by_the_entry_that_says_so() {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (leaf, key, ca) = certificate_of(|_| ());
    let mine = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["creel.test".to_owned()]).unwrap().self_signed(&mine).unwrap();
    let mut known = rustls::RootCertStore::empty();
    known.add(own.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(known), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![leaf], key)
        .unwrap();
    let (port, heard) = serve(config).await;
    let files = [("c.pem", own.pem()), ("k.pem", mine.serialize_pem())].map(|(path, text)| (path.into(), text));
    let told = format!("{}client_cert = \"c.pem\"\nclient_key = \"k.pem\"\n", entry(port));
    let stage = Stage::trusting(&told, Some(ca.clone()), &files).await;
    let ask = Ask { port: Some(port), ..Ask::get("web.test", "/") };
    for (at, way) in Way::TLS.into_iter().enumerate() {
        let answer = stage.send(way, &ask).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{way:?}: {answer}");
        assert_eq!(heard.load(Ordering::SeqCst), at + 1);
    }
    let silent = Stage::trusting(&entry(port), Some(ca), &[]).await;
    let answer = silent.send(Way::TurnedTls, &ask).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert_eq!(heard.load(Ordering::SeqCst), Way::TLS.len());
}
