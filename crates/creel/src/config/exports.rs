//! Where the ledger's records are sent, as checked values.
//!
//! Owns [`Export`]. It sends nothing; the guard's process does.

use std::fmt;
use std::path::{Path, PathBuf};

use creel_guard::Tenant;
use creel_ledger::VerifierKey;

use super::{Config, Place};

/// One place that gets every record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Where it is, and what is spoken there.
    pub to: ExportTo,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportTo {
    /// OTLP over HTTP, in JSON.
    Otlp(Place),
    /// Syslog over TLS, or over TCP as it is.
    Stream(Place),
    /// Syslog in datagrams.
    Datagram(Place),
    /// Syslog of this machine.
    Local(PathBuf),
    /// An object store that speaks S3, below whose prefix each tenant's log is copied.
    Bucket(Place),
    /// A folder on another disk, in which each tenant's log is copied to a folder of its own.
    Folder(PathBuf),
    /// A witness, which gets checkpoints alone, and its key.
    Witness(Place, VerifierKey),
}

impl ExportTo {
    /// The place, where it is one of the network.
    pub(super) fn place(&self) -> Option<&Place> {
        match self {
            Self::Otlp(place)
            | Self::Stream(place)
            | Self::Datagram(place)
            | Self::Bucket(place)
            | Self::Witness(place, _) => Some(place),
            Self::Local(_) | Self::Folder(_) => None,
        }
    }

    /// What tells it from all others, its path as well.
    pub(crate) fn identity(&self) -> String {
        format!("{self}{}", self.place().map_or("", |place| &place.url.path))
    }
}

/// As it is written, without the path of a URL.
impl fmt::Display for ExportTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare =
            |place: &Place| place.to_string().split_once("://").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        match self {
            Self::Otlp(place) | Self::Witness(place, _) => place.fmt(f),
            Self::Bucket(place) => write!(f, "{}://{}", if place.url.tls { "s3" } else { "s3+http" }, bare(place)),
            Self::Stream(place) => write!(f, "{}://{}", if place.url.tls { "tls" } else { "tcp" }, bare(place)),
            Self::Datagram(place) => write!(f, "udp://{}", bare(place)),
            Self::Local(path) => write!(f, "unix:{}", Path::display(path)),
            Self::Folder(path) => write!(f, "file:{}", Path::display(path)),
        }
    }
}

impl Export {
    /// The folder of this tenant's copy, where this is a place for such.
    #[must_use]
    pub fn folder(&self, tenant: &Tenant) -> Option<PathBuf> {
        match &self.to {
            ExportTo::Folder(path) => Some(path.join(tenant.as_str())),
            _ => None,
        }
    }
}

impl Config {
    /// Where the ledger's records are sent.
    #[must_use]
    pub fn exports(&self) -> &[Export] {
        &self.exports
    }
}
