//! The one form of a path that path conditions read.
//!
//! Owns [`canonical_path`] and [`PathGlob`]. Never repairs a path that two servers could read in two ways: it says what
//! is unclear about it, and the rules refuse it. Configuration parses globs, the egress rules ask.

use std::fmt;

/// The longest path that is looked at; far above what servers accept.
const LONGEST: usize = 16 * 1024;

/// A path that two servers could read in two ways, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnclearPath(pub &'static str);

impl fmt::Display for UnclearPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Cuts the query off and decodes the path once.
///
/// # Errors
/// [`UnclearPath`] for what different servers are known to read differently: dot segments, empty segments, `;`, a
/// backslash, an encoded slash, backslash, percent sign, `;`, dot or control character, a broken escape, and anything
/// that is not ASCII.
pub fn canonical_path(path_and_query: &str) -> Result<Vec<u8>, UnclearPath> {
    let path = path_and_query.split_once('?').map_or(path_and_query, |(path, _)| path);
    if path.len() > LONGEST {
        return Err(UnclearPath("it is longer than 16 KiB"));
    }
    if !path.starts_with('/') {
        return Err(UnclearPath("it does not start with `/`"));
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => decoded.push(decode(bytes.next(), bytes.next())?),
            b';' => return Err(UnclearPath("it holds `;`")),
            b'\\' => return Err(UnclearPath("it holds a backslash")),
            b'#' => return Err(UnclearPath("it holds `#`")),
            0x21..=0x7e => decoded.push(byte),
            _ => return Err(UnclearPath("it holds a space, a control character or a byte outside ASCII")),
        }
    }
    check_segments(&decoded)?;
    Ok(decoded)
}

fn decode(high: Option<u8>, low: Option<u8>) -> Result<u8, UnclearPath> {
    let digit =
        |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let (Some(high), Some(low)) = (digit(high), digit(low)) else {
        return Err(UnclearPath("it holds a broken percent escape"));
    };
    match high << 4 | low {
        b'/' => Err(UnclearPath("it holds an encoded slash")),
        b'\\' => Err(UnclearPath("it holds an encoded backslash")),
        b'%' => Err(UnclearPath("it is encoded twice")),
        b';' => Err(UnclearPath("it holds an encoded `;`")),
        b'.' => Err(UnclearPath("it holds an encoded dot")),
        b'?' | b'#' => Err(UnclearPath("it holds an encoded `?` or `#`")),
        0x00..=0x1f | 0x7f => Err(UnclearPath("it holds an encoded control character")),
        byte => Ok(byte),
    }
}

fn check_segments(path: &[u8]) -> Result<(), UnclearPath> {
    let mut segments = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        if segment == b"." || segment == b".." {
            return Err(UnclearPath("it holds a dot segment"));
        }
        // A trailing slash leaves one empty segment at the end; anywhere else it is `//`.
        if segment.is_empty() && segments.peek().is_some() {
            return Err(UnclearPath("it holds `//`"));
        }
    }
    Ok(())
}

/// A path condition: `*` stands for any bytes within one segment, `**` (alone in its segment) for any number of
/// segments: `/v1/**` covers `/v1/` and everything below it, and not `/v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathGlob {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Any,
    One(Vec<u8>),
}

impl PathGlob {
    /// Reads a glob.
    ///
    /// # Errors
    /// A text saying what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("`{}` is no path: {why}", text.escape_debug()));
        if text.contains('?') {
            return refuse("the query is not part of it; leave out `?` and what follows");
        }
        if let Err(unclear) = canonical_path(text) {
            return refuse(unclear.0);
        }
        if text.contains('%') {
            return refuse("write it decoded, without percent escapes");
        }
        let mut segments = Vec::new();
        for part in text.split('/').skip(1) {
            if part == "**" {
                if segments.last() == Some(&Segment::Any) {
                    return refuse("`**` twice in a row says no more than once");
                }
                segments.push(Segment::Any);
            } else if part.contains("**") {
                return refuse("`**` must stand alone between slashes");
            } else {
                segments.push(Segment::One(part.as_bytes().to_vec()));
            }
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// Whether it covers a path in [`canonical_path`]'s form.
    #[must_use]
    pub fn covers(&self, canonical: &[u8]) -> bool {
        let segments: Vec<&[u8]> = canonical.split(|byte| *byte == b'/').skip(1).collect();
        // The same two-finger walk as within a segment: on a mismatch, the last `**` takes one segment more.
        let (mut at, mut with) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while let Some(segment) = segments.get(at) {
            match self.segments.get(with) {
                Some(Segment::Any) => {
                    retry = Some((at, with));
                    with += 1;
                    continue;
                }
                Some(Segment::One(glob)) if covers_segment(glob, segment) => {
                    at += 1;
                    with += 1;
                    continue;
                }
                _ => {}
            }
            let Some((from, any)) = retry else { return false };
            retry = Some((from + 1, any));
            at = from + 1;
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

fn covers_segment(glob: &[u8], segment: &[u8]) -> bool {
    let (mut at, mut with) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(byte) = segment.get(at) {
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
        PathGlob::parse(glob).unwrap().covers(&canonical_path(path).unwrap())
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
            ("/", "/a"),
        ] {
            assert!(!covers(glob, path), "{glob} {path}");
        }
    }

    #[test]
    fn what_servers_read_differently_is_unclear() {
        for path in [
            "",
            "a",
            "*",
            "/a/../b",
            "/a/./b",
            "/..",
            "/a/..",
            "/a//b",
            "//a",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%252e",
            "/%2e%2e/a",
            "/a;b=1",
            "/a%3bb",
            "/a%0d%0a",
            "/a%zz",
            "/a%2",
            "/a b",
            "/ä",
            "/a#b",
            "/a%3fb",
            "/a\u{7f}",
        ] {
            assert!(canonical_path(path).is_err(), "{path}");
        }
        for path in ["/", "/a", "/a/", "/a?b=..//;%2f", "/a.b/.c", "/a%20b", "/...", "/a:b@c"] {
            assert!(canonical_path(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn a_glob_with_many_stars_stays_quick() {
        let glob = PathGlob::parse(&format!("/{}b", "*a".repeat(200))).unwrap();
        assert!(!glob.covers(&canonical_path(&format!("/{}", "a".repeat(8000))).unwrap()));
        let glob = PathGlob::parse(&format!("{}/b", "/**/a".repeat(100))).unwrap();
        assert!(!glob.covers(&canonical_path(&"/a".repeat(4000)).unwrap()));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(path in "\\PC{0,200}", glob in "[/*a.%]{0,20}") {
            if let (Ok(path), Ok(glob)) = (canonical_path(&path), PathGlob::parse(&glob)) {
                let _ = glob.covers(&path);
            }
        }
    }
}
