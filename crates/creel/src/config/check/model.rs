//! Checks of `[model]`.
//!
//! Owns the form of a base URL and the contradictions between provider, address and script. `check` calls it.

use std::net::IpAddr;

use creel_guard::{HostName, Target};
use creel_policy::never;

use super::{Checker, short};
use crate::config::raw::RawModel;
use crate::config::size::Placed;
use crate::config::{BaseUrl, Model};
use crate::provider::{ProviderKind, WireFormat};

impl Checker<'_> {
    pub(super) fn model(&mut self, raw: RawModel) -> Model {
        let RawModel { provider, format, model, base_url, address, ca, script } = raw;
        let kind = provider.as_ref().and_then(|provider| kind(&provider.value));
        let pinned = address.as_ref().and_then(|address| self.address("model.address", address));
        let url = base_url.as_ref().and_then(|url| self.base_url(url, pinned));
        let certificates = ca.as_ref().and_then(|ca| self.ca("model.ca", ca));
        if let Some(name) = &model {
            self.words("model.model", std::slice::from_ref(name));
        }
        if kind == Some(ProviderKind::Scripted) {
            for (key, span) in [
                ("base_url", base_url.as_ref().map(|value| value.span.clone())),
                ("address", address.as_ref().map(|value| value.span.clone())),
                ("ca", ca.as_ref().map(|value| value.span.clone())),
            ] {
                if let Some(span) = span {
                    let what = format!("`model.{key}` contradicts `provider = \"scripted\"`");
                    self.fault(span, what, "the scripted model is part of Creel and goes nowhere");
                }
            }
        } else if base_url.is_none() && kind.is_none() {
            let lonely = [("address", &address), ("ca", &ca)];
            for (key, value) in lonely.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
                let what = format!("`model.{key}` says nothing while no provider is named");
                self.fault(value.span.clone(), what, "name a `provider` too");
            }
        }
        if let (Some(url), None) = (&base_url, &provider)
            && !self.incomplete
        {
            let help = "name whose wire format it speaks: `provider = \"openai\"`, `\"anthropic\"` or `\"gemini\"`";
            self.fault(url.span.clone(), "`model.base_url` needs a `provider`", help);
        }
        if let (Some(script), Some(ProviderKind::Openai | ProviderKind::Anthropic | ProviderKind::Gemini)) =
            (&script, kind)
        {
            let what = "`model.script` is for the scripted model alone";
            self.fault(script.span.clone(), what, "take it out, or say `provider = \"scripted\"`");
        }
        let script = script.map(|script| self.base.join(script.value));
        let model = model.map(|model| model.value);
        let format = format.as_ref().and_then(|format| self.format(format, kind));
        Model { provider: kind, format, model, base_url: url, address: pinned, ca: certificates, script }
    }

    /// The format, if its provider has it.
    fn format(&mut self, format: &Placed<String>, kind: Option<ProviderKind>) -> Option<WireFormat> {
        let read = WireFormat::parse(&format.value)?;
        match kind {
            Some(kind) if kind.formats().contains(&read) => return Some(read),
            Some(kind) => {
                let has: Vec<_> = kind.formats().iter().map(|format| format!("`{}`", format.name())).collect();
                let what = format!("`{}` is no format of `{}`", short(&format.value), kind.name());
                self.fault(format.span.clone(), what, format!("it has {}", has.join(" and ")));
            }
            None if self.incomplete => {}
            None => self.fault(format.span.clone(), "`model.format` needs a `provider`", "name the provider too"),
        }
        None
    }

    fn base_url(&mut self, url: &Placed<String>, pinned: Option<IpAddr>) -> Option<BaseUrl> {
        let parsed = match parse(&url.value) {
            Ok(parsed) => parsed,
            Err(why) => {
                let what = format!("`model.base_url` can't be `{}`: {why}", short(&url.value));
                self.fault(url.span.clone(), what, "for instance `https://llm.example.com/v1`");
                return None;
            }
        };
        let literal = match &parsed.host {
            Target::Address(address) => Some(*address),
            Target::Host(_) => None,
        };
        if let Some(why) = literal.and_then(never) {
            let what = format!("`model.base_url` can't be `{}`: {why}", short(&url.value));
            self.fault(url.span.clone(), what, "no setting opens it");
            return None;
        }
        if !parsed.tls && !pinned.or(literal).is_some_and(|address| address.is_loopback()) {
            let what = "`model.base_url` would send key and conversation in the clear";
            let help =
                "use `https`; plain `http` is for a model on this machine: pin it with `address = \"127.0.0.1\"`";
            self.fault(url.span.clone(), what, help);
        }
        Some(parsed)
    }
}

fn kind(word: &str) -> Option<ProviderKind> {
    match word {
        "scripted" => Some(ProviderKind::Scripted),
        "openai" => Some(ProviderKind::Openai),
        "anthropic" => Some(ProviderKind::Anthropic),
        "gemini" => Some(ProviderKind::Gemini),
        _ => None,
    }
}

/// Reads `http(s)://host[:port][/path]`.
pub(super) fn parse(text: &str) -> Result<BaseUrl, &'static str> {
    let uri: http::Uri = text.parse().map_err(|_| "it is no URL")?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err("its scheme is neither `https` nor `http`"),
    };
    let authority = uri.authority().ok_or("it names no host")?;
    if authority.as_str().contains('@') {
        return Err("it names a user");
    }
    if uri.query().is_some() || text.contains('#') {
        return Err("it has a query or a fragment");
    }
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let host = match bare.parse::<IpAddr>() {
        Ok(address) => Target::Address(address.to_canonical()),
        Err(_) => Target::Host(HostName::parse(bare).map_err(|_| "its host is no host name")?),
    };
    let port = match authority.port() {
        Some(port) => Some(port.as_u16()).filter(|port| *port != 0).ok_or("its port is 0")?,
        None if tls => 443,
        None => 80,
    };
    let path = uri.path().trim_end_matches('/').to_owned();
    if path.contains("..") || path.contains("//") || path.contains('%') {
        return Err("its path is not canonical");
    }
    Ok(BaseUrl { tls, host, port, path })
}
