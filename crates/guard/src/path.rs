//! The one form of a path that rules read and doors send.
//!
//! Owns [`CleanPath`]: percent escapes decoded once where decoding changes no meaning, the rest written in one way.
//! Never repairs what two servers could read in two ways: it names the oddity, and a rule decides. Doors make it at the
//! edge and send that very text.

use std::fmt;

/// The longest path and query that is looked at; far above what servers accept.
const LONGEST: usize = 64 * 1024;

/// Why a path has no clean form: no entry allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnclearPath(pub &'static str);

impl fmt::Display for UnclearPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What servers are known to read differently, and some honest clients send. A set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities(u8);

impl Oddities {
    /// An encoded slash (`%2f`): one segment or two.
    pub const ENCODED_SLASH: Self = Self(1);
    /// A `;`, written plainly or encoded: some servers cut it off with what follows.
    pub const SEMICOLON: Self = Self(2);
    /// `//`: some servers read it as `/`.
    pub const EMPTY_SEGMENT: Self = Self(4);
    /// An encoded percent sign (`%25`): decoded twice it is another path.
    pub const ENCODED_PERCENT: Self = Self(8);
    /// An encoded `?` or `#`.
    pub const ENCODED_DELIMITER: Self = Self(16);

    /// Each oddity as configuration writes it.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("%2f", Self::ENCODED_SLASH),
        (";", Self::SEMICOLON),
        ("//", Self::EMPTY_SEGMENT),
        ("%25", Self::ENCODED_PERCENT),
        ("%3f", Self::ENCODED_DELIMITER),
    ];

    /// The set of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, odd)| *odd)
    }

    /// Both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in this set.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The first oddity of this set that is not in `allowed`, by name.
    #[must_use]
    pub fn first_outside(self, allowed: Self) -> Option<&'static str> {
        Self::NAMES.iter().find(|(_, odd)| self.covers(*odd) && !allowed.covers(*odd)).map(|(name, _)| *name)
    }
}

/// A path in its one form, with its query behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanPath {
    text: String,
    /// Where the query begins, at its `?`; the text's length without one.
    query: usize,
    odd: Oddities,
}

impl CleanPath {
    /// Whether it is the clean form of itself and holds nothing odd, as a quick look tells of most paths. A `false` says nothing.
    #[must_use]
    pub fn is_plain(path_and_query: &str) -> bool {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let mut last = b' ';
        for byte in path.bytes() {
            let plain = match byte {
                b'/' | b'.' => last != b'/',
                _ => byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_',
            };
            if !plain {
                return false;
            }
            last = byte;
        }
        path.starts_with('/') && path_and_query.len() <= LONGEST && is_clean_query(query)
    }

    /// Reads a path and query as they stand in a request.
    ///
    /// # Errors
    /// [`UnclearPath`] for what no entry allows: dot segments in any spelling, a backslash, control characters, a broken
    /// escape, anything outside ASCII, what does not start with `/`.
    pub fn parse(path_and_query: &str) -> Result<Self, UnclearPath> {
        if path_and_query.len() > LONGEST {
            return Err(UnclearPath("it is longer than 64 KiB"));
        }
        if !path_and_query.starts_with('/') {
            return Err(UnclearPath("it does not start with `/`"));
        }
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        let mut text = String::with_capacity(path_and_query.len());
        let mut odd = Oddities::default();
        let mut bytes = path.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'%' => decoded(decode(bytes.next(), bytes.next())?, &mut text, &mut odd)?,
                b'\\' => return Err(UnclearPath("it holds a backslash")),
                b'#' => return Err(UnclearPath("it holds `#`")),
                b';' => {
                    odd = odd.with(Oddities::SEMICOLON);
                    text.push(';');
                }
                b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | b'[' | b']' => escape(byte, &mut text),
                0x21..=0x7e => text.push(char::from(byte)),
                _ => return Err(UnclearPath("it holds a space, a control character or a byte outside ASCII")),
            }
        }
        odd = odd.with(segments(&text)?);
        let end = text.len();
        if let Some(query) = query {
            if !is_clean_query(query) {
                return Err(UnclearPath("its query holds a space, `#`, a control character or a byte outside ASCII"));
            }
            text.push('?');
            text.push_str(query);
        }
        Ok(Self { text, query: end, odd })
    }

    /// Path and query, as they are sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same, by value.
    #[must_use]
    pub fn into_string(self) -> String {
        self.text
    }

    /// The path alone.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(..self.query).unwrap_or_default()
    }

    /// The query without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.query + 1..)
    }

    /// What servers could read differently in it.
    #[must_use]
    pub fn odd(&self) -> Oddities {
        self.odd
    }
}

fn decode(high: Option<u8>, low: Option<u8>) -> Result<u8, UnclearPath> {
    let digit =
        |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    match (digit(high), digit(low)) {
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(UnclearPath("it holds a broken percent escape")),
    }
}

/// Writes a byte that stood there encoded: plainly where no server gives the plain form another meaning.
fn decoded(byte: u8, text: &mut String, odd: &mut Oddities) -> Result<(), UnclearPath> {
    let found = match byte {
        // RFC 3986, section 2.3: unreserved, the same with and without escape; then what paths hold anyway.
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            text.push(char::from(byte));
            return Ok(());
        }
        b'@' | b':' | b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b',' | b'=' => {
            text.push(char::from(byte));
            return Ok(());
        }
        b'\\' => return Err(UnclearPath("it holds an encoded backslash")),
        0x00..=0x1f | 0x7f => return Err(UnclearPath("it holds an encoded control character")),
        b'/' => Oddities::ENCODED_SLASH,
        b';' => Oddities::SEMICOLON,
        b'%' => Oddities::ENCODED_PERCENT,
        b'?' | b'#' => Oddities::ENCODED_DELIMITER,
        _ => Oddities::default(),
    };
    *odd = odd.with(found);
    escape(byte, text);
    Ok(())
}

fn is_clean_query(query: &str) -> bool {
    query.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && byte != b'#')
}

fn escape(byte: u8, text: &mut String) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    text.push('%');
    for digit in [byte >> 4, byte & 15] {
        text.extend(DIGITS.get(usize::from(digit)));
    }
}

/// Looks for empty and dot segments, an encoded slash or percent sign taken as what it decodes to, parameters cut off.
fn segments(path: &str) -> Result<Oddities, UnclearPath> {
    let mut found = Oddities::default();
    let mut rest = path.split('/').skip(1).peekable();
    while let Some(segment) = rest.next() {
        // A trailing slash leaves one empty segment at the end; anywhere else it is `//`.
        if segment.is_empty() && rest.peek().is_some() {
            found = found.with(Oddities::EMPTY_SEGMENT);
        }
        for part in segment.split("%2F") {
            let name = part.split(';').next().unwrap_or_default();
            let name = name.split("%3B").next().unwrap_or_default();
            if is_dots(name) {
                return Err(UnclearPath("it holds a dot segment"));
            }
        }
    }
    Ok(found)
}

/// `.` and `..`, with each dot and all else encoded once more or not.
fn is_dots(name: &str) -> bool {
    if name == "." || name == ".." {
        return true;
    }
    if !name.contains("%25") {
        return false;
    }
    let lower = name.to_ascii_lowercase().replace("%25", "%");
    let plain = lower.replace("%2e", ".").replace("%252e", ".");
    matches!(plain.as_str(), "." | "..") || plain.split("%2f").chain(plain.split("%5c")).any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_is_sent() {
        for (written, sent) in [
            ("/", "/"),
            ("/%61dmin", "/admin"),
            ("/%7euser/%2D", "/~user/-"),
            ("/a%20b", "/a%20b"),
            ("/%c3%a4", "/%C3%A4"),
            ("/%40scope%2fname", "/@scope%2Fname"),
            ("/a%2eb", "/a.b"),
            ("/a%2bb", "/a%2Bb"),
            ("/{a}|b", "/%7Ba%7D%7Cb"),
            ("/a?q=%2f&%61=1", "/a?q=%2f&%61=1"),
            ("/a//b;c", "/a//b;c"),
            ("/.well-known/x", "/.well-known/x"),
        ] {
            assert_eq!(CleanPath::parse(written).unwrap().as_str(), sent, "{written}");
        }
    }

    #[test]
    fn oddities_are_named_and_what_nobody_may_send_is_refused() {
        for (path, odd) in [
            ("/a%2Fb", Some("%2f")),
            ("/a;b", Some(";")),
            ("/a%3bb", Some(";")),
            ("//a", Some("//")),
            ("/a//", Some("//")),
            ("/a%252e", Some("%25")),
            ("/a%3fb", Some("%3f")),
            ("/a/?x=//;%2f", None),
            ("/...", None),
        ] {
            let clean = CleanPath::parse(path).unwrap();
            assert_eq!(clean.odd().first_outside(Oddities::default()), odd, "{path}");
        }
        for path in [
            "",
            "a",
            "*",
            "/a/../b",
            "/a/./b",
            "/..",
            "/a/..",
            "/%2e%2e/a",
            "/.%2e/a",
            "/..%2fa",
            "/a%2f..%2fb",
            "/..;/a",
            "/..%3b/a",
            "/%252e%252e/a",
            "/%252e%252e%252fa",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%0d%0a",
            "/a%zz",
            "/a%2",
            "/a b",
            "/ä",
            "/a#b",
            "/a\u{7f}",
            "/a?b c",
            "/a?b#c",
            "/a?ä",
        ] {
            assert!(CleanPath::parse(path).is_err(), "{path}");
        }
        assert!(CleanPath::parse(&format!("/{}", "a".repeat(70_000))).is_err());
    }

    #[test]
    fn the_clean_form_of_a_clean_form_is_itself() {
        // Every pair of bytes, plain and encoded, between two letters.
        for one in 0..=255_u8 {
            for path in
                [format!("/a%{one:02x}b/c"), format!("/{}x", char::from(one)), format!("/%{one:02X}%{one:02x}/")]
            {
                if let Ok(clean) = CleanPath::parse(&path) {
                    assert_eq!(CleanPath::parse(clean.as_str()).as_ref(), Ok(&clean), "{path}");
                }
            }
        }
    }
    #[test]
    fn what_is_plain_is_its_own_clean_form_without_oddities() {
        // Every path of up to five of the signs that matter.
        let signs = ["/", ".", "a", "-", "_", "~", ";", "%", "2f", "%2e", "\\", "?", "#", "%3b", " "];
        let mut paths = vec![String::new()];
        let mut plain = 0;
        for _ in 0..5 {
            paths = paths.iter().flat_map(|path| signs.iter().map(move |sign| format!("{path}{sign}"))).collect();
            for path in paths.iter().map(|path| format!("/{path}")).filter(|path| CleanPath::is_plain(path)) {
                let clean = CleanPath::parse(&path).unwrap();
                assert_eq!((clean.as_str(), clean.odd()), (path.as_str(), Oddities::default()));
                plain += 1;
            }
            paths.truncate(60_000);
        }
        assert!(plain > 1000, "{plain}");
        assert!(!CleanPath::is_plain("") && !CleanPath::is_plain("*") && !CleanPath::is_plain("a"));
        assert!(!CleanPath::is_plain(&format!("/{}", "a".repeat(70_000))));
        assert!(CleanPath::is_plain("/v1/messages") && CleanPath::is_plain("/a.b/?q=%2f&x=;//"));
    }
}
