//! A strict reading of one HTTP/1.1 request head.
//!
//! Owns the rules that shut request smuggling out (RFC 9112, sections 2.2, 3, 5 and 6, read at their strictest). Never
//! repairs: what two parsers could read in two ways is refused. Called by [`super::gate`].

/// A head longer than this is refused; servers stop at 8 to 64 KiB.
pub(super) const MAX_HEAD: usize = 64 * 1024;
/// More header lines than this are refused.
pub(super) const MAX_LINES: usize = 100;
/// A request line longer than this is refused (RFC 9112, section 3, asks for 8000 bytes); it goes into the record.
pub(super) const MAX_REQUEST_LINE: usize = 16 * 1024;
/// Headers with a `-` that frame the message or belong to one hop; all that begin with `proxy-` are such, too.
const STRUCTURAL: [&str; 4] = ["content-length", "http2-settings", "keep-alive", "transfer-encoding"];
/// The longest registered method has 17 letters (`UPDATEREDIRECTREF`).
pub(super) const MAX_METHOD: usize = 20;

/// How the body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; 0 when there is none.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// What the strict reading found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) framing: Framing,
    /// Whether `Content-Length` was there: a body of 0 bytes is then said to be one.
    pub(super) length_declared: bool,
    /// The value of the one `Host`; empty for a `CONNECT` of HTTP/1.0, which has none.
    pub(super) host: String,
    /// Whether the request wants to become another protocol.
    pub(super) switch: Switch,
}

/// What a request wants its connection (or its stream) to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    /// Nothing.
    None,
    /// A way to another place (RFC 9110, section 9.3.6).
    Connect,
    /// A WebSocket (RFC 6455; over HTTP/2 RFC 8441).
    WebSocket,
    /// What has no door.
    Other,
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// No HTTP at all.
    NotHttp,
    /// HTTP that could be read in two ways, or too much of it.
    Malformed(&'static str),
}

/// Looks for a whole head in `bytes`, of which the first `seen` were looked at before: its length, or `None` when more
/// must be read.
///
/// # Errors
/// [`Wrong`] as soon as no further byte could make it a good head.
pub(super) fn find(bytes: &[u8], seen: usize) -> Result<Option<usize>, Wrong> {
    let old = bytes.get(..seen).unwrap_or_default();
    if !old.contains(&b'\n') {
        first_line(bytes)?;
    }
    // Three bytes of the end may have been there before.
    let from = seen.saturating_sub(3);
    let fresh = bytes.get(from..).unwrap_or_default();
    match fresh.windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 4) {
        Some(end) if end <= MAX_HEAD => Ok(Some(end)),
        None if bytes.len() <= MAX_HEAD => {
            // A client that ends its lines with a bare LF would otherwise wait here until its deadline.
            if fresh.windows(2).any(|two| two.ends_with(b"\n") && !two.starts_with(b"\r")) {
                return Err(Wrong::Malformed("a line ends without CR"));
            }
            Ok(None)
        }
        _ => Err(Wrong::Malformed("the head is too long")),
    }
}

/// Looks at the beginning of a head whose first line may not be whole yet.
fn first_line(bytes: &[u8]) -> Result<(), Wrong> {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.len() < bytes.len() {
        request_line(line.strip_suffix(b"\r").unwrap_or(line))?;
        return if line.ends_with(b"\r") { Ok(()) } else { Err(Wrong::Malformed("a line ends without CR")) };
    }
    if line.len() > MAX_REQUEST_LINE {
        return Err(Wrong::Malformed("the request line is too long"));
    }
    if line.iter().take(MAX_METHOD).take_while(|byte| **byte != b' ').all(|byte| is_method(*byte)) {
        Ok(())
    } else {
        Err(Wrong::NotHttp)
    }
}

/// Reads a whole head, with its last empty line.
///
/// # Errors
/// [`Wrong`] names the first thing that is wrong.
pub(super) fn read(bytes: &[u8]) -> Result<Head, Wrong> {
    let text = bytes.strip_suffix(b"\r\n\r\n").ok_or(Wrong::Malformed("the head has no end"))?;
    let mut lines = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        lines.push(line.strip_suffix(b"\r").unwrap_or(line));
    }
    // Every LF must have had its CR, and every CR its LF.
    let feeds = text.iter().filter(|byte| **byte == b'\n').count();
    let returns = text.iter().filter(|byte| **byte == b'\r').count();
    let pairs = text.windows(2).filter(|two| two == b"\r\n").count();
    if feeds != pairs || returns != pairs {
        return Err(Wrong::Malformed("a CR or LF stands alone"));
    }
    let (first, headers) = lines.split_first().ok_or(Wrong::NotHttp)?;
    let is_http_11 = request_line(first)?;
    if headers.len() > MAX_LINES {
        return Err(Wrong::Malformed("there are too many header lines"));
    }
    let mut draft = Draft { connect: first.starts_with(b"CONNECT "), ..Draft::default() };
    for line in headers {
        draft.add(line)?;
    }
    draft.finish(is_http_11)
}

/// Reads `METHOD target HTTP/1.x`; true for HTTP/1.1.
fn request_line(line: &[u8]) -> Result<bool, Wrong> {
    if line.len() > MAX_REQUEST_LINE {
        return Err(Wrong::Malformed("the request line is too long"));
    }
    let parts: Vec<&[u8]> = line.splitn(5, |byte| *byte == b' ').collect();
    let is_http_11 = match parts.last().copied().unwrap_or_default() {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        version if version.starts_with(b"HTTP/") => return Err(Wrong::Malformed("the version is not supported")),
        _ => return Err(Wrong::NotHttp),
    };
    let [method, target, _] = parts.as_slice() else {
        return Err(Wrong::Malformed("the request line has not three parts"));
    };
    if method.is_empty() || method.len() > MAX_METHOD || !method.iter().all(|byte| is_method(*byte)) {
        return Err(Wrong::Malformed("the method is no method"));
    }
    // A fragment is never sent (RFC 9112, section 3.2), and the URI type would cut it off in silence.
    if target.is_empty() || target.contains(&b'#') || http::Uri::try_from(*target).is_err() {
        return Err(Wrong::Malformed("the target is no URI"));
    }
    Ok(is_http_11)
}

/// Methods are case-sensitive and all registered ones are capitals and `-`.
pub(super) fn is_method(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte == b'-'
}

#[derive(Default)]
struct Draft {
    length: Option<u64>,
    chunked: bool,
    host: Option<String>,
    connect: bool,
    upgrade: Option<Vec<u8>>,
    upgrade_is_meant: bool,
    keep_alive: bool,
}

impl Draft {
    fn add(&mut self, line: &[u8]) -> Result<(), Wrong> {
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Wrong::Malformed("a header has no colon"))?;
        let (name, value) = line.split_at_checked(colon).ok_or(Wrong::Malformed("a header has no colon"))?;
        // A space in front of the name is a folded line, one behind it a second reading: neither is a token.
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(Wrong::Malformed("a header's name is no token"));
        }
        let raw = value.get(1..).unwrap_or_default();
        let value = trimmed(raw);
        if value.iter().any(|byte| *byte < 0x20 && *byte != b'\t' || *byte == 0x7F) {
            return Err(Wrong::Malformed("a header's value holds a control character"));
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if is_disguised(&name) {
            return Err(Wrong::Malformed("a header's name is one of the message's own, with `_` for `-`"));
        }
        if matches!(name.as_str(), "content-length" | "host" | "transfer-encoding") && !is_plainly_spaced(raw) {
            return Err(Wrong::Malformed("odd white space stands around a value that must be read alike by all"));
        }
        match name.as_str() {
            "content-length" => self.length = Some(once(self.length.is_none(), length(value))?),
            "transfer-encoding" => self.chunked = once(!self.chunked, chunked(value))?,
            "host" => self.host = Some(once(self.host.is_none(), host(value))?),
            "expect" if !value.eq_ignore_ascii_case(b"100-continue") => {
                return Err(Wrong::Malformed("the expectation is not known"));
            }
            // Twice is as good as what nobody knows.
            "upgrade" if self.upgrade.is_some() => self.upgrade = Some(Vec::new()),
            "upgrade" => self.upgrade = Some(value.to_ascii_lowercase()),
            "connection" => {
                let value = value.to_ascii_lowercase();
                self.keep_alive |= value.windows(10).any(|ten| ten == b"keep-alive");
                self.upgrade_is_meant |= value.split(|byte| *byte == b',').any(|one| trimmed(one) == b"upgrade");
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self, is_http_11: bool) -> Result<Head, Wrong> {
        let framing = match (self.length, self.chunked) {
            (Some(_), true) => return Err(Wrong::Malformed("the body's length is said in two ways")),
            (None, true) if !is_http_11 => return Err(Wrong::Malformed("HTTP/1.0 has no chunks")),
            (None, true) => Framing::Chunked,
            (length, false) => Framing::Length(length.unwrap_or(0)),
        };
        if !is_http_11 && self.keep_alive && !self.connect {
            return Err(Wrong::Malformed("HTTP/1.0 connections end with their request"));
        }
        let switch = match (self.connect, self.upgrade.as_deref()) {
            (false, None) => Switch::None,
            (true, None) => Switch::Connect,
            (false, Some(b"websocket")) if self.upgrade_is_meant && is_http_11 => Switch::WebSocket,
            (_, Some(_)) => Switch::Other,
        };
        if matches!(switch, Switch::Connect | Switch::WebSocket) && framing != Framing::Length(0) {
            return Err(Wrong::Malformed("a request that leaves HTTP has a body"));
        }
        let host = match self.host {
            Some(host) => host,
            // Python's `http.client` asks like that.
            None if switch == Switch::Connect && !is_http_11 => String::new(),
            None => return Err(Wrong::Malformed("there is no Host")),
        };
        Ok(Head { framing, length_declared: self.length.is_some(), host, switch })
    }
}

fn once<T>(first: bool, value: Result<T, Wrong>) -> Result<T, Wrong> {
    if first { value } else { Err(Wrong::Malformed("a header that may stand once stands twice")) }
}

/// Gateways of the CGI family read `_` as `-`, so that `Content_Length` is a second length to them.
pub(super) fn is_disguised(name: &str) -> bool {
    let plain = name.replace('_', "-");
    plain != name && (STRUCTURAL.contains(&plain.as_str()) || plain.starts_with("proxy-"))
}

/// A value without the spaces and tabs around it (`OWS` of RFC 9110, section 5.6.3); a form feed is none.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// At most one space in front and nothing behind, as clients write it.
fn is_plainly_spaced(raw: &[u8]) -> bool {
    raw.strip_prefix(b" ").unwrap_or(raw).len() == trimmed(raw).len()
}

/// Digits alone: no sign, no list, no base (RFC 9110, section 8.6).
pub(super) fn length(value: &[u8]) -> Result<u64, Wrong> {
    let wrong = Wrong::Malformed("Content-Length is no number");
    // 18 digits always fit 63 bits.
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return Err(wrong);
    }
    std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).ok_or(wrong)
}

fn chunked(value: &[u8]) -> Result<bool, Wrong> {
    if value.eq_ignore_ascii_case(b"chunked") {
        Ok(true)
    } else {
        Err(Wrong::Malformed("Transfer-Encoding is not `chunked`"))
    }
}

pub(super) fn host(value: &[u8]) -> Result<String, Wrong> {
    let wrong = Wrong::Malformed("Host is no authority");
    let text = std::str::from_utf8(value).map_err(|_| wrong)?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte)) {
        return Err(wrong);
    }
    Ok(text.to_owned())
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
