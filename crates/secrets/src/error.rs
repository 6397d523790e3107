//! What can go wrong with a secret. No text here ever holds a value or a part of one.

use crate::secret::SecretName;

/// Grouped by who is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Operator: a name that is none.
    #[error("`{name}` is no secret's name: use 1 to 128 of a-z, A-Z, 0-9, `_`, `-`, `.` and `/`")]
    Name {
        /// The text, escaped and bounded.
        name: String,
    },
    /// Operator: a value that no header, path or line can hold.
    #[error("the value of secret `{name}` can't be used: {why}; set it again without that")]
    Value {
        /// Whose value.
        name: SecretName,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Operator: the same name twice.
    #[error("secret `{name}` is given twice; keep one")]
    Twice {
        /// The name.
        name: SecretName,
    },
    /// Operator: a rule names a secret that nobody set.
    #[error("secret `{name}` is not loaded; set it in the environment of `creel up` and start again")]
    NotLoaded {
        /// The name.
        name: SecretName,
    },
    /// Bug: the warden's hand-over is not of the agreed form.
    #[error("line {line} of the secrets' hand-over is not readable: {why}")]
    Handover {
        /// Counted from 1; 0 for the whole.
        line: usize,
        /// What is wrong, without any of its bytes.
        why: &'static str,
    },
    /// Host: a placeholder must be random.
    #[error("the system has no random bytes")]
    NoChance,
    /// Host: the process that holds the secrets does not answer.
    #[error("the secrets' broker does not answer; see `creel status`")]
    Unreachable,
}
