//! Who is told when something happens, as checked values.
//!
//! Owns [`Alert`] and the [`Place`] that it goes to. It sends nothing; the guard's process does.

use std::fmt;
use std::net::IpAddr;

use creel_guard::{Inject, Target};

use super::{BaseUrl, Ca, Config};

/// One place that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Where it is.
    pub place: Place,
    /// What is understood there.
    pub format: AlertFormat,
    /// What it is told of.
    pub events: Vec<Event>,
    /// Who alone reads it, and answers by its links.
    pub answers_as: Option<u32>,
}

/// Where something of Creel's own goes by HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The URL; its path holds `{secret}` where the secret goes, if it goes there.
    pub url: BaseUrl,
    /// Connect here, whatever the name resolves to.
    pub address: Option<IpAddr>,
    /// Who vouches for it besides the host system's roots.
    pub ca: Option<Ca>,
    /// The secret that goes along, and where.
    pub secret: Option<(Inject, Way)>,
}

/// What stands in a place's path where its secret goes.
pub const IN_PATH: &str = "{secret}";

/// Where the secret goes in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Into the header that its obligation names.
    Header,
    /// Into none of it: what it signs goes along (AWS's Signature Version 4).
    Signature,
    /// Into the path, in the place of `{secret}`.
    Path,
}

/// What a place understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertFormat {
    /// Creel's own.
    Json,
    /// Incoming webhooks of Slack, and of what imitates them (Mattermost, Rocket.Chat, Discord's `/slack`).
    Slack,
    /// `sendMessage` of Telegram's bots.
    Telegram {
        /// Which chat.
        chat: String,
    },
    /// A topic of ntfy.
    Ntfy,
}

/// What may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A canary turned up.
    Canary,
    /// A quarantine began, ended or could not be made whole.
    Quarantine,
    /// A question waits for a person.
    Question,
    /// A secret turned up, and was stopped.
    Leak,
    /// Something was found in what the agent remembers.
    Memory,
    /// A secret is due for a new value and has none.
    Overdue,
    /// The model's budget is spent, or nearly so.
    Budget,
    /// `creel alerts test`.
    Test,
}

impl Event {
    /// Those that a place can be told of, the most urgent first.
    pub const ALL: [Self; 7] =
        [Self::Canary, Self::Quarantine, Self::Question, Self::Leak, Self::Memory, Self::Overdue, Self::Budget];

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Quarantine => "quarantine",
            Self::Question => "question",
            Self::Leak => "leak",
            Self::Memory => "memory",
            Self::Overdue => "overdue",
            Self::Budget => "budget",
            Self::Test => "test",
        }
    }
}

/// Without the path, which may be half a secret.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.url.tls { "https" } else { "http" };
        match &self.url.host {
            Target::Address(IpAddr::V6(address)) => write!(f, "{scheme}://[{address}]:{}", self.url.port),
            host => write!(f, "{scheme}://{host}:{}", self.url.port),
        }
    }
}

impl Config {
    /// Who is told when something happens.
    #[must_use]
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    /// Every place that something of Creel's own goes to.
    pub(super) fn own_places(&self) -> impl Iterator<Item = &Place> {
        let alerts = self.alerts.iter().map(|alert| &alert.place);
        alerts.chain(self.exports.iter().filter_map(|export| export.to.place()))
    }

    /// The names of the secrets that go along.
    pub(crate) fn own_secrets(&self) -> impl Iterator<Item = &str> {
        self.own_places().filter_map(|place| Some(place.secret.as_ref()?.0.secret.as_str()))
    }
}
