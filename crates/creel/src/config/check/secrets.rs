//! Checks of `[[secret]]`.
//!
//! Owns the forms of those settings and what makes no sense together. Never sees a value. `check` calls it.

use std::path::Path;

use creel_guard::{HostName, Mode, Slot};
use creel_policy::{HostPattern, PathGlob, SecretPlace};

use super::{Checker, short};
use crate::config::raw::RawSecret;
use crate::config::size::Placed;
use crate::config::{Allow, Secret, Source};

/// Variables that change how programs are run: a placeholder in one of them would break what it touches.
const RESERVED: [&str; 5] = ["LD_", "NODE_", "OPENCLAW_", "CREEL_", "SSL_"];

impl Checker<'_> {
    pub(super) fn secrets(&mut self, entries: Vec<Placed<RawSecret>>, egress: &[Allow]) -> Vec<Secret> {
        let mut secrets: Vec<Secret> = Vec::new();
        for entry in entries {
            let span = entry.span.clone();
            let Some(secret) = self.secret_entry(entry) else { continue };
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
                self.fault(span.clone(), what, "leave `file` and `command` to one of them");
            }
            if secrets.iter().any(|one| one.place == *place) {
                self.fault(span.clone(), format!("a second entry for `{name}` at this place"), "take one out");
            }
            self.reachable(place, egress, span);
            secrets.push(secret);
        }
        secrets
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
        for allow in there {
            let wrong = if allow.mode != Mode::Http {
                Some(format!("`mode` `{}`", allow.mode.word()))
            } else {
                allow.websocket.then(|| "a WebSocket".to_owned())
            };
            if let Some(what) = wrong {
                let help = "nothing of what comes back there is looked into: give it a host of its own";
                self.fault(span.clone(), format!("no secret goes to `{}`, which is open for {what}", place.host), help);
            }
        }
    }

    fn secret_entry(&mut self, entry: Placed<RawSecret>) -> Option<Secret> {
        let Placed { value: raw, span } = entry;
        let RawSecret { name, skill, variable, host, ports, methods, paths, slot, file, command } = raw;
        let source = self.source(file, command);
        let ports = self.ports(&ports.value);
        let methods = methods.map(|methods| self.methods(&methods));
        let paths = paths.map(|paths| self.paths(&paths, creel_guard::Oddities::default()));
        let slot = self.slot(&slot, paths.as_deref());
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
        let variable = self.variable(&name, variable);
        let host = match HostName::parse(&host.value) {
            Ok(host) => host,
            Err(_) => {
                let help = "one exact name, such as `api.example.com`: no `*.`, no port, no address";
                self.fault(host.span.clone(), format!("`host` can't be `{}`", short(&host.value)), help);
                return None;
            }
        };
        let skill = skill.map(|skill| skill.value);
        let place = SecretPlace { secret: name.value, skill, host, ports, methods, paths, slot: slot? };
        Some(Secret { place, variable, source: source? })
    }

    fn slot(&mut self, slot: &Placed<String>, paths: Option<&[PathGlob]>) -> Option<Slot> {
        match Slot::parse(&slot.value) {
            Ok(Slot::Json(_) | Slot::Form(_)) if paths.is_none() && !self.incomplete => {
                let help = "name the `paths` whose bodies hold it: all of them are read, and must be of that form";
                self.fault(slot.span.clone(), "a secret in a body needs `paths`", help);
                None
            }
            Ok(slot) => Some(slot),
            Err(why) => {
                self.fault(slot.span.clone(), format!("`slot` can't be `{}`: {why}", short(&slot.value)), why);
                None
            }
        }
    }

    fn source(&mut self, file: Option<Placed<String>>, command: Option<Placed<Vec<Placed<String>>>>) -> Option<Source> {
        match (file, command) {
            (None, None) => Some(Source::Usual),
            (Some(file), None) if Path::new(&file.value).is_absolute() => Some(Source::File(file.value.into())),
            (Some(file), None) => {
                self.fault(file.span, "`file` must be an absolute path", "for instance `/etc/creel/crm-token`");
                None
            }
            (None, Some(command)) => {
                let words: Vec<String> = command.value.into_iter().map(|word| word.value).collect();
                if words.first().is_some_and(|program| Path::new(program).is_absolute()) {
                    return Some(Source::Command(words));
                }
                let help = "for instance `[\"/usr/bin/pass\", \"crm/token\"]`; no shell reads it";
                self.fault(command.span, "`command` must begin with the absolute path of a program", help);
                None
            }
            (Some(file), Some(_)) => {
                self.fault(file.span, "`file` and `command` can't both say where it comes from", "take one out");
                None
            }
        }
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

/// Letters, digits, `_`, `-` and `.`, at most so many.
fn is_plain(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
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
            (&format!("{own}{own}"), "a second entry for `T`"),
            (&format!("{own}{own}skill = \"x\"\n"), "the one variable `T`"),
            (&format!("{own}{own}slot = \"query q\"\nvariable = \"U\"\n"), "in two variables"),
            (&format!("{own}file = \"/t\"\n{own}slot = \"query q\"\nfile = \"/u\"\n"), "in different ways"),
            (
                "[[egress.allow]]\nhost = \"w.test\"\nwebsocket = true\n[[secret]]\nname = \"T\"\nhost = \"w.test\"\n",
                "open for a WebSocket",
            ),
            (
                "[[egress.allow]]\nhost = \"w.test\"\nmode = \"tunnel\"\n[[secret]]\nname = \"T\"\nhost = \"w.test\"\n",
                "open for `mode` `tunnel`",
            ),
        ] {
            check(text, wanted);
        }
        let nowhere = "[[secret]]\nname = \"T\"\nhost = \"b.test\"\n";
        assert_eq!(Config::again("c".as_ref(), nowhere, &[]).unwrap().warnings().len(), 1);
    }
}
