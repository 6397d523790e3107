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
    /// Operator: a rotation that changes nothing.
    #[error("secret `{name}` has this very value already; give it a new one")]
    Same {
        /// The name.
        name: SecretName,
    },
    /// Operator: no such secret in the store.
    #[error("the store holds no secret `{name}`; `creel secret list` shows which it holds")]
    NotStored {
        /// The name.
        name: SecretName,
    },
    /// Operator: it would be overwritten.
    #[error("the store holds a secret `{name}` already; `creel secret rotate {name}` exchanges its value")]
    Stored {
        /// The name.
        name: SecretName,
    },
    /// Operator: the key that was named is none.
    #[error("the key of the store is damaged: {why}")]
    Key {
        /// What is wrong, without any of its bytes.
        why: &'static str,
    },
    /// Operator: the store was sealed with another key, or for another tenant.
    #[error(
        "the store was sealed with the key {sealed}, and this is the key {here}; bring back the key file that belongs to it"
    )]
    OtherKey {
        /// The mark of the key that sealed it.
        sealed: String,
        /// The mark of the key at hand.
        here: String,
    },
    /// Operator: the store is not what was written.
    #[error(
        "the store of secrets is damaged: {why}; put back a copy of it, or move it away and put the secrets in again"
    )]
    Damaged {
        /// What is wrong, without any of its bytes.
        why: &'static str,
    },
    /// Operator: it holds as much as it may.
    #[error("the store of secrets is full: {why}")]
    Full {
        /// What has no room.
        why: &'static str,
    },
    /// Host: placeholders, keys and salts must be random.
    #[error("the system has no random bytes")]
    NoChance,
    /// Host: the process that holds the secrets does not answer.
    #[error("the secrets' broker does not answer; see `creel status`")]
    Unreachable,
}
