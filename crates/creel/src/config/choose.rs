//! Which provider the agent gets, out of the configuration and the environment.
//!
//! Owns that choice. It learns whether a key is present, never the key. `creel up` calls it once.

use super::Config;
use crate::provider::{Provider, ProviderKind};

/// The model that is asked for when the configuration names none: the middle one of each provider.
fn usual_model(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::Scripted => "scripted-1",
        ProviderKind::Openai => "gpt-5.4",
        ProviderKind::Anthropic => "claude-sonnet-5",
        ProviderKind::Gemini => "gemini-3-flash-preview",
    }
}

/// Where a provider is when the configuration names no other place.
pub(super) fn public_host(kind: ProviderKind) -> Option<&'static str> {
    match kind {
        ProviderKind::Scripted => None,
        ProviderKind::Openai => Some("api.openai.com"),
        ProviderKind::Anthropic => Some("api.anthropic.com"),
        ProviderKind::Gemini => Some("generativelanguage.googleapis.com"),
    }
}

impl Config {
    /// The provider: as configured, else the one whose key `has_key` finds, else the scripted model.
    ///
    /// # Errors
    /// A text for people: two keys and no word which, a key that is missing, a script that can't be read.
    pub fn provider(&self, has_key: &dyn Fn(ProviderKind) -> bool) -> Result<Provider, String> {
        let model = &self.model;
        let kind = match model.provider {
            Some(kind) => kind,
            None => by_key(has_key)?,
        };
        if let Some(variable) = kind.key_variable()
            && model.base_url.is_none()
            && !has_key(kind)
        {
            return Err(format!("`provider = \"{}\"` needs a key: set `{variable}` for `creel up`", kind.name()));
        }
        let script = match (&model.script, kind) {
            (Some(path), ProviderKind::Scripted) => Some(super::read_bounded(path)?),
            (Some(path), _) => {
                let path = path.display();
                return Err(format!("`{path}` is for the scripted model, but a key chose `{}`", kind.name()));
            }
            (None, _) => None,
        };
        Ok(Provider {
            kind,
            format: model.format.unwrap_or(kind.usual_format()),
            model: model.model.clone().unwrap_or_else(|| usual_model(kind).to_owned()),
            base_url: model.base_url.as_ref().map(ToString::to_string),
            script,
        })
    }
}

fn by_key(has_key: &dyn Fn(ProviderKind) -> bool) -> Result<ProviderKind, String> {
    let found: Vec<ProviderKind> = ProviderKind::KEYED.into_iter().filter(|kind| has_key(*kind)).collect();
    match found.as_slice() {
        [] => Ok(ProviderKind::Scripted),
        [kind] => Ok(*kind),
        several => {
            let names: Vec<_> =
                several.iter().filter_map(|kind| kind.key_variable()).map(|name| format!("`{name}`")).collect();
            let all = if several.len() == 2 { "both" } else { "all" };
            let why = "say which with `provider = …` under `[model]`, or leave one alone set";
            Err(format!("{} are {all} set: {why}", names.join(" and ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ProviderKind::{self, Anthropic, Gemini, Openai, Scripted};
    use crate::config::Config;

    fn chosen(text: &str, keys: &[ProviderKind]) -> Result<(ProviderKind, String), String> {
        let config = Config::again("c".as_ref(), text, &[]).unwrap();
        let provider = config.provider(&|kind| keys.contains(&kind))?;
        Ok((provider.kind, provider.model))
    }

    #[test]
    fn a_format_is_the_usual_one_unless_the_file_names_another() {
        let format = |text: &str| {
            let config = Config::again("c".as_ref(), text, &[]).unwrap();
            config.provider(&|kind| kind == Openai).unwrap().format.name()
        };
        assert_eq!(format(""), "openai-completions");
        assert_eq!(format("[model]\nprovider = \"openai\"\nformat = \"openai-responses\"\n"), "openai-responses");
        assert_eq!(format("[model]\nprovider = \"scripted\"\nformat = \"anthropic-messages\"\n"), "anthropic-messages");
    }

    #[test]
    fn the_key_chooses_unless_the_file_does() {
        assert_eq!(chosen("", &[]).unwrap().0, Scripted);
        assert_eq!(chosen("", &[Anthropic]).unwrap().0, Anthropic);
        assert_eq!(chosen("", &[Gemini]).unwrap().0, Gemini);
        assert!(chosen("", &[Openai, Anthropic]).unwrap_err().contains("both set"));
        assert!(chosen("", &[Openai, Anthropic, Gemini]).unwrap_err().contains("`GEMINI_API_KEY` are all set"));
        let file = "[model]\nprovider = \"openai\"\nmodel = \"m\"\n";
        assert_eq!(chosen(file, &[Openai, Anthropic]).unwrap(), (Openai, "m".to_owned()));
        assert!(chosen(file, &[Anthropic]).unwrap_err().contains("OPENAI_API_KEY"));
        let own = "base_url = \"http://127.0.0.1:9000/v1\"\n";
        assert_eq!(chosen(&format!("{file}{own}"), &[]).unwrap().0, Openai);
        let script = "[model]\nscript = \"none.toml\"\n";
        assert!(chosen(script, &[Openai]).unwrap_err().contains("scripted model"));
        assert!(chosen(script, &[]).unwrap_err().contains("none.toml"));
    }
}
