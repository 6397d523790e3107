//! What this door can find wrong with a request or a call.
//!
//! Owns [`Flaw`]: a stable word that `policy` refuses under the rule of that name, and a detail for whoever sent it.
//! Never decides.

use http::StatusCode;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) kind: FlawKind,
    /// For the agent: names what it sent itself, bounded and escaped.
    pub(super) detail: String,
}

/// The flaws of the model door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlawKind {
    /// A call whose arguments are no JSON object with one meaning.
    BadArguments,
    /// A request that is malformed or ambiguous.
    BadRequest,
    /// A call written as text, which the agent would carry out.
    CallAsText,
    /// A call whose arguments are longer than a record holds.
    CallTooLarge,
    /// It holds a value that must not leave, where it can't be taken out.
    KnownValue,
    /// The provider would run something for the request: search, fetch, code, remote MCP.
    ServerTool,
    /// The provider would keep or look up something: stored answers, files, containers.
    StoredState,
    /// A body that is too long.
    TooLarge,
    /// A content block that this door does not know.
    UnknownContent,
    /// No endpoint of this door.
    UnknownEndpoint,
    /// A top-level key that this door does not know.
    UnknownKey,
    /// A call of a tool that the request did not offer.
    UnknownTool,
    /// The provider would fetch a URL for the request.
    UrlSource,
}

impl FlawKind {
    /// Every flaw there is.
    pub const ALL: [Self; 13] = [
        Self::BadArguments,
        Self::BadRequest,
        Self::CallAsText,
        Self::CallTooLarge,
        Self::KnownValue,
        Self::ServerTool,
        Self::StoredState,
        Self::TooLarge,
        Self::UnknownContent,
        Self::UnknownEndpoint,
        Self::UnknownKey,
        Self::UnknownTool,
        Self::UrlSource,
    ];

    /// The stable word for [`creel_guard::Facts::flaw`].
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::BadArguments => "bad-arguments",
            Self::BadRequest => "bad-request",
            Self::CallAsText => "call-as-text",
            Self::CallTooLarge => "call-too-large",
            Self::KnownValue => "known-value",
            Self::ServerTool => "server-tool",
            Self::StoredState => "stored-state",
            Self::TooLarge => "too-large",
            Self::UnknownContent => "unknown-content",
            Self::UnknownEndpoint => "unknown-endpoint",
            Self::UnknownKey => "unknown-key",
            Self::UnknownTool => "unknown-tool",
            Self::UrlSource => "url-source",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::BadArguments => StatusCode::BAD_REQUEST,
            Self::TooLarge | Self::CallTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnknownEndpoint => StatusCode::NOT_FOUND,
            Self::CallAsText
            | Self::KnownValue
            | Self::ServerTool
            | Self::StoredState
            | Self::UnknownContent
            | Self::UnknownKey
            | Self::UnknownTool
            | Self::UrlSource => StatusCode::FORBIDDEN,
        }
    }

    /// This flaw, with what shows it.
    pub(super) fn at(self, detail: impl Into<String>) -> Flaw {
        Flaw { kind: self, detail: detail.into() }
    }
}

/// A key or type of the agent's, bounded and escaped, in backticks.
pub(super) fn quoted(text: &str) -> String {
    let text: String = text.chars().take(64).collect();
    format!("`{}`", text.escape_debug())
}
