//! The configuration in the terms of those who read it: policy and doors.
//!
//! Owns the translation, one function a reader. Each destructures what it translates, so that a new setting that nobody
//! reads does not compile. The guard calls it when it starts and at each reload.

use std::net::IpAddr;
use std::sync::Arc;

use creel_doors::egress;
use creel_doors::model::{Judging, Said};
use creel_guard::Target;
use creel_policy::{EgressAllow, HostPattern, ModelProvider, ModelRules, ToolRules};

use super::choose::public_host;
use super::{Allow, BaseUrl, Config, Model, Tools, Users};
use crate::provider::{Provider, ProviderKind};

impl Config {
    /// What the model door judges calls by; `said` is where users' messages are remembered.
    #[must_use]
    pub fn judging(&self, said: &Arc<Said>) -> Judging {
        Judging {
            tools: crate::tools::shipped(self),
            contacts: self.tools.contacts.clone(),
            said: (self.tools.users == Users::Seen).then(|| Arc::clone(said)),
        }
    }

    /// What the rules read. `generation` counts reloads, `own_addresses` are this host's.
    #[must_use]
    pub fn policy(&self, generation: u64, provider: &Provider, own_addresses: Vec<IpAddr>) -> creel_policy::Config {
        let Tools { deny, ask, high_risk, directories: _, contacts: _, users: _ } = &self.tools;
        creel_policy::Config {
            generation,
            egress_allow: self.egress.iter().map(allow).collect(),
            secrets: self.secrets.iter().map(|secret| secret.place.clone()).collect(),
            model: ModelRules { providers: vec![self.model_rules(provider)] },
            tools: ToolRules { deny: deny.clone(), ask: ask.clone(), high_risk: *high_risk },
            exec: self.exec.clone(),
            protect: self.files.protect,
            operator: self.operator.clone(),
            two_persons: self.approvals.two.clone(),
            own_addresses,
        }
    }

    /// What the egress door knows of each rule with a name: where to connect and whom to trust.
    #[must_use]
    pub fn egress_door(&self) -> egress::Config {
        egress::Config::new(self.egress.iter().map(host_settings).collect())
    }

    /// Where the provider is, and over what; `None` for the scripted model.
    #[must_use]
    pub fn provider_url(&self, provider: &Provider) -> Option<BaseUrl> {
        if provider.kind == ProviderKind::Scripted {
            return None;
        }
        if let Some(url) = &self.model.base_url {
            return Some(url.clone());
        }
        let host = creel_guard::HostName::parse(public_host(provider.kind)?).ok()?;
        let path = if provider.kind == ProviderKind::Openai { "/v1" } else { "" };
        Some(BaseUrl { tls: true, host: Target::Host(host), port: 443, path: path.to_owned() })
    }

    fn model_rules(&self, provider: &Provider) -> ModelProvider {
        let Model { provider: _, format: _, model: _, base_url: _, address, ca: _, script: _ } = &self.model;
        let host = self.provider_url(provider).and_then(|url| match url.host {
            Target::Host(host) => Some(host),
            Target::Address(_) => None,
        });
        ModelProvider {
            name: provider.kind.name().to_owned(),
            secret: provider.kind.key_variable().map(ToOwned::to_owned),
            models: None,
            host,
            address: *address,
        }
    }
}

pub(super) fn allow(allow: &Allow) -> EgressAllow {
    let Allow { host, ports, address, ca: _, client: _, http, mode, websocket, methods, paths, when } = allow;
    EgressAllow {
        host: host.clone(),
        ports: ports.clone(),
        address: *address,
        http: *http,
        mode: *mode,
        websocket: *websocket,
        methods: methods.clone(),
        paths: paths.clone(),
        when: when.clone(),
    }
}

fn host_settings(allow: &Allow) -> egress::HostSettings {
    let Allow { host, ports, address, ca, client, http: _, mode, websocket: _, methods: _, paths: _, when: _ } = allow;
    let pattern = match host {
        HostPattern::Exact(name) => egress::HostPattern::Exact(name.clone()),
        HostPattern::Below(suffix) => egress::HostPattern::Below(suffix.clone()),
        HostPattern::Address(address) => egress::HostPattern::Address(*address),
    };
    let ca = ca.as_ref().map(|ca| ca.certificates.clone()).unwrap_or_default();
    let identity = client.as_ref().map(|client| client.identity.clone());
    egress::HostSettings { pattern, ports: ports.clone(), address: *address, ca, identity, mode: *mode }
}
