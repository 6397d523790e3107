//! The narrowest entries that cover what was seen.
//!
//! Owns [`Suggestions`]: a fold over acts on record that ends in `[[egress.allow]]` entries, each with its evidence, for a
//! person to accept. Pure. It widens in one way alone: where many values stand at one place of a path, that place
//! becomes `*`. Called by `creel policy suggest`.

use std::collections::{BTreeMap, BTreeSet};

use creel_guard::{Action, Deed, Send, Target};

use crate::glob::PathGlob;

/// So many values at one place of a path are an argument, and no name.
const MANY: usize = 4;
/// More acts, paths or hosts than this are counted and not told apart.
const MOST_PATHS: usize = 10_000;
const MOST_PLACES: usize = 1_000;
/// More globs than this for one entry say less than `/**`.
const MOST_GLOBS: usize = 12;

/// A place that was spoken to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    to: String,
    port: u16,
    scheme: String,
}

#[derive(Debug, Default)]
struct Seen {
    methods: BTreeMap<String, Paths>,
    acts: u64,
    first: u64,
    last: u64,
    paths: usize,
    full: bool,
}

/// A tree of path segments.
#[derive(Debug, Default)]
struct Paths {
    ends: bool,
    below: BTreeMap<String, Paths>,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Suggestions {
    places: BTreeMap<Place, Seen>,
    /// Names that were looked up and never spoken to.
    names: BTreeMap<String, Seen>,
    /// Acts that were not taken in: too many places.
    left_out: u64,
}

/// An entry for a person to accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggested {
    /// The host or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// `http`, `https`, … as it was seen; `None` when only the name was looked up.
    pub scheme: Option<String>,
    /// The methods; `None` where no request was seen.
    pub methods: Option<Vec<String>>,
    /// The paths; `None` where no request was seen.
    pub paths: Option<Vec<String>>,
    /// How many acts speak for it.
    pub acts: u64,
    /// The first and the last record of them.
    pub records: (u64, u64),
}

impl Suggestions {
    /// Takes in a decision on record.
    pub fn see(&mut self, seq: u64, action: &Action) {
        match &action.deed {
            Deed::Send(send) => self.sent(seq, send),
            Deed::Resolve(resolve) => {
                let Some(name) = &resolve.host else { return };
                if self.names.len() >= MOST_PLACES && !self.names.contains_key(name.as_str()) {
                    self.left_out += 1;
                    return;
                }
                self.names.entry(name.as_str().to_owned()).or_default().count(seq);
            }
            _ => {}
        }
    }

    fn sent(&mut self, seq: u64, send: &Send) {
        let to = match &send.to {
            Target::Host(name) => name.as_str().to_owned(),
            Target::Address(address) => address.to_string(),
        };
        let place = Place { to, port: send.port, scheme: send.scheme.clone() };
        if self.places.len() >= MOST_PLACES && !self.places.contains_key(&place) {
            self.left_out += 1;
            return;
        }
        let seen = self.places.entry(place).or_default();
        seen.count(seq);
        let method = send.method.as_deref().filter(|method| *method != "CONNECT");
        let Some(method) = method else { return };
        let path = send.path.split_once('?').map_or(send.path.as_str(), |(path, _)| path);
        if seen.paths >= MOST_PATHS {
            seen.full = true;
        }
        let tree = seen.methods.entry(method.to_owned()).or_default();
        if !seen.full && tree.add(path) {
            seen.paths += 1;
        }
    }

    /// How many acts were too many to be told apart.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The entries: methods that were seen on the same paths share one.
    #[must_use]
    pub fn entries(&self) -> Vec<Suggested> {
        let mut all = Vec::new();
        for (place, seen) in &self.places {
            let mut by_paths: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
            for (method, tree) in &seen.methods {
                by_paths.entry(seen.globs(tree)).or_default().push(method.clone());
            }
            let entry = |methods, paths| Suggested {
                host: place.to.clone(),
                port: place.port,
                scheme: Some(place.scheme.clone()),
                methods,
                paths,
                acts: seen.acts,
                records: (seen.first, seen.last),
            };
            if by_paths.is_empty() {
                all.push(entry(None, None));
            }
            all.extend(by_paths.into_iter().map(|(paths, methods)| entry(Some(methods), Some(paths))));
        }
        let spoken: BTreeSet<&str> = self.places.keys().map(|place| place.to.as_str()).collect();
        let silent = self.names.iter().filter(|(name, _)| !spoken.contains(name.as_str()));
        all.extend(silent.map(|(name, seen)| Suggested {
            host: name.clone(),
            port: 443,
            scheme: None,
            methods: None,
            paths: None,
            acts: seen.acts,
            records: (seen.first, seen.last),
        }));
        all
    }
}

impl Seen {
    fn count(&mut self, seq: u64) {
        if self.acts == 0 {
            self.first = seq;
        }
        self.acts += 1;
        self.last = seq;
    }

    /// At most [`MOST_GLOBS`] globs that cover every path of the tree.
    fn globs(&self, tree: &Paths) -> Vec<String> {
        let mut globs = BTreeSet::new();
        tree.globs("", &mut globs);
        let legal = globs
            .iter()
            .all(|glob| PathGlob::parse(glob).is_ok_and(|parsed| parsed.odd() == creel_guard::Oddities::default()));
        if self.full || globs.is_empty() || globs.len() > MOST_GLOBS || !legal {
            return vec!["/**".to_owned()];
        }
        globs.into_iter().collect()
    }
}

impl Paths {
    /// Whether the path is a new one.
    fn add(&mut self, path: &str) -> bool {
        let mut at = self;
        let mut fresh = false;
        for segment in path.split('/').skip(1) {
            at = at.below.entry(segment.to_owned()).or_insert_with(|| {
                fresh = true;
                Self::default()
            });
        }
        fresh |= !at.ends;
        at.ends = true;
        fresh
    }

    fn globs(&self, before: &str, globs: &mut BTreeSet<String>) {
        if self.ends {
            globs.insert(if before.is_empty() { "/".to_owned() } else { before.to_owned() });
        }
        // A star in a path would be a star of the glob.
        let starred = self.below.keys().any(|segment| segment.contains('*'));
        if self.below.len() < MANY && !starred {
            for (segment, below) in &self.below {
                below.globs(&format!("{before}/{segment}"), globs);
            }
            return;
        }
        let mut merged = Self::default();
        for below in self.below.values() {
            merged.merge(below);
        }
        merged.globs(&format!("{before}/*"), globs);
    }

    fn merge(&mut self, other: &Self) {
        self.ends |= other.ends;
        for (segment, below) in &other.below {
            self.below.entry(segment.clone()).or_default().merge(below);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::examples;

    fn seen(acts: &[String]) -> Vec<Suggested> {
        let policy = examples::policy().unwrap();
        let mut found = Suggestions::default();
        for (at, act) in acts.iter().enumerate() {
            let (action, _) = examples::made(&policy, act).unwrap();
            found.see(at as u64 + 1, &action);
        }
        found.entries()
    }

    #[test]
    fn many_values_at_one_place_are_an_argument() {
        let mut acts: Vec<String> =
            (0..9).map(|n| format!("send GET https://api.test/repos/acme/r{n}/issues?page=2")).collect();
        acts.push("send POST https://api.test/repos/acme/r1/issues body 5".to_owned());
        acts.push("send GET https://api.test/user".to_owned());
        acts.push("resolve A api.test".to_owned());
        acts.push("resolve A other.test".to_owned());
        let entries = seen(&acts);
        let told: Vec<_> =
            entries.iter().map(|entry| (entry.host.as_str(), entry.methods.clone(), entry.paths.clone())).collect();
        let list = |all: &[&str]| Some(all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            told,
            [
                ("api.test", list(&["GET"]), list(&["/repos/acme/*/issues", "/user"])),
                ("api.test", list(&["POST"]), list(&["/repos/acme/r1/issues"])),
                ("other.test", None, None),
            ]
        );
        assert_eq!((entries[0].acts, entries[0].records), (11, (1, 11)));
    }

    proptest! {
        #[test]
        fn what_is_suggested_covers_what_was_seen(
            paths in prop::collection::vec("(/[a-z0-9.-]{1,4}){1,4}|/", 1..40)
        ) {
            let acts: Vec<String> = paths.iter().map(|path| format!("send GET https://api.test{path}")).collect();
            let entries = seen(&acts);
            prop_assert_eq!(entries.len(), 1);
            let globs: Vec<PathGlob> =
                entries[0].paths.iter().flatten().map(|glob| PathGlob::parse(glob).unwrap()).collect();
            for act in &acts {
                // as the door sees it, dots resolved
                let (action, _) = examples::made(&examples::policy().unwrap(), act).unwrap();
                let Deed::Send(send) = action.deed else { panic!() };
                prop_assert!(globs.iter().any(|glob| glob.covers(&send.path)), "{} {:?}", send.path, globs);
            }
        }
    }
}
