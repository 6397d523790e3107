//! Which model provider the agent gets.
//!
//! Owns [`Provider`], chosen at `up` from the configuration and the environment. It names a secret, it never holds one.
//! The warden chooses, the guard builds the model door from it, OpenClaw's configuration is written for it.

use creel_doors::model::Format;
use creel_openclaw::config::ModelFormat;
use serde::{Deserialize, Serialize};

/// A provider and the wire format it speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// `scripted`, `openai`, `anthropic` or `gemini`.
    pub kind: ProviderKind,
    /// How it is spoken to.
    pub format: WireFormat,
    /// The model that OpenClaw asks for.
    pub model: String,
    /// Where it is; `None` for the provider's public address, unused by the scripted model.
    pub base_url: Option<String>,
    /// The attack script's text, for the hijacked scripted model.
    pub script: Option<String>,
}

/// The kinds of providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// The embedded scripted model: no network, no key.
    Scripted,
    /// OpenAI, or a server that speaks one of its formats.
    Openai,
    /// Anthropic, or a server that speaks its format.
    Anthropic,
    /// Google's Gemini API, or a server that speaks its format.
    Gemini,
}

impl ProviderKind {
    /// Those that a key in the environment chooses.
    pub const KEYED: [Self; 3] = [Self::Openai, Self::Anthropic, Self::Gemini];

    /// The name in records and on status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scripted => "scripted",
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    /// The formats that it may be spoken to in; the first is the usual one.
    #[must_use]
    pub fn formats(self) -> &'static [WireFormat] {
        match self {
            Self::Scripted => &WireFormat::ALL,
            Self::Openai => &[WireFormat::OpenaiCompletions, WireFormat::OpenaiResponses],
            Self::Anthropic => &[WireFormat::AnthropicMessages],
            Self::Gemini => &[WireFormat::GoogleGenerativeAi],
        }
    }

    /// The usual one of them.
    #[must_use]
    pub fn usual_format(self) -> WireFormat {
        self.formats().first().copied().unwrap_or(WireFormat::OpenaiCompletions)
    }

    /// The environment variable of `creel up` that holds the key, which is the secret's name as well.
    #[must_use]
    pub fn key_variable(self) -> Option<&'static str> {
        match self {
            Self::Scripted => None,
            Self::Openai => Some("OPENAI_API_KEY"),
            Self::Anthropic => Some("ANTHROPIC_API_KEY"),
            Self::Gemini => Some("GEMINI_API_KEY"),
        }
    }
}

/// The wire formats of the model door, by OpenClaw's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireFormat {
    /// OpenAI Chat Completions.
    OpenaiCompletions,
    /// OpenAI Responses.
    OpenaiResponses,
    /// Anthropic Messages.
    AnthropicMessages,
    /// Gemini's generateContent.
    GoogleGenerativeAi,
}

impl WireFormat {
    /// Every format there is.
    pub const ALL: [Self; 4] =
        [Self::OpenaiCompletions, Self::OpenaiResponses, Self::AnthropicMessages, Self::GoogleGenerativeAi];

    /// The format of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Its name in the configuration and in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.door().name()
    }

    /// The same for the model door.
    #[must_use]
    pub fn door(self) -> Format {
        match self {
            Self::OpenaiCompletions => Format::OpenAi,
            Self::OpenaiResponses => Format::Responses,
            Self::AnthropicMessages => Format::Anthropic,
            Self::GoogleGenerativeAi => Format::Gemini,
        }
    }

    /// The same for OpenClaw.
    #[must_use]
    pub fn openclaw(self) -> ModelFormat {
        match self {
            Self::OpenaiCompletions => ModelFormat::OpenaiCompletions,
            Self::OpenaiResponses => ModelFormat::OpenaiResponses,
            Self::AnthropicMessages => ModelFormat::AnthropicMessages,
            Self::GoogleGenerativeAi => ModelFormat::GoogleGenerativeAi,
        }
    }
}

impl Provider {
    /// The embedded scripted model, helpful.
    #[must_use]
    pub fn scripted() -> Self {
        let kind = ProviderKind::Scripted;
        Self { kind, format: kind.usual_format(), model: "scripted-1".to_owned(), base_url: None, script: None }
    }
}
