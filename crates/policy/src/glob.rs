//! Patterns with `*`.
//!
//! Owns [`Glob`] for short texts and [`PathGlob`] for paths in their clean form. Never backtracks further than one star,
//! and never allocates while it matches. Configuration parses them, the egress rules ask.

use std::fmt;

use creel_guard::{CleanPath, Oddities};

/// A text in which `*` stands for any bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob(String);

impl Glob {
    /// A pattern; every text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether it covers `text`.
    #[must_use]
    pub fn covers(&self, text: &str) -> bool {
        covers_bytes(self.0.as_bytes(), text.as_bytes())
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path condition: `*` stands for any bytes within one segment, `**` (alone in its segment) for any number of
/// segments: `/v1/**` covers `/v1/` and everything below it, and not `/v1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathGlob {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Segment {
    Any,
    One(String),
}

impl PathGlob {
    /// Reads a glob. It may hold oddities, which its entry must then allow ([`PathGlob::odd`]).
    ///
    /// # Errors
    /// A text saying what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("`{}` is no path: {why}", text.escape_debug()));
        if text.contains('?') {
            return refuse("the query is not part of it; leave out `?` and what follows");
        }
        let clean = match CleanPath::parse(text) {
            Ok(clean) => clean,
            Err(unclear) => return refuse(unclear.0),
        };
        let mut segments = Vec::new();
        for part in clean.path().split('/').skip(1) {
            if part == "**" {
                if segments.last() == Some(&Segment::Any) {
                    return refuse("`**` twice in a row says no more than once");
                }
                segments.push(Segment::Any);
            } else if part.contains("**") {
                return refuse("`**` must stand alone between slashes");
            } else {
                segments.push(Segment::One(part.to_owned()));
            }
        }
        Ok(Self { text: clean.into_string(), segments })
    }

    /// What servers could read differently in the glob itself.
    #[must_use]
    pub fn odd(&self) -> Oddities {
        CleanPath::parse(&self.text).map(|clean| clean.odd()).unwrap_or_default()
    }

    /// The folder that all it covers lies in: the segments before the last one and before the first with a star.
    #[must_use]
    pub fn folder(&self) -> String {
        let named = self.segments.iter().map_while(|segment| match segment {
            Segment::One(text) if !text.contains('*') => Some(text.as_str()),
            _ => None,
        });
        let most = self.segments.len().saturating_sub(1);
        named.take(most).flat_map(|segment| ["/", segment]).collect()
    }

    /// The one path that it covers; none when it holds a star.
    #[must_use]
    pub fn only(&self) -> Option<&str> {
        (!self.text.contains('*')).then_some(&*self.text)
    }

    /// Whether it may cover something below this folder, in its clean form and without a slash at its end.
    #[must_use]
    pub fn reaches(&self, folder: &str) -> bool {
        let mut segments = self.segments.iter();
        for part in folder.split('/').skip(1) {
            match segments.next() {
                Some(Segment::Any) => return true,
                Some(Segment::One(glob)) if covers_bytes(glob.as_bytes(), part.as_bytes()) => {}
                _ => return false,
            }
        }
        segments.next().is_some()
    }

    /// Whether it covers a path in its clean form, without query.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        // The same two-finger walk as within a segment: on a mismatch, the last `**` takes one segment more.
        let mut rest = path.split('/');
        rest.next();
        let mut with = 0;
        let mut retry = None;
        loop {
            let mut ahead = rest.clone();
            let Some(segment) = ahead.next() else { break };
            match self.segments.get(with) {
                Some(Segment::Any) => {
                    retry = Some((rest.clone(), with));
                    with += 1;
                    continue;
                }
                Some(Segment::One(glob)) if covers_bytes(glob.as_bytes(), segment.as_bytes()) => {
                    rest = ahead;
                    with += 1;
                    continue;
                }
                _ => {}
            }
            let Some((mut from, any)) = retry else { return false };
            from.next();
            rest = from.clone();
            retry = Some((from, any));
            with = any + 1;
        }
        with == self.segments.len()
    }
}

impl fmt::Display for PathGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn covers_bytes(glob: &[u8], text: &[u8]) -> bool {
    let (mut at, mut with) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(at) {
        match glob.get(with) {
            Some(b'*') => {
                retry = Some((at, with));
                with += 1;
                continue;
            }
            Some(wanted) if wanted == byte => {
                at += 1;
                with += 1;
                continue;
            }
            _ => {}
        }
        let Some((from, star)) = retry else { return false };
        retry = Some((from + 1, star));
        at = from + 1;
        with = star + 1;
    }
    glob.iter().skip(with).all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(glob: &str, path: &str) -> bool {
        PathGlob::parse(glob).unwrap().covers(CleanPath::parse(path).unwrap().path())
    }

    #[test]
    fn globs_cover_what_they_say() {
        for (glob, path) in [
            ("/v1/**", "/v1/"),
            ("/v1/**", "/v1/a/b?x=1"),
            ("/**", "/"),
            ("/**", "/a/b"),
            ("/a/*/c", "/a/b/c"),
            ("/a*c", "/abbc"),
            ("/a/**/z", "/a/z"),
            ("/a/**/z", "/a/b/z/c/z"),
            ("/@scope", "/%40scope"),
            ("/@*%2f*", "/@scope%2fname"),
            ("/a%20b", "/a%20b"),
            ("/", "/"),
        ] {
            assert!(covers(glob, path), "{glob} {path}");
        }
        for (glob, path) in [
            ("/v1/**", "/v1"),
            ("/v1/**", "/v2/a"),
            ("/v1/**", "/v11/a"),
            ("/a/*/c", "/a/b/b/c"),
            ("/a/*", "/a"),
            ("/a", "/a/"),
            ("/a", "/A"),
            ("/a/**/z", "/a/b/y"),
            ("/a/b", "/a%2fb"),
            ("/", "/a"),
        ] {
            assert!(!covers(glob, path), "{glob} {path}");
        }
        assert!(Glob::new("issue*s").covers("issue/xs") && !Glob::new("a*").covers("ba") && Glob::new("*").covers(""));
    }

    #[test]
    fn a_glob_says_which_folders_it_reaches() {
        for (glob, folder, only) in [
            ("/workspace/AGENTS.md", "/workspace", true),
            ("/workspace/skills/**", "/workspace/skills", false),
            ("/a/*/c/d", "/a", false),
            ("/**", "", false),
            ("/a", "", true),
        ] {
            let glob = PathGlob::parse(glob).unwrap();
            assert_eq!((glob.folder(), glob.only().is_some()), (folder.to_owned(), only), "{glob:?}");
            assert!(glob.reaches(folder), "{glob:?}");
        }
        let reaches = |glob: &str, folder: &str| PathGlob::parse(glob).unwrap().reaches(folder);
        assert!(reaches("/w/skills/**", "/w") && reaches("/w/skills/**", "/w/skills/a/b"));
        assert!(!reaches("/w/AGENTS.md", "/w/src") && !reaches("/w/AGENTS.md", "/w/AGENTS.md"));
        assert!(!reaches("/w/skills/**", "/w/skill") && !reaches("/w/skills/**", "/x"));
        assert!(reaches("/w/*/SKILL.md", "/w/a") && !reaches("/w/*/SKILL.md", "/w/a/b"));
    }

    #[test]
    fn a_glob_with_many_stars_stays_quick() {
        let glob = PathGlob::parse(&format!("/{}b", "*a".repeat(200))).unwrap();
        assert!(!glob.covers(&format!("/{}", "a".repeat(8000))));
        let glob = PathGlob::parse(&format!("{}/b", "/**/a".repeat(100))).unwrap();
        assert!(!glob.covers(&"/a".repeat(4000)));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(path in "\\PC{0,200}|[/.%a;2Ff5?-]{0,40}", glob in "[/*a.%]{0,20}") {
            if let (Ok(path), Ok(glob)) = (CleanPath::parse(&path), PathGlob::parse(&glob)) {
                let _ = glob.covers(path.path());
            }
        }

        #[test]
        fn the_clean_form_is_stable(path in "(/|[/.%a;2Ff5Cc?-]|%2[0-9a-fA-F]|%5[cC]){0,40}") {
            if let Ok(clean) = CleanPath::parse(&path) {
                let again = CleanPath::parse(clean.as_str());
                proptest::prop_assert_eq!(again.as_ref(), Ok(&clean));
            }
        }
    }
}
