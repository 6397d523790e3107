//! Checks of `[[secret]]`.
//!
//! Owns the forms of those settings and what makes no sense together. Never sees a value. `check` calls it.

use std::path::Path;
use std::time::Duration;

use creel_guard::{HostName, Mode, Slot};
use creel_policy::{HostPattern, PathGlob, SecretPlace};

use super::{Checker, short};
use crate::config::secrets::RawSecret;
use crate::config::size::Placed;
use crate::config::{Allow, Fetch, Minted, Rotation, Secret, Source};

/// Variables that change how programs are run: a placeholder in one of them would break what it touches.
const RESERVED: [&str; 5] = ["LD_", "NODE_", "OPENCLAW_", "CREEL_", "SSL_"];

impl Checker<'_> {
    pub(super) fn secrets(
        &mut self,
        entries: Vec<Placed<RawSecret>>,
        sources: &[Fetch],
        egress: &[Allow],
    ) -> Vec<Secret> {
        let (mut secrets, mut makers): (Vec<Secret>, Vec<_>) = (Vec::new(), Vec::new());
        let mut spans = Vec::new();
        for entry in entries {
            let span = entry.span.clone();
            let Some(secret) = self.secret_entry(entry, sources) else { continue };
            let place = &secret.place;
            let name = &place.secret;
            let same = |one: &Secret| (&one.place.secret, &one.place.skill) == (name, &place.skill);
            if secrets.iter().any(|one| one.variable == secret.variable && !same(one)) {
                let what = format!("two placeholders can't stand in the one variable `{}`", secret.variable);
                self.fault(span.clone(), what, "give one of them a `variable` of its own");
            }
            if secrets.iter().any(|one| one.variable != secret.variable && same(one)) {
                let what = format!("the placeholder of `{name}` can't stand in two variables");
                self.fault(span.clone(), what, "say `variable` in both entries, or in none");
            }
            let said = secrets.iter().find(|one| one.place.secret == *name && one.source != Source::Usual);
            if said.is_some_and(|said| secret.source != Source::Usual && secret.source != said.source) {
                let what = format!("two entries say in different ways where `{name}` comes from");
                self.fault(span.clone(), what, "leave `file`, `command`, `source` and `store` to one of them");
            }
            let said = secrets.iter().find_map(|one| one.rotation.as_ref().filter(|_| one.place.secret == *name));
            if said.is_some_and(|said| secret.rotation.as_ref().is_some_and(|own| own != said)) {
                let what = format!("two entries say in different ways how `{name}` is exchanged");
                self.fault(span.clone(), what, "leave `rotate_with`, `rotate_every` and `overlap` to one of them");
            }
            if secrets.iter().any(|one| one.place == *place) {
                self.fault(span.clone(), format!("a second entry for `{name}` at this place"), "take one out");
            }
            if secret.rotation.as_ref().is_some_and(|rotation| rotation.with.is_some()) {
                makers.push((name.clone(), span.clone()));
            }
            self.reachable(place, egress, span.clone());
            secrets.push(secret);
            spans.push(span);
        }
        self.mints(&secrets, &spans);
        for (name, span) in makers {
            if !secrets.iter().any(|one| one.place.secret == name && one.source == Source::Store) {
                let help = "add `store = true` and put the value there: `creel secret put`";
                self.fault(span, format!("`rotate_with` of `{name}` needs a place for what it makes"), help);
            }
        }
        secrets
    }

    /// Whoever makes others is a secret itself, and each is made in one way.
    fn mints(&mut self, secrets: &[Secret], spans: &[Option<std::ops::Range<usize>>]) {
        for (secret, span) in secrets.iter().zip(spans) {
            let Some(minted) = &secret.minted else { continue };
            let name = &secret.place.secret;
            let differs =
                |one: &&Secret| one.place.secret == *name && one.minted.as_ref().is_some_and(|own| own != minted);
            if secrets.iter().any(|one| differs(&one)) {
                let what = format!("two entries say in different ways what brings `{name}`");
                self.fault(span.clone(), what, "leave `minted_by` and `minted_at` to one of them");
            }
            if !secrets.iter().any(|one| one.place.secret == minted.by) && !self.incomplete {
                let what = format!("`minted_by` of `{name}` names no `[[secret]]`: `{}`", short(&minted.by));
                self.fault(span.clone(), what, "name the secret that the request for it is made with");
            }
        }
    }

    /// A secret goes nowhere but where an entry lets requests pass, and never where it could not be taken out of the answer.
    fn reachable(&mut self, place: &SecretPlace, egress: &[Allow], span: Option<std::ops::Range<usize>>) {
        let is_at = |allow: &&Allow| {
            let host = match &allow.host {
                HostPattern::Exact(name) => *name == place.host,
                HostPattern::Below(suffix) => place.host.as_str().ends_with(&format!(".{suffix}")),
                HostPattern::Address(_) => false,
            };
            host && allow.ports.iter().any(|port| place.ports.contains(port))
        };
        let mut there = egress.iter().filter(is_at).peekable();
        if there.peek().is_none() && !self.incomplete {
            let warning = format!("no `[[egress.allow]]` entry lets `{}` reach `{}`", place.secret, place.host);
            self.warnings.push(warning);
        }
        let (mut any, mut websocket) = (false, false);
        for allow in there {
            (any, websocket) = (true, websocket || allow.websocket);
            let signs_in = matches!(place.slot, Slot::Login(_));
            let help = match allow.mode {
                Mode::Http if !signs_in => continue,
                Mode::Smtp | Mode::Imap if signs_in => continue,
                Mode::Http => "a `login` is one of mail: add `mode = \"smtp\"` or `\"imap\"` to the host's entry",
                Mode::Smtp | Mode::Imap => "there it goes into a sign-in: `slot = \"login USER\"`",
                Mode::Tunnel | Mode::Tcp | Mode::Postgres => {
                    "nothing of what comes back there is looked into: give it a host of its own"
                }
            };
            let what = format!("no secret goes to `{}`, which is open for `mode` `{}`", place.host, allow.mode.word());
            self.fault(span.clone(), what, help);
        }
        if matches!(place.slot, Slot::Message(_)) && any && !websocket {
            let what =
                format!("`{}` goes into messages, and no entry opens a WebSocket to `{}`", place.secret, place.host);
            self.fault(span, what, "add `websocket = true` to the host's entry");
        }
    }

    fn secret_entry(&mut self, entry: Placed<RawSecret>, sources: &[Fetch]) -> Option<Secret> {
        let Placed { value: raw, span } = entry;
        let RawSecret {
            name,
            skill,
            variable,
            host,
            ports,
            methods,
            paths,
            slot,
            file,
            command,
            source,
            at,
            store,
            minted_by,
            minted_at,
            rotate_with,
            rotate_every,
            overlap,
        } = raw;
        let source = match source {
            Some(asked) => self.asked(sources, &asked, at.as_ref(), file.is_some() || command.is_some() || store.value),
            None => self.source(file, command, &store, at),
        };
        let minted = self.minted(minted_by, minted_at, span.clone());
        let rotation = self.rotation(rotate_with, rotate_every, &overlap);
        let ports = self.ports(&ports.value);
        let methods = methods.map(|methods| self.methods(&methods));
        let paths = paths.map(|paths| self.paths(&paths, creel_guard::Oddities::default()));
        let narrowed = methods.is_some() || paths.is_some();
        let slot = self.slot(&slot, paths.as_deref(), narrowed);
        if let Some(skill) = skill.as_ref().filter(|skill| !is_plain(&skill.value, 64)) {
            let help = "OpenClaw's name of it: 1 to 64 of `a-z`, `A-Z`, `0-9`, `_`, `-` and `.`";
            self.fault(skill.span.clone(), "`skill` is no skill's name", help);
        }
        let (Some(name), Some(host)) = (name, host) else {
            if !self.incomplete {
                let help = "say which it is and where it goes: `name = \"CRM_TOKEN\"` and `host = \"api.example.com\"`";
                self.fault(span, "a `[[secret]]` needs a `name` and a `host`", help);
            }
            return None;
        };
        if !is_plain(&name.value, 128) {
            let help =
                "a name, as of a variable: the value comes from the environment of `creel up`, a file or a command";
            self.fault(name.span.clone(), "`name` is no secret's name", help);
        }
        let own = Placed { value: "AWS".to_owned(), span: name.span.clone() };
        let variable = variable.or_else(|| matches!(slot, Some(Slot::Aws(_))).then_some(own));
        let variable = self.variable(&name, variable);
        let host = self.secret_host(&host)?;
        let skill = skill.map(|skill| skill.value);
        let place = SecretPlace { secret: name.value, skill, host, ports, methods, paths, slot: slot? };
        if minted.is_some() && (matches!(place.slot, Slot::Aws(_)) || rotation.is_some()) {
            let what = format!("`{}` is made by others, and can't be exchanged or sign for AWS as well", place.secret);
            self.fault(span, what, "take `minted_by` and `minted_at` out, or the rest");
        }
        Some(Secret { place, variable, source: source?, rotation, minted })
    }

    /// Which answers bring it: both say so, or none.
    fn minted(
        &mut self,
        by: Option<Placed<String>>,
        at: Option<Placed<String>>,
        span: Option<std::ops::Range<usize>>,
    ) -> Option<Minted> {
        let (by, at) = match (by, at) {
            (Some(by), Some(at)) => (by, at),
            (None, None) => return None,
            _ => {
                let help = "for instance `minted_by = \"OAUTH_CLIENT\"` and `minted_at = \"/access_token\"`";
                self.fault(span, "`minted_by` and `minted_at` go together", help);
                return None;
            }
        };
        match Slot::parse(&format!("json {}", at.value)) {
            Ok(Slot::Json(at)) => Some(Minted { by: by.value, at }),
            _ => {
                let help = "a JSON Pointer into the answer: `/access_token`, `/data/token`";
                self.fault(at.span, format!("`minted_at` can't be `{}`", short(&at.value)), help);
                None
            }
        }
    }

    fn secret_host(&mut self, host: &Placed<String>) -> Option<HostName> {
        let parsed = HostName::parse(&host.value).ok();
        if parsed.is_none() {
            let help = "one exact name, such as `api.example.com`: no `*.`, no port, no address";
            self.fault(host.span.clone(), format!("`host` can't be `{}`", short(&host.value)), help);
        }
        parsed
    }

    fn slot(&mut self, slot: &Placed<String>, paths: Option<&[PathGlob]>, narrowed: bool) -> Option<Slot> {
        match Slot::parse(&slot.value) {
            Ok(Slot::Json(_) | Slot::Form(_)) if paths.is_none() && !self.incomplete => {
                let help = "name the `paths` whose bodies hold it: all of them are read, and must be of that form";
                self.fault(slot.span.clone(), "a secret in a body needs `paths`", help);
                None
            }
            Ok(Slot::Login(_)) if narrowed => {
                self.fault(slot.span.clone(), "a sign-in to mail has no `methods` and no `paths`", "take them out");
                None
            }
            Ok(slot) => Some(slot),
            Err(why) => {
                self.fault(slot.span.clone(), format!("`slot` can't be `{}`: {why}", short(&slot.value)), why);
                None
            }
        }
    }

    fn source(
        &mut self,
        file: Option<Placed<String>>,
        command: Option<Placed<Vec<Placed<String>>>>,
        store: &Placed<bool>,
        at: Option<Placed<String>>,
    ) -> Option<Source> {
        if let Some(at) = at {
            self.fault(at.span, "`at` says nothing without a `source`", "name the `[[source]]`, or take it out");
        }
        match (file, command, store.value) {
            (None, None, false) => Some(Source::Usual),
            (None, None, true) => Some(Source::Store),
            (Some(file), None, false) if Path::new(&file.value).is_absolute() => Some(Source::File(file.value.into())),
            (Some(file), None, false) => {
                self.fault(file.span, "`file` must be an absolute path", "for instance `/etc/creel/crm-token`");
                None
            }
            (None, Some(command), false) => Some(Source::Command(self.command("command", command)?)),
            (Some(file), Some(_), _) => {
                self.fault(file.span, "`file` and `command` can't both say where it comes from", "take one out");
                None
            }
            (Some(_), _, true) | (_, Some(_), true) => {
                let what = "`store` and `file` or `command` can't both say where it comes from";
                self.fault(store.span.clone(), what, "take one out");
                None
            }
        }
    }

    /// A place that is asked, which nothing may stand beside.
    fn asked(
        &mut self,
        sources: &[Fetch],
        source: &Placed<String>,
        at: Option<&Placed<String>>,
        beside: bool,
    ) -> Option<Source> {
        if beside {
            let what = "`source` and `file`, `command` or `store` can't both say where it comes from";
            self.fault(source.span.clone(), what, "take one out");
            return None;
        }
        self.fetch(sources, source, at).map(|fetch| Source::Fetch(Box::new(fetch)))
    }

    /// A program by its absolute path, and its arguments.
    fn command(&mut self, name: &str, command: Placed<Vec<Placed<String>>>) -> Option<Vec<String>> {
        let words: Vec<String> = command.value.into_iter().map(|word| word.value).collect();
        if words.first().is_some_and(|program| Path::new(program).is_absolute()) {
            return Some(words);
        }
        let help = "for instance `[\"/usr/bin/pass\", \"crm/token\"]`; no shell reads it";
        self.fault(command.span, format!("`{name}` must begin with the absolute path of a program"), help);
        None
    }

    /// How it is exchanged; none when the entry says nothing of it.
    fn rotation(
        &mut self,
        with: Option<Placed<Vec<Placed<String>>>>,
        every: Option<Placed<String>>,
        overlap: &Placed<String>,
    ) -> Option<Rotation> {
        if with.is_none() && every.is_none() && overlap.span.is_none() {
            return None;
        }
        let every = every.and_then(|every| match self.time("rotate_every", &every)? {
            Duration::ZERO => {
                self.fault(
                    every.span,
                    "`rotate_every` can't be `0`",
                    "leave it out, and nothing is exchanged by itself",
                );
                None
            }
            time => Some(time),
        });
        let with = with.and_then(|with| self.command("rotate_with", with));
        let overlap = self.time("overlap", overlap).unwrap_or_default();
        Some(Rotation { with, every, overlap })
    }

    fn time(&mut self, name: &str, text: &Placed<String>) -> Option<Duration> {
        let time = time(&text.value);
        if time.is_none() {
            let help = "a number and `s`, `m`, `h` or `d`: `30s`, `15m`, `1h`, `30d`; at most `365d`";
            self.fault(text.span.clone(), format!("`{name}` can't be `{}`", short(&text.value)), help);
        }
        time
    }

    fn variable(&mut self, name: &Placed<String>, variable: Option<Placed<String>>) -> String {
        let said = variable.as_ref().unwrap_or(name);
        let text = &said.value;
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        let legal = first && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let ours = creel_openclaw::launch::env().iter().any(|(own, _)| own == text);
        if !legal {
            let help = "add a `variable` of letters, digits and `_`";
            self.fault(said.span.clone(), format!("no variable can be named `{}`", short(text)), help);
        } else if ours || RESERVED.iter().any(|start| text.starts_with(start)) {
            let help = "give it a `variable` of its own";
            self.fault(said.span.clone(), format!("the variable `{text}` changes how programs run"), help);
        }
        text.clone()
    }
}

/// `30s`, `15m`, `1h`, `30d`; at most a year.
fn time(text: &str) -> Option<Duration> {
    let (unit, seconds) =
        [("s", 1), ("m", 60), ("h", 3600), ("d", DAY)].into_iter().find(|(unit, _)| text.ends_with(unit))?;
    let number = text.strip_suffix(unit).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?;
    let seconds = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    (seconds <= 365 * DAY).then(|| Duration::from_secs(seconds))
}

const DAY: u64 = 86_400;

/// Letters, digits, `_`, `-` and `.`, at most so many.
pub(super) fn is_plain(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const HOST: &str = "[[egress.allow]]\nhost = \"a.test\"\n";

    fn check(text: &str, wanted: &str) {
        let report = Config::again("c".as_ref(), &format!("{HOST}{text}"), &[]).unwrap_err().to_string();
        assert!(report.contains(wanted), "{report}");
    }

    #[test]
    fn an_entry_says_what_goes_where() {
        let text = format!(
            "{HOST}[[secret]]\nname = \"T\"\nskill = \"crm\"\nhost = \"a.test\"\nslot = \"query key\"\nfile = \"/etc/t\"\n"
        );
        let config = Config::again("c".as_ref(), &text, &[]).unwrap();
        let [secret] = config.secrets() else { panic!("{:?}", config.secrets()) };
        assert_eq!((secret.variable.as_str(), secret.place.slot.to_string().as_str()), ("T", "query key"));
        assert_eq!((secret.place.skill.as_deref(), config.warnings().len()), (Some("crm"), 0));
        let twice = text.clone() + &text.replace(HOST, "").replace("query key", "bearer");
        assert_eq!(Config::again("c".as_ref(), &twice, &[]).unwrap().secrets().len(), 2);
    }

    #[test]
    fn an_entry_says_how_its_value_is_exchanged_for_all_of_its_name() {
        let own = "[[secret]]\nname = \"T\"\nhost = \"a.test\"\n";
        let more = "store = true\nrotate_with = [\"/bin/new\", \"t\"]\noverlap = \"15m\"\nrotate_every = \"30d\"\n";
        let text = format!("{HOST}{own}{more}{own}slot = \"query q\"\n");
        let config = Config::again("c".as_ref(), &text, &[]).unwrap();
        let with = Some(vec!["/bin/new".to_owned(), "t".to_owned()]);
        let wanted = Rotation { with, every: Some(Duration::from_secs(30 * DAY)), overlap: Duration::from_secs(900) };
        assert_eq!((config.source_of("T"), config.rotation_of("T")), (&Source::Store, wanted));
        assert_eq!((config.source_of("U"), config.rotation_of("U")), (&Source::Usual, Rotation::default()));
        for (text, seconds) in [("30s", 30), ("1h", 3600), ("365d", 365 * DAY)] {
            assert_eq!(time(text), Some(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let own = "[[secret]]\nname = \"T\"\nhost = \"a.test\"\n";
        for (text, wanted) in [
            ("[[secret]]\nname = \"T\"\n", "needs a `name` and a `host`"),
            ("[[secret]]\nname = \"a b\"\nhost = \"a.test\"\n", "is no secret's name"),
            ("[[secret]]\nname = \"a-b\"\nhost = \"a.test\"\n", "no variable can be named `a-b`"),
            ("[[secret]]\nname = \"PATH\"\nhost = \"a.test\"\n", "changes how programs run"),
            ("[[secret]]\nname = \"NODE_OPTIONS\"\nhost = \"a.test\"\n", "changes how programs run"),
            ("[[secret]]\nname = \"T\"\nhost = \"*.a.test\"\n", "`host` can't be"),
            (&format!("{own}slot = \"cookie a\"\n"), "`slot` can't be"),
            (&format!("{own}slot = \"json /a\"\n"), "needs `paths`"),
            (&format!("{own}skill = \"a/b\"\n"), "is no skill's name"),
            (&format!("{own}file = \"t\"\n"), "must be an absolute path"),
            (&format!("{own}command = [\"pass\"]\n"), "must begin with the absolute path"),
            (&format!("{own}file = \"/t\"\ncommand = [\"/bin/x\"]\n"), "can't both say"),
            (&format!("{own}store = true\nfile = \"/t\"\n"), "can't both say"),
            (&format!("{own}store = true\nrotate_with = [\"new\"]\n"), "`rotate_with` must begin"),
            (&format!("{own}rotate_with = [\"/bin/new\"]\n"), "needs a place for what it makes"),
            (&format!("{own}rotate_every = \"0d\"\n"), "`rotate_every` can't be `0`"),
            (&format!("{own}rotate_every = \"monthly\"\n"), "`rotate_every` can't be `monthly`"),
            (&format!("{own}overlap = \"1\"\n"), "`overlap` can't be `1`"),
            (&format!("{own}overlap = \"h\"\n"), "`overlap` can't be"),
            (&format!("{own}overlap = \"366d\"\n"), "`overlap` can't be"),
            (&format!("{own}overlap = \"1h\"\n{own}slot = \"query q\"\noverlap = \"2h\"\n"), "how `T` is exchanged"),
            ("[state]\nkey_file = \"k\"\n", "`state.key_file` must be"),
            (&format!("{own}{own}"), "a second entry for `T`"),
            (&format!("{own}{own}skill = \"x\"\n"), "the one variable `T`"),
            (&format!("{own}{own}slot = \"query q\"\nvariable = \"U\"\n"), "in two variables"),
            (&format!("{own}file = \"/t\"\n{own}slot = \"query q\"\nfile = \"/u\"\n"), "in different ways"),
            (&format!("{own}slot = \"message /d/token\"\n"), "no entry opens a WebSocket to `a.test`"),
            (&format!("{own}slot = \"message token\"\n"), "`slot` can't be"),
            (&format!("{own}slot = \"login me\"\n"), "open for `mode` `http`"),
            (&format!("{own}slot = \"login me\"\npaths = [\"/\"]\n"), "no `methods` and no `paths`"),
            (
                "[[egress.allow]]\nhost = \"m.test\"\nmode = \"imap\"\n[[secret]]\nname = \"T\"\nhost = \"m.test\"\n",
                "open for `mode` `imap`",
            ),
            (
                "[[egress.allow]]\nhost = \"w.test\"\nmode = \"tunnel\"\n[[secret]]\nname = \"T\"\nhost = \"w.test\"\n",
                "open for `mode` `tunnel`",
            ),
        ] {
            check(text, wanted);
        }
        let websocket =
            "[[egress.allow]]\nhost = \"w.test\"\nwebsocket = true\n[[secret]]\nname = \"T\"\nhost = \"w.test\"\n";
        for slot in ["message /d/token", "bearer"] {
            let text = format!("{websocket}slot = \"{slot}\"\n");
            assert_eq!(Config::again("c".as_ref(), &text, &[]).unwrap().warnings().len(), 0);
        }
        let mail = "[[egress.allow]]\nhost = \"m.test\"\nports = [993]\nmode = \"imap\"\n\
                    [[secret]]\nname = \"T\"\nhost = \"m.test\"\nports = [993]\nslot = \"login me@m.test\"\n";
        assert_eq!(Config::again("c".as_ref(), mail, &[]).unwrap().warnings().len(), 0);
        let nowhere = "[[secret]]\nname = \"T\"\nhost = \"b.test\"\n";
        assert_eq!(Config::again("c".as_ref(), nowhere, &[]).unwrap().warnings().len(), 1);
    }

    #[test]
    fn what_is_minted_says_by_what_and_where() {
        let own = "[[secret]]\nname = \"T\"\nhost = \"a.test\"\n";
        for (text, wanted) in [
            (&format!("{own}minted_by = \"C\"\n"), "go together"),
            (&format!("{own}minted_by = \"C\"\nminted_at = \"token\"\n"), "`minted_at` can't be `token`"),
            (&format!("{own}minted_by = \"C\"\nminted_at = \"/t\"\n"), "names no `[[secret]]`: `C`"),
            (&format!("{own}minted_by = \"T\"\nminted_at = \"/t\"\noverlap = \"2h\"\n"), "is made by others"),
            (
                &format!(
                    "{own}minted_by = \"T\"\nminted_at = \"/t\"\n{own}slot = \"query q\"\nminted_by = \"T\"\nminted_at = \"/u\"\n"
                ),
                "in different ways what brings `T`",
            ),
        ] {
            check(text, wanted);
        }
        let client = "[[secret]]\nname = \"C\"\nhost = \"a.test\"\nslot = \"query c\"\n";
        let text = format!("{HOST}{client}{own}minted_by = \"C\"\nminted_at = \"/a/token\"\n");
        let config = Config::again("c".as_ref(), &text, &[]).unwrap();
        assert_eq!(config.minted_of("T"), Some(&Minted { by: "C".to_owned(), at: "/a/token".to_owned() }));
        assert_eq!((config.minted_of("C"), config.mints().unwrap().len()), (None, 1));
    }
}
