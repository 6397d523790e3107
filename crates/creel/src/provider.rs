//! Which model provider the agent gets.
//!
//! Owns [`Provider`], chosen at `up` from the configuration and the environment. It names a secret, it never holds one.
//! The warden chooses, the guard builds the model door from it, OpenClaw's configuration is written for it.

use serde::{Deserialize, Serialize};

/// A provider and the wire format it speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// `scripted`, `openai` or `anthropic`.
    pub kind: ProviderKind,
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
    /// OpenAI Chat Completions.
    Openai,
    /// Anthropic Messages.
    Anthropic,
}

impl ProviderKind {
    /// The name in records and on status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scripted => "scripted",
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    /// The environment variable of `creel up` that holds the key, which is the secret's name as well.
    #[must_use]
    pub fn key_variable(self) -> Option<&'static str> {
        match self {
            Self::Scripted => None,
            Self::Openai => Some("OPENAI_API_KEY"),
            Self::Anthropic => Some("ANTHROPIC_API_KEY"),
        }
    }
}

impl Provider {
    /// The embedded scripted model, helpful.
    #[must_use]
    pub fn scripted() -> Self {
        Self { kind: ProviderKind::Scripted, model: "scripted-1".to_owned(), base_url: None, script: None }
    }
}
