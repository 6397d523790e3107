//! The words between the launcher and the process behind the wall.
//!
//! Owns the messages. Sizes are bounded where they are read; what is not understood ends the connection. Both sides of the
//! wall speak it.

use serde::{Deserialize, Serialize};

/// Arguments and environment of an `execve` have 2 MiB at most by default (`execve(2)`), escaped as JSON some more.
pub(super) const LARGEST_COMMAND: u64 = 16 << 20;

/// What the launcher says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Ask {
    /// Start a [`Command`]. Four descriptors travel along: a memory file with it, then stdin, stdout, stderr.
    Start,
    /// Signal the command's process group.
    Signal {
        /// `signal(7)`.
        number: i32,
    },
}

/// What is to be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Command {
    /// The program's file.
    pub(super) path: String,
    /// Its arguments, the first is its name.
    pub(super) argv: Vec<String>,
    /// Its whole environment.
    pub(super) env: Vec<(String, String)>,
    /// Its working folder.
    pub(super) cwd: String,
    /// Whether stdin is a terminal that becomes the command's own, for all three streams.
    pub(super) tty: bool,
}

/// What the process behind the wall answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Told {
    /// It runs.
    Started,
    /// It never ran.
    NotStarted {
        /// `errno(3)`.
        errno: i32,
        /// What was tried.
        why: String,
    },
    /// It ended, by itself or by a signal.
    Ended {
        /// What it said.
        code: Option<i32>,
        /// What killed it.
        signal: Option<i32>,
    },
}

/// What a launcher can be made to say: what is understood means the same again.
#[cfg(any(test, fuzzing))]
pub(crate) fn command(bytes: &[u8]) {
    if let Ok(command) = serde_json::from_slice::<Command>(bytes) {
        let again = serde_json::to_vec(&command).map(|bytes| serde_json::from_slice::<Command>(&bytes).ok());
        assert_eq!(again.ok().flatten(), Some(command));
    }
    if let Ok(ask) = serde_json::from_slice::<Ask>(bytes) {
        let again = serde_json::to_vec(&ask).map(|bytes| serde_json::from_slice::<Ask>(&bytes).ok());
        assert_eq!(again.ok().flatten(), Some(ask));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn nothing_that_is_said_breaks_the_reader(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2048)) {
            // random bytes are no word
            assert!(serde_json::from_slice::<Command>(&bytes).is_err());
        }

        #[test]
        fn a_command_arrives_as_it_was(argv in proptest::collection::vec(".*", 0..8), cwd in ".*", tty: bool) {
            let env = argv.iter().map(|word| (word.clone(), cwd.clone())).collect();
            let command = Command { path: cwd.clone(), argv, env, cwd, tty };
            let bytes = serde_json::to_vec(&command).unwrap();
            assert_eq!(serde_json::from_slice::<Command>(&bytes).unwrap(), command);
        }
    }
}
