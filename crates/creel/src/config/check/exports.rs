//! Checks of `[[export]]`.
//!
//! Owns the forms of its URLs. It sends nothing. `check` calls it.

use std::net::IpAddr;
use std::path::{Component, PathBuf};

use creel_guard::Target;
use creel_ledger::{Says, VerifierKey};

use super::alerts::RawPlace;
use super::{Checker, model, short};
use crate::config::raw::RawExport;
use crate::config::size::Placed;
use crate::config::{Export, ExportTo, Place};

/// Each costs a thread that reads the whole ledger when it starts.
const MOST_PLACES: usize = 4;
const FORMS: &str = "legal are `https://HOST/v1/logs`, `tls://HOST:PORT`, `tcp://HOST:PORT`, `udp://HOST:PORT`, `unix:PATH`, `file:PATH` and `s3://HOST/BUCKET/PREFIX`";

impl Checker<'_> {
    pub(super) fn exports(&mut self, raw: Vec<Placed<RawExport>>) -> Vec<Export> {
        if let Some(first_too_many) = raw.get(MOST_PLACES) {
            let what = format!("more than {MOST_PLACES} sections `[[export]]`");
            self.fault(first_too_many.span.clone(), what, "have one collector feed the others");
            return Vec::new();
        }
        let mut exports: Vec<Export> = Vec::new();
        for raw in raw {
            let span = raw.span.clone();
            let Some(export) = self.export(raw) else { continue };
            // Each remembers how far it is under its own name.
            if exports.iter().any(|other| other.to.identity() == export.to.identity()) {
                self.fault(span, format!("two sections `[[export]]` name `{}`", export.to), "take one out");
            }
            exports.push(export);
        }
        exports
    }

    fn export(&mut self, raw: Placed<RawExport>) -> Option<Export> {
        let section = raw.span.clone();
        let RawExport { url, witness, address, ca, secret, secret_slot } = raw.value;
        let Some(url) = url else {
            if !self.incomplete {
                self.fault(section, "`[[export]]` needs a `url`", FORMS);
            }
            return None;
        };
        let scheme = url.value.split_once(':').map_or("", |(scheme, _)| scheme);
        let is_bucket = matches!(scheme, "s3" | "s3+http");
        let of_http = match url.value.split_once("://") {
            Some((scheme, rest)) if is_bucket => {
                format!("{}://{rest}", if scheme == "s3" { "https" } else { "http" })
            }
            _ => url.value.clone(),
        };
        let asked = Placed { value: of_http, span: url.span.clone() };
        let place = RawPlace {
            section: "export",
            url: Some(&asked),
            address: address.as_ref(),
            ca: ca.as_ref(),
            secret: secret.as_ref(),
            secret_slot: &secret_slot,
            signs: is_bucket,
        };
        if !matches!(scheme, "http" | "https" | "s3" | "s3+http")
            && let Some(secret) = &secret
        {
            self.fault(secret.span.clone(), "`export.secret` is for OTLP and S3 alone", "syslog has no place for one");
        }
        let key = match &witness {
            None => None,
            Some(text) => Some(self.witness(text, scheme)?),
        };
        let to = match (scheme, key) {
            ("http" | "https", Some(key)) => ExportTo::Witness(self.place(&place)?, key),
            ("http" | "https", None) => ExportTo::Otlp(self.place(&place)?),
            ("s3" | "s3+http", _) => ExportTo::Bucket(self.bucket(&place, &url)?),
            ("tls", _) => ExportTo::Stream(self.syslog(&place, &url, true)?),
            ("tcp", _) => ExportTo::Stream(self.syslog(&place, &url, false)?),
            ("udp", _) => ExportTo::Datagram(self.syslog(&place, &url, false)?),
            ("unix", _) => ExportTo::Local(self.local(&url, "unix:", "unix:/dev/log")?),
            ("file", _) => ExportTo::Folder(self.local(&url, "file:", "file:/mnt/backup/creel")?),
            _ => {
                self.fault(url.span.clone(), format!("`export.url` can't be `{}`", short(&url.value)), FORMS);
                return None;
            }
        };
        Some(Export { to })
    }

    fn witness(&mut self, text: &Placed<String>, scheme: &str) -> Option<VerifierKey> {
        const FORM: &str = "`NAME+ID+KEY`, as the witness publishes it, of the type for cosignatures (4)";
        // a log's own key would vouch for nothing but the log
        let key = VerifierKey::parse(&text.value).filter(|key| key.says() == Says::Witnessed);
        if key.is_none() {
            self.fault(text.span.clone(), format!("`export.witness` can't be `{}`", short(&text.value)), FORM);
        } else if !matches!(scheme, "http" | "https") {
            self.fault(text.span.clone(), "`export.witness` is for `https://…` alone", "a witness is asked over HTTP");
            return None;
        }
        key
    }

    fn bucket(&mut self, raw: &RawPlace<'_>, url: &Placed<String>) -> Option<Place> {
        const FORM: &str =
            "legal is `s3://HOST/BUCKET/PREFIX` of letters, digits, `-`, `.`, `_` and `~`, with `secret`";
        let place = self.place(raw)?;
        // What is signed is the path as it is sent: nothing in it needs an escape.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
        let parts = place.url.path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
        if place.url.path.is_empty() || !parts || !place.url.path.bytes().all(plain) || place.secret.is_none() {
            self.fault(url.span.clone(), format!("`export.url` can't be `{}`", short(&url.value)), FORM);
            return None;
        }
        Some(place)
    }

    fn syslog(&mut self, raw: &RawPlace<'_>, url: &Placed<String>, tls: bool) -> Option<Place> {
        let rest = url.value.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
        let named = rest.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let parsed = model::parse(&format!("{}://{rest}", if tls { "https" } else { "http" }));
        let parsed = parsed.ok().filter(|parsed| named && parsed.path.is_empty());
        let Some(parsed) = parsed else {
            self.fault(url.span.clone(), format!("`export.url` can't be `{}`", short(&url.value)), FORMS);
            return None;
        };
        let address = raw.address.and_then(|address| self.address("export.address", address));
        let literal: Option<IpAddr> = match &parsed.host {
            Target::Address(literal) => Some(*literal),
            Target::Host(_) => None,
        };
        if let Some(why) = literal.and_then(creel_policy::never) {
            self.fault(
                url.span.clone(),
                format!("`export.url` can't be `{}`: {why}", short(&url.value)),
                "no setting opens it",
            );
        }
        match address.or(literal) {
            Some(to) if !tls && !to.is_loopback() => {
                self.warnings
                    .push(format!("`export.url` is `{}`: anyone on the way can read and change it", url.value));
            }
            None if !tls => {
                let help = "use `tls`, or name the very `address` that it goes to";
                self.fault(
                    url.span.clone(),
                    "`export.url` would send in the clear to whatever its name resolves to",
                    help,
                );
            }
            _ => {}
        }
        let ca = raw.ca.and_then(|ca| self.ca("export.ca", ca));
        Some(Place { url: parsed, address, ca, secret: None })
    }

    fn local(&mut self, url: &Placed<String>, scheme: &str, such: &str) -> Option<PathBuf> {
        let path = PathBuf::from(url.value.strip_prefix(scheme).unwrap_or_default());
        let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        // sun_path has 108 bytes, unix(7)
        if path.is_absolute() && plain && path.as_os_str().len() < 108 {
            return Some(path);
        }
        let what = format!("`export.url` can't be `{}`", short(&url.value));
        self.fault(url.span.clone(), what, format!("legal is an absolute path without `..`: `{such}`"));
        None
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn read(lines: &str) -> Result<Vec<String>, String> {
        let config = Config::again("c".as_ref(), lines, &[]).map_err(|report| report.to_string())?;
        Ok(config
            .exports()
            .iter()
            .map(|export| format!("{:?}", export.to).chars().take(4).collect::<String>() + " " + &export.to.to_string())
            .collect())
    }

    #[test]
    fn each_form_of_a_place_is_read() {
        for (url, more, wanted) in [
            ("https://otlp.test/v1/logs", "secret = \"T\"\n", "Otlp https://otlp.test:443"),
            ("http://127.0.0.1:4318/v1/logs", "", "Otlp http://127.0.0.1:4318"),
            ("tls://logs.test:6514", "", "Stre tls://logs.test:6514"),
            ("tcp://[::1]:601", "", "Stre tcp://[::1]:601"),
            ("udp://logs.test:514", "address = \"10.0.0.1\"\n", "Data udp://logs.test:514"),
            ("unix:/dev/log", "", "Loca unix:/dev/log"),
            (
                "s3://s3.eu-central-1.amazonaws.com/bucket/creel",
                "secret = \"KEY\"\nsecret_slot = \"aws eu-central-1 s3\"\n",
                "Buck s3://s3.eu-central-1.amazonaws.com:443",
            ),
            ("file:/mnt/backup/creel", "", "Fold file:/mnt/backup/creel"),
        ] {
            assert_eq!(read(&format!("[[export]]\nurl = \"{url}\"\n{more}")).unwrap(), [wanted]);
        }
        assert_eq!(
            read("[[export]]\nurl = \"https://a.test/1\"\n[[export]]\nurl = \"https://a.test/2\"\n").unwrap().len(),
            2
        );
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let twice = "[[export]]\nurl = \"unix:/dev/log\"\n".repeat(2);
        for (lines, why) in [
            ("[[export]]\n", "needs a `url`"),
            ("[[export]]\nurl = \"https://a.test/\"\nwitness = \"a.test+1+AA\"\n", "`export.witness` can't be"),
            (
                "[[export]]\nurl = \"tls://a.test:1\"\nwitness = \"witness.example.com+00651b21+BAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\"\n",
                "is for `https://…` alone",
            ),
            ("[[export]]\nurl = \"ftp://a.test\"\n", "can't be `ftp://a.test`"),
            ("[[export]]\nurl = \"tls://a.test\"\n", "can't be `tls://a.test`"),
            ("[[export]]\nurl = \"tls://a.test:1/x\"\n", "can't be"),
            ("[[export]]\nurl = \"udp://a.test:514\"\n", "in the clear"),
            ("[[export]]\nurl = \"tcp://169.254.169.254:514\"\n", "link-local"),
            ("[[export]]\nurl = \"http://a.test/v1/logs\"\n", "in the clear"),
            ("[[export]]\nurl = \"unix:dev/log\"\n", "absolute path"),
            ("[[export]]\nurl = \"s3://a.test/b\"\n", "with `secret`"),
            ("[[export]]\nurl = \"s3://a.test/b\"\nsecret = \"K\"\n", "aws REGION s3"),
            ("[[export]]\nurl = \"s3://a.test/\"\nsecret = \"K\"\nsecret_slot = \"aws a s3\"\n", "BUCKET/PREFIX"),
            ("[[export]]\nurl = \"s3+http://a.test/b\"\nsecret = \"K\"\nsecret_slot = \"aws a s3\"\n", "in the clear"),
            ("[[export]]\nurl = \"file:/mnt/../etc\"\n", "absolute path"),
            ("[[export]]\nurl = \"file:/mnt\"\nsecret = \"X\"\n", "for OTLP and S3 alone"),
            ("[[export]]\nurl = \"tls://a.test:6514\"\nsecret = \"X\"\n", "for OTLP and S3 alone"),
            (&twice, "two sections"),
            (&"[[export]]\nurl = \"unix:/a\"\n".repeat(5), "more than 4"),
        ] {
            let told = read(lines).unwrap_err();
            assert!(told.contains(why), "{lines}: {told}");
        }
    }
}
