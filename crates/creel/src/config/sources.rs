//! `[[source]]`: places that are asked for the values of secrets over HTTP.
//!
//! Owns the section and [`Fetch`], what is asked for one secret and how. Never asks itself: [`crate::cli::fetch`] does.

use std::path::PathBuf;

use creel_guard::Slot;

use super::Place;
use super::settings::{Legal, section};
use super::size::Placed;

section! {
    /// A place that Creel asks for the values of secrets: HashiCorp Vault, OpenBao, or whatever answers in JSON. `[[secret]]` entries
    /// name it as `source`. `creel up` asks it, `creel secret rotate` again, and the schedule where `rotate_every` says so.
    RawSource "source" {
        /// Its name, for the entries.
        name: Option<Placed<String>> = None, Legal::Text("1 to 64 of `a-z`, `A-Z`, `0-9`, `_`, `-` and `.`"),
            why "entries say which they mean", example "\"vault\"";
        /// `vault`: the key/value engine of Vault or OpenBao, version 1 or 2. `http`: one request, whose answer is JSON.
        kind: Placed<String> = Placed::unset("vault".to_owned()), Legal::OneOf(&["vault", "http"]),
            why "most organisations keep their secrets there";
        /// Where it is. `https`, unless it is pinned to this machine. No redirect is followed.
        url: Option<Placed<String>> = None, Legal::Text("a URL without user, query and fragment"),
            why "nobody is asked unless you say whom", example "\"https://vault.example.com:8200\"";
        /// Connect here, whatever the name resolves to.
        address: Option<Placed<String>> = None, Legal::Text("an IP address"),
            why "this machine's resolver knows where it is", example "\"10.0.0.7\"";
        /// A file with the certificates (PEM) that vouch for it, besides the host system's own.
        ca: Option<Placed<String>> = None, Legal::Text("the path of a PEM file"),
            why "the host system's roots are enough for public servers", example "\"vault-ca.pem\"";
        /// The file with what it wants to see, for root alone to read, read at each time: Vault's token, the secret id of a `role`,
        /// or what an interface takes.
        key_file: Option<Placed<String>> = None, Legal::Text("an absolute path"),
            why "a credential never stands in this file", example "\"/etc/creel/vault-token\"";
        /// For `http`: where that goes: `bearer`, `basic USER` or `header NAME`.
        key_slot: Placed<String> = Placed::unset("bearer".to_owned()), Legal::Text("`bearer`, `basic USER` or `header NAME`"),
            why "what most interfaces take";
        /// For `vault`: the role id of an AppRole, whose secret id is in `key_file`. Without this, `key_file` holds a token.
        role: Option<Placed<String>> = None, Legal::Text("a role id"),
            why "a token is the simplest way in", example "\"db02de05-fa39-4855-059b-67221c5c2f63\"";
        /// For `vault`: the namespace.
        namespace: Option<Placed<String>> = None, Legal::Text("a namespace"),
            why "most have none", example "\"team\"";
        /// For `http`: the method. One that makes a new value makes one at each `creel up`, too.
        method: Placed<String> = Placed::unset("GET".to_owned()), Legal::OneOf(&["GET", "POST", "PUT"]),
            why "to ask changes nothing";
        /// For `http`: headers that go along. No credential stands here.
        headers: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()), Legal::Texts("`NAME: VALUE`"),
            why "few interfaces need one";
    }
}

/// What is asked for the value of one secret, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The name of its `[[source]]`.
    pub source: String,
    /// Where it is.
    pub place: Place,
    /// The file with what it wants to see.
    pub key_file: Option<PathBuf>,
    /// In which way.
    pub asks: Asks,
    /// The path of the request; for Vault that of the secret, without a slash at its beginning.
    pub path: String,
    /// Where in the answer: a JSON Pointer (RFC 6901), or the name of a field of Vault's.
    pub field: String,
}

/// How it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// As Vault and OpenBao want it.
    Vault {
        /// The AppRole's role id; without it the key is a token.
        role: Option<String>,
        /// `X-Vault-Namespace`.
        namespace: Option<String>,
    },
    /// One request.
    Http {
        /// The method.
        method: String,
        /// Names in lower case, and values.
        headers: Vec<(String, String)>,
        /// Where the key goes.
        slot: Slot,
    },
}
