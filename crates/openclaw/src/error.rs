//! What can go wrong with OpenClaw, grouped by who is at fault.
//!
//! Texts never hold a token; what comes from the agent or from npm is clipped and stripped of control characters.

/// The crate's errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Operator: the machine or the request lacks something that only a person can give.
    #[error("{what}: {hint}")]
    Operator {
        /// What is wrong.
        what: String,
        /// What to do next.
        hint: &'static str,
    },
    /// Agent: OpenClaw, or what stands in its place, answers something it should not.
    #[error("OpenClaw {what}")]
    Agent {
        /// What it did; its own words are clipped.
        what: String,
    },
    /// Agent: OpenClaw is still starting; ask again.
    #[error("OpenClaw is still starting: try again in a few seconds")]
    Starting,
    /// Agent: no answer in time.
    #[error("OpenClaw did not {what} within {seconds} s: try again with more patience, or look at `creel log`")]
    Late {
        /// What was awaited.
        what: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// Upstream: the package registry.
    #[error("{what}: {hint}")]
    Upstream {
        /// What is wrong.
        what: String,
        /// What to do next.
        hint: &'static str,
    },
    /// Host: a call to the system failed.
    #[error("could not {act}: {source}")]
    Host {
        /// What was tried, with its object in backticks.
        act: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Bug: ours.
    #[error("{what}: this is an error in Creel, please report it")]
    Bug {
        /// What is wrong.
        what: String,
    },
}

impl Error {
    pub(crate) fn operator(what: impl Into<String>, hint: &'static str) -> Self {
        Self::Operator { what: what.into(), hint }
    }

    pub(crate) fn agent(what: impl Into<String>) -> Self {
        Self::Agent { what: what.into() }
    }

    pub(crate) fn upstream(what: impl Into<String>, hint: &'static str) -> Self {
        Self::Upstream { what: what.into(), hint }
    }

    pub(crate) fn bug(what: impl Into<String>) -> Self {
        Self::Bug { what: what.into() }
    }

    /// For `map_err`: names what was tried.
    pub(crate) fn host<E: Into<std::io::Error>>(act: impl Into<String>) -> impl FnOnce(E) -> Self {
        let act = act.into();
        move |source| Self::Host { act, source: source.into() }
    }
}

/// Foreign words made fit for a message: no control characters, at most `most` characters.
pub(crate) fn clip(words: &str, most: usize) -> String {
    let mut out: String = words.chars().take(most).map(|c| if c.is_control() || c == '`' { ' ' } else { c }).collect();
    if words.chars().nth(most).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_words_are_bounded_and_tame() {
        assert_eq!(clip("a\x1b[31m`b`", 20), "a [31m b ");
        assert_eq!(clip("abcdef", 3), "abc…");
        assert_eq!(clip("abc", 3), "abc");
    }
}
