//! Credentials as mail clients write them.
//!
//! Owns the mechanisms that can be read and written anew: PLAIN (RFC 4616), LOGIN, XOAUTH2, OAUTHBEARER (RFC 7628), and IMAP's
//! quoted strings (RFC 9051, section 4.3). Never knows whose they are. Called by [`super::talk`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::talk::SignIn;

/// What separates the parts of a token's message.
const BAR: char = '\u{1}';

/// A way to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    Login,
    Xoauth2,
    OauthBearer,
}

impl Mechanism {
    /// The one of this name; `None` for those that hide what they send, or send nothing.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "PLAIN" => Some(Self::Plain),
            "LOGIN" => Some(Self::Login),
            "XOAUTH2" => Some(Self::Xoauth2),
            "OAUTHBEARER" => Some(Self::OauthBearer),
            _ => None,
        }
    }
}

/// How a password is written into a line: behind `head`, between two texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    head: String,
    before: String,
    after: String,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Base64,
    Quoted,
}

impl Shape {
    pub(super) fn quoted(head: String) -> Self {
        Self { head, before: String::new(), after: String::new(), form: Form::Quoted }
    }

    fn base64(head: &str, before: String, after: &str) -> Self {
        Self { head: head.to_owned(), before, after: after.to_owned(), form: Form::Base64 }
    }

    /// The line; `None` when it can't hold this password.
    pub(super) fn line(&self, password: &str) -> Option<Vec<u8>> {
        let Self { head, before, after, form } = self;
        if password.contains(['\0', BAR, '\r', '\n']) {
            return None;
        }
        let text = match form {
            Form::Base64 => STANDARD.encode(format!("{before}{password}{after}")),
            Form::Quoted => quoted(password)?,
        };
        Some(format!("{head}{text}\r\n").into_bytes())
    }

    /// Whether it is a line of its own, which a command came before.
    #[cfg(any(test, fuzzing))]
    pub(super) fn is_an_answer(&self) -> bool {
        self.head.is_empty()
    }
}

/// What a first message says. `head` stands before it in its line.
pub(super) fn first(mechanism: Mechanism, head: &str, message: &str) -> Option<SignIn> {
    let text = decoded(message)?;
    match mechanism {
        Mechanism::Plain => plain(head, &text),
        Mechanism::Xoauth2 => {
            let (user, rest) = text.strip_prefix("user=")?.split_once(BAR)?;
            let token = rest.strip_prefix("auth=Bearer ")?.strip_suffix("\u{1}\u{1}")?;
            sign_in(user, token, Shape::base64(head, format!("user={user}{BAR}auth=Bearer "), "\u{1}\u{1}"))
        }
        Mechanism::OauthBearer => oauth_bearer(head, &text),
        Mechanism::Login => None,
    }
}

/// A password by itself.
pub(super) fn password(user: &str, message: &str) -> Option<SignIn> {
    sign_in(user, &decoded(message)?, Shape::base64("", String::new(), ""))
}

/// The text of a message.
pub(super) fn decoded(message: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(message).ok()?).ok()
}

/// One that says who signs in, and with what.
pub(super) fn sign_in(user: &str, password: &str, shape: Shape) -> Option<SignIn> {
    let legal = |text: &str| !text.is_empty() && !text.contains(['\0', BAR]);
    let (user, password) = (user.to_owned(), password.to_owned());
    (legal(&user) && legal(&password)).then_some(SignIn { user, password, shape })
}

/// `authzid NUL authcid NUL passwd`; nobody signs in as somebody else.
fn plain(head: &str, text: &str) -> Option<SignIn> {
    let (acts_as, rest) = text.split_once('\0')?;
    let (user, password) = rest.split_once('\0')?;
    if !acts_as.is_empty() && acts_as != user {
        return None;
    }
    sign_in(user, password, Shape::base64(head, format!("{acts_as}\0{user}\0"), ""))
}

/// `n,a=USER,`, then pairs, of which `auth` is the one that matters.
fn oauth_bearer(head: &str, text: &str) -> Option<SignIn> {
    let (before, rest) = text.split_once("\u{1}auth=Bearer ")?;
    let (token, after) = rest.split_once(BAR)?;
    let mut parts = before.split(BAR);
    let user = parts.next()?.strip_prefix("n,a=")?.strip_suffix(',')?;
    let place = |pair: &str| pair.starts_with("host=") || pair.starts_with("port=");
    let behind = after.strip_suffix(BAR)?.split_terminator(BAR);
    if user.contains([',', '=']) || !parts.chain(behind).all(place) {
        return None;
    }
    sign_in(user, token, Shape::base64(head, format!("{before}{BAR}auth=Bearer "), &format!("{BAR}{after}")))
}

/// A quoted string; `None` for what can't stand in one.
pub(super) fn quoted(text: &str) -> Option<String> {
    text.bytes().all(|byte| matches!(byte, 0x20..=0x7e)).then(|| {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    })
}

/// An atom or a quoted string, and what follows it.
pub(super) fn string(text: &str) -> Option<(String, &str)> {
    let Some(inner) = text.strip_prefix('"') else {
        let (atom, rest) = text.split_at_checked(text.find(' ').unwrap_or(text.len()))?;
        let plain = |byte: u8| matches!(byte, 0x21..=0x7e) && !b"(){%*\"\\".contains(&byte);
        return (!atom.is_empty() && atom.bytes().all(plain)).then(|| (atom.to_owned(), rest));
    };
    let (mut out, mut chars) = (String::new(), inner.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, inner.get(at + 1..)?)),
            '\\' => out.push(chars.next().map(|(_, c)| c).filter(|c| matches!(c, '"' | '\\'))?),
            ' '..='~' => out.push(c),
            _ => return None,
        }
    }
    None
}
