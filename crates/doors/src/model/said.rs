//! What users were seen to say.
//!
//! Owns [`Said`], the digests of the messages that Creel itself delivered to the agent in this life of the guard. The agent
//! writes each request whole, and could put any words into its user's mouth; only what is remembered here is a user's. Filled
//! by the control door before a message is delivered, asked by `context`.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// How many messages are remembered; what is older is nobody's word any more.
const MOST: usize = 4096;

/// Messages that were delivered.
#[derive(Debug, Default)]
pub struct Said(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    known: HashSet<[u8; 32]>,
    /// The same, oldest first.
    order: VecDeque<[u8; 32]>,
}

impl Said {
    /// Remembers a message that is about to be delivered.
    pub fn hear(&self, text: &str) {
        let digest = digest(text);
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !book.known.insert(digest) {
            return;
        }
        book.order.push_back(digest);
        if book.order.len() > MOST
            && let Some(oldest) = book.order.pop_front()
        {
            book.known.remove(&oldest);
        }
    }

    /// Whether this very message was delivered.
    #[must_use]
    pub fn knows(&self, text: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).known.contains(&digest(text))
    }
}

/// White space may come back otherwise; everything else counts.
fn digest(text: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for word in text.split_whitespace() {
        hasher.update(word.as_bytes());
        hasher.update(b" ");
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_whole_and_the_oldest_is_forgotten() {
        let said = Said::default();
        said.hear("pay  Anna\n20");
        assert!(said.knows("pay Anna 20 "));
        for other in ["pay Anna 200", "pay Anna", "payAnna 20", ""] {
            assert!(!said.knows(other), "{other}");
        }
        (0..MOST).for_each(|at| said.hear(&at.to_string()));
        assert!(!said.knows("pay Anna 20") && said.knows("0"));
        said.hear("0");
        assert!(said.knows("1"), "a message that comes again takes no other's place");
    }
}
