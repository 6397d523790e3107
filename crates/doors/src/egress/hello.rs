//! A TLS ClientHello, read and left as it is.
//!
//! Owns the one look at a tunnel: which server the agent's own handshake names, and whether it hides another name (RFC 8446,
//! section 4.1.2; RFC 6066, section 3; RFC 9849 for ECH). Never changes a byte. Called by [`super::tunnel`].

use tokio::io::AsyncReadExt;

use crate::stream::Io;

/// A hello may be so long; those of today's clients have 0.5 to 2 KiB.
const MAX_HELLO: usize = 16 * 1024;
/// Extensions that hide the real name: Encrypted ClientHello, and what came before it.
const HIDING: [u16; 2] = [0xfe0d, 0xffce];

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) server_name: Option<String>,
    /// There may be another name inside. Nobody but the server can tell.
    pub(super) hides: bool,
}

/// Reads until a hello is whole: what was read, and what it says; `None` when it is none.
pub(super) async fn read(stream: &mut Box<dyn Io>) -> (Vec<u8>, Option<Hello>) {
    let mut bytes = Vec::with_capacity(2048);
    loop {
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return (bytes, None),
            Ok(_) => {}
        }
        match parse(&bytes) {
            Ok(Some(hello)) => return (bytes, Some(hello)),
            Ok(None) if bytes.len() < MAX_HELLO => {}
            Ok(None) | Err(Odd) => return (bytes, None),
        }
    }
}

/// It is no hello, or one that could be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Odd;

/// Reads as much as is there; `None` when more must come.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Hello>, Odd> {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        if let [kind, high, middle, low, body @ ..] = message.as_slice() {
            let length = usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low);
            if *kind != 1 || length > MAX_HELLO {
                return Err(Odd);
            }
            match body.len().checked_sub(length) {
                // Nothing may follow it in its flight.
                Some(0) => return hello(body).map(Some),
                Some(_) => return Err(Odd),
                None => {}
            }
        }
        // RFC 8446, section 5.1: type, version, length.
        let [kind, major, _, high, low, after @ ..] = rest else {
            return if rest.first().is_none_or(|kind| *kind == 22) { Ok(None) } else { Err(Odd) };
        };
        let length = usize::from(*high) << 8 | usize::from(*low);
        if *kind != 22 || *major != 3 || length == 0 || length > 1 << 14 {
            return Err(Odd);
        }
        let Some((fragment, after)) = after.split_at_checked(length) else { return Ok(None) };
        message.extend_from_slice(fragment);
        rest = after;
    }
}

fn hello(body: &[u8]) -> Result<Hello, Odd> {
    // Version and random.
    let rest = body.get(2 + 32..).ok_or(Odd)?;
    let (session, rest) = vector(rest, 1)?;
    let (ciphers, rest) = vector(rest, 2)?;
    let (compression, rest) = vector(rest, 1)?;
    if session.len() > 32 || ciphers.is_empty() || ciphers.len() % 2 != 0 || compression.is_empty() {
        return Err(Odd);
    }
    let mut hello = Hello { server_name: None, hides: false };
    if rest.is_empty() {
        return Ok(hello);
    }
    let (mut extensions, behind) = vector(rest, 2)?;
    if !behind.is_empty() {
        return Err(Odd);
    }
    let mut seen = Vec::new();
    while let [high, low, rest @ ..] = extensions {
        let kind = u16::from_be_bytes([*high, *low]);
        let (content, rest) = vector(rest, 2)?;
        extensions = rest;
        if seen.contains(&kind) {
            return Err(Odd);
        }
        seen.push(kind);
        hello.hides |= HIDING.contains(&kind);
        if kind == 0 {
            hello.server_name = Some(server_name(content)?);
        }
    }
    if extensions.is_empty() { Ok(hello) } else { Err(Odd) }
}

/// One name of the one type that there is.
fn server_name(content: &[u8]) -> Result<String, Odd> {
    let (list, behind) = vector(content, 2)?;
    let (kind, rest) = list.split_first().ok_or(Odd)?;
    let (name, others) = vector(rest, 2)?;
    if *kind != 0 || !behind.is_empty() || !others.is_empty() || !name.is_ascii() {
        return Err(Odd);
    }
    String::from_utf8(name.to_vec()).map_err(|_| Odd)
}

/// A vector with a length of so many bytes in front (RFC 8446, section 3.4), and what follows it.
fn vector(bytes: &[u8], size: usize) -> Result<(&[u8], &[u8]), Odd> {
    let (length, rest) = bytes.split_at_checked(size).ok_or(Odd)?;
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    rest.split_at_checked(length).ok_or(Odd)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a real client says to `name`.
    fn real(name: &str) -> Vec<u8> {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
        let mut client = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    fn extended(kind: u16) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([0; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0, 0, 4]);
        body.extend(kind.to_be_bytes());
        body.extend([0, 0]);
        let length = u16::try_from(body.len()).unwrap();
        let [high, low] = length.to_be_bytes();
        let [outer_high, outer_low] = (length + 4).to_be_bytes();
        [&[22, 3, 1, outer_high, outer_low, 1, 0, high, low], body.as_slice()].concat()
    }

    #[test]
    fn a_real_hello_names_its_server_and_part_of_one_waits() {
        let bytes = real("origin.test");
        let hello = parse(&bytes).unwrap().unwrap();
        assert_eq!((hello.server_name.as_deref(), hello.hides), (Some("origin.test"), false));
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), Ok(None), "{length}");
        }
        assert_eq!(parse(&real("192.0.2.1")).unwrap().unwrap().server_name, None);
        // In two records.
        let message = &bytes[5..];
        let (one, two) = message.split_at(3);
        let record = |part: &[u8]| [&[22, 3, 1][..], &u16::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
        assert_eq!(parse(&[record(one), record(two)].concat()), Ok(Some(hello)));
        assert!(parse(&extended(0xfe0d)).unwrap().unwrap().hides);
        assert!(!parse(&extended(23)).unwrap().unwrap().hides);
    }

    #[test]
    fn what_is_no_hello_is_odd() {
        for odd in
            [&b"GET / HTTP/1.1\r\n"[..], b"\x15\x03\x01\x00\x02\x01\x00", b"\x16\x02\x01\x00\x01\x01", b"SSH-2.0"]
        {
            assert_eq!(parse(odd), Err(Odd), "{}", odd.escape_ascii());
        }
        // An empty server name extension, and a hello with something behind it.
        assert_eq!(parse(&extended(0)), Err(Odd));
        let mut two = extended(23);
        two[4] += 1;
        two.push(0);
        assert_eq!(parse(&two), Err(Odd));
    }

    proptest! {
        #[test]
        fn a_changed_hello_is_read_as_rustls_reads_it_or_not_at_all(at in 0_usize..300, byte in any::<u8>()) {
            let mut bytes = real("origin.test");
            let at = at % bytes.len();
            bytes[at] = byte;
            super::super::fuzzing::client_hello(&bytes);
        }
    }
}
