//! Checks of `[dns]`.
//!
//! Owns the forms of name servers and what makes no sense together. It asks nobody. `check` calls it.

use std::net::{IpAddr, SocketAddr};

use creel_guard::HostName;
use creel_policy::never;

use super::{Checker, short};
use crate::config::raw::RawDns;
use crate::config::size::Placed;
use crate::config::{Asking, Dns};

/// The endpoint of RFC 8484's examples, section 4.1.1.
const USUAL_PATH: &str = "/dns-query";

impl Checker<'_> {
    pub(super) fn dns(&mut self, raw: RawDns) -> Option<Dns> {
        let RawDns { resolver, servers, name, path, ca } = raw;
        let encrypted = matches!(resolver.value.as_str(), "tls" | "https");
        let usual = match resolver.value.as_str() {
            "tls" => 853,
            "https" => 443,
            _ => 53,
        };
        let addresses = self.servers(&servers.value, usual);
        let lonely = [
            ("servers", servers.span.as_ref().filter(|_| resolver.value == "system" && !servers.value.is_empty())),
            ("name", name.as_ref().and_then(|name| name.span.as_ref()).filter(|_| !encrypted)),
            ("path", path.span.as_ref().filter(|_| resolver.value != "https" && path.value != USUAL_PATH)),
            ("ca", ca.as_ref().and_then(|ca| ca.span.as_ref()).filter(|_| !encrypted)),
        ];
        for (key, span) in lonely {
            if let Some(span) = span {
                let what = format!("`dns.{key}` says nothing while `resolver` is `{}`", resolver.value);
                self.fault(Some(span.clone()), what, "name the `resolver` that it is for, or take it out");
            }
        }
        if resolver.value == "system" {
            return Some(Dns::System);
        }
        if servers.value.is_empty() && !self.incomplete {
            let what = format!("`resolver = \"{}\"` needs `servers`", resolver.value);
            self.fault(resolver.span.clone(), what, "name at least one: `servers = [\"192.0.2.53\"]`");
        }
        if !encrypted {
            if addresses.iter().any(|server| !server.ip().is_loopback()) {
                let text = "`dns.resolver` is `plain`: anyone on the way can read and change the answers";
                self.warnings.push(text.to_owned());
            }
            return Some(Dns::Servers { addresses, how: Asking::Plain });
        }
        let ca = ca.as_ref().and_then(|ca| self.ca("dns.ca", ca));
        let Some(name) = name else {
            if !self.incomplete {
                let what = format!("`resolver = \"{}\"` needs the `name` of the servers", resolver.value);
                self.fault(resolver.span, what, "say whom their certificate is for: `name = \"dns.example.com\"`");
            }
            return None;
        };
        let path = if resolver.value == "https" { Some(self.endpoint(&path)?) } else { None };
        match HostName::parse(&name.value) {
            Ok(name) => Some(Dns::Servers { addresses, how: Asking::Encrypted { name, path, ca } }),
            Err(why) => {
                self.fault(name.span, format!("`dns.name` can't be {why}"), "legal is `dns.example.com`");
                None
            }
        }
    }

    fn servers(&mut self, servers: &[Placed<String>], usual: u16) -> Vec<SocketAddr> {
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for server in servers {
            let text = server.value.as_str();
            let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
            let address = bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, usual)).or_else(|_| text.parse());
            let wrong = match address {
                Err(_) => Some("it is no address"),
                Ok(address) if address.port() == 0 => Some("its port is 0"),
                Ok(address) if addresses.contains(&address) => Some("it stands twice"),
                Ok(address) => never(address.ip().to_canonical()),
            };
            match (wrong, address) {
                (None, Ok(address)) => addresses.push(address),
                (why, _) => {
                    let what = format!("`dns.servers` can't hold `{}`: {}", short(text), why.unwrap_or_default());
                    let help = "for instance `192.0.2.53`, `192.0.2.53:5353` or `[2001:db8::53]:853`";
                    self.fault(server.span.clone(), what, help);
                }
            }
        }
        addresses
    }

    fn endpoint(&mut self, path: &Placed<String>) -> Option<String> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
        if path.value.starts_with('/') && path.value.len() <= 1024 && path.value.bytes().all(legal) {
            return Some(path.value.clone());
        }
        let what = format!("`dns.path` can't be `{}`", short(&path.value));
        self.fault(path.span.clone(), what, "legal is a path of letters, digits and `/ - . _ ~`: `/dns-query`");
        None
    }
}
