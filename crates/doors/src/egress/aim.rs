//! Where the agent's bytes aim: said by a connection that was turned round, by a `CONNECT`, or by an absolute URI.
//!
//! Owns [`Aim`] and the one reading of an authority (`host:port`): names in canonical form, addresses in every spelling
//! that a browser knows. Never resolves and never decides.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use creel_guard::{HostName, Send, Target};

use super::see::Flaw;
use crate::names::{Meaning, Names};
use crate::upstream::Scheme;

/// Where bytes aim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Aim {
    pub(super) to: Target,
    pub(super) port: u16,
    pub(super) flaw: Option<Flaw>,
}

impl Aim {
    /// Reads the address that the agent connected to. `own` is the address of our socket that took the connection.
    pub(super) fn new(origin: SocketAddr, own: SocketAddr, names: &Names) -> Self {
        let aim = Self::at(origin.ip(), origin.port(), names);
        if origin == own { Self { flaw: Some(Flaw::PlantedSocket), ..aim } } else { aim }
    }

    /// Our own socket: what says nowhere else to go.
    pub(super) fn own(own: SocketAddr) -> Self {
        Self { to: Target::Address(own.ip()), port: own.port(), flaw: None }
    }

    /// Reads an authority that the agent wrote; `None` when it is none. Without `default_port` the port must be there.
    pub(super) fn named(authority: &str, default_port: Option<u16>, names: &Names) -> Option<Self> {
        let (host, port) = split(authority);
        let port = match port {
            Some(port) => digits(port)?,
            None => default_port?,
        };
        if port == 0 {
            return None;
        }
        Some(match target(host)? {
            Target::Address(address) => Self::at(address, port, names),
            // To the system's resolvers of most hosts these are loopback (RFC 6761, section 6.3).
            Target::Host(host) if host.as_str() == "localhost" || host.as_str().ends_with(".localhost") => {
                Self { to: Target::Host(host), port, flaw: Some(Flaw::PlantedSocket) }
            }
            host @ Target::Host(_) => Self { to: host, port, flaw: None },
        })
    }

    fn at(address: IpAddr, port: u16, names: &Names) -> Self {
        let address = address.to_canonical();
        let local = address.is_loopback() || address.is_unspecified();
        let (to, flaw) = match names.meaning(address) {
            _ if local => (Target::Address(address), Some(Flaw::PlantedSocket)),
            Meaning::Name(host) => (Target::Host(host), None),
            Meaning::Literal => (Target::Address(address), None),
            Meaning::Unassigned => (Target::Address(address), Some(Flaw::UnassignedAddress)),
        };
        Self { to, port, flaw }
    }

    /// The act of a connection on which no request was read.
    pub(super) fn as_send(&self) -> Send {
        Send::connection(self.to.clone(), self.port)
    }

    /// Whether a TLS server name agrees with where the connection goes. A literal address has none (RFC 6066, section 3).
    pub(super) fn agrees_with_sni(&self, sni: Option<&str>) -> bool {
        match (&self.to, sni) {
            (Target::Host(host), Some(sni)) => HostName::parse(sni).is_ok_and(|sni| sni == *host),
            (Target::Address(_), None) => true,
            (Target::Host(_), None) | (Target::Address(_), Some(_)) => false,
        }
    }

    /// Whether a `host[:port]` of the agent's names where the bytes go. `left_out` is the port that may be left out.
    pub(super) fn agrees_with(&self, authority: &str, left_out: u16) -> bool {
        let (host, port) = split(authority);
        let port = port.map_or(Some(left_out), digits);
        port == Some(self.port) && target(host).as_ref() == Some(&self.to)
    }

    /// The authority that is sent upstream: ours, in its canonical form.
    pub(super) fn authority(&self, scheme: Scheme) -> String {
        if self.port == scheme.default_port() { self.to.to_string() } else { format!("{}:{}", self.to, self.port) }
    }
}

/// Host and port, as far as there is one. `[::1]` has colons of its own.
fn split(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// A name or an address, in its one form.
fn target(host: &str) -> Option<Target> {
    if let Some(v6) = host.strip_prefix('[') {
        let address: Ipv6Addr = v6.strip_suffix(']')?.parse().ok()?;
        return Some(Target::Address(IpAddr::V6(address).to_canonical()));
    }
    match ipv4(host) {
        Some(address) => Some(Target::Address(address?.into())),
        None => HostName::parse(host).ok().map(Target::Host),
    }
}

/// A port as digits alone: `parse` would take `+443`.
fn digits(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// The WHATWG reading of a host that ends in a number (URL standard, "IPv4 parser"): decimal, octal and hexadecimal parts,
/// one to four of them. `None` for a name; `Some(None)` for a number that is no address, and for one with a dot behind it,
/// which curl takes for a name.
fn ipv4(host: &str) -> Option<Option<Ipv4Addr>> {
    let bare = host.strip_suffix('.').unwrap_or(host);
    let last = bare.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let numeric = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())
        || hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    numeric.then(|| {
        if host.ends_with('.') {
            return None;
        }
        let parts: Vec<u64> = bare.split('.').map(number).collect::<Option<_>>()?;
        let (last, front) = parts.split_last()?;
        if front.len() > 3 || front.iter().any(|part| *part > 255) {
            return None;
        }
        let room = 4_u32.saturating_sub(u32::try_from(front.len()).ok()?);
        if *last >= 256_u64.pow(room) {
            return None;
        }
        let high = (1_u32..).zip(front).fold(0, |sum, (place, part)| sum | part << (8 * (4 - place)));
        u32::try_from(high | last).ok().map(Ipv4Addr::from)
    })
}

fn number(part: &str) -> Option<u64> {
    let (text, radix) = match part.as_bytes() {
        [b'0', b'x' | b'X', ..] => (part.get(2..)?, 16),
        [b'0', _, ..] => (part.get(1..)?, 8),
        _ => (part, 10),
    };
    if part.is_empty() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    // `0x` alone is 0.
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, radix).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(authority: &str) -> String {
        let names = Names::new(Box::new(|_| Ok(())));
        names.assign(&HostName::parse("a.test").unwrap()).unwrap();
        match Aim::named(authority, Some(80), &names) {
            Some(aim) => format!("{} {} {}", aim.to, aim.port, aim.flaw.map_or("-", Flaw::word)),
            None => "none".to_owned(),
        }
    }

    #[test]
    fn an_authority_has_one_reading() {
        for (text, reading) in [
            ("Origin.TEST.:8443", "origin.test 8443 -"),
            ("origin.test", "origin.test 80 -"),
            ("b\u{fc}cher.test", "xn--bcher-kva.test 80 -"),
            ("1.1.1.1:443", "1.1.1.1 443 -"),
            // Every spelling of one address (EGRESS.md 27 and 28).
            ("2852039166", "169.254.169.254 80 -"),
            ("0251.0376.0251.0376", "169.254.169.254 80 -"),
            ("0xA9FEA9FE", "169.254.169.254 80 -"),
            ("169.254.43518", "169.254.169.254 80 -"),
            ("169.0xfe.169.254", "169.254.169.254 80 -"),
            ("[::ffff:169.254.169.254]", "169.254.169.254 80 -"),
            ("[::ffff:a9fe:a9fe]:1", "169.254.169.254 1 -"),
            // Our own and local ones (30 and 63).
            ("127.1", "127.0.0.1 80 planted-socket"),
            ("0", "0.0.0.0 80 planted-socket"),
            ("[::]", "[::] 80 planted-socket"),
            ("localhost:982", "localhost 982 planted-socket"),
            ("x.localhost", "x.localhost 80 planted-socket"),
            ("198.18.0.2:443", "a.test 443 -"),
            ("[fd00:c4ee:1::2]:443", "a.test 443 -"),
            ("198.18.0.9:443", "198.18.0.9 443 unassigned-address"),
            // None at all (33 and 35).
            ("me@origin.test", "none"),
            ("origin..test", "none"),
            ("origin.test:", "none"),
            ("origin.test:0", "none"),
            ("origin.test:+80", "none"),
            ("origin.test:65536", "none"),
            ("origin.test:80:80", "none"),
            ("origin%2etest", "none"),
            ("or_igin.test", "none"),
            ("256.1.1.1", "none"),
            ("169.254.169.254.", "none"),
            ("1.1.1.1.1", "none"),
            ("09.1.1.1", "none"),
            ("4294967296", "none"),
            ("1..1", "none"),
            ("[::1", "none"),
            ("[fe80::1%25lo]", "none"),
            ("::1", "none"),
            ("", "none"),
        ] {
            assert_eq!(named(text), reading, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[0-9a-fxX.:\\[\\]@%-]{0,40}|\\PC{0,40}") {
            let _ = named(&text);
        }
    }
}
