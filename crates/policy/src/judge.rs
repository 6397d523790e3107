//! Runs a door's rules in their written order and puts the answer together.
//!
//! Owns [`Policy`]: a configuration made ready for quick look-ups. The first rule with something to say decides; when
//! none has, the door's `default-deny` does. Called by the guard for every action.

use std::cell::OnceCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use creel_guard::{Action, Facts, Judge, Judgement, Needs, Persons, RateKey, Refusal, RuleId, Target, Verdict};

use crate::config::{Config, EgressAllow, ModelProvider};
use crate::hosts::HostTable;
use crate::rule::{Finding, Rule};
use crate::rules;

/// The operator's configuration, ready to judge by.
#[derive(Debug)]
pub struct Policy {
    config: Config,
    hosts: HostTable,
    /// The rate of each entry, by its place in the file.
    rates: Vec<Option<RateKey>>,
}

impl Policy {
    /// Makes a configuration ready.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let hosts = HostTable::new(config.egress_allow.iter().map(|entry| &entry.host));
        let rates = config.egress_allow.iter().map(rate_key).collect();
        Self { config, hosts, rates }
    }

    /// The configuration that it was made of.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether any entry speaks of `target`.
    #[must_use]
    pub fn speaks_of(&self, target: &Target) -> bool {
        self.entries(target).next().is_some()
    }

    /// The allow entries that speak of `target`: those that name it first, then wildcards, nearest suffix first.
    pub(crate) fn entries<'a>(&'a self, target: &Target) -> impl Iterator<Item = &'a EgressAllow> + use<'a> {
        self.placed(target).map(|(_, entry)| entry)
    }

    /// The same, each with its place in the file.
    pub(crate) fn placed<'a>(&'a self, target: &Target) -> impl Iterator<Item = (usize, &'a EgressAllow)> + use<'a> {
        let places = self.hosts.entries(target).filter_map(|place| usize::try_from(place).ok());
        places.filter_map(|place| Some((place, self.config.egress_allow.get(place)?)))
    }

    /// The rate of the entry at this place in the file.
    pub(crate) fn rate(&self, place: usize) -> Option<RateKey> {
        self.rates.get(place).copied().flatten()
    }

    /// The configured provider of this name.
    pub(crate) fn provider(&self, name: &str) -> Option<&ModelProvider> {
        self.config.model.providers.iter().find(|provider| provider.name == name)
    }

    /// Has two people asked where the operator wants that of the rule that asks.
    fn by_how_many(&self, mut judgement: Judgement) -> Judgement {
        if let Verdict::Ask(question) = &mut judgement.verdict
            && self.config.two_persons.iter().any(|rule| rule == judgement.rule.as_str())
        {
            question.persons = Persons::Two;
        }
        judgement
    }

    fn judgement(&self, rule: &Rule, finding: Finding) -> Judgement {
        let id = RuleId::new(rule.doc.id);
        let (verdict, why) = match finding {
            Finding::Allow { why, obligations } => (Verdict::Allow(obligations), why),
            Finding::Ask { why, question } => (Verdict::Ask(question), why),
            Finding::Deny { why, to_allow } => {
                let to_agent = format!("{} (`{}`)", rule.to_agent, rule.doc.id);
                let to_ledger = format!("{why}; {}", to_allow.as_deref().unwrap_or(rule.doc.how_to_allow));
                (Verdict::Deny(Refusal::new(id.clone(), to_agent, to_ledger)), why)
            }
        };
        Judgement { verdict, rule: id, why, generation: self.config.generation }
    }
}

/// The same for the same entry in every generation: counts survive a reload that leaves it as it is.
fn rate_key(entry: &EgressAllow) -> Option<RateKey> {
    let rate = entry.when.rate?;
    let mut hasher = DefaultHasher::new();
    entry.hash(&mut hasher);
    Some(RateKey { key: hasher.finish(), seconds: rate.seconds })
}

impl Judge for Policy {
    fn judge(&self, action: &Action, facts: &Facts) -> Judgement {
        let door = rules::over(action, facts);
        let unmet = OnceCell::new();
        let asked = |rule: &Rule| {
            rule.ends_at.is_none_or(|stage| {
                let unmet = *unmet.get_or_init(|| rules::first_unmet(action, facts, self));
                unmet.is_some_and(|unmet| unmet <= stage)
            })
        };
        let rules = door.in_order.iter().filter(|rule| asked(rule));
        let found = rules.into_iter().find_map(|rule| Some((*rule, (rule.judge)(action, facts, self)?)));
        let (rule, finding) = found.unwrap_or_else(|| {
            let last = (door.otherwise.judge)(action, facts, self);
            (door.otherwise, last.unwrap_or_else(|| Finding::deny("no rule has anything to say")))
        });
        self.by_how_many(self.config.operator.judge(action, facts, self.judgement(rule, finding)))
    }

    fn needs(&self, action: &Action) -> Needs {
        rules::needs(action, self)
    }
}

/// A policy that is exchanged while the guard runs: each decision falls under the old one or the new one, never none.
#[derive(Debug)]
pub struct ReloadablePolicy(RwLock<Arc<Policy>>);

impl ReloadablePolicy {
    /// Starts with `policy`.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self(RwLock::new(Arc::new(policy)))
    }

    /// Judges by `policy` from the next decision on.
    pub fn replace(&self, policy: Policy) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    /// The policy in force.
    #[must_use]
    pub fn current(&self) -> Arc<Policy> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Judge for ReloadablePolicy {
    fn judge(&self, action: &Action, facts: &Facts) -> Judgement {
        self.current().judge(action, facts)
    }

    fn needs(&self, action: &Action) -> Needs {
        self.current().needs(action)
    }
}

#[cfg(test)]
mod rows;
#[cfg(test)]
mod tests;
