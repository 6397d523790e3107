//! Ready profiles: entries of `egress.allow` for well-known services.
//!
//! Owns [`Profile`] and the ones that Creel ships (`profiles/egress`). A profile grants nothing by itself: the operator names
//! it under `egress.profiles`, and its entries are checked as if he had written them. `check` expands them, the command line
//! and `docs/profiles.md` show them.

use std::fmt::Write as _;

use creel_guard::{HostName, Target};
use creel_policy::HostPattern;
use serde::Deserialize;

use super::raw::RawAllow;
use super::size::Placed;

/// A profile as it is shipped.
#[derive(Debug)]
pub struct Profile {
    /// What the configuration calls it.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

/// What a profile's file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// What it opens, and what stays shut.
    pub about: String,
    /// What the operator fills in.
    #[serde(default, rename = "parameter")]
    pub parameters: Vec<Parameter>,
    /// Profiles that it takes in.
    #[serde(default)]
    with: Vec<String>,
    egress: Entries,
    /// Acts and the answers to them with this profile alone; run as tests.
    #[serde(rename = "example")]
    pub examples: Vec<Example>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entries {
    allow: Vec<Placed<RawAllow>>,
}

/// What the operator fills in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it is.
    pub what: String,
    /// A value worth showing.
    pub example: String,
    /// Which values it takes.
    #[serde(default)]
    form: Form,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Form {
    /// Letters, digits, `.`, `_` and `-`: one segment of a path, and no pattern.
    #[default]
    Name,
    /// A host name, or `*.` and one.
    Host,
}

/// An act and the answer to it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The act, in the language of the rules' examples.
    pub act: String,
    /// `allow`, `ask` or `deny`, and the rule.
    pub answer: String,
}

/// The profiles that Creel ships, by name.
pub const PROFILES: [Profile; 18] = [
    shipped("anthropic", include_str!("../../../../profiles/egress/anthropic.toml")),
    shipped("clawhub", include_str!("../../../../profiles/egress/clawhub.toml")),
    shipped("discord", include_str!("../../../../profiles/egress/discord.toml")),
    shipped("gemini", include_str!("../../../../profiles/egress/gemini.toml")),
    shipped("github", include_str!("../../../../profiles/egress/github.toml")),
    shipped("google", include_str!("../../../../profiles/egress/google.toml")),
    shipped("hubspot", include_str!("../../../../profiles/egress/hubspot.toml")),
    shipped("microsoft", include_str!("../../../../profiles/egress/microsoft.toml")),
    shipped("npm", include_str!("../../../../profiles/egress/npm.toml")),
    shipped("openai", include_str!("../../../../profiles/egress/openai.toml")),
    shipped("pypi", include_str!("../../../../profiles/egress/pypi.toml")),
    shipped("slack", include_str!("../../../../profiles/egress/slack.toml")),
    shipped("stripe", include_str!("../../../../profiles/egress/stripe.toml")),
    shipped("stripe-with-questions", include_str!("../../../../profiles/egress/stripe-with-questions.toml")),
    shipped("telegram", include_str!("../../../../profiles/egress/telegram.toml")),
    shipped("web", include_str!("../../../../profiles/egress/web.toml")),
    shipped("whatsapp", include_str!("../../../../profiles/egress/whatsapp.toml")),
    shipped("whatsapp-web", include_str!("../../../../profiles/egress/whatsapp-web.toml")),
];

const fn shipped(name: &'static str, text: &'static str) -> Profile {
    Profile { name, text }
}

/// Parameters as they were written, name and value.
type Filled<'a> = [(&'a str, &'a str)];

impl Profile {
    /// The profile of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.name == name)
    }

    /// Those whose entries name this host; a host that the operator fills in is any, and counts for none.
    #[must_use]
    pub fn speaking_of(host: &HostName) -> Vec<&'static Self> {
        let target = Target::Host(host.clone());
        let speaks = |profile: &&Self| {
            profile.said().is_ok_and(|said| {
                let names = said.egress.allow.iter().filter_map(|entry| entry.value.host.as_ref());
                names.filter_map(|name| HostPattern::parse(&name.value).ok()).any(|pattern| pattern.covers(&target))
            })
        };
        PROFILES.iter().filter(speaks).collect()
    }

    /// What its file says, with its parameters left open.
    ///
    /// # Errors
    /// Says what is wrong with the file; a test reads each that is shipped.
    pub fn said(&self) -> Result<Said, String> {
        toml::from_str(self.text).map_err(|error| format!("the profile `{}` can't be read: {error}", self.name))
    }

    /// The line of `egress.profiles` that names it, parameters filled with their examples.
    ///
    /// # Errors
    /// As [`Self::said`].
    pub fn line(&self) -> Result<String, String> {
        let mut line = self.name.to_owned();
        for Parameter { name, example, .. } in self.said()?.parameters {
            let _ = write!(line, " {name}={example}");
        }
        Ok(line)
    }

    /// The file for a person, its parameters filled in.
    ///
    /// # Errors
    /// Says which parameter is missing, unknown or illegal.
    pub fn filled(&self, parameters: &Filled<'_>) -> Result<String, String> {
        let said = self.said()?;
        if let Some((name, _)) = parameters.iter().find(|(name, _)| said.parameters.iter().all(|one| one.name != *name))
        {
            return Err(match said.parameters.as_slice() {
                [] => format!("the profile `{}` takes no `{name}`, nor anything else", self.name),
                known => format!("the profile `{}` takes no `{name}`, but {}", self.name, listed(known)),
            });
        }
        let mut text = self.text.to_owned();
        for Parameter { name, what, example, form } in &said.parameters {
            let mut values = parameters.iter().filter(|(key, _)| key == name).map(|(_, value)| *value);
            let (value, more) = (values.next(), values.next());
            let Some(value) = value.filter(|_| more.is_none()) else {
                let how = format!("write `\"{} {name}={example}\"`", self.name);
                return Err(format!("the profile `{}` needs one `{name}`, {what}: {how}", self.name));
            };
            if !form.takes(value) {
                let shown: String = value.escape_debug().take(60).collect();
                return Err(format!("`{name}` of the profile `{}` can't be `{shown}`: it is {what}", self.name));
            }
            text = text.replace(&format!("{{{name}}}"), value);
        }
        Ok(text)
    }

    /// Its entries and those of the profiles that it takes in.
    ///
    /// # Errors
    /// As [`Self::filled`].
    pub(super) fn entries(&self, parameters: &Filled<'_>) -> Result<Vec<Placed<RawAllow>>, String> {
        let text = self.filled(parameters)?;
        let unread = |error: toml::de::Error| format!("the profile `{}` can't be read: {error}", self.name);
        let Said { with, egress: Entries { allow: mut entries }, .. } = toml::from_str(&text).map_err(unread)?;
        for name in with {
            let other = Self::named(&name).filter(|other| other.name != self.name);
            entries.extend(other.ok_or_else(|| format!("there is no profile `{name}`"))?.entries(&[])?);
        }
        Ok(entries)
    }
}

impl Form {
    fn takes(self, value: &str) -> bool {
        match self {
            Self::Name => {
                value.len() <= 100
                    && value.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            }
            Self::Host => {
                let bare = value.strip_prefix("*.").unwrap_or(value);
                bare.contains('.') && bare.parse::<std::net::IpAddr>().is_err() && HostName::parse(bare).is_ok()
            }
        }
    }
}

fn listed(parameters: &[Parameter]) -> String {
    parameters.iter().map(|one| format!("`{}`", one.name)).collect::<Vec<_>>().join(", ")
}

/// The page of all profiles, `docs/profiles.md`.
///
/// # Errors
/// As [`Profile::said`].
#[cfg(test)]
fn page() -> Result<String, String> {
    let mut out = String::from(
        "# Profiles\n\n\
         <!-- Made from profiles/egress by `UPDATE=1 cargo test -p creel`; edit those. -->\n\n\
         A profile is a list of `[[egress.allow]]` entries for a service. Name it under `egress.profiles` in `creel.toml`; \
         your own entries stand beside it, and a request passes when one entry of either allows it. `creel profiles show NAME` \
         prints the entries. Each example below is run as a test, with the profile alone in force.\n\n\
         Where a service has accounts, the agent could use one that is not yours: `creel status` names these places under \
         `leaks_possible`. Only profiles without an account (`npm`, `pypi`, `clawhub`, `web`) are free of that.\n",
    );
    for profile in &PROFILES {
        let Said { about, parameters, examples, .. } = profile.said()?;
        let _ = writeln!(out, "\n## `{}`\n\n{}\n", profile.name, about.trim());
        let _ = writeln!(out, "```toml\n[egress]\nprofiles = [\"{}\"]\n```\n", profile.line()?);
        for Parameter { name, what, .. } in parameters {
            let _ = writeln!(out, "- `{name}`: {what}");
        }
        out.push_str("\n| act | answer |\n|---|---|\n");
        for Example { act, answer } in examples {
            let _ = writeln!(out, "| `{}` | {answer} |", act.replace('|', "\\|"));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
