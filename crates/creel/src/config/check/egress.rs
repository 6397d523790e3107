//! Checks of `[[egress.allow]]`.
//!
//! Owns the forms of hosts, methods and paths, and the contradictions between rules. `check` calls it.

use std::collections::HashMap;
use std::net::IpAddr;

use creel_guard::HostName;

use super::{Checker, short};
use crate::config::raw::{RawAllow, RawEgress};
use crate::config::size::Placed;
use crate::config::{Allow, Host};

/// Far more than a person writes; what one look-up walks through stays small.
const RULES_LIMIT: usize = 10_000;

impl Checker<'_> {
    pub(super) fn egress(&mut self, egress: RawEgress) -> Vec<Allow> {
        let RawEgress { allow } = egress;
        if let Some(first_too_many) = allow.get(RULES_LIMIT) {
            let span = first_too_many.span.clone();
            self.fault(span, format!("more than {RULES_LIMIT} rules"), "use `*.example.com` for hosts of one domain");
            return Vec::new();
        }
        let mut rules: Vec<Allow> = Vec::new();
        let mut by_host: HashMap<Host, Vec<usize>> = HashMap::new();
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
        rules
    }

    fn rule(&mut self, raw: Placed<RawAllow>) -> Option<Allow> {
        let RawAllow { host, ports, address, ca, http, methods, paths } = raw.value;
        let ports = self.ports(&ports.value);
        let pinned = address.as_ref().and_then(|address| self.address("address", address));
        let ca = ca.and_then(|ca| self.ca("ca", &ca));
        let methods = methods.map(|methods| self.methods(&methods));
        let paths = paths.map(|paths| self.paths(&paths));
        let Some(host) = host else {
            if !self.incomplete {
                let help = "say which host it is about: `host = \"api.example.com\"`";
                self.fault(raw.span, "a rule of `egress.allow` needs a `host`", help);
            }
            return None;
        };
        let named = self.host(&host)?;
        if let (Host::Address(_), Some(address)) = (&named, &address) {
            let help = "an address needs no pin: take `address` out";
            self.fault(address.span.clone(), "`address` contradicts a `host` that is an address itself", help);
        }
        Some(Allow { host: named, ports, address: pinned, ca, http: http.value, methods, paths })
    }

    fn host(&mut self, host: &Placed<String>) -> Option<Host> {
        let text = host.value.as_str();
        let refuse = |checker: &mut Self, why: &str, help: &str| {
            checker.fault(host.span.clone(), format!("`host` can't be `{}`: {why}", short(text)), help);
            None
        };
        if text == "*" || text == "*." {
            return refuse(self, "that would open everything", "name each host, or `*.example.com` for one domain");
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            let address = address.to_canonical();
            return match super::never_reachable(address) {
                Some(why) => refuse(self, why, "no rule opens it"),
                None if address.is_loopback() => {
                    let help = "for a service of the host, name it and pin it: `host = \"origin.test\"` with \
                                `address = \"127.0.0.1\"`";
                    refuse(self, "in the jail that is the jail itself", help)
                }
                None => Some(Host::Address(address)),
            };
        }
        if text.contains("://") || text.contains('/') || text.contains('@') {
            return refuse(self, "it is no host name", "write the host alone: no scheme, no user, no path");
        }
        if let Some((name, port)) = text.rsplit_once(':')
            && port.parse::<u16>().is_ok()
        {
            let help = format!("write `host = \"{}\"` and `ports = [{port}]`", short(name));
            return refuse(self, "a port stands elsewhere", &help);
        }
        let (name, wild) = text.strip_prefix("*.").map_or((text, false), |rest| (rest, true));
        if name.contains('*') {
            return refuse(self, "a `*` may only stand alone in front", "for instance `*.example.com`");
        }
        match HostName::parse(name) {
            Err(why) => refuse(self, &why.to_string(), "for instance `api.example.com` or `*.example.com`"),
            Ok(name) if wild && !name.as_str().contains('.') => {
                refuse(self, "that would open a whole top-level domain", "name a domain below it")
            }
            Ok(name) if name.as_str() == "localhost" || name.as_str().ends_with(".localhost") => refuse(
                self,
                "in the jail that is the jail itself",
                "give the service another name and pin its `address`",
            ),
            Ok(name) if wild => Some(Host::Below(name)),
            Ok(name) => Some(Host::Exact(name)),
        }
    }

    fn ports(&mut self, ports: &[Placed<u16>]) -> Vec<u16> {
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

    fn methods(&mut self, methods: &Placed<Vec<Placed<String>>>) -> Vec<String> {
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

    fn paths(&mut self, paths: &Placed<Vec<Placed<String>>>) -> Vec<String> {
        self.not_empty("paths", paths);
        for path in &paths.value {
            if let Err(why) = path_pattern(&path.value) {
                let what = format!("`paths` can't hold `{}`: {why}", short(&path.value));
                self.fault(path.span.clone(), what, "for instance `/v1/**`: `*` is one segment, `**` any number");
            }
        }
        paths.value.iter().map(|path| path.value.clone()).collect()
    }

    fn not_empty(&mut self, name: &str, list: &Placed<Vec<Placed<String>>>) {
        if list.value.is_empty() {
            let help = format!("take the rule out to refuse everything, or `{name}` to allow all");
            self.fault(list.span.clone(), format!("an empty `{name}` would allow nothing"), help);
        }
    }
}

/// Rules read one canonical path (HARDENING.md 7), so a pattern must be one too.
fn path_pattern(path: &str) -> Result<(), &'static str> {
    if !path.starts_with('/') {
        return Err("it does not start with `/`");
    }
    if path.len() > 1024 {
        return Err("it is longer than 1024 bytes");
    }
    if path.contains(['?', '#', '\\', ';', '%']) || path.chars().any(|c| c.is_control() || c == ' ') {
        return Err("it holds a character that no canonical path has");
    }
    if path.split('/').any(|segment| segment == "." || segment == "..") || path.contains("//") {
        return Err("it is not canonical");
    }
    if path.split('/').any(|segment| segment.contains("**") && segment != "**") {
        return Err("`**` stands for whole segments");
    }
    Ok(())
}

/// What is wrong with `later` when `earlier` names the same host.
fn contradiction(earlier: &Allow, later: &Allow) -> Option<(String, &'static str)> {
    let port = later.ports.iter().find(|port| earlier.ports.contains(port))?;
    let place = format!("`{}` port {port}", later.host);
    if earlier.address != later.address || earlier.ca != later.ca {
        return Some((format!("two rules for {place} differ in `address` or `ca`"), "give both the same"));
    }
    if earlier.methods == later.methods && earlier.paths == later.paths {
        return Some((format!("a second rule for {place}"), "take one out, or give each its own `methods` or `paths`"));
    }
    None
}
