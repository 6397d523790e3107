//! Secrets in sign-ins of SMTP and IMAP, where Creel terminates TLS.
//!
//! Owns both directions of such a connection: until somebody has signed in it is read line by line, and nothing passes but
//! greetings and sign-ins with a placeholder that is judged and filled. Afterwards bytes pass, and what comes back never holds a
//! secret. Never decides where a placeholder is worth something: the guard does. Called by [`super::tunnel`].

mod sasl;
mod talk;

use std::sync::{Arc, Mutex, PoisonError};

use creel_guard::{BoxFuture, Inject, Outcome, Slot};
use creel_secrets::Scrubber;

use super::splice::{AtMost, Rewrite, Watch, Wrong};
use super::uses::Uses;
use crate::leak::Search;
use talk::{Said, SignIn, Talk};

/// A line of `AUTH` has 12,288 bytes (RFC 4954, section 4); a token of OAuth is shorter.
const MAX_LINE: usize = 16 * 1024;

/// Both directions, of `imap` or SMTP.
pub(super) fn both(imap: bool, uses: Uses, max: u64, search: Option<Search>) -> (Agent, Server) {
    let talk = Arc::new(Mutex::new(Talk::new(imap)));
    let scrubber = uses.broker().scrubber();
    let agent = Agent { talk: Arc::clone(&talk), held: Lines::default(), uses, most: AtMost(max), search };
    (agent, Server { talk, held: Lines::default(), scrubber })
}

/// What the agent says.
pub(super) struct Agent {
    talk: Arc<Mutex<Talk>>,
    held: Lines,
    uses: Uses,
    most: AtMost,
    search: Option<Search>,
}

impl Agent {
    async fn through(&mut self, bytes: &mut Vec<u8>) -> Result<u64, Wrong> {
        if self.is_signed_in() {
            self.searched(bytes)?;
            return self.most.look(bytes);
        }
        self.held.0.append(bytes);
        while let Some(line) = self.held.next() {
            let said = self.talk.lock().unwrap_or_else(PoisonError::into_inner).said(&line?)?;
            match said {
                Said::Passes(line) => {
                    self.searched(&line)?;
                    bytes.extend_from_slice(&line);
                }
                Said::SignsIn(sign_in) => bytes.append(&mut self.filled(&sign_in).await?),
            }
        }
        self.most.look(bytes)
    }

    fn is_signed_in(&self) -> bool {
        self.held.0.is_empty() && self.talk.lock().unwrap_or_else(PoisonError::into_inner).is_signed_in()
    }

    fn searched(&mut self, bytes: &[u8]) -> Result<(), Wrong> {
        let Some(search) = &mut self.search else { return Ok(()) };
        search.push(bytes).map_err(|held| Wrong::refused(held.into_why()))
    }

    /// The line with the secret in the place of its placeholder.
    async fn filled(&mut self, sign_in: &SignIn) -> Result<Vec<u8>, Wrong> {
        self.searched(sign_in.user.as_bytes())?;
        let stood = self.uses.broker().take_login(&sign_in.user, &sign_in.password);
        let stood = stood.ok_or(Wrong::refused("it signs in with a credential of its own"))?;
        let (swaps, receipt) = self.uses.admitted(vec![stood]).await?;
        let line = match swaps.first() {
            Some(swap) => self.line(swap, receipt.record(), sign_in).await,
            None => Err("nothing says which secret goes there".to_owned()),
        };
        match line {
            Ok(line) => {
                receipt.settle(Outcome::Done { sent: line.len() as u64, received: 0, status: None });
                Ok(line)
            }
            Err(why) => {
                receipt.settle(Outcome::failed(why));
                Err(Wrong::broke("a secret can't be filled in"))
            }
        }
    }

    async fn line(&self, swap: &Inject, record: creel_guard::RecordId, sign_in: &SignIn) -> Result<Vec<u8>, String> {
        if !matches!(&swap.slot, Some(Slot::Login(user)) if *user == sign_in.user) {
            return Err(format!("the secret `{}` goes to another place", swap.secret));
        }
        let filled = self.uses.filler(record).text(swap).await.map_err(|error| error.to_string())?;
        let password = std::str::from_utf8(filled.expose()).map_err(|_| "a secret is no text".to_owned())?;
        sign_in.line(password).ok_or_else(|| format!("the secret `{}` fits into no sign-in of this kind", swap.secret))
    }
}

impl Rewrite for Agent {
    fn rewrite<'a>(&'a mut self, bytes: &'a mut Vec<u8>) -> BoxFuture<'a, Result<u64, Wrong>> {
        Box::pin(self.through(bytes))
    }
}

/// What the server says.
pub(super) struct Server {
    talk: Arc<Mutex<Talk>>,
    held: Lines,
    scrubber: Scrubber,
}

impl Server {
    fn through(&mut self, bytes: &mut Vec<u8>) -> Result<u64, Wrong> {
        let count = bytes.len() as u64;
        self.held.0.append(bytes);
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        while !talk.is_signed_in() {
            let Some(line) = self.held.next() else { break };
            bytes.append(&mut talk.heard(line?));
        }
        if talk.is_signed_in() {
            bytes.append(&mut self.held.0);
        }
        *bytes = self.scrubber.push(bytes);
        Ok(count)
    }
}

impl Rewrite for Server {
    fn rewrite<'a>(&'a mut self, bytes: &'a mut Vec<u8>) -> BoxFuture<'a, Result<u64, Wrong>> {
        Box::pin(std::future::ready(self.through(bytes)))
    }

    fn rest(&mut self) -> Vec<u8> {
        let mut rest = self.scrubber.push(&std::mem::take(&mut self.held.0));
        rest.append(&mut self.scrubber.finish());
        rest
    }
}

/// What came and is no whole line yet.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// The next line, with its end. A bare CR or LF has two readings.
    fn next(&mut self) -> Option<Result<Vec<u8>, Wrong>> {
        let Some(end) = self.0.iter().position(|byte| *byte == b'\n') else {
            return (self.0.len() > MAX_LINE).then(|| Err(Wrong::refused("a line before the sign-in is too long")));
        };
        let rest = self.0.split_off(end + 1);
        let line = std::mem::replace(&mut self.0, rest);
        let good = line.strip_suffix(b"\r\n").is_some_and(|line| !line.iter().any(|byte| matches!(byte, b'\r' | 0)));
        if !good || line.len() > MAX_LINE {
            return Some(Err(Wrong::refused("a line before the sign-in does not end as it must, or is too long")));
        }
        Some(Ok(line))
    }
}

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing {
    use super::*;

    /// However the agent's lines are cut, they say the same; and a sign-in that is written anew is the same sign-in.
    pub(in super::super) fn lines<'a>(imap: bool, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Said>, bool) {
        let (mut talk, mut held, mut said) = (Talk::new(imap), Lines::default(), Vec::new());
        for piece in pieces {
            held.0.extend_from_slice(piece);
            while let Some(line) = held.next() {
                let Ok(one) = line.and_then(|line| talk.said(&line)) else { return (said, false) };
                if let Said::SignsIn(sign_in) = &one {
                    sign_in.comes_back(imap);
                }
                said.push(one);
                // The server asks for more, so that every kind of line is reached.
                talk.asked();
            }
        }
        (said, true)
    }
}
