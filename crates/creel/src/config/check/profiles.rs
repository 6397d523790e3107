//! Checks of `egress.profiles`.
//!
//! Owns the reading of a line (`github owner=acme`) and where the faults of a profile's entries are told: at the line that
//! named it. `check::egress` calls it.

use super::Checker;
use crate::config::Allow;
use crate::config::profile::{PROFILES, Profile};
use crate::config::size::Placed;
use crate::config::walk::nearest;

impl Checker<'_> {
    /// The entries of every profile that is named, each with the line that named it.
    pub(super) fn profiles<'a>(&mut self, lines: &'a [Placed<String>]) -> Vec<(Allow, &'a Placed<String>)> {
        let mut rules = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            if lines.iter().take(at).any(|earlier| earlier.value == line.value) {
                self.fault(line.span.clone(), "this profile stands twice", "take one out");
                continue;
            }
            match expanded(&line.value) {
                Err((what, help)) => self.fault(line.span.clone(), what, help),
                Ok(entries) => {
                    for entry in entries {
                        let before = self.faults.len();
                        rules.extend(self.rule(entry).map(|rule| (rule, line)));
                        // A fault in it has no place in this file but the line that asked for it.
                        for fault in self.faults.iter_mut().skip(before) {
                            fault.span = line.span.clone().unwrap_or(0..0);
                        }
                    }
                }
            }
        }
        rules
    }
}

type Entries = Vec<Placed<crate::config::raw::RawAllow>>;

fn expanded(line: &str) -> Result<Entries, (String, String)> {
    let mut words = line.split_whitespace();
    let help = "see `creel profiles list`".to_owned();
    let Some(name) = words.next() else { return Err(("this names no profile".to_owned(), help)) };
    let Some(profile) = Profile::named(name) else {
        let names = PROFILES.map(|profile| profile.name);
        let meant = nearest(name, &names).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        let shown: String = name.escape_debug().take(60).collect();
        return Err((format!("there is no profile `{shown}`"), format!("{meant}{help}")));
    };
    let mut parameters = Vec::new();
    for word in words {
        let Some(pair) = word.split_once('=') else {
            let shown: String = word.escape_debug().take(60).collect();
            return Err((format!("`{shown}` is no `name=value`"), help));
        };
        parameters.push(pair);
    }
    profile.entries(&parameters).map_err(|why| (why, help))
}
