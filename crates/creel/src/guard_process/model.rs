//! The model door's provider, put together.
//!
//! Owns the choice of what answers prompts: the embedded scripted model, or the configured provider by HTTP. The
//! provider's key is handed to the broker and to nothing else.

use std::sync::Arc;

use bytes::Bytes;
use creel_doors::Error;
use creel_doors::definition::Definitions;
use creel_doors::model::{self, Base, Config as ModelConfig, Format, HttpOrigin, KeyHeader, Origin, Provider};
use creel_doors::stream::{Body, BoxError};
use creel_doors::upstream::{Client, Resolve};
use creel_guard::{BoxFuture, Guard};
use creel_scripted_model::{Script, ScriptedModel};
use creel_secrets::Broker;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::sync::watch;

use crate::config::Config;
use crate::protocol::GuardSetup;
use crate::provider::{ProviderKind, WireFormat};

/// Who looks at prompts beside the guard.
pub(super) struct Aides {
    /// What no provider may see.
    pub(super) masks: Arc<dyn model::Masks>,
    /// What they are paid for.
    pub(super) meter: Arc<dyn model::Meter>,
    /// How tools are defined.
    pub(super) definitions: Arc<dyn Definitions>,
    /// What stands in the agent's memory.
    pub(super) memories: Arc<dyn model::Memories>,
}

/// The model door of this tenant.
pub(super) fn door(
    config: &Config,
    setup: &GuardSetup,
    broker: Arc<dyn Broker>,
    guard: &Guard,
    client: Client,
    resolver: Arc<dyn Resolve>,
    (judging, aides): (watch::Receiver<Arc<model::Judging>>, Aides),
) -> Result<model::Model, String> {
    let (_sender, config) =
        watch::channel(Arc::new(ModelConfig { providers: providers(config, setup, client, resolver)? }));
    let Aides { masks, meter, definitions, memories } = aides;
    Ok(model::Model {
        guard: guard.clone(),
        tenant: setup.tenant.clone(),
        config,
        judging,
        broker,
        masks: Some(masks),
        meter: Some(meter),
        definitions: Some(definitions),
        memories: Some(memories),
    })
}

/// One provider a wire format: the scripted model speaks them all.
fn providers(
    config: &Config,
    setup: &GuardSetup,
    client: Client,
    resolver: Arc<dyn Resolve>,
) -> Result<Vec<Provider>, String> {
    let provider = &setup.provider;
    let made = |format: Format, origin: Arc<dyn Origin>| Provider {
        name: provider.kind.name().to_owned(),
        format,
        origin,
        key: KeyHeader::usual(format),
        models: vec![provider.model.clone()],
    };
    let format = match provider.kind {
        ProviderKind::Scripted => {
            let model = match &provider.script {
                Some(text) => ScriptedModel::hijacked(Script::parse(text).map_err(|error| error.to_string())?),
                None => ScriptedModel::helpful(),
            };
            let origin: Arc<dyn Origin> = Arc::new(Scripted(model));
            return Ok(WireFormat::ALL.map(|format| made(format.door(), Arc::clone(&origin))).into());
        }
        ProviderKind::Openai | ProviderKind::Anthropic | ProviderKind::Gemini => provider.format.door(),
    };
    let url = config.provider_url(provider).ok_or("the provider has no address")?;
    let base = Base::parse(&url.to_string()).map_err(|error| error.to_string())?;
    let roots = config.model().ca.as_ref().map(|ca| ca.certificates.clone()).unwrap_or_default();
    let origin = HttpOrigin { base, format, address: config.model().address, roots, client, resolver };
    Ok(vec![made(format, Arc::new(origin))])
}

/// The scripted model, inside this process: it goes nowhere.
struct Scripted(ScriptedModel);

impl Origin for Scripted {
    fn locate(&self) -> BoxFuture<'_, Result<Vec<std::net::IpAddr>, Error>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn send(
        &self,
        request: Request<Bytes>,
        _addresses: Vec<std::net::IpAddr>,
    ) -> BoxFuture<'_, Result<Response<Body>, Error>> {
        let response =
            self.0.respond(&request).map(|body| body.map_err(|error| Box::new(error) as BoxError).boxed_unsync());
        Box::pin(std::future::ready(Ok(response)))
    }
}
