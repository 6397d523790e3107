//! What stands in the jail for a tenant's secrets.
//!
//! Owns the [`Shelf`]: a placeholder for each secret and skill of the configuration, made once and kept by root, so that it
//! stays the same over restarts and rotations. It never keeps a value. The warden puts them into the jail, the guard
//! takes them for their secrets (`creel_secrets`).

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use creel_secrets::{Placeholder, Secret, SecretName, aws_pair, parse_handover};
use zeroize::Zeroizing;

use crate::config::{self, Config};

/// All placeholders of a tenant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf(Vec<Placeholder>);

impl Shelf {
    /// What is kept at `path`, and new ones for what the configuration has beyond it; `values` is the hand-over to the guard.
    ///
    /// # Errors
    /// When it can't be read or written, holds something else, or a value is missing.
    pub(crate) fn open(path: &Path, config: &Config, values: &[u8]) -> io::Result<Self> {
        let kept: Vec<Placeholder> = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| io::Error::other(error.to_string()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let shelf = Self::with(&kept, config, values)?;
        if shelf.0 != kept {
            crate::private_file::write(path, &serde_json::to_vec(&shelf.0)?)?;
        }
        Ok(shelf)
    }

    /// New ones for all.
    ///
    /// # Errors
    /// As [`Shelf::open`].
    pub(crate) fn fresh(config: &Config, values: &[u8]) -> io::Result<Self> {
        Self::with(&[], config, values)
    }

    fn with(kept: &[Placeholder], config: &Config, values: &[u8]) -> io::Result<Self> {
        let mut all: Vec<Placeholder> = Vec::new();
        if config.secrets().is_empty() {
            return Ok(Self(all));
        }
        let values = parse_handover(Zeroizing::new(values.to_vec())).map_err(io::Error::other)?;
        let values: BTreeMap<SecretName, Secret> = values.into_iter().collect();
        for secret in config.secrets() {
            let name = SecretName::parse(&secret.place.secret).map_err(io::Error::other)?;
            let same = |one: &&Placeholder| one.secret == name && one.skill == secret.place.skill;
            if all.iter().any(|one| same(&one)) {
                continue;
            }
            let signs = config.secrets().iter().any(|one| one.place.secret == name.as_str() && one.signs());
            let fits = |own: &&Placeholder| !signs || aws_pair(&own.value).is_some();
            if let Some(own) = kept.iter().find(same).filter(fits) {
                all.push(own.clone());
                continue;
            }
            let missing = || io::Error::other(format!("the secret `{name}` has no value"));
            let value = values.get(&name).ok_or_else(missing)?;
            if signs && !value.is_aws_key() {
                return Err(io::Error::other(format!("the secret `{name}` must be a key of AWS: `KEY_ID:SECRET_KEY`")));
            }
            all.push(Placeholder::new(&name, secret.place.skill.as_deref(), value).map_err(io::Error::other)?);
        }
        Ok(Self(all))
    }

    /// Those that a guard was told of.
    pub(crate) fn told(all: &[Placeholder]) -> Self {
        Self(all.to_vec())
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Placeholder] {
        &self.0
    }

    /// The variables of the agent as a whole.
    pub(crate) fn environment(&self, config: &Config) -> Vec<(String, String)> {
        self.of(config, None)
    }

    /// The variables of the agent and of every skill, for a jail that knows no skills.
    pub(crate) fn whole_environment(&self, config: &Config) -> Vec<(String, String)> {
        self.environment(config).into_iter().chain(self.skills(config).into_values().flatten()).collect()
    }

    /// The variables of each skill.
    pub(crate) fn skills(&self, config: &Config) -> BTreeMap<String, Vec<(String, String)>> {
        let skills = config.secrets().iter().filter_map(|secret| secret.place.skill.as_deref());
        skills.map(|skill| (skill.to_owned(), self.of(config, Some(skill)))).collect()
    }

    fn of(&self, config: &Config, skill: Option<&str>) -> Vec<(String, String)> {
        let mut variables = BTreeMap::new();
        for secret in config.secrets() {
            let config::Secret { place, variable, source: _, rotation: _, minted: _ } = secret;
            let same = |one: &&Placeholder| one.secret.as_str() == place.secret && one.skill == place.skill;
            if place.skill.as_deref() == skill
                && let Some(own) = self.0.iter().find(same)
            {
                match aws_pair(&own.value).filter(|_| secret.signs()) {
                    Some((id, key)) => {
                        variables.insert(format!("{variable}_ACCESS_KEY_ID"), id.to_owned());
                        variables.insert(format!("{variable}_SECRET_ACCESS_KEY"), key.to_owned());
                    }
                    None => _ = variables.insert(variable.clone(), own.value.clone()),
                }
            }
        }
        variables.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::scratch::Scratch;

    const CONFIG: &str = r#"
[[egress.allow]]
host = "a.test"
[[secret]]
name = "T"
host = "a.test"
[[secret]]
name = "T"
host = "a.test"
slot = "query key"
[[secret]]
name = "T"
skill = "crm"
variable = "CRM_T"
host = "a.test"
"#;
    const VALUES: &str = "{\"name\":\"T\",\"value\":\"ghp_0123456789abcdefghijABCDEFGHIJ012345\"}\n";

    #[test]
    fn each_secret_has_one_a_skill_and_keeps_it() {
        let folder = Scratch::new();
        let path = folder.0.join("placeholders.json");
        let config = Config::again("c".as_ref(), CONFIG, &[]).unwrap();
        let made = Shelf::open(&path, &config, VALUES.as_bytes()).unwrap();
        let (own, skills) = (made.environment(&config), made.skills(&config));
        assert_eq!((made.all().len(), own.len(), skills.len()), (2, 1, 1));
        assert_eq!((own[0].0.as_str(), skills["crm"][0].0.as_str()), ("T", "CRM_T"));
        assert_ne!(own[0].1, skills["crm"][0].1, "a skill has its own");
        assert!(own[0].1.starts_with("ghp_") && !VALUES.contains(&own[0].1));
        // Another value changes nothing: nobody in the jail has to hear of it.
        let rotated = VALUES.replace("ghp_", "zzzz");
        assert_eq!(Shelf::open(&path, &config, rotated.as_bytes()).unwrap().all(), made.all());
        assert_ne!(Shelf::fresh(&config, VALUES.as_bytes()).unwrap().all(), made.all());
        assert!(!std::fs::read_to_string(&path).unwrap().contains("0123456789abcdefghij"), "no value is kept");
        Shelf::fresh(&config, b"").unwrap_err();
        let signs = "[[egress.allow]]\nhost = \"a.test\"\n[[secret]]\nname = \"T\"\nhost = \"a.test\"\nslot = \"aws us-east-1 s3\"\n";
        let signs = Config::again("c".as_ref(), signs, &[]).unwrap();
        let told = Shelf::open(&path, &signs, VALUES.as_bytes()).unwrap_err().to_string();
        assert!(told.contains("`KEY_ID:SECRET_KEY`"), "{told}");
        let key = "{\"name\":\"T\",\"value\":\"AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\"}\n";
        let own = Shelf::open(&path, &signs, key.as_bytes()).unwrap().environment(&signs);
        let [(id, own_id), (secret, own_key)] = &own[..] else { panic!("{own:?}") };
        assert_eq!((id.as_str(), secret.as_str()), ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"));
        assert_eq!((own_id.len(), own_key.len(), key.contains(own_id.as_str())), (20, 40, false));
        let none = Config::again("c".as_ref(), "", &[]).unwrap();
        assert!(Shelf::open(&path, &none, b"").unwrap().all().is_empty());
    }
}
