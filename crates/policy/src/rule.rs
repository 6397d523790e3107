//! What a rule is made of.
//!
//! Owns [`Rule`], [`Finding`] and the `rule!` macro that keeps a rule's id, its texts, its examples and its function
//! together. Never judges by itself: [`crate::Policy`] runs the rules of a door in their written order.

use creel_guard::{Action, Facts, Obligations, Question, Send};

use crate::judge::Policy;
use crate::stage::Stage;

/// A rule as people read it: in `docs/rules.md` and from `creel why`.
#[derive(Debug, PartialEq, Eq)]
pub struct RuleDoc {
    /// Its public id, `door/rule-in-kebab-case`.
    pub id: &'static str,
    /// What it does and why, in a few sentences.
    pub summary: &'static str,
    /// What an operator does to get another answer.
    pub how_to_allow: &'static str,
    /// Acts and the answers to them in the example policy ([`crate::examples`]); run as tests.
    pub examples: &'static [(&'static str, &'static str)],
}

impl RuleDoc {
    /// Whether it has people asked about anything: then one of its examples shows it.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.examples.iter().any(|(_, answer)| answer.strip_prefix("ask ") == Some(self.id))
    }
}

/// A rule: one file, one function, one id.
pub(crate) struct Rule {
    pub(crate) doc: RuleDoc,
    /// What the agent reads when the rule refuses: no address, nothing of the configuration.
    pub(crate) to_agent: &'static str,
    /// It says nothing where some entry meets all conditions up to and including this one, and need not be asked there.
    pub(crate) ends_at: Option<Stage>,
    /// `None` when the rule has nothing to say about this action.
    pub(crate) judge: fn(&Action, &Facts, &Policy) -> Option<Finding>,
}

/// What a rule says about an action that concerns it. `why` is one line for the ledger.
#[derive(Debug)]
pub(crate) enum Finding {
    Allow { why: String, obligations: Obligations },
    Ask { why: String, question: Question },
    Deny { why: String, to_allow: Option<String> },
}

impl Finding {
    /// Allowed, and nothing is owed.
    pub(crate) fn allow(why: impl Into<String>) -> Self {
        Self::Allow { why: why.into(), obligations: Obligations::default() }
    }

    /// Refused; the rule's own text says how to allow it.
    pub(crate) fn deny(why: impl Into<String>) -> Self {
        Self::Deny { why: why.into(), to_allow: None }
    }

    /// Refused, with the very lines that would allow it.
    pub(crate) fn deny_unless(why: impl Into<String>, to_allow: String) -> Self {
        Self::Deny { why: why.into(), to_allow: Some(to_allow) }
    }
}

/// The body of every flaw rule: refuses when a door found this flaw in the bytes.
pub(crate) fn flawed(facts: &Facts, word: &str, why: &str) -> Option<Finding> {
    (facts.flaw.as_deref() == Some(word)).then(|| Finding::deny(why))
}

/// The bytes that an egress rule looks at.
pub(crate) fn sent(action: &Action) -> Option<&Send> {
    match &action.deed {
        creel_guard::Deed::Send(send) => Some(send),
        _ => None,
    }
}

/// The agent's bytes, made fit for a line in the ledger: escaped, at most 200 characters.
pub(crate) fn shown(text: &str) -> String {
    let mut line: String = text.chars().take(200).flat_map(char::escape_debug).collect();
    if text.chars().nth(200).is_some() {
        line.push('…');
    }
    line
}

/// Declares a rule. The doc comment is what people read; the function named last does the work.
macro_rules! rule {
    (
        $(#[doc = $line:literal])+
        $id:literal,
        to_agent: $to_agent:literal,
        how_to_allow: $how:literal,
        examples: [$(($act:literal, $answer:literal)),+ $(,)?],
        $(ends_at: $stage:path,)?
        judge: $judge:ident $(,)?
    ) => {
        $(#[doc = $line])+
        pub(crate) static RULE: $crate::rule::Rule = $crate::rule::Rule {
            doc: $crate::rule::RuleDoc {
                id: $id,
                summary: concat!($($line, "\n"),+),
                how_to_allow: $how,
                examples: &[$(($act, $answer)),+],
            },
            to_agent: $to_agent,
            ends_at: [$($stage)?].as_slice().first().copied(),
            judge: $judge,
        };
    };
}
pub(crate) use rule;
