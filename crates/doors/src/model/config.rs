//! Where prompts go, and the door's limits.
//!
//! Owns [`Config`]: per wire format the provider that answers it. It says nothing about what is allowed: `policy` does.
//! Read at every request, so that a reload reaches open connections.

use std::sync::Arc;
use std::time::Duration;

use creel_provenance::Tools;
use creel_secrets::Slot;

use super::origin::Origin;
use super::said::Said;

/// Connections of one tenant at a time; more wait in the backlog. Each carries one request at a time.
pub const MAX_CONNECTIONS: usize = 64;
/// A request's body; Anthropic's own limit, the highest of the providers.
pub const MAX_BODY_BYTES: usize = 32 << 20;
/// Request bodies in memory at a time, in MiB; more wait. One of full length needs some three times that while it is read.
pub(super) const BODY_BUDGET_MIB: u32 = 64;
/// An answer that is not streamed.
pub(super) const MAX_WHOLE_BYTES: usize = 8 << 20;
/// An error's body.
pub(super) const MAX_ERROR_BYTES: usize = 256 << 10;
/// Bytes of a stream that are held until its calls are judged.
pub(super) const MAX_HELD_BYTES: usize = 16 << 20;
/// Tool calls in one answer.
pub(super) const MAX_CALLS: usize = 64;
/// A call's arguments; a longer call is refused, so that every record holds the whole of what was judged. OpenClaw
/// itself stops at 256,000 bytes.
pub(super) const MAX_ARGUMENT_BYTES: usize = 256 << 10;
/// A request's head must be whole within this.
pub(super) const HEAD_LIMIT: Duration = Duration::from_secs(15);
/// A request's body must be whole within this: it comes over loopback.
pub(super) const BODY_LIMIT: Duration = Duration::from_secs(60);
/// From the prompt's admission to the end of its answer, when no obligation says less. Models work for many minutes.
pub(super) const EXCHANGE_LIMIT: Duration = Duration::from_secs(3600);
/// Between signs of life while an answer is held: OpenClaw was seen to wait 250 s with one every 5 s.
pub(super) const KEEP_ALIVE: Duration = if cfg!(test) { Duration::from_millis(5) } else { Duration::from_secs(5) };

/// The wire formats of this door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// OpenAI Chat Completions.
    OpenAi,
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Responses.
    Responses,
    /// Gemini's generateContent.
    Gemini,
}

impl Format {
    /// The name in records, which is OpenClaw's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai-completions",
            Self::Anthropic => "anthropic-messages",
            Self::Responses => "openai-responses",
            Self::Gemini => "google-generative-ai",
        }
    }

    /// The endpoint that generates, as it is inside the jail; for Gemini its beginning, which the model and the method follow.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1/chat/completions",
            Self::Anthropic => "/v1/messages",
            Self::Responses => "/v1/responses",
            Self::Gemini => "/v1beta/models/",
        }
    }
}

/// Which header takes the provider's key, when a permit's obligation names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHeader {
    /// `authorization: Bearer …`
    Bearer,
    /// `x-api-key: …`
    ApiKey,
    /// `x-goog-api-key: …`
    GoogApiKey,
}

impl KeyHeader {
    /// The usual one of a format.
    #[must_use]
    pub fn usual(format: Format) -> Self {
        match format {
            Format::OpenAi | Format::Responses => Self::Bearer,
            Format::Anthropic => Self::ApiKey,
            Format::Gemini => Self::GoogApiKey,
        }
    }

    pub(super) fn slot(self) -> (http::HeaderName, Slot) {
        match self {
            Self::Bearer => (http::header::AUTHORIZATION, Slot::Bearer),
            Self::ApiKey => (http::HeaderName::from_static("x-api-key"), Slot::Header),
            Self::GoogApiKey => (http::HeaderName::from_static("x-goog-api-key"), Slot::Header),
        }
    }
}

/// Who answers one wire format.
#[derive(Clone)]
pub struct Provider {
    /// The provider's name in the configuration, in records and for `policy`.
    pub name: String,
    /// The format that it speaks.
    pub format: Format,
    /// What carries requests to it.
    pub origin: Arc<dyn Origin>,
    /// Where its key goes.
    pub key: KeyHeader,
    /// What `GET /v1/models` lists.
    pub models: Vec<String>,
}

/// What the operator says of tools and people, for judging calls.
#[derive(Debug, Default)]
pub struct Judging {
    /// Declared tools, those of the shipped profiles among them.
    pub tools: Tools,
    /// People and addresses that the operator vouches for.
    pub contacts: Vec<String>,
    /// The users' messages that Creel itself delivered; `None` to take the agent's word for who said what.
    pub said: Option<Arc<Said>>,
}

/// Every provider, one a format at most.
#[derive(Clone, Default)]
pub struct Config {
    /// The first one of a format answers it.
    pub providers: Vec<Provider>,
}

impl Config {
    /// Who answers `format`.
    #[must_use]
    pub fn provider(&self, format: Format) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.format == format)
    }
}
