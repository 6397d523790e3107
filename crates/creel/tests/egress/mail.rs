//! Placeholders in sign-ins to SMTP and IMAP, under the policy of a written configuration.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use creel::config::Config;
use creel_doors::egress::HostSettings;
use creel_doors::stream::Io;
use creel_guard::{Mode, Outcome};
use creel_policy::Policy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::world::{STAND_IN, TOKEN, World, certificate, exchange, settings};

/// A mail server that keeps what it hears, and lets in who has the token.
struct Server {
    imap: bool,
    port: u16,
    settings: HostSettings,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn new(imap: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (ca, config) = certificate("origin.test");
        let mode = if imap { Mode::Imap } else { Mode::Smtp };
        let settings = HostSettings { mode, ..settings("origin.test", port, ca) };
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, tls) = (Arc::clone(&kept), TlsAcceptor::from(Arc::clone(&config)));
                tokio::spawn(async move { talk(stream, tls, imap, &kept).await });
            }
        });
        Self { imap, port, settings, heard }
    }

    async fn world(&self) -> World {
        let text = format!(
            "[[egress.allow]]\nhost = \"origin.test\"\nports = [{port}]\naddress = \"127.0.0.1\"\nmode = \"{mode}\"\n\
             [[secret]]\nname = \"token\"\nskill = \"crm\"\nhost = \"origin.test\"\nports = [{port}]\nslot = \"login me@a.test\"\n",
            port = self.port,
            mode = self.settings.mode.word()
        );
        let config = Config::again("c".as_ref(), &text, &[]).unwrap();
        let policy = Policy::new(config.policy(1, &config.provider(&|_| false).unwrap(), Vec::new()));
        World::judged_by(Arc::new(policy), Arc::default(), vec![self.settings.clone()]).await
    }

    /// A connection over TLS from the first byte, behind the greeting.
    async fn open(&self, world: &World) -> Box<dyn Io> {
        let stream = world.connect("origin.test", self.port).await;
        let mut stream = world.shake_for(stream, "origin.test", &[]).await.unwrap();
        line(&mut stream).await;
        stream
    }

    /// The last thing that it heard.
    fn last(&self) -> String {
        self.heard.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

async fn line(stream: &mut (impl Io + ?Sized)) -> String {
    let mut line = Vec::new();
    let reading = async {
        while !line.ends_with(b"\r\n") {
            match stream.read_u8().await {
                Ok(byte) => line.push(byte),
                Err(_) => break,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("a line within 20 s");
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

async fn talk(stream: TcpStream, tls: TlsAcceptor, imap: bool, kept: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut first = [0];
    let mut stream: Box<dyn Io> =
        if tokio::time::timeout(Duration::from_millis(300), stream.peek(&mut first)).await.is_ok() {
            Box::new(tls.accept(stream).await?)
        } else {
            Box::new(stream)
        };
    stream.write_all(if imap { b"* OK hello\r\n" } else { b"220 hello\r\n" }).await?;
    stream.flush().await?;
    let mut wait = String::new();
    loop {
        let said = line(&mut stream).await;
        if said.is_empty() {
            return Ok(());
        }
        kept.lock().unwrap().push(said.clone());
        let (tag, command) = if imap { said.split_once(' ').unwrap_or(("", &said)) } else { ("", said.as_str()) };
        let yes = if imap { format!("{tag} OK ") } else { "250 ".to_owned() };
        if command == "STARTTLS" {
            stream.write_all(format!("{}go\r\n", if imap { yes.as_str() } else { "220 " }).as_bytes()).await?;
            stream = Box::new(tls.accept(stream).await?);
            continue;
        }
        let answer = match command.split(' ').collect::<Vec<_>>()[..] {
            ["EHLO", _] => "250-mail\r\n250 AUTH CRAM-MD5 PLAIN LOGIN XOAUTH2".to_owned(),
            ["CAPABILITY"] => format!("* CAPABILITY AUTH=CRAM-MD5 AUTH=PLAIN\r\n{yes}done"),
            ["AUTH", _] => "334 ".to_owned(),
            ["AUTHENTICATE", _] => {
                tag.clone_into(&mut wait);
                "+ ".to_owned()
            }
            _ => {
                let words = said.rsplit(' ').next().unwrap_or_default();
                let plain = STANDARD.decode(words).map_or(said.clone(), |plain| String::from_utf8(plain).unwrap());
                let in_answer = if wait.is_empty() { yes.clone() } else { format!("{wait} OK ") };
                match () {
                    () if plain.contains(TOKEN) && imap => format!("{in_answer}welcome with {TOKEN}"),
                    () if plain.contains(TOKEN) => format!("235 welcome with {words}"),
                    () if plain == "me@a.test" => "334 UGFzc3dvcmQ6".to_owned(),
                    () => format!("{yes}heard {said}"),
                }
            }
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        stream.flush().await?;
    }
}

fn plain(user: &str, password: &str) -> String {
    STANDARD.encode(format!("\0{user}\0{password}"))
}

fn token(user: &str, password: &str) -> String {
    STANDARD.encode(format!("user={user}\u{1}auth=Bearer {password}\u{1}\u{1}"))
}

#[tokio::test]
async fn every_sign_in_gets_the_secret_and_no_answer_brings_it_back() {
    let me = "me@a.test";
    for (imap, says, last) in [
        (false, vec![format!("AUTH PLAIN {}", plain(me, STAND_IN))], format!("AUTH PLAIN {}", plain(me, TOKEN))),
        (false, vec!["AUTH PLAIN".to_owned(), plain(me, STAND_IN)], plain(me, TOKEN)),
        (false, vec!["AUTH LOGIN".to_owned(), STANDARD.encode(me), STANDARD.encode(STAND_IN)], STANDARD.encode(TOKEN)),
        (false, vec![format!("AUTH XOAUTH2 {}", token(me, STAND_IN))], format!("AUTH XOAUTH2 {}", token(me, TOKEN))),
        (true, vec![format!("a LOGIN {me} {STAND_IN}")], format!("a LOGIN \"{me}\" \"{TOKEN}\"")),
        (true, vec![format!("a LOGIN \"{me}\" \"{STAND_IN}\"")], format!("a LOGIN \"{me}\" \"{TOKEN}\"")),
        (true, vec!["b AUTHENTICATE PLAIN".to_owned(), plain(me, STAND_IN)], plain(me, TOKEN)),
        (true, vec!["b AUTHENTICATE XOAUTH2".to_owned(), token(me, STAND_IN)], token(me, TOKEN)),
    ] {
        let server = Server::new(imap).await;
        let world = server.world().await;
        let mut stream = server.open(&world).await;
        let hello = if imap { "h CAPABILITY" } else { "EHLO me" };
        stream.write_all(format!("{hello}\r\n").as_bytes()).await.unwrap();
        let offer = [line(&mut stream).await, line(&mut stream).await].join(" ");
        assert!(offer.contains("PLAIN") && !offer.contains("CRAM"), "{offer}");
        let mut answer = String::new();
        for says in &says {
            for piece in format!("{says}\r\n").as_bytes().chunks(5) {
                stream.write_all(piece).await.unwrap();
                stream.flush().await.unwrap();
            }
            answer = line(&mut stream).await;
        }
        assert_eq!(server.last(), last);
        assert!(answer.contains("welcome") && answer.contains("[scrubbed by creel]"), "{answer}");
        assert!(!answer.contains(TOKEN), "{answer}");
        // Signed in, everything passes as it is, and answers are scrubbed as before.
        stream.write_all(format!("c LOGIN me@a.test {STAND_IN} {TOKEN}\r\n").as_bytes()).await.unwrap();
        let answer = line(&mut stream).await;
        assert!(answer.contains("[scrubbed by creel]") && !answer.contains(TOKEN), "{answer}");
        assert_eq!(server.last(), format!("c LOGIN me@a.test {STAND_IN} {TOKEN}"));
        drop(stream);
        let rows = world.book.until("settled", |rows| rows.iter().all(|row| row.outcome.is_some())).await;
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert_eq!(rows[1].facts.placeholders[0].to_string(), "`token` of the skill `crm` in login me@a.test");
        assert!(matches!(rows[1].outcome, Some(Outcome::Done { .. })), "{rows:?}");
    }
}

#[tokio::test]
async fn behind_starttls_it_is_the_same() {
    for imap in [false, true] {
        let server = Server::new(imap).await;
        let world = server.world().await;
        let mut stream = world.connect("origin.test", server.port).await;
        line(&mut stream).await;
        let turn = if server.imap { "s STARTTLS\r\n" } else { "STARTTLS\r\n" };
        stream.write_all(turn.as_bytes()).await.unwrap();
        line(&mut stream).await;
        let mut stream = world.shake_for(stream, "origin.test", &[]).await.unwrap();
        let says = if imap { "a AUTHENTICATE PLAIN" } else { "AUTH PLAIN" };
        stream.write_all(format!("{says} {}\r\n", plain("me@a.test", STAND_IN)).as_bytes()).await.unwrap();
        assert!(line(&mut stream).await.contains("welcome"));
        assert_eq!(server.last(), format!("{says} {}", plain("me@a.test", TOKEN)));
    }
}

#[tokio::test]
async fn anybody_else_and_anything_before_is_refused() {
    for (imap, says) in [
        (false, format!("AUTH PLAIN {}", plain("me@a.test", "my own"))),
        (false, format!("AUTH PLAIN {}", plain("you@a.test", STAND_IN))),
        (false, format!("AUTH PLAIN {}", STANDARD.encode(format!("you@a.test\0me@a.test\0{STAND_IN}")))),
        (false, format!("MAIL FROM:<{STAND_IN}>")),
        (false, format!("BDAT 100\r\nAUTH PLAIN {}", plain("me@a.test", STAND_IN))),
        (false, format!("NOOP\r\nAUTH PLAIN {}", plain("me@a.test", STAND_IN))),
        (true, "a LOGIN you@a.test secret".to_owned()),
        (true, format!("a LOGIN you@a.test {STAND_IN}")),
        (true, format!("a LOGIN {{9}}\r\nme@a.test {STAND_IN}")),
        (true, "a SELECT inbox".to_owned()),
    ] {
        let server = Server::new(imap).await;
        let world = server.world().await;
        let stream = server.open(&world).await;
        exchange(stream, format!("{says}\r\n")).await;
        let rows = world.book.until("ended", |rows| rows[0].outcome.is_some()).await;
        assert!(matches!(rows[0].outcome, Some(Outcome::Failed { .. })), "{says}: {rows:?}");
        let other = says.contains(&plain("you@a.test", STAND_IN)) || says == format!("a LOGIN you@a.test {STAND_IN}");
        assert_eq!(rows.iter().any(|row| row.rule == "egress/deny-placeholder"), other, "{says}: {rows:?}");
        let heard = server.heard.lock().unwrap().join("\n");
        assert!(heard.is_empty() || heard == "NOOP", "{says}: {heard}");
    }
}
