//! The part of the configuration that a running guard exchanges.
//!
//! Owns [`Live`]: the policy in force and what the egress door knows of each host, replaced as wholes. Never leaves a moment
//! without either, and never touches connections: each request on an open one is judged by what is in force when it comes.
//! The guard process makes one when it starts and replaces it at each reload; generations are counted by the warden.

use std::net::IpAddr;
use std::sync::Arc;

use creel_doors::egress;
use creel_doors::model::{Judging, Said};
use creel_policy::{Policy, ReloadablePolicy};
use tokio::sync::watch;

use super::Config;
use crate::provider::Provider;

/// What is in force now.
#[derive(Debug)]
pub struct Live {
    policy: Arc<ReloadablePolicy>,
    egress: watch::Sender<Arc<egress::Config>>,
    judging: watch::Sender<Arc<Judging>>,
    said: Arc<Said>,
    provider: Provider,
    own_addresses: Vec<IpAddr>,
}

impl Live {
    /// Starts with `config`, as this generation.
    #[must_use]
    pub fn new(config: &Config, generation: u64, provider: Provider, own_addresses: Vec<IpAddr>) -> Self {
        let policy = Policy::new(config.policy(generation, &provider, own_addresses.clone()));
        let said = Arc::<Said>::default();
        Self {
            policy: Arc::new(ReloadablePolicy::new(policy)),
            egress: watch::channel(Arc::new(config.egress_door())).0,
            judging: watch::channel(Arc::new(config.judging(&said))).0,
            said,
            provider,
            own_addresses,
        }
    }

    /// What judges: it reads the policy anew for each act.
    #[must_use]
    pub fn judge(&self) -> Arc<ReloadablePolicy> {
        Arc::clone(&self.policy)
    }

    /// What the egress door reads at each request.
    #[must_use]
    pub fn egress(&self) -> watch::Receiver<Arc<egress::Config>> {
        self.egress.subscribe()
    }

    /// What the model door judges calls by, read at each request.
    #[must_use]
    pub fn judging(&self) -> watch::Receiver<Arc<Judging>> {
        self.judging.subscribe()
    }

    /// Where the messages of users are remembered.
    #[must_use]
    pub fn said(&self) -> Arc<Said> {
        Arc::clone(&self.said)
    }

    /// Puts `config` into force, as this generation. The door's part comes first: what it then reaches in a new way the old
    /// policy judges by the addresses it pins, and refuses. Limits, model, state and the like need a restart.
    pub fn replace(&self, config: &Config, generation: u64) {
        let policy = Policy::new(config.policy(generation, &self.provider, self.own_addresses.clone()));
        self.egress.send_replace(Arc::new(config.egress_door()));
        self.judging.send_replace(Arc::new(config.judging(&self.said)));
        self.policy.replace(policy);
    }
}

#[cfg(test)]
mod tests {
    use creel_guard::Judge;
    use creel_policy::examples::parse;

    use super::*;

    fn config(host: &str) -> Config {
        Config::again("c".as_ref(), &format!("[[egress.allow]]\nhost = \"{host}\"\n"), &[]).unwrap()
    }

    #[test]
    fn both_halves_are_exchanged_and_what_was_handed_out_sees_it() {
        let first = config("a.test");
        let provider = first.provider(&|_| false).unwrap();
        let live = Live::new(&first, 1, provider, Vec::new());
        let (judge, door) = (live.judge(), live.egress());
        let says = |act: &str| {
            let (action, facts) = parse(act).unwrap();
            let judgement = judge.judge(&action, &facts);
            (judgement.verdict.word(), judgement.generation)
        };
        assert_eq!((says("send GET https://a.test/"), says("send GET https://b.test/")), (("allow", 1), ("deny", 1)));
        live.replace(&config("b.test"), 2);
        assert_eq!((says("send GET https://a.test/"), says("send GET https://b.test/")), (("deny", 2), ("allow", 2)));
        assert_eq!(*door.borrow().hosts()[0].pattern.to_string(), *"b.test");
    }

    #[test]
    fn no_decision_falls_between_two_policies() {
        let (a, b) = (config("a.test"), config("a.test"));
        let live = Live::new(&a, 1, a.provider(&|_| false).unwrap(), Vec::new());
        let judge = live.judge();
        let (action, facts) = parse("send GET https://a.test/").unwrap();
        std::thread::scope(|scope| {
            let replacing = scope.spawn(|| (2..66).for_each(|generation| live.replace(&b, generation)));
            let mut seen = std::collections::BTreeSet::new();
            while !replacing.is_finished() {
                let judged = judge.judge(&action, &facts);
                assert_eq!(judged.verdict.word(), "allow");
                seen.insert(judged.generation);
            }
            assert!(seen.len() > 8, "the two never met: {seen:?}");
        });
        assert_eq!(judge.judge(&action, &facts).generation, 65);
    }
}
