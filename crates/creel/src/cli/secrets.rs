//! Where secrets come from.
//!
//! Owns the search for the value of each secret that the configuration names: the environment, a file named there, the
//! credentials of systemd, the secrets that Docker and Kubernetes mount. It never shows a value, and keeps none: what it
//! found goes to the guard alone. `creel up` and `creel jail` call it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use creel_secrets::{SecretName, write_handover};
use zeroize::Zeroizing;

use crate::config::Config;

/// Where Docker and, by habit, Kubernetes mount secrets.
const MOUNTED: &str = "/run/secrets";

/// Every secret that the configuration names and the provider's key, as the guard reads them.
pub(crate) fn gather(config: &Config, key: Option<&str>) -> Result<Zeroizing<String>, String> {
    let entries = config.egress().iter().filter_map(|entry| entry.when.secret.as_ref());
    let entries = entries.map(|inject| inject.secret.as_str());
    let names: BTreeSet<&str> = entries.chain(config.own_secrets()).chain(key).collect();
    handover(&names, &|name| std::env::var(name).ok(), Path::new(MOUNTED))
}

fn handover(
    names: &BTreeSet<&str>,
    variable: &dyn Fn(&str) -> Option<String>,
    mounted: &Path,
) -> Result<Zeroizing<String>, String> {
    let mut values = Vec::new();
    for name in names {
        let name = SecretName::parse(name).map_err(|error| error.to_string())?;
        let value = find(&name, variable, mounted)?;
        values.push((name, value));
    }
    let lines =
        write_handover(values.iter().map(|(name, value)| (name, value.as_str()))).map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&lines).map_err(|error| error.to_string())?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The first place that has a value.
fn find(
    name: &SecretName,
    variable: &dyn Fn(&str) -> Option<String>,
    mounted: &Path,
) -> Result<Zeroizing<String>, String> {
    if let Some(value) = variable(name.as_str()).filter(|value| !value.is_empty()) {
        return Ok(Zeroizing::new(value));
    }
    let named = variable(&format!("{name}_FILE")).map(PathBuf::from);
    let folders = variable("CREDENTIALS_DIRECTORY").map(PathBuf::from).into_iter().chain([mounted.to_owned()]);
    let found = named.or_else(|| folders.map(|folder| folder.join(name.as_str())).find(|path| path.is_file()));
    let Some(path) = found else {
        return Err(format!(
            "the secret `{name}` has no value: set {name} in the environment of `creel up`, or the path of a file with it \
             in {name}_FILE, or hand it over as a credential of systemd or in `{}`",
            mounted.display()
        ));
    };
    let text = std::fs::read_to_string(&path).map(Zeroizing::new);
    let text = text.map_err(|error| format!("the secret `{name}` can't be read from `{}`: {error}", path.display()))?;
    // One line feed at the end, as `echo` leaves it, is no part of it.
    Ok(Zeroizing::new(text.strip_suffix('\n').unwrap_or(&text).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(set: &[(&str, &str)], mounted: &Path, wanted: Result<&str, &str>) {
        let variable = |name: &str| set.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned());
        let found = handover(&BTreeSet::from(["A_TOKEN"]), &variable, mounted);
        match wanted {
            Ok(value) => {
                let line = format!("{{\"name\":\"A_TOKEN\",\"value\":\"{value}\"}}\n");
                assert_eq!(found.map(|text| text.to_string()), Ok(line));
            }
            Err(why) => assert!(found.as_ref().is_err_and(|text| text.contains(why)), "{found:?}"),
        }
    }

    #[test]
    fn the_first_place_that_has_a_value_gives_it() {
        let folder = std::env::temp_dir().join(format!("creel-secrets-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("A_TOKEN");
        std::fs::write(&file, "of-a-file\n").unwrap();
        let (file, nowhere) = (file.to_str().unwrap(), Path::new("/nonexistent"));
        check(&[("A_TOKEN", "of-the-environment"), ("A_TOKEN_FILE", file)], &folder, Ok("of-the-environment"));
        check(&[("A_TOKEN_FILE", file)], nowhere, Ok("of-a-file"));
        check(&[("CREDENTIALS_DIRECTORY", folder.to_str().unwrap())], nowhere, Ok("of-a-file"));
        check(&[], &folder, Ok("of-a-file"));
        check(&[], nowhere, Err("set A_TOKEN in the environment"));
        check(&[("A_TOKEN", "")], nowhere, Err("has no value"));
        check(&[("A_TOKEN_FILE", "/nonexistent/x")], &folder, Err("can't be read"));
        check(&[("A_TOKEN", "two\nlines")], nowhere, Err("holds CR, LF or NUL"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
