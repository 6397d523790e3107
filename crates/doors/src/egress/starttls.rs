//! Protocols that turn to TLS on their way: SMTP and IMAP by `STARTTLS`, PostgreSQL by `SSLRequest`.
//!
//! Owns the dialogue before TLS, in lock-step: nothing but greetings leaves in plain text, everything else is answered here
//! with the protocol's own "TLS first". Then both sides are TLS, terminated by Creel, the upstream's certificate verified.
//! Nothing may wait behind the turn (RFC 3207, section 6). Called by [`super::tunnel`].

use std::time::Duration;

use bytes::{Buf, BytesMut};
use creel_guard::Mode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;

use super::aim::Aim;
use super::config::HANDSHAKE_LIMIT;
use crate::Error;
use crate::ca::Ca;
use crate::stream::{Io, Prefixed};
use crate::upstream::{Client, Place};

/// All that is said before TLS.
const PLAIN_LIMIT: Duration = Duration::from_secs(60);
/// A line of SMTP has 512 bytes (RFC 5321, section 4.5.3.1.5); IMAP servers list what they can in one.
const MAX_LINE: usize = 8 * 1024;
/// Lines of one answer.
const MAX_LINES: usize = 128;
/// Commands before TLS.
const MAX_COMMANDS: usize = 16;
/// PostgreSQL's first messages (its manual, "Message Formats"), each with a length of 8.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const GSSENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];
/// An ErrorResponse, severity FATAL, code 28000.
const PG_TLS_FIRST: &[u8] = b"E\0\0\0\x4cSFATAL\0VFATAL\0C28000\0MTLS is needed here: connect with sslmode=require\0\0";

/// What the turn needs.
pub(super) struct Turn<'a> {
    pub(super) ca: &'a Ca,
    pub(super) client: &'a Client,
    pub(super) aim: &'a Aim,
    pub(super) place: &'a Place,
    pub(super) mode: Mode,
}

/// Both sides over TLS.
type Pair = (Box<dyn Io>, Box<dyn Io>);

impl Turn<'_> {
    /// Goes through the greetings until both sides are TLS.
    pub(super) async fn to_tls(&self, agent: Box<dyn Io>, upstream: Box<dyn Io>) -> Result<Pair, Error> {
        let (mut agent, mut upstream) = (Side::new("agent", agent), Side::new("upstream", upstream));
        let talk = async {
            match self.mode {
                Mode::Postgres => self.postgres(&mut agent, &mut upstream).await,
                _ => self.lines(&mut agent, &mut upstream).await,
            }
        };
        let turned = timeout(PLAIN_LIMIT, talk).await;
        match turned.unwrap_or_else(|_| Err(Error::Agent("TLS was not turned on in time".to_owned())))? {
            Turned::Direct => {
                let upstream = self.up(upstream).await?;
                Ok((self.down(agent).await?, upstream))
            }
            Turned::Asked { yes, no } => {
                if !agent.held.is_empty() || !upstream.held.is_empty() {
                    return Err(Error::Agent("something waited in plain text behind the turn to TLS".to_owned()));
                }
                match self.up(upstream).await {
                    Ok(upstream) => {
                        agent.say(&yes).await?;
                        Ok((self.down(agent).await?, upstream))
                    }
                    Err(error) => {
                        let _ = agent.say(&no).await;
                        Err(error)
                    }
                }
            }
        }
    }

    async fn up(&self, side: Side) -> Result<Box<dyn Io>, Error> {
        let alpn: &[&[u8]] = if self.mode == Mode::Postgres { &[b"postgresql"] } else { &[] };
        self.client.secure(self.place, side.whole(), alpn).await
    }

    async fn down(&self, side: Side) -> Result<Box<dyn Io>, Error> {
        let wrong = |error: &dyn std::fmt::Display| Error::Agent(format!("the agent's TLS handshake failed: {error}"));
        let shake = async {
            let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), side.whole()).await;
            let start = hello.map_err(|error| wrong(&error))?;
            // Some clients say no name here; the connection has one already.
            let name = start.client_hello().server_name().map(str::to_owned);
            if name.is_some() && !self.aim.agrees_with_sni(name.as_deref()) {
                return Err(Error::Agent("the agent's TLS handshake names another server".to_owned()));
            }
            let mut config = (*self.ca.server_config(&self.aim.to)?).clone();
            config.alpn_protocols = if self.mode == Mode::Postgres { vec![b"postgresql".to_vec()] } else { Vec::new() };
            start.into_stream(std::sync::Arc::new(config)).await.map_err(|error| wrong(&error))
        };
        match timeout(HANDSHAKE_LIMIT, shake).await {
            Ok(Ok(tls)) => Ok(Box::new(tls)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(wrong(&"it took too long")),
        }
    }

    /// SMTP and IMAP: the server speaks first, unless the agent begins with TLS.
    async fn lines(&self, agent: &mut Side, upstream: &mut Side) -> Result<Turned, Error> {
        let imap = self.mode == Mode::Imap;
        tokio::select! {
            first = agent.more() => {
                first?;
                return if agent.held.first() == Some(&22) {
                    Ok(Turned::Direct)
                } else {
                    Err(Error::Agent("the agent spoke before the server did".to_owned()))
                };
            }
            first = upstream.more() => first?,
        }
        let greeting = if imap { upstream.line().await? } else { upstream.reply().await?.0 };
        agent.say(&greeting).await?;
        for _ in 0..MAX_COMMANDS {
            let line = agent.line().await?;
            let command = if imap { Command::imap(&line) } else { Command::smtp(&line) };
            match command {
                Command::Other(refusal) => agent.say(&refusal).await?,
                Command::Harmless(tag) => {
                    upstream.say(&line).await?;
                    let (answer, _) = if imap { upstream.tagged(&tag).await? } else { upstream.reply().await? };
                    agent.say(&answer).await?;
                }
                Command::StartTls(tag) => {
                    upstream.say(&line).await?;
                    let (answer, good) = if imap { upstream.tagged(&tag).await? } else { upstream.reply().await? };
                    if good {
                        let no = if imap {
                            [&tag[..], b" NO TLS failed upstream\r\n"].concat()
                        } else {
                            b"454 4.7.0 TLS failed upstream\r\n".to_vec()
                        };
                        return Ok(Turned::Asked { yes: answer, no });
                    }
                    agent.say(&answer).await?;
                }
            }
        }
        Err(Error::Agent("too much was said before TLS".to_owned()))
    }

    /// PostgreSQL: the client speaks first.
    async fn postgres(&self, agent: &mut Side, upstream: &mut Side) -> Result<Turned, Error> {
        loop {
            agent.more().await?;
            if agent.held.first() == Some(&22) {
                return Ok(Turned::Direct);
            }
            while agent.held.len() < 8 {
                agent.more().await?;
            }
            let first: [u8; 8] = agent.held.get(..8).and_then(|first| first.try_into().ok()).unwrap_or_default();
            agent.held.advance(8);
            match first {
                GSSENC_REQUEST => agent.say(b"N").await?,
                SSL_REQUEST => {
                    upstream.say(&SSL_REQUEST).await?;
                    upstream.more().await?;
                    let answer = upstream.held.first().copied();
                    upstream.held.advance(1);
                    if answer == Some(b'S') {
                        return Ok(Turned::Asked { yes: b"S".to_vec(), no: PG_TLS_FIRST.to_vec() });
                    }
                    let _ = agent.say(PG_TLS_FIRST).await;
                    return Err(Error::Upstream("the database server speaks no TLS".to_owned()));
                }
                _ => {
                    let _ = agent.say(PG_TLS_FIRST).await;
                    return Err(Error::Agent("the agent asked for no TLS".to_owned()));
                }
            }
        }
    }
}

/// How TLS comes about.
enum Turned {
    /// The agent began with it.
    Direct,
    /// It asked, and the upstream agreed: what the agent hears when TLS stands there, and when it does not.
    Asked { yes: Vec<u8>, no: Vec<u8> },
}

/// A command before TLS.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    /// It says nothing that anybody would want to hide. With IMAP's tag.
    Harmless(Vec<u8>),
    StartTls(Vec<u8>),
    /// It has to wait, and this says so.
    Other(Vec<u8>),
}

impl Command {
    fn smtp(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line).trim_end().to_ascii_uppercase();
        match text.split(' ').next().unwrap_or_default() {
            _ if text == "STARTTLS" => Self::StartTls(Vec::new()),
            "EHLO" | "HELO" | "NOOP" | "QUIT" | "RSET" => Self::Harmless(Vec::new()),
            _ => Self::Other(b"530 5.7.0 Must issue a STARTTLS command first\r\n".to_vec()),
        }
    }

    fn imap(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line);
        let mut words = text.trim_end().splitn(2, ' ');
        let (tag, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let legal =
            !tag.is_empty() && tag.len() <= 64 && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        if !legal {
            return Self::Other(b"* BAD a command begins with its tag\r\n".to_vec());
        }
        let tag = tag.as_bytes().to_vec();
        match rest.to_ascii_uppercase().as_str() {
            "STARTTLS" => Self::StartTls(tag),
            "CAPABILITY" | "NOOP" | "LOGOUT" => Self::Harmless(tag),
            _ => Self::Other([&tag[..], b" NO [PRIVACYREQUIRED] use STARTTLS first\r\n"].concat()),
        }
    }
}

/// One side, read by lines.
struct Side {
    who: &'static str,
    io: Box<dyn Io>,
    /// Read and not looked at.
    held: BytesMut,
}

impl Side {
    fn new(who: &'static str, io: Box<dyn Io>) -> Self {
        Self { who, io, held: BytesMut::new() }
    }

    /// All of it again, with what was read and not used.
    fn whole(self) -> Box<dyn Io> {
        if self.held.is_empty() { self.io } else { Box::new(Prefixed::new(self.held.freeze(), self.io)) }
    }

    fn blame(&self, why: String) -> Error {
        if self.who == "agent" { Error::Agent(why) } else { Error::Upstream(why) }
    }

    /// Waits for some bytes.
    async fn more(&mut self) -> Result<(), Error> {
        match self.io.read_buf(&mut self.held).await {
            Ok(0) => Err(self.blame(format!("the {} left before TLS", self.who))),
            Ok(_) => Ok(()),
            Err(error) => Err(self.blame(format!("the {}'s connection broke before TLS: {error}", self.who))),
        }
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let said = async {
            self.io.write_all(bytes).await?;
            self.io.flush().await
        };
        let said = said.await;
        said.map_err(|error| self.blame(format!("the {}'s connection broke before TLS: {error}", self.who)))
    }

    /// A line with its end; a bare LF or CR has two readings.
    async fn line(&mut self) -> Result<Vec<u8>, Error> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let line = self.held.split_to(end + 1).to_vec();
                let good =
                    line.strip_suffix(b"\r\n").is_some_and(|line| !line.iter().any(|byte| matches!(byte, b'\r' | 0)));
                return if good { Ok(line) } else { Err(self.blame("a line does not end with CR and LF".to_owned())) };
            }
            if self.held.len() > MAX_LINE {
                return Err(self.blame("a line is too long".to_owned()));
            }
            self.more().await?;
        }
    }

    /// An answer of SMTP, and whether it says 220 (RFC 5321, section 4.2).
    async fn reply(&mut self) -> Result<(Vec<u8>, bool), Error> {
        let mut all = Vec::new();
        for _ in 0..MAX_LINES {
            let line = self.line().await?;
            let last = line.get(3) != Some(&b'-');
            let good = line.starts_with(b"220");
            all.extend_from_slice(&line);
            if last {
                return Ok((all, good));
            }
        }
        Err(self.blame("an answer is too long".to_owned()))
    }

    /// An answer of IMAP up to the line with `tag`, and whether that says OK (RFC 9051, section 7.1).
    async fn tagged(&mut self, tag: &[u8]) -> Result<(Vec<u8>, bool), Error> {
        let mut all = Vec::new();
        for _ in 0..MAX_LINES {
            let line = self.line().await?;
            all.extend_from_slice(&line);
            if let Some(state) = line.strip_prefix(tag).and_then(|rest| rest.strip_prefix(b" ")) {
                return Ok((all, state.to_ascii_uppercase().starts_with(b"OK")));
            }
        }
        Err(self.blame("an answer is too long".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_greetings_go_before_tls() {
        for (line, harmless) in
            [("ehlo me", true), ("QUIT", true), ("AUTH PLAIN x", false), ("MAIL FROM:<a>", false), ("", false)]
        {
            let command = Command::smtp(format!("{line}\r\n").as_bytes());
            assert_eq!(matches!(command, Command::Harmless(_)), harmless, "{line}");
        }
        assert_eq!(Command::smtp(b"StartTLS\r\n"), Command::StartTls(Vec::new()));
        assert!(matches!(Command::smtp(b"STARTTLS now\r\n"), Command::Other(_)));
        assert_eq!(Command::imap(b"a1 starttls\r\n"), Command::StartTls(b"a1".to_vec()));
        assert_eq!(Command::imap(b"a1 CAPABILITY\r\n"), Command::Harmless(b"a1".to_vec()));
        for line in ["a1 LOGIN me secret", "a1 AUTHENTICATE PLAIN", "STARTTLS", "* STARTTLS", "a{3} NOOP"] {
            assert!(matches!(Command::imap(format!("{line}\r\n").as_bytes()), Command::Other(_)), "{line}");
        }
    }

    #[test]
    fn the_databases_refusal_has_the_length_that_it_says() {
        let length = u32::from_be_bytes(PG_TLS_FIRST[1..5].try_into().unwrap());
        assert_eq!(PG_TLS_FIRST.len(), length as usize + 1);
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_read_without_a_panic(line in "\\PC{0,60}") {
            let _ = (Command::smtp(line.as_bytes()), Command::imap(line.as_bytes()));
        }
    }
}
