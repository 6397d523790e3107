//! Checks of `[[alerts]]`.
//!
//! Owns the forms of a place that Creel itself sends to, and what of it makes no sense together. It sends nothing. `check`
//! calls it.

use std::net::IpAddr;

use creel_guard::{Inject, Slot, Target};
use creel_policy::never;

use super::{Checker, model, short};
use crate::config::raw::RawAlert;
use crate::config::size::Placed;
use crate::config::{Alert, AlertFormat, Approvals, BaseUrl, Event, IN_PATH, Place, Way, credential};

/// Each costs a task and what waits for it.
const MOST_PLACES: usize = 16;
/// What takes its place while the URL is read; no URL that a person writes holds it.
const MARK: &str = "creel-in-path";

/// The settings of a place that Creel sends to, of whatever section.
pub(super) struct RawPlace<'a> {
    pub(super) section: &'static str,
    pub(super) url: Option<&'a Placed<String>>,
    pub(super) address: Option<&'a Placed<String>>,
    pub(super) ca: Option<&'a Placed<String>>,
    pub(super) secret: Option<&'a Placed<String>>,
    pub(super) secret_slot: &'a Placed<String>,
    /// Whether requests are signed with the secret, as S3 wants it.
    pub(super) signs: bool,
}

impl Checker<'_> {
    pub(super) fn alerts(&mut self, raw: Vec<Placed<RawAlert>>, approvals: &Approvals) -> Vec<Alert> {
        if let Some(first_too_many) = raw.get(MOST_PLACES) {
            let what = format!("more than {MOST_PLACES} sections `[[alerts]]`");
            self.fault(first_too_many.span.clone(), what, "have one place tell the others");
            return Vec::new();
        }
        raw.into_iter().filter_map(|raw| self.alert(raw, approvals)).collect()
    }

    fn alert(&mut self, raw: Placed<RawAlert>, approvals: &Approvals) -> Option<Alert> {
        let section = raw.span.clone();
        let RawAlert { url, format, events, address, ca, secret, secret_slot, answers_as, chat } = raw.value;
        if url.is_none() && !self.incomplete {
            self.fault(
                section,
                "`[[alerts]]` needs a `url`",
                "for instance `url = \"https://hooks.example.com/creel\"`",
            );
        }
        if chat.is_some() && format.value != "telegram" {
            self.warnings.push(format!("`alerts.chat` says nothing while `format` is `{}`", format.value));
        }
        let format = match (format.value.as_str(), &chat) {
            ("slack", _) => AlertFormat::Slack,
            ("ntfy", _) => AlertFormat::Ntfy,
            ("telegram", Some(chat)) => AlertFormat::Telegram { chat: self.chat(chat) },
            ("telegram", None) => {
                self.fault(
                    format.span,
                    "`format = \"telegram\"` needs a `chat`",
                    "for instance `chat = \"123456789\"`",
                );
                return None;
            }
            _ => AlertFormat::Json,
        };
        let events = self.events(&events.value);
        let answers_as = answers_as.and_then(|user| self.answerer(&user, approvals));
        let place = self.place(&RawPlace {
            section: "alerts",
            url: url.as_ref(),
            address: address.as_ref(),
            ca: ca.as_ref(),
            secret: secret.as_ref(),
            secret_slot: &secret_slot,
            signs: false,
        })?;
        Some(Alert { place, format, events, answers_as })
    }

    /// The user who answers by the links of a place.
    fn answerer(&mut self, user: &Placed<u64>, approvals: &Approvals) -> Option<u32> {
        let number = u32::try_from(user.value).ok()?;
        if approvals.page.is_none() {
            let help = "say `listen = \"127.0.0.1:7979\"` under `[approvals]`";
            self.fault(user.span.clone(), "`alerts.answers_as` needs a page for its links to lead to", help);
        } else if number != 0 && !approvals.people.contains(&number) {
            let what = format!("`alerts.answers_as` can't be `{number}`: that user may not answer questions");
            self.fault(user.span.clone(), what, "list it in `[approvals] people`");
        }
        Some(number)
    }

    fn chat(&mut self, chat: &Placed<String>) -> String {
        let bare = chat.value.strip_prefix(['@', '-']).unwrap_or(&chat.value);
        if bare.is_empty() || bare.len() > 64 || !bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            let what = format!("`alerts.chat` can't be `{}`", short(&chat.value));
            self.fault(chat.span.clone(), what, "legal is a number, or `@` and a channel's name");
        }
        chat.value.clone()
    }

    fn events(&mut self, names: &[Placed<String>]) -> Vec<Event> {
        let mut events = Vec::new();
        for name in names {
            match Event::ALL.into_iter().find(|event| event.name() == name.value) {
                Some(event) => events.push(event),
                None => {
                    let known: Vec<_> = Event::ALL.iter().map(|event| format!("`{}`", event.name())).collect();
                    let what = format!("`alerts.events` can't hold `{}`", short(&name.value));
                    self.fault(name.span.clone(), what, format!("it knows {}", known.join(", ")));
                }
            }
        }
        events
    }

    /// Where something of Creel's own goes, and the secret that goes along.
    pub(super) fn place(&mut self, raw: &RawPlace<'_>) -> Option<Place> {
        let name = raw.section;
        let address = raw.address.and_then(|address| self.address(&format!("{name}.address"), address));
        let ca = raw.ca.and_then(|ca| self.ca(&format!("{name}.ca"), ca));
        let url = self.target(raw, raw.url?, address)?;
        let secret = match raw.secret {
            Some(secret) => Some(self.going_along(raw, secret, &url)?),
            None => None,
        };
        if secret.as_ref().is_none_or(|(_, way)| *way != Way::Path) && url.path.contains(IN_PATH) {
            let what = format!("`{name}.url` holds `{IN_PATH}`, but no secret goes there");
            self.fault(raw.url?.span.clone(), what, "name the `secret`, and say `secret_slot = \"path\"`");
        }
        Some(Place { url, address, ca, secret })
    }

    fn target(&mut self, raw: &RawPlace<'_>, url: &Placed<String>, pinned: Option<IpAddr>) -> Option<BaseUrl> {
        let name = raw.section;
        let marked = url.value.replacen(IN_PATH, MARK, 1);
        let mut parsed = match model::parse(&marked) {
            Ok(parsed) => parsed,
            Err(why) => {
                let what = format!("`{name}.url` can't be `{}`: {why}", short(&url.value));
                self.fault(url.span.clone(), what, "for instance `https://hooks.example.com/creel`");
                return None;
            }
        };
        if parsed.host.to_string().contains(MARK) {
            self.fault(url.span.clone(), format!("`{name}.url` has a secret for a host"), "only its path may have one");
            return None;
        }
        parsed.path = parsed.path.replacen(MARK, IN_PATH, 1);
        if url.value.ends_with('/') {
            parsed.path.push('/');
        }
        if parsed.path.split('/').any(credential::is_likely) {
            let what = format!("the path of `{name}.url` looks like a credential");
            let help = "write `{secret}` in its place, with `secret = \"NAME\"` and `secret_slot = \"path\"`";
            self.fault(url.span.clone(), what, help);
        }
        let literal = match &parsed.host {
            Target::Address(address) => Some(*address),
            Target::Host(_) => None,
        };
        if let Some(why) = literal.and_then(never) {
            let what = format!("`{name}.url` can't be `{}`: {why}", short(&url.value));
            self.fault(url.span.clone(), what, "no setting opens it");
            return None;
        }
        if !parsed.tls && !pinned.or(literal).is_some_and(|address| address.is_loopback()) {
            let what = format!("`{name}.url` would send in the clear what happens here");
            let help = "use `https`; plain `http` is for this machine itself: pin it with `address = \"127.0.0.1\"`";
            self.fault(url.span.clone(), what, help);
        }
        Some(parsed)
    }

    fn going_along(&mut self, raw: &RawPlace<'_>, secret: &Placed<String>, url: &BaseUrl) -> Option<(Inject, Way)> {
        let name = raw.section;
        if creel_secrets::SecretName::parse(&secret.value).is_err() || secret.value.contains('/') {
            let help = "it is a name, as of a variable: the value comes from the environment of `creel up`";
            self.fault(secret.span.clone(), format!("`{name}.secret` is no secret's name"), help);
            return None;
        }
        let inject = |slot| Inject { secret: secret.value.clone(), skill: None, slot };
        if raw.secret_slot.value == "path" {
            if !url.path.contains(IN_PATH) {
                let what = format!("`{name}.url` says nowhere where the secret goes");
                self.fault(raw.secret_slot.span.clone(), what, "write `{secret}` into its path");
            }
            return Some((inject(None), Way::Path));
        }
        if raw.signs {
            let slot = Slot::parse(&raw.secret_slot.value).ok();
            let slot = slot.filter(|slot| matches!(slot, Slot::Aws(scope) if scope.ends_with(" s3")));
            if slot.is_none() {
                let what = format!("`{name}.secret_slot` can't be `{}`", short(&raw.secret_slot.value));
                self.fault(raw.secret_slot.span.clone(), what, "for S3 it is `aws REGION s3`");
            }
            return slot.map(|slot| (inject(Some(slot)), Way::Signature));
        }
        let in_header = |slot: Slot| slot.is_value().then_some(slot).ok_or(Slot::IN_HEADERS);
        match Slot::parse(&raw.secret_slot.value).and_then(in_header) {
            Ok(slot) => Some((inject(Some(slot)), Way::Header)),
            Err(why) => {
                let what = format!("`{name}.secret_slot` can't be `{}`: {why}", short(&raw.secret_slot.value));
                self.fault(raw.secret_slot.span.clone(), what, "or `path`, with `{secret}` in the URL");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const URL: &str = "url = \"https://hooks.test/creel\"\n";

    fn read(lines: &str) -> Result<Alert, String> {
        let cas = [("ca.pem".into(), rcgen::generate_simple_self_signed(["x.test".to_owned()]).unwrap().cert.pem())];
        let config = Config::again("c".as_ref(), &format!("[[alerts]]\n{lines}"), &cas);
        config.map(|config| config.alerts()[0].clone()).map_err(|report| report.to_string())
    }

    #[test]
    fn a_url_is_enough_and_each_key_is_read() {
        let plain = read(URL).unwrap();
        assert_eq!(plain.format, AlertFormat::Json);
        assert!(Event::ALL.iter().all(|event| plain.events.contains(event)));
        assert_eq!((plain.place.to_string().as_str(), plain.place.secret), ("https://hooks.test:443", None));
        let full = "url = \"https://api.test:8443/bot{secret}/sendMessage\"\nformat = \"telegram\"\nchat = \"-42\"\nevents = [\"question\"]\n\
            address = \"10.0.0.7\"\nca = \"ca.pem\"\nsecret = \"BOT\"\nsecret_slot = \"path\"\n";
        let full = read(full).unwrap();
        assert_eq!(full.format, AlertFormat::Telegram { chat: "-42".to_owned() });
        assert_eq!(full.events, [Event::Question]);
        assert_eq!((full.place.url.path.as_str(), full.place.url.port), ("/bot{secret}/sendMessage", 8443));
        assert_eq!(full.place.secret, Some((Inject { secret: "BOT".to_owned(), skill: None, slot: None }, Way::Path)));
        let bearer = read(&format!("{URL}secret = \"KEY\"\n")).unwrap().place.secret;
        assert_eq!(
            bearer,
            Some((Inject { secret: "KEY".to_owned(), skill: None, slot: Some(Slot::Bearer) }, Way::Header))
        );
        assert!(
            read("url = \"http://hooks.test/\"\naddress = \"127.0.0.1\"\n").is_ok_and(|one| one.place.url.path == "/")
        );
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let token = ["qT8vZr1LmWx0", "Yb7Kc3Nd5Pf9", "Hg2Js4Ua6Ei"].concat();
        for (lines, why) in [
            ("", "needs a `url`"),
            ("url = \"http://hooks.test/\"\n", "in the clear"),
            ("url = \"http://hooks.test/\"\naddress = \"10.0.0.1\"\n", "in the clear"),
            ("url = \"https://169.254.169.254/\"\n", "link-local"),
            ("url = \"https://u:p@hooks.test/\"\n", "names a user"),
            ("url = \"https://{secret}.test/\"\n", "secret for a host"),
            (&format!("url = \"https://hooks.test/{token}/x\"\n"), "looks like a credential"),
            ("url = \"https://hooks.test/{secret}\"\n", "no secret goes there"),
            (&format!("{URL}secret = \"K\"\nsecret_slot = \"path\"\n"), "says nowhere"),
            (&format!("{URL}secret = \"a b\"\n"), "no secret's name"),
            (&format!("{URL}secret = \"K\"\nsecret_slot = \"cookie\"\n"), "can't be `cookie`"),
            (&format!("{URL}format = \"telegram\"\n"), "needs a `chat`"),
            (&format!("{URL}format = \"telegram\"\nchat = \"1&x\"\n"), "`alerts.chat` can't be"),
            (&format!("{URL}events = [\"all\"]\n"), "can't hold `all`"),
            (&format!("{URL}format = \"mail\"\n"), "can't be `\"mail\"`"),
            (&format!("{URL}[[alerts]]\n").repeat(17), "more than 16"),
        ] {
            let told = read(lines).unwrap_err();
            assert!(told.contains(why), "{lines}: {told}");
            assert!(!told.contains(&token), "{told}");
        }
    }
}
