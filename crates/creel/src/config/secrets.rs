//! Secrets, as the configuration speaks of them.
//!
//! Owns the section `[[secret]]`, where values come from and how they are exchanged. Never sees a value. `check` makes it, the
//! command line and the warden ask it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_guard::Slot;
use creel_policy::SecretPlace;
use creel_secrets::{Mint, SecretName};

use super::settings::{Legal, section};
use super::size::Placed;
use super::{Config, Fetch};

section! {
    /// A credential that the agent uses and never holds. In the jail stands a placeholder of the same form, one a skill, which
    /// Creel exchanges for the value in this one place of requests to this one host, over TLS; anywhere else it is refused, and
    /// the value is taken out of answers. A second entry with the same `name` adds a place, or another skill. The host needs an
    /// `[[egress.allow]]` entry, too; any other credential is refused there.
    RawSecret "secret" {
        /// Its name, in records and for `creel secret`.
        name: Option<Placed<String>> = None, Legal::Text("1 to 128 of `a-z`, `A-Z`, `0-9`, `_`, `-` and `.`"),
            why "a secret without a name could not be told from others", example "\"CRM_TOKEN\"";
        /// The skill that gets the placeholder, by OpenClaw's name of it. It labels uses and keeps honest skills apart; in one jail
        /// it is no wall. Without this: the agent as a whole.
        skill: Option<Placed<String>> = None, Legal::Text("1 to 64 of `a-z`, `A-Z`, `0-9`, `_`, `-` and `.`"),
            why "not every use is a skill's", example "\"crm\"";
        /// The environment variable that holds the placeholder in the jail. Without this: the secret's name. With `slot = "aws …"` the
        /// beginning of two, `AWS` without this: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
        variable: Option<Placed<String>> = None, Legal::Text("a name of letters, digits and `_`"),
            why "programs look where they always did", example "\"CRM_API_KEY\"";
        /// The host that it goes to: one exact name.
        host: Option<Placed<String>> = None, Legal::Text("a host name"),
            why "a secret that may go anywhere is none", example "\"api.example.com\"";
        /// The TCP ports.
        ports: Placed<Vec<Placed<u16>>> = Placed::unset(vec![Placed::unset(443)]), Legal::Ports,
            why "it goes over TLS alone";
        /// The HTTP methods. Without this: all that the host's entries allow.
        methods: Option<Placed<Vec<Placed<String>>>> = None, Legal::Texts("an HTTP method in capitals"),
            why "the host's entries say what may be done there", example "[\"GET\"]";
        /// The paths, as in `[[egress.allow]]`. Leave out what shows again what it was sent. Without this: all that the host's
        /// entries allow.
        paths: Option<Placed<Vec<Placed<String>>>> = None, Legal::Texts("a path that starts with `/`"),
            why "the host's entries say what may be done there", example "[\"/v1/**\"]";
        /// The one place in a request: `bearer` (in `Authorization`), `basic USER` (likewise, the secret is the password),
        /// `header NAME` (its whole value), `path *` (a segment, with letters around it: `path bot*`), `query NAME`,
        /// `json /MEMBER/MEMBER` (a text of a JSON body), `form NAME` (a field of a URL-encoded one), `message /MEMBER/MEMBER` (a
        /// text of a JSON message over a WebSocket that the agent opened to this host, up to 64 KiB) or `login USER` (the password
        /// or OAuth token of this user at a host of `mode` `smtp` or `imap`: PLAIN, LOGIN, XOAUTH2, OAUTHBEARER; nobody else signs in
        /// there) or `aws REGION SERVICE` (requests to AWS are signed anew with it; its value is `KEY_ID:SECRET_KEY`, perhaps with
        /// `:SESSION_TOKEN`).
        slot: Placed<String> = Placed::unset("bearer".to_owned()), Legal::Text("one of these forms"),
            why "what most interfaces take";
        /// The file that holds the value, for root alone to read. Without this, `command`, `source` and `store`: the environment of `creel
        /// up` (`NAME`, or the path of a file in `NAME_FILE`), the credentials of systemd, `/run/secrets`, and last the store.
        file: Option<Placed<String>> = None, Legal::Text("an absolute path"),
            why "secrets are handed over in the usual places", example "\"/etc/creel/crm-token\"";
        /// The command whose output, one line, is the value: a program by its absolute path, and its arguments. `creel up` runs it.
        command: Option<Placed<Vec<Placed<String>>>> = None, Legal::Texts("a program or an argument"),
            why "secrets are handed over in the usual places", example "[\"/usr/bin/pass\", \"crm/token\"]";
        /// The `[[source]]` that is asked for the value.
        source: Option<Placed<String>> = None, Legal::Text("the `name` of a `[[source]]`"),
            why "secrets are handed over in the usual places", example "\"vault\"";
        /// What it is asked for: in a Vault `PATH#FIELD`, the path with `data/` behind the mount in version 2; of any other place the
        /// path of the request, `#`, and a JSON Pointer into the answer (`/v1/keys#/key/value`).
        at: Option<Placed<String>> = None, Legal::Text("a path, `#`, and what is meant there"),
            why "a source knows many", example "\"secret/data/crm#token\"";
        /// The value is in Creel's own sealed store: `creel secret put NAME`.
        store: Placed<bool> = Placed::unset(false), Legal::Flag,
            why "secrets are handed over in the usual places";
        /// The secret whose use brings this one: an answer to a request that its placeholder stood in (a client's secret, a refresh token)
        /// has a new value, which is filled in from then on, and the agent sees the placeholder in its place. Such answers must be JSON of
        /// at most 64 KiB. Before the first, the value is what `file`, `command`, `source` or `store` says, else random. A new value
        /// lives in memory: a guard that starts anew begins with that one again.
        minted_by: Option<Placed<String>> = None, Legal::Text("the `name` of another `[[secret]]`"),
            why "few secrets are made by others", example "\"OAUTH_CLIENT\"";
        /// Where the new value stands in the answer: a JSON Pointer.
        minted_at: Option<Placed<String>> = None, Legal::Text("`/`, members and their separators"),
            why "an answer holds more than the one value", example "\"/access_token\"";
        /// The command whose output is a new value, one line; `creel secret rotate NAME` runs it. For secrets of the store.
        rotate_with: Option<Placed<Vec<Placed<String>>>> = None, Legal::Texts("a program or an argument"),
            why "only you know who makes a new one", example "[\"/etc/creel/new-crm-token\"]";
        /// How old a value may become. Then Creel exchanges it, by `rotate_with` or by asking `file`, `command` or `source` again; else it is overdue.
        rotate_every: Option<Placed<String>> = None, Legal::Text("a time such as `12h` or `30d`, at most `365d`"),
            why "how long a value may live is the issuer's to say", example "\"30d\"";
        /// How long a value that was exchanged is still taken out of answers and stopped where it would leave.
        overlap: Placed<String> = Placed::unset("1h".to_owned()), Legal::Text("a time such as `30s`, `15m`, `1h` or `30d`, at most `365d`"),
            why "what is under way with the old one ends within it";
    }
}

/// A `[[secret]]` entry: a place where a placeholder is worth its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Which, whose, and where.
    pub place: SecretPlace,
    /// The variable that holds the placeholder in the jail.
    pub variable: String,
    /// Where the value comes from; of several entries with one name, the one that says it counts.
    pub source: Source,
    /// How it is exchanged; of several entries with one name, the one that says it counts.
    pub rotation: Option<Rotation>,
    /// Which answers bring a new value; of several entries with one name, the one that says it counts.
    pub minted: Option<Minted>,
}

/// Which answers bring a new value of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minted {
    /// The secret that the request was made with.
    pub by: String,
    /// Where it stands in the answer: a JSON Pointer.
    pub at: String,
}

impl Secret {
    /// Whether requests are signed with it, and it has two variables: `AWS` is the beginning of both.
    #[must_use]
    pub fn signs(&self) -> bool {
        matches!(self.place.slot, Slot::Aws(_))
    }
}

/// Where the value of a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The environment, credentials of systemd, secrets of Docker and Kubernetes, and last the store.
    Usual,
    /// This file.
    File(PathBuf),
    /// What this program prints.
    Command(Vec<String>),
    /// Creel's own store.
    Store,
    /// A place that is asked over HTTP.
    Fetch(Box<Fetch>),
}

impl Source {
    /// One word for people.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::File(_) => "file",
            Self::Command(_) => "command",
            Self::Store => "store",
            Self::Fetch(_) => "source",
        }
    }
}

/// How the value of a secret is exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The program that prints a new value.
    pub with: Option<Vec<String>>,
    /// How often; never by itself without it.
    pub every: Option<Duration>,
    /// How long the old value is still scrubbed and looked for.
    pub overlap: Duration,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { with: None, every: None, overlap: OVERLAP }
    }
}

/// The overlap of secrets that say nothing.
pub(super) const OVERLAP: Duration = Duration::from_secs(3600);

impl Config {
    /// The secrets that the agent has placeholders of.
    #[must_use]
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// Where the value of this secret comes from.
    #[must_use]
    pub fn source_of(&self, name: &str) -> &Source {
        let said = self.entries_of(name).map(|secret| &secret.source).find(|source| **source != Source::Usual);
        said.unwrap_or(&Source::Usual)
    }

    /// How this secret is exchanged.
    #[must_use]
    pub fn rotation_of(&self, name: &str) -> Rotation {
        self.entries_of(name).find_map(|secret| secret.rotation.clone()).unwrap_or_default()
    }

    /// Which answers bring a new value of this secret.
    #[must_use]
    pub fn minted_of(&self, name: &str) -> Option<&Minted> {
        self.entries_of(name).find_map(|secret| secret.minted.as_ref())
    }

    /// What answers bring, as the broker is told.
    ///
    /// # Errors
    /// None for a configuration that was checked.
    pub(crate) fn mints(&self) -> Result<Vec<Mint>, creel_secrets::Error> {
        let mut mints = Vec::new();
        for secret in &self.secrets {
            if let Some(Minted { by, at }) = &secret.minted {
                let (by, name) = (SecretName::parse(by)?, SecretName::parse(&secret.place.secret)?);
                mints.push(Mint { by, at: at.clone(), name });
            }
        }
        Ok(mints)
    }

    fn entries_of(&self, name: &str) -> impl Iterator<Item = &Secret> {
        self.secrets.iter().filter(move |secret| secret.place.secret == name)
    }

    /// The file with the key of the store, where it is not the usual one.
    #[must_use]
    pub fn key_file(&self) -> Option<&Path> {
        self.key_file.as_deref()
    }
}
