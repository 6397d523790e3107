//! Runs a door's rules in their written order and puts the answer together.
//!
//! Owns [`Policy`]: a configuration made ready for quick look-ups. The first rule with something to say decides; when
//! none has, the door's `default-deny` does. Called by the guard for every action.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use creel_guard::{Action, Facts, HostName, Judge, Judgement, Refusal, RuleId, Target, Verdict};

use crate::config::{Config, EgressAllow, ModelProvider};
use crate::pattern::HostPattern;
use crate::rule::{Finding, Rule};
use crate::rules;

/// The operator's configuration, ready to judge by.
#[derive(Debug)]
pub struct Policy {
    config: Config,
    /// Entries by exact name, by suffix and by address: indexes into `config.egress_allow`, in the file's order.
    exact: HashMap<String, Vec<usize>>,
    below: HashMap<String, Vec<usize>>,
    addresses: HashMap<IpAddr, Vec<usize>>,
}

impl Policy {
    /// Makes a configuration ready.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let (mut exact, mut below, mut addresses) = (HashMap::new(), HashMap::new(), HashMap::new());
        for (index, entry) in config.egress_allow.iter().enumerate() {
            let list: &mut Vec<usize> = match &entry.host {
                HostPattern::Exact(name) => exact.entry(name.as_str().to_owned()).or_default(),
                HostPattern::Below(suffix) => below.entry(suffix.as_str().to_owned()).or_default(),
                HostPattern::Address(address) => addresses.entry(address.to_canonical()).or_default(),
            };
            list.push(index);
        }
        Self { config, exact, below, addresses }
    }

    /// The configuration that it was made of.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The allow entries that speak of `target`: those that name it first, then wildcards, nearest suffix first.
    pub(crate) fn entries<'a>(&'a self, target: &'a Target) -> impl Iterator<Item = &'a EgressAllow> {
        let (named, host) = match target {
            Target::Host(host) => (self.exact.get(host.as_str()), Some(host)),
            Target::Address(address) => (self.addresses.get(&address.to_canonical()), None),
        };
        let wild = host.into_iter().flat_map(suffixes).filter_map(|suffix| self.below.get(suffix));
        named.into_iter().chain(wild).flatten().filter_map(|index| self.config.egress_allow.get(*index))
    }

    /// The configured provider of this name.
    pub(crate) fn provider(&self, name: &str) -> Option<&ModelProvider> {
        self.config.model.providers.iter().find(|provider| provider.name == name)
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

/// `b.c.test` and `c.test` and `test` for `a.b.c.test`.
fn suffixes(host: &HostName) -> impl Iterator<Item = &str> {
    let name = host.as_str();
    name.match_indices('.').filter_map(move |(dot, _)| name.get(dot + 1..))
}

impl Judge for Policy {
    fn judge(&self, action: &Action, facts: &Facts) -> Judgement {
        let door = rules::of(action.door);
        let found = door.in_order.iter().find_map(|rule| Some((*rule, (rule.judge)(action, facts, self)?)));
        let (rule, finding) = found.unwrap_or_else(|| {
            let last = (door.otherwise.judge)(action, facts, self);
            (door.otherwise, last.unwrap_or_else(|| Finding::deny("no rule has anything to say")))
        });
        self.judgement(rule, finding)
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
}

#[cfg(test)]
mod tests;
