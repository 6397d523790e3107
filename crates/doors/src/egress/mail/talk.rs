//! A mail connection until somebody has signed in, line by line.
//!
//! Owns which lines may pass and what they mean: RFC 4954 for SMTP, RFC 9051 (sections 6.1 and 6.2) for IMAP. One command at a
//! time: each waits for its answer, so that no line is read as what the server does not take it for. Does no IO and knows no
//! secret. Called by [`super`] from both directions.

use super::Wrong;
use super::sasl::{self, Mechanism, Shape};

/// A sign-in: who, with what, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct SignIn {
    pub(super) user: String,
    /// What stands in the password's or the token's place.
    pub(super) password: String,
    pub(super) shape: Shape,
}

impl SignIn {
    /// The same line with this password; `None` when it can't hold it.
    pub(super) fn line(&self, password: &str) -> Option<Vec<u8>> {
        self.shape.line(password)
    }

    /// Written anew and read again it is the same.
    #[cfg(any(test, fuzzing))]
    pub(super) fn comes_back(&self, imap: bool) {
        let Some(line) = self.line(&self.password).filter(|_| !self.shape.is_an_answer()) else { return };
        match Talk::new(imap).said(&line) {
            Ok(Said::SignsIn(again)) => assert_eq!(&again, self, "who signs in, and with what"),
            other => unreachable!("a sign-in is written as one: {other:?}"),
        }
    }
}

/// What a line of the agent's is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Said {
    /// It says nothing that matters.
    Passes(Vec<u8>),
    SignsIn(SignIn),
}

/// What the agent says if the server asks for more.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    /// Nothing: no sign-in is under way.
    Nothing,
    First(Mechanism),
    User,
    Password(String),
    /// The credential was sent. A server that takes none tells why, and hears an empty answer (RFC 7628, section 3.2.3).
    Sent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The agent may give a command.
    Command,
    /// Its answer is due.
    Answer(Next),
    /// The server asked for more.
    More(Next),
    SignedIn,
}

/// Where such a connection is.
#[derive(Debug)]
pub(super) struct Talk {
    imap: bool,
    state: State,
    /// Of the command whose answer is due.
    tag: String,
}

impl Talk {
    pub(super) fn new(imap: bool) -> Self {
        Self { imap, state: State::Command, tag: String::new() }
    }

    pub(super) fn is_signed_in(&self) -> bool {
        self.state == State::SignedIn
    }

    /// Reads a line of the agent's.
    ///
    /// # Errors
    /// When it may not pass.
    pub(super) fn said(&mut self, line: &[u8]) -> Result<Said, Wrong> {
        let text = std::str::from_utf8(line).ok().and_then(|line| line.strip_suffix("\r\n"));
        let text = text.ok_or(Wrong::refused("a line before the sign-in is no text"))?;
        let (said, next) = match std::mem::replace(&mut self.state, State::Command) {
            State::Command if self.imap => self.imap(line, text)?,
            State::Command => smtp(line, text)?,
            State::More(_) if text == "*" => (Said::Passes(line.to_vec()), Next::Nothing),
            State::More(next) => more(next, line, text)?,
            State::Answer(_) => return Err(Wrong::refused("it did not wait for the server's answer")),
            State::SignedIn => return Err(Wrong::refused("it is signed in")),
        };
        self.state = State::Answer(next);
        Ok(said)
    }

    /// Reads a line of the server's, and says what the agent hears.
    pub(super) fn heard(&mut self, line: Vec<u8>) -> Vec<u8> {
        let text = String::from_utf8_lossy(&line).into_owned();
        let answer = if self.imap { self.imap_answer(&text) } else { smtp_answer(&text) };
        if let (Some(answer), State::Answer(next)) = (answer, &self.state) {
            self.state = match (answer, next) {
                (Answer::More, next) => State::More(next.clone()),
                (Answer::Yes, Next::Sent) => State::SignedIn,
                (Answer::Yes | Answer::No, _) => State::Command,
            };
        }
        offered(&text).map_or(line, String::into_bytes)
    }

    fn imap(&mut self, line: &[u8], text: &str) -> Result<(Said, Next), Wrong> {
        let bad = || Wrong::refused("it must sign in before anything else");
        let (tag, rest) = text.split_once(' ').ok_or_else(bad)?;
        let legal =
            (1..=64).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        // What is announced by its length would be read apart from its line.
        if !legal || rest.ends_with('}') {
            return Err(bad());
        }
        tag.clone_into(&mut self.tag);
        let (command, arguments) = rest.split_once(' ').unwrap_or((rest, ""));
        let passes = || Ok((Said::Passes(line.to_vec()), Next::Nothing));
        match command.to_ascii_uppercase().as_str() {
            "CAPABILITY" | "NOOP" | "LOGOUT" if arguments.is_empty() => passes(),
            "ID" => passes(),
            "AUTHENTICATE" => authenticate(&format!("{tag} AUTHENTICATE "), arguments, line),
            "LOGIN" => login(tag, arguments).map(|sign_in| (Said::SignsIn(sign_in), Next::Sent)).ok_or_else(unread),
            _ => Err(bad()),
        }
    }

    fn imap_answer(&self, text: &str) -> Option<Answer> {
        if text.starts_with('+') {
            return Some(Answer::More);
        }
        let state = text.strip_prefix(self.tag.as_str())?.strip_prefix(' ')?;
        let yes = state.get(..2).is_some_and(|state| state.eq_ignore_ascii_case("OK"));
        Some(if yes { Answer::Yes } else { Answer::No })
    }

    /// As if the server had asked for more.
    #[cfg(any(test, fuzzing))]
    pub(super) fn asked(&mut self) {
        self.state = match &self.state {
            State::Answer(Next::Nothing) => State::Command,
            State::Answer(next) => State::More(next.clone()),
            other => other.clone(),
        };
    }
}

/// What a server's line says to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    More,
    Yes,
    No,
}

fn unread() -> Wrong {
    Wrong::refused("a sign-in can't be read: PLAIN, LOGIN, XOAUTH2 and OAUTHBEARER can")
}

fn smtp(line: &[u8], text: &str) -> Result<(Said, Next), Wrong> {
    let (command, arguments) = text.split_once(' ').unwrap_or((text, ""));
    match command.to_ascii_uppercase().as_str() {
        "EHLO" | "HELO" | "NOOP" | "QUIT" | "RSET" => Ok((Said::Passes(line.to_vec()), Next::Nothing)),
        "AUTH" => authenticate("AUTH ", arguments, line),
        _ => Err(Wrong::refused("it must sign in before anything else")),
    }
}

/// The last line of an answer (RFC 5321, section 4.2.1).
fn smtp_answer(text: &str) -> Option<Answer> {
    let code = text.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()))?;
    match code {
        _ if text.get(3..4) == Some("-") => None,
        "334" => Some(Answer::More),
        _ if code.starts_with('2') => Some(Answer::Yes),
        _ => Some(Answer::No),
    }
}

/// A mechanism, perhaps with its first message (RFC 4954, section 4; RFC 4959).
fn authenticate(head: &str, arguments: &str, line: &[u8]) -> Result<(Said, Next), Wrong> {
    let (name, message) = arguments.split_once(' ').map_or((arguments, None), |(name, rest)| (name, Some(rest)));
    let mechanism = Mechanism::named(name).ok_or_else(unread)?;
    let passes = |next| Ok((Said::Passes(line.to_vec()), next));
    match (mechanism, message) {
        (Mechanism::Login, None) => passes(Next::User),
        (Mechanism::Login, Some(user)) => passes(Next::Password(sasl::decoded(user).ok_or_else(unread)?)),
        (mechanism, None) => passes(Next::First(mechanism)),
        (mechanism, Some(message)) => {
            let head = format!("{head}{} ", name.to_ascii_uppercase());
            let sign_in = sasl::first(mechanism, &head, message).ok_or_else(unread)?;
            Ok((Said::SignsIn(sign_in), Next::Sent))
        }
    }
}

/// What the server asked for.
fn more(next: Next, line: &[u8], text: &str) -> Result<(Said, Next), Wrong> {
    let passes = |next| Ok((Said::Passes(line.to_vec()), next));
    let sign_in = match next {
        Next::First(mechanism) => sasl::first(mechanism, "", text),
        Next::Password(user) => sasl::password(&user, text),
        Next::User => return passes(Next::Password(sasl::decoded(text).ok_or_else(unread)?)),
        Next::Sent if text.is_empty() || text == "AQ==" => return passes(Next::Nothing),
        Next::Sent | Next::Nothing => None,
    };
    sign_in.map(|sign_in| (Said::SignsIn(sign_in), Next::Sent)).ok_or_else(unread)
}

fn login(tag: &str, arguments: &str) -> Option<SignIn> {
    let (user, rest) = sasl::string(arguments)?;
    let (password, rest) = sasl::string(rest.strip_prefix(' ')?)?;
    let head = format!("{tag} LOGIN {} ", sasl::quoted(&user)?);
    rest.is_empty().then(|| sasl::sign_in(&user, &password, Shape::quoted(head)))?
}

/// What a server offers, without the mechanisms that can't be read, so that no client picks one. `None` when nothing changes.
fn offered(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    let smtp = upper.get(3..).is_some_and(|rest| rest.starts_with("-AUTH ") || rest.starts_with(" AUTH "));
    if !smtp && !upper.contains("AUTH=") {
        return None;
    }
    let stays = |word: &str| {
        let word = word.to_ascii_uppercase();
        let name = if smtp { Some(word.as_str()) } else { word.strip_prefix("AUTH=") };
        name.is_none_or(|name| Mechanism::named(name).is_some())
    };
    let (head, list) = text.trim_end().split_at_checked(if smtp { 9 } else { 0 })?;
    let mut out = String::new();
    for word in list.split(' ') {
        let (bare, end) = word.split_at_checked(word.trim_end_matches(']').len())?;
        if stays(bare) {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(bare);
        }
        out.push_str(end);
    }
    Some(format!("{head}{out}\r\n"))
}

#[cfg(test)]
mod tests;
