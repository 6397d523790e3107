//! Where a text came from, and how much suspicion that deserves.
//!
//! Owns [`Channel`] and the shipped threshold of each. Thresholds come from harmless text of each channel, never from the
//! attacks that were trained on; `xtask eval` prints what they do. Asked by [`super::scan`].

/// Where a text came from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Channel {
    /// Typed by the person whom the agent serves: only loud texts are flagged, and nothing is refused for it.
    User,
    /// A mail.
    Email,
    /// What a tool gave back.
    ToolResult,
    /// A web page.
    Web,
    /// A file from outside.
    Doc,
    /// Nobody says: the strictest.
    Unknown,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::User, Self::Email, Self::ToolResult, Self::Web, Self::Doc, Self::Unknown];

    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Email => "email",
            Self::ToolResult => "tool_result",
            Self::Web => "web",
            Self::Doc => "doc",
            Self::Unknown => "unknown",
        }
    }

    /// The channel of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }

    /// The log of the odds from which a text is flagged.
    #[must_use]
    pub fn odds(self) -> f32 {
        match self {
            Self::User => 4.5,
            Self::Email | Self::ToolResult | Self::Web | Self::Doc => 0.0,
            Self::Unknown => -0.5,
        }
    }
}
