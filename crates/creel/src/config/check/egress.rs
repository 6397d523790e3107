//! Checks of `[[egress.allow]]`.
//!
//! Owns the forms of hosts, methods and paths, and the contradictions between rules. `check` calls it.

use creel_guard::{HostName, Mode, Oddities};
use creel_policy::{HostPattern, PathGlob, never};
use std::collections::HashMap;
use std::path::PathBuf;

use creel_doors::upstream::Identity;
use zeroize::Zeroizing;

use super::{Checker, short};
use crate::config::raw::{RawAllow, RawEgress};
use crate::config::size::Placed;
use crate::config::{Allow, Client};

/// Far more than a person writes; what one look-up walks through stays small.
const RULES_LIMIT: usize = 10_000;

impl Checker<'_> {
    /// The entries, and which line of `egress.profiles` each comes from.
    pub(super) fn egress(&mut self, egress: RawEgress) -> (Vec<Allow>, Vec<Option<String>>) {
        let RawEgress { profiles, allow } = egress;
        if let Some(first_too_many) = allow.get(RULES_LIMIT) {
            let span = first_too_many.span.clone();
            self.fault(span, format!("more than {RULES_LIMIT} rules"), "use `*.example.com` for hosts of one domain");
            return Default::default();
        }
        let mut rules: Vec<Allow> = Vec::new();
        let mut by_host: HashMap<HostPattern, Vec<usize>> = HashMap::new();
        for raw in allow {
            let span = raw.value.host.as_ref().and_then(|host| host.span.clone()).or_else(|| raw.span.clone());
            let Some(rule) = self.rule(raw) else { continue };
            let same_host = by_host.entry(rule.host.clone()).or_default();
            let earlier = same_host.iter().filter_map(|index| rules.get(*index));
            if let Some((what, help)) = earlier.filter_map(|earlier| contradiction(earlier, &rule)).next() {
                self.fault(span, what, help);
            }
            same_host.push(rules.len());
            rules.push(rule);
        }
        let mut origins = vec![None; rules.len()];
        for (rule, line) in self.profiles(&profiles.value) {
            let same_host = by_host.entry(rule.host.clone()).or_default();
            let earlier: Vec<&Allow> = same_host.iter().filter_map(|index| rules.get(*index)).collect();
            // Two profiles may say the same.
            if earlier.contains(&&rule) {
                continue;
            }
            if let Some((what, help)) = earlier.iter().filter_map(|earlier| contradiction(earlier, &rule)).next() {
                self.fault(line.span.clone(), what, help);
            }
            same_host.push(rules.len());
            rules.push(rule);
            origins.push(Some(line.value.clone()));
        }
        (rules, origins)
    }

    pub(super) fn rule(&mut self, raw: Placed<RawAllow>) -> Option<Allow> {
        let (raw, span) = (raw.value, raw.span);
        let when = self.conditions(&raw);
        let mode = self.mode(&raw);
        let RawAllow { host, ports, address, ca, client_cert, client_key, http, websocket, methods, paths, .. } = raw;
        let ports = self.ports(&ports.value);
        let pinned = address.as_ref().and_then(|address| self.address("address", address));
        let vouched = ca.as_ref().and_then(|ca| self.ca("ca", ca));
        let client = self.client(client_cert.as_ref(), client_key.as_ref());
        let methods = methods.map(|methods| self.methods(&methods));
        let paths = paths.map(|paths| self.paths(&paths, when.odd_paths.0));
        let Some(host) = host else {
            if !self.incomplete {
                let help = "say which host it is about: `host = \"api.example.com\"`";
                self.fault(span, "a rule of `egress.allow` needs a `host`", help);
            }
            return None;
        };
        let named = self.host(&host)?;
        if let (HostPattern::Address(own), Some(written), Some(pinned)) = (&named, &address, &pinned)
            && own != pinned
        {
            let help = "an address needs no pin: take `address` out";
            self.fault(written.span.clone(), "`address` contradicts a `host` that is an address itself", help);
        }
        Some(Allow {
            host: named,
            ports,
            address: pinned,
            ca: vouched,
            client,
            http: http.value,
            mode,
            websocket: websocket.value,
            methods,
            paths,
            when,
        })
    }

    /// The certificates that Creel shows, and their key.
    fn client(&mut self, certificate: Option<&Placed<String>>, key: Option<&Placed<String>>) -> Option<Client> {
        let (certificate, key) = match (certificate, key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) => return None,
            (Some(one), None) | (None, Some(one)) => {
                let help = "name both files: the certificates and, apart from them, the key";
                self.fault(one.span.clone(), "`client_cert` and `client_key` need each other", help);
                return None;
            }
        };
        let read = |checker: &mut Self, name: &str, file: &Placed<String>| {
            let path = PathBuf::from(&file.value);
            let text = (checker.files)(&path);
            if let Err(why) = &text {
                let help = "a relative path starts at the configuration file";
                checker.fault(file.span.clone(), format!("`{name}` can't be read: {why}"), help);
            }
            Some((path, text.ok()?))
        };
        let certificates = read(self, "client_cert", certificate)?;
        let (path, text) = read(self, "client_key", key)?;
        let text = Zeroizing::new(text);
        match Identity::read(certificates.1.as_bytes(), text.as_bytes()) {
            Ok(identity) => Some(Client { certificate: certificates, key: (path, text), identity }),
            Err(error) => {
                let help =
                    "`client_cert` is a PEM file with the own certificate first, `client_key` one with its private key";
                self.fault(certificate.span.clone(), error.to_string(), help);
                None
            }
        }
    }

    /// What is spoken there; a condition that nobody could look at there is a fault.
    fn mode(&mut self, raw: &RawAllow) -> Mode {
        let mode = Mode::named(&raw.mode.value).unwrap_or_default();
        if mode == Mode::Http {
            return mode;
        }
        let blind = matches!(mode, Mode::Tunnel | Mode::Tcp);
        let said = [
            ("http", raw.http.value),
            ("websocket", raw.websocket.value),
            ("methods", raw.methods.is_some()),
            ("paths", raw.paths.is_some()),
            ("odd_paths", !raw.odd_paths.value.is_empty()),
            ("query", raw.query.is_some()),
            ("headers", !raw.headers.value.is_empty()),
            ("content_types", raw.content_types.is_some()),
            ("body", raw.body.is_some()),
            ("operations", raw.operations.is_some()),
            ("fields", !raw.fields.value.is_empty()),
            ("links", raw.links.value != "any"),
            ("credentials", raw.credentials.value != "any"),
            ("secret", raw.secret.is_some()),
            ("max_unseen", raw.max_unseen.is_some()),
            ("learn_until", raw.learn_until.is_some()),
            ("ca", blind && raw.ca.is_some()),
            ("client_cert", blind && raw.client_cert.is_some()),
        ];
        for (name, _) in said.into_iter().filter(|(_, said)| *said) {
            let what = format!("`{name}` says nothing where `mode` is `{}`", mode.word());
            self.fault(raw.mode.span.clone(), what, format!("take `{name}` out, or `mode`"));
        }
        let host = raw.host.as_ref().map_or("", |host| host.value.as_str());
        let address = host.parse::<std::net::IpAddr>().is_ok();
        if host.starts_with("*.") || mode == Mode::Tunnel && address {
            let what = format!("`mode = \"{}\"` needs the exact name of a host", mode.word());
            let help = "what is not looked into is approved name by name; `tcp` takes an address, too";
            self.fault(raw.mode.span.clone(), what, help);
        }
        mode
    }

    fn host(&mut self, host: &Placed<String>) -> Option<HostPattern> {
        let text = host.value.as_str();
        let refuse = |checker: &mut Self, why: &str, help: &str| {
            checker.fault(host.span.clone(), format!("`host` can't be `{}`: {why}", short(text)), help);
            None
        };
        if text.contains("://") || text.contains('/') || text.contains('@') {
            return refuse(self, "it is no host name", "write the host alone: no scheme, no user, no path");
        }
        if let Some((name, port)) = text.rsplit_once(':')
            && !name.contains(':')
            && port.parse::<u16>().is_ok()
        {
            let help = format!("write `host = \"{}\"` and `ports = [{port}]`", short(name));
            return refuse(self, "a port stands elsewhere", &help);
        }
        let inside = "give the service another name and pin its `address`: `host = \"origin.test\"` with \
                      `address = \"127.0.0.1\"`";
        match HostPattern::parse(text) {
            Err(why) => {
                let help = "legal is `api.example.com`, `*.example.com` or an address";
                self.fault(host.span.clone(), format!("`host` can't be {why}"), help);
                None
            }
            Ok(HostPattern::Address(address)) if address.is_loopback() => {
                refuse(self, "in the jail that is the jail itself", inside)
            }
            Ok(HostPattern::Address(address)) if never(address).is_some() => {
                refuse(self, never(address).unwrap_or_default(), "no rule opens it")
            }
            Ok(HostPattern::Exact(name) | HostPattern::Below(name)) if is_local(&name) => {
                refuse(self, "in the jail that is the jail itself", inside)
            }
            Ok(pattern) => Some(pattern),
        }
    }

    pub(super) fn ports(&mut self, ports: &[Placed<u16>]) -> Vec<u16> {
        let mut sorted = Vec::with_capacity(ports.len());
        for port in ports {
            if sorted.contains(&port.value) {
                self.fault(port.span.clone(), format!("port {} stands twice", port.value), "take one out");
            } else {
                sorted.push(port.value);
            }
        }
        sorted.sort_unstable();
        sorted
    }

    pub(super) fn methods(&mut self, methods: &Placed<Vec<Placed<String>>>) -> Vec<String> {
        self.not_empty("methods", methods);
        for method in &methods.value {
            let legal = method.value.len() <= 32 && method.value.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
            if !legal || method.value == "CONNECT" {
                let what = format!("`methods` can't hold `{}`", short(&method.value));
                self.fault(
                    method.span.clone(),
                    what,
                    "legal are HTTP methods in capitals, such as `GET`; never `CONNECT`",
                );
            }
        }
        methods.value.iter().map(|method| method.value.clone()).collect()
    }

    pub(super) fn paths(&mut self, paths: &Placed<Vec<Placed<String>>>, odd: Oddities) -> Vec<PathGlob> {
        self.not_empty("paths", paths);
        let mut globs = Vec::with_capacity(paths.value.len());
        for path in &paths.value {
            match PathGlob::parse(&path.value) {
                Ok(glob) if odd.covers(glob.odd()) => globs.push(glob),
                Ok(glob) => {
                    let name = glob.odd().first_outside(odd).unwrap_or_default();
                    let what = format!("`paths` can't hold this: servers read `{name}` in different ways");
                    self.fault(path.span.clone(), what, format!("add `odd_paths = [\"{name}\"]` if it must be"));
                }
                Err(why) => {
                    let help = "for instance `/v1/**`: `*` is any part of one segment, `**` any number of segments";
                    self.fault(path.span.clone(), format!("`paths` can't hold this: {why}"), help);
                }
            }
        }
        globs
    }

    fn not_empty(&mut self, name: &str, list: &Placed<Vec<Placed<String>>>) {
        if list.value.is_empty() {
            let help = format!("take the rule out to refuse everything, or `{name}` to allow all");
            self.fault(list.span.clone(), format!("an empty `{name}` would allow nothing"), help);
        }
    }
}

/// `localhost` and all below it (RFC 6761, section 6.3).
fn is_local(name: &HostName) -> bool {
    name.as_str() == "localhost" || name.as_str().ends_with(".localhost")
}

/// What is wrong with `later` when `earlier` names the same host.
fn contradiction(earlier: &Allow, later: &Allow) -> Option<(String, &'static str)> {
    let port = later.ports.iter().find(|port| earlier.ports.contains(port))?;
    let place = format!("`{}` port {port}", later.host);
    let way = |rule: &Allow| (rule.address, rule.ca.clone(), rule.client.clone(), rule.mode);
    if way(earlier) != way(later) {
        let what = format!("two rules for {place} differ in `address`, `ca`, `client_cert` or `mode`");
        return Some((what, "give both the same"));
    }
    let same = earlier.methods == later.methods && earlier.paths == later.paths && earlier.when == later.when;
    if same && earlier.websocket == later.websocket {
        return Some((format!("a second rule for {place}"), "take one out, or give each its own `methods` or `paths`"));
    }
    None
}
