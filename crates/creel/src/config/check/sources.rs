//! Checks of `[[source]]`, and of what entries ask there.
//!
//! Owns the forms of those settings and what makes no sense together. Never asks and never sees a value. `check` calls it.

use std::path::Path;

use creel_guard::Slot;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue};

use super::alerts::RawPlace;
use super::secrets::is_plain;
use super::{Checker, short};
use crate::config::size::Placed;
use crate::config::sources::RawSource;
use crate::config::{Asks, Fetch};

impl Checker<'_> {
    /// What can be asked, without a path and a field yet.
    pub(super) fn sources(&mut self, entries: Vec<Placed<RawSource>>) -> Vec<Fetch> {
        let mut sources: Vec<Fetch> = Vec::new();
        for Placed { value, span } in entries {
            let Some(fetch) = self.source_entry(value, span.clone()) else { continue };
            if sources.iter().any(|one| one.source == fetch.source) {
                self.fault(span, format!("a second `[[source]]` named `{}`", fetch.source), "give it another name");
            }
            sources.push(fetch);
        }
        sources
    }

    fn source_entry(&mut self, raw: RawSource, span: Option<std::ops::Range<usize>>) -> Option<Fetch> {
        let RawSource { name, kind, url, address, ca, key_file, key_slot, role, namespace, method, headers } = raw;
        let (Some(name), Some(url)) = (name, url) else {
            if !self.incomplete {
                let help = "for instance `name = \"vault\"` and `url = \"https://vault.example.com:8200\"`";
                self.fault(span, "a `[[source]]` needs a `name` and a `url`", help);
            }
            return None;
        };
        if !is_plain(&name.value, 64) {
            self.fault(name.span.clone(), "`name` is no source's name", "for instance `vault`");
        }
        let place = self.place(&RawPlace {
            section: "source",
            url: Some(&url),
            address: address.as_ref(),
            ca: ca.as_ref(),
            secret: None,
            secret_slot: &key_slot,
            signs: false,
        });
        let is_vault = kind.value == "vault";
        if key_file.is_none() && is_vault && !self.incomplete {
            let help = "for instance `key_file = \"/etc/creel/vault-token\"`";
            self.fault(span, "a `[[source]]` of `kind` `vault` needs a `key_file`", help);
        }
        let key_file = key_file.and_then(|file| {
            let absolute = Path::new(&file.value).is_absolute();
            if !absolute {
                let help = "for instance `/etc/creel/vault-token`";
                self.fault(file.span.clone(), "`key_file` must be an absolute path", help);
            }
            absolute.then(|| file.value.into())
        });
        let of_vault = [&role, &namespace].into_iter().flatten().next();
        if let Some(odd) = of_vault.filter(|_| !is_vault) {
            self.fault(
                odd.span.clone(),
                "`role` and `namespace` are Vault's",
                "take it out, or say `kind = \"vault\"`",
            );
        }
        let asks = if is_vault {
            let plain = |text: &Placed<String>| HeaderValue::from_str(&text.value).is_ok();
            for odd in [&role, &namespace].into_iter().flatten().filter(|text| !plain(text)) {
                self.fault(odd.span.clone(), format!("it can't be `{}`", short(&odd.value)), "a name in ASCII");
            }
            Asks::Vault { role: role.map(|role| role.value), namespace: namespace.map(|space| space.value) }
        } else {
            Asks::Http {
                method: method.value,
                headers: self.own_headers(&headers.value),
                slot: self.key_slot(&key_slot)?,
            }
        };
        Some(Fetch { source: name.value, place: place?, key_file, asks, path: String::new(), field: String::new() })
    }

    fn key_slot(&mut self, slot: &Placed<String>) -> Option<Slot> {
        let in_header = |slot: Slot| slot.is_value().then_some(slot).ok_or(Slot::IN_HEADERS);
        let read = Slot::parse(&slot.value).and_then(in_header);
        read.map_err(|why| {
            self.fault(slot.span.clone(), format!("`key_slot` can't be `{}`: {why}", short(&slot.value)), why)
        })
        .ok()
    }

    fn own_headers(&mut self, lines: &[Placed<String>]) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        for line in lines {
            let pair = line.value.split_once(':').map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()));
            let good = pair.as_ref().is_some_and(|(name, value)| {
                // Framing is Creel's own, and a credential goes into a file.
                Slot::parse(&format!("header {name}")).is_ok()
                    && !["authorization", "cookie"].contains(&name.as_str())
                    && HeaderName::from_bytes(name.as_bytes()).is_ok()
                    && HeaderValue::from_str(value).is_ok()
                    && !crate::config::credential::is_likely(value)
            });
            match pair.filter(|_| good) {
                Some((name, value)) => headers.push((name, value.to_owned())),
                None => {
                    let what = "`headers` holds what is no header, one of Creel's own, or a credential";
                    self.fault(
                        line.span.clone(),
                        what,
                        "for instance `accept: application/json`; a key goes into `key_file`",
                    );
                }
            }
        }
        headers
    }

    /// What an entry asks `source` for: `PATH#FIELD`.
    pub(super) fn fetch(
        &mut self,
        sources: &[Fetch],
        source: &Placed<String>,
        at: Option<&Placed<String>>,
    ) -> Option<Fetch> {
        let Some(found) = sources.iter().find(|one| one.source == source.value) else {
            if !self.incomplete {
                let what = format!("no `[[source]]` is named `{}`", short(&source.value));
                self.fault(source.span.clone(), what, "write one, or correct the name");
            }
            return None;
        };
        let is_vault = matches!(found.asks, Asks::Vault { .. });
        let help = if is_vault {
            "the secret's path and its field: `at = \"secret/data/crm#token\"`"
        } else {
            "the path and a JSON Pointer into the answer: `at = \"/v1/keys#/key/value\"`"
        };
        let Some(at) = at else {
            self.fault(source.span.clone(), "`source` needs an `at`", help);
            return None;
        };
        let (path, field) = at.value.split_once('#').unwrap_or_default();
        let clean = |path: &str| {
            path.parse::<PathAndQuery>().is_ok() && !path.split('/').any(|part| matches!(part, "." | ".."))
        };
        let good = if is_vault {
            !path.is_empty()
                && !path.starts_with('/')
                && !path.contains('?')
                && clean(&format!("/{path}"))
                && !field.is_empty()
        } else {
            path.starts_with('/') && clean(path) && field.starts_with('/')
        };
        if !good {
            self.fault(at.span.clone(), format!("`at` can't be `{}`", short(&at.value)), help);
            return None;
        }
        Some(Fetch { path: path.to_owned(), field: field.to_owned(), ..found.clone() })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Source};

    const HOST: &str = "[[egress.allow]]\nhost = \"a.test\"\n";
    const VAULT: &str = "[[source]]\nname = \"vault\"\nurl = \"https://vault.test:8200\"\nkey_file = \"/etc/t\"\n";
    const HTTP: &str = "[[source]]\nname = \"own\"\nkind = \"http\"\nurl = \"https://keys.test\"\n";
    const SECRET: &str = "[[secret]]\nname = \"T\"\nhost = \"a.test\"\n";

    fn read(text: &str) -> Result<Config, String> {
        Config::again("c".as_ref(), &format!("{HOST}{text}"), &[]).map_err(|report| report.to_string())
    }

    #[test]
    fn an_entry_names_its_source_and_what_is_asked_there() {
        let config = read(&format!("{VAULT}{SECRET}source = \"vault\"\nat = \"secret/data/crm#token\"\n")).unwrap();
        let Source::Fetch(fetch) = config.source_of("T") else { panic!() };
        let told = (fetch.place.to_string(), fetch.path.as_str(), fetch.field.as_str());
        assert_eq!(told, ("https://vault.test:8200".to_owned(), "secret/data/crm", "token"));
        let more = "method = \"POST\"\nheaders = [\"Accept: application/json\"]\n";
        let config = read(&format!("{HTTP}{more}{SECRET}source = \"own\"\nat = \"/v1/new?a=b#/key\"\n")).unwrap();
        let Source::Fetch(fetch) = config.source_of("T") else { panic!() };
        assert!(format!("{:?}", fetch.asks).contains(r#"[("accept", "application/json")]"#), "{fetch:?}");
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let secret = |more: &str| format!("{VAULT}{HTTP}{SECRET}{more}");
        for (text, wanted) in [
            ("[[source]]\nname = \"vault\"\n".to_owned(), "needs a `name` and a `url`"),
            (VAULT.replace("key_file", "namespace"), "needs a `key_file`"),
            (VAULT.replace("/etc", "etc"), "must be an absolute path"),
            (VAULT.replace("https", "http"), "in the clear"),
            (format!("{VAULT}{VAULT}"), "a second `[[source]]`"),
            (format!("{HTTP}role = \"r\"\n"), "are Vault's"),
            (format!("{HTTP}key_slot = \"query k\"\n"), "`key_slot` can't be"),
            (format!("{HTTP}headers = [\"authorization: x\"]\n"), "no header"),
            (format!("{HTTP}headers = [\"host: x\"]\n"), "no header"),
            (format!("{HTTP}method = \"DELETE\"\n"), "method"),
            (secret("source = \"other\"\nat = \"a#b\"\n"), "no `[[source]]` is named `other`"),
            (secret("source = \"vault\"\n"), "needs an `at`"),
            (secret("source = \"vault\"\nat = \"secret/crm\"\n"), "`at` can't be"),
            (secret("source = \"vault\"\nat = \"../sys#a\"\n"), "`at` can't be"),
            (secret("source = \"own\"\nat = \"/a#b\"\n"), "`at` can't be"),
            (secret("source = \"own\"\nat = \"/a#/b\"\nstore = true\n"), "can't both say"),
            (secret("at = \"/a#/b\"\n"), "`at` says nothing without a `source`"),
        ] {
            let report = read(&text).unwrap_err();
            assert!(report.contains(wanted), "{text}: {report}");
        }
    }
}
