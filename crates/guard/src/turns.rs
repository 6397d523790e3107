//! Which turn an act belongs to.
//!
//! Owns [`Turn`]: it is open from when a message came in until its answer went out, and what the agent does meanwhile is
//! recorded under its id. While several are open nobody can tell whose an act is, so it gets none. No rule reads it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The turns that are open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<Mutex<Vec<String>>>);

/// An open turn; it is over when dropped.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    id: String,
    turns: Turns,
}

impl Turns {
    pub(crate) fn begin(&self, id: String) -> Turn {
        self.open().push(id.clone());
        Turn { id, turns: self.clone() }
    }

    /// The one that is open.
    pub(crate) fn current(&self) -> Option<String> {
        match self.open().as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut open = self.turns.open();
        if let Some(place) = open.iter().position(|id| *id == self.id) {
            open.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;

    #[test]
    fn an_act_belongs_to_the_only_turn_that_is_open() {
        let turns = Turns::default();
        assert_eq!(turns.current(), None);
        let first = turns.begin("a".to_owned());
        assert_eq!(turns.current().as_deref(), Some("a"));
        let second = turns.begin("b".to_owned());
        assert_eq!(turns.current(), None);
        drop(first);
        assert_eq!(turns.current().as_deref(), Some("b"));
        drop(second);
        assert_eq!(turns.current(), None);
    }
}
