//! OpenClaw's configuration, as Creel writes it.
//!
//! Owns the contents of `/etc/openclaw/openclaw.json`. It holds no secret: the gateway's token is a reference, the
//! provider's key a placeholder that the model door replaces. Nothing here is a wall (the agent can ignore it all): it
//! makes a fresh OpenClaw quiet, and lets it use what the doors offer. The warden calls [`write`] before each start.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{Error, layout, resolver};

/// What differs between installations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenClawSettings {
    /// How the model is spoken to.
    pub format: ModelFormat,
    /// The provider's name of the model.
    pub model: String,
    /// Ids of OpenClaw plugins that may load besides `memory-core`.
    pub plugins: Vec<String>,
    /// The environment of each skill, by OpenClaw's name of it: placeholders, which are no secrets.
    pub skills: BTreeMap<String, Vec<(String, String)>>,
    /// The token of webhooks; `None` to take none.
    pub hooks: Option<String>,
}

/// The wire formats of the model door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelFormat {
    /// OpenAI Chat Completions, at `/v1/chat/completions`.
    OpenaiCompletions,
    /// OpenAI Responses, at `/v1/responses`.
    OpenaiResponses,
    /// Anthropic Messages, at `/v1/messages`.
    AnthropicMessages,
    /// Gemini's generateContent, at `/v1beta/models/`.
    GoogleGenerativeAi,
}

/// Stands where a client expects a key. The model door strips it.
pub const MODEL_KEY_PLACEHOLDER: &str = "creel-placeholder";

/// The configuration as bytes, to be put into the jail read-only.
pub fn write(settings: &OpenClawSettings) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(&build(settings)?)
        .map_err(|error| Error::bug(format!("OpenClaw's configuration can't be written: {error}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The configuration as a value.
pub fn build(settings: &OpenClawSettings) -> Result<Value, Error> {
    let OpenClawSettings { format, model, plugins, skills, hooks } = settings;
    check_model(model)?;
    plugins.iter().try_for_each(|id| check_plugin(id))?;
    Ok(json!({
        "gateway": gateway(),
        "secrets": { "providers": { resolver::PROVIDER: {
            "source": "exec", "command": resolver::PATH, "jsonOnly": true,
            "timeoutMs": 20_000, "noOutputTimeoutMs": 20_000, "maxOutputBytes": 4096,
        } } },
        "models": models(*format, model),
        "agents": { "defaults": {
            "workspace": layout::WORKSPACE,
            "model": { "primary": format!("creel/{model}") },
            // It would spend tokens with nobody asking.
            "heartbeat": { "every": "0m" },
        } },
        "tools": {
            // Creel decides outside; OpenClaw's own questions would only be a second, weaker door.
            "exec": { "mode": "full" },
            "elevated": { "enabled": false },
            "web": { "fetch": { "ssrfPolicy": synthetic_ranges() } },
        },
        "skills": { "workshop": { "autonomous": { "mode": "off" } }, "entries": skill_entries(skills) },
        "browser": browser(plugins),
        "plugins": plugin_settings(plugins),
        "hooks": webhooks(hooks.as_deref()),
        "update": { "checkOnStart": false, "auto": { "enabled": false } },
        "discovery": { "mdns": { "mode": "off" } },
        "logging": { "file": format!("{}/logs/openclaw.log", layout::STATE) },
    }))
}

/// Webhooks' bodies are taken by `/hooks/agent` alone, each in a session of its own, and no answer goes anywhere by itself.
fn webhooks(token: Option<&str>) -> Value {
    match token {
        Some(token) => json!({ "enabled": true, "token": token, "path": layout::HOOKS, "allowedAgentIds": ["main"] }),
        None => json!({ "enabled": false }),
    }
}

fn gateway() -> Value {
    json!({
        "mode": "local",
        "port": layout::GATEWAY_PORT,
        "bind": "loopback",
        "auth": { "mode": "token", "token": {
            "source": "exec", "provider": resolver::PROVIDER, "id": resolver::TOKEN_ID,
        } },
        "controlUi": { "enabled": false, "automaticallyFetchFavicons": false },
        // A shell for whoever holds the token.
        "terminal": { "enabled": false },
        "reload": { "mode": "off" },
    })
}

fn models(format: ModelFormat, model: &str) -> Value {
    let (api, version) = match format {
        ModelFormat::OpenaiCompletions => ("openai-completions", "/v1"),
        ModelFormat::OpenaiResponses => ("openai-responses", "/v1"),
        ModelFormat::AnthropicMessages => ("anthropic-messages", ""),
        ModelFormat::GoogleGenerativeAi => ("google-generative-ai", "/v1beta"),
    };
    let base = format!("http://127.0.0.1:{}{version}", layout::MODEL_PORT);
    json!({
        // No provider but ours, and no fetching of the public catalogue.
        "mode": "replace",
        "catalogRefresh": { "enabled": false },
        "providers": { "creel": {
            "baseUrl": base,
            "apiKey": MODEL_KEY_PLACEHOLDER,
            "api": api,
            "models": [{
                "id": model, "name": model, "reasoning": false, "input": ["text", "image"],
                // Creel meters cost from the provider's own figures.
                "cost": { "input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0 },
                "contextWindow": 200_000, "maxTokens": 8192,
            }],
        } },
    })
}

/// `web_fetch` and the browser refuse these ranges as private; in a jail they stand for approved names.
fn synthetic_ranges() -> Value {
    json!({ "allowRfc2544BenchmarkRange": true, "allowIpv6UniqueLocalRange": true })
}

/// Naming the browser at all loads its plugin, past `plugins.allow` (seen in 2026.9.6).
fn browser(plugins: &[String]) -> Value {
    if plugins.iter().any(|id| id == "browser") {
        json!({ "enabled": true, "ssrfPolicy": synthetic_ranges() })
    } else {
        json!({ "enabled": false })
    }
}

/// What OpenClaw puts into its environment while a skill that asks for such a variable may run.
fn skill_entries(skills: &BTreeMap<String, Vec<(String, String)>>) -> Value {
    let entry = |variables: &Vec<(String, String)>| {
        let variables = variables.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        json!({ "env": Value::Object(variables.collect()) })
    };
    Value::Object(skills.iter().map(|(skill, variables)| (skill.clone(), entry(variables))).collect())
}

/// An empty allow list would mean that every plugin may load.
fn plugin_settings(plugins: &[String]) -> Value {
    let mut allow: Vec<&str> = vec!["memory-core"];
    allow.extend(plugins.iter().map(String::as_str).filter(|id| *id != "memory-core"));
    // "Dreaming" is a job that runs the model at night with nobody asking.
    json!({ "allow": allow, "entries": { "memory-core": { "config": { "dreaming": { "enabled": false } } } } })
}

fn check_model(model: &str) -> Result<(), Error> {
    let fits = !model.is_empty() && model.len() <= 200 && model.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    if fits {
        return Ok(());
    }
    Err(Error::operator(
        format!("`{}` is no model's name", crate::error::clip(model, 60)),
        "give the provider's id of the model, without blanks",
    ))
}

fn check_plugin(id: &str) -> Result<(), Error> {
    let fits = !id.is_empty()
        && id.len() <= 128
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@' | b'/'));
    if fits {
        return Ok(());
    }
    Err(Error::operator(
        format!("`{}` is no plugin's id", crate::error::clip(id, 60)),
        "list plugins by id, as `openclaw plugins list` shows them",
    ))
}

#[cfg(test)]
mod tests;
