//! Where secrets come from.
//!
//! Owns the search for the value of each secret that the configuration names: the environment, a file named there, the
//! credentials of systemd, the secrets that Docker and Kubernetes mount, a command's output. It never shows a value, and keeps none: what it
//! found goes to the guard alone. `creel up` and `creel jail` call it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use creel_secrets::{SecretName, write_handover};
use zeroize::Zeroizing;

use crate::config::{Config, Source};

/// Where Docker and, by habit, Kubernetes mount secrets.
const MOUNTED: &str = "/run/secrets";

/// The longest value that is read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// How long a command may take to print a value.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every secret that the configuration names and the provider's key, as the guard reads them.
pub(crate) fn gather(config: &Config, key: Option<&str>) -> Result<Zeroizing<String>, String> {
    handover(&wanted(config, key), &|name| std::env::var(name).ok(), Path::new(MOUNTED))
}

/// Which secrets there must be, and where each comes from.
fn wanted<'a>(config: &'a Config, key: Option<&'a str>) -> BTreeMap<&'a str, &'a Source> {
    let entries = config.egress().iter().filter_map(|entry| entry.when.secret.as_ref());
    let entries = entries.map(|inject| inject.secret.as_str());
    let usual = entries.chain(config.own_secrets()).chain(key).map(|name| (name, &Source::Usual));
    let mut wanted: BTreeMap<&str, &Source> = usual.collect();
    for secret in config.secrets() {
        let source = wanted.entry(secret.place.secret.as_str()).or_insert(&Source::Usual);
        if secret.source != Source::Usual {
            *source = &secret.source;
        }
    }
    wanted
}

fn handover(
    wanted: &BTreeMap<&str, &Source>,
    variable: &dyn Fn(&str) -> Option<String>,
    mounted: &Path,
) -> Result<Zeroizing<String>, String> {
    let mut values = Vec::new();
    for (name, source) in wanted {
        let name = SecretName::parse(name).map_err(|error| error.to_string())?;
        let value = match source {
            Source::Usual => find(&name, variable, mounted)?,
            Source::File(path) => read(&name, path)?,
            Source::Command(words) => printed(&name, words)?,
        };
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
    read(name, &path)
}

#[expect(clippy::disallowed_methods, reason = "this file owns the reading of secrets")]
fn read(name: &SecretName, path: &Path) -> Result<Zeroizing<String>, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string());
    let text = file.and_then(bounded);
    text.map_err(|why| format!("the secret `{name}` can't be read from `{}`: {why}", path.display()))
}

/// A value without the one line feed at its end that `echo` leaves. No more is read than a value can have.
fn bounded(from: impl Read) -> Result<Zeroizing<String>, String> {
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(LONGEST).unwrap_or(0) + 2));
    from.take(LONGEST + 2).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > LONGEST + 1 {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// What the operator's program prints. Its complaints go where ours go; they are no part of the value.
#[expect(clippy::disallowed_methods, reason = "this file owns the operator's commands that print secrets")]
pub(crate) fn printed(name: &SecretName, words: &[String]) -> Result<Zeroizing<String>, String> {
    let fault = |why: String| format!("the command for the secret `{name}` failed: {why}");
    let (program, arguments) = words.split_first().ok_or_else(|| fault("it is empty".to_owned()))?;
    let mut command = std::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| fault(format!("`{program}`: {error}")))?;
    let out = child.stdout.take().ok_or_else(|| fault("it has no output".to_owned()))?;
    let (told, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || told.send(bounded(out)));
    let value = match heard.recv_timeout(PATIENCE) {
        Ok(value) => value,
        Err(_) => Err(format!("it was not done within {} s", PATIENCE.as_secs())),
    };
    if value.is_err() {
        let _ = child.kill();
    }
    // One that was read too little of ends by that: what was wrong with the value is said first.
    let ended = ended(&mut child);
    let value = value.map_err(fault)?;
    ended.map_err(fault)?;
    Ok(value)
}

fn ended(child: &mut Child) -> Result<(), String> {
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(set: &[(&str, &str)], mounted: &Path, wanted: Result<&str, &str>) {
        let variable = |name: &str| set.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned());
        let found = handover(&BTreeMap::from([("A_TOKEN", &Source::Usual)]), &variable, mounted);
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

    #[test]
    fn a_file_or_a_command_that_is_named_gives_the_value_and_nothing_else_does() {
        let nothing = |_: &str| Some("of-the-environment".to_owned());
        let check = |source: Source| handover(&BTreeMap::from([("T", &source)]), &nothing, Path::new("/nonexistent"));
        let words = |text: &str| Source::Command(["/bin/sh", "-c", text].map(str::to_owned).to_vec());
        let line = |value: &str| Ok(format!("{{\"name\":\"T\",\"value\":\"{value}\"}}\n"));
        assert_eq!(check(words("echo of-a-command")).map(|text| text.to_string()), line("of-a-command"));
        let path = std::env::temp_dir().join(format!("creel-secret-{}", std::process::id()));
        std::fs::write(&path, "of-a-file\n").unwrap();
        assert_eq!(check(Source::File(path.clone())).map(|text| text.to_string()), line("of-a-file"));
        std::fs::write(&path, "x".repeat(70_000)).unwrap();
        for (source, why) in [
            (words("echo hunter2; exit 3"), "exit status: 3"),
            (words("head -c 70000 /dev/zero"), "longer than"),
            (words("echo one; echo two"), "CR, LF or NUL"),
            (words("true"), "empty"),
            (Source::File(path.clone()), "longer than"),
            (Source::File("/nonexistent".into()), "can't be read"),
        ] {
            let told = check(source).unwrap_err();
            assert!(told.contains(why) && !told.contains("hunter2"), "{told}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
