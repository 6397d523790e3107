//! Where secrets come from.
//!
//! Owns the search for the value of each secret that the configuration names: the environment, a file named there, the
//! credentials of systemd, the secrets that Docker and Kubernetes mount, a command's output, a place that is asked over HTTP, the store. It never shows a value, and keeps none: what it
//! found goes to the guard alone. `creel up` and `creel jail` call it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use creel_secrets::{Keyring, Secret, SecretName, Store};
use zeroize::Zeroizing;

use super::fetch::fetched;
use crate::config::{Config, Source};
use crate::safe::Safe;

/// Where Docker and, by habit, Kubernetes mount secrets.
const MOUNTED: &str = "/run/secrets";

/// The longest value that is read, in bytes.
pub(crate) const LONGEST: u64 = 64 * 1024;

/// How long a command may take to print a value.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every secret that the configuration names and the provider's key, as the guard reads them.
pub(crate) fn gather(config: &Config, key: Option<&str>, safe: &Safe) -> Result<Zeroizing<String>, String> {
    let places = Places { variable: &|name| std::env::var(name).ok(), mounted: Path::new(MOUNTED), safe };
    handover(&wanted(config, key), &|name| config.minted_of(name).is_some(), &places)
}

/// Where to look.
struct Places<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    mounted: &'a Path,
    safe: &'a Safe,
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

/// `is_minted` says of which there may be no value yet.
fn handover(
    wanted: &BTreeMap<&str, &Source>,
    is_minted: &dyn Fn(&str) -> bool,
    places: &Places<'_>,
) -> Result<Zeroizing<String>, String> {
    let told = |error: creel_secrets::Error| error.to_string();
    let mut ring = Keyring::default();
    // Opened for the first that is looked for there: who keeps nothing in it needs no key.
    let mut store: Option<Store> = None;
    for (name, source) in wanted {
        let name = SecretName::parse(name).map_err(told)?;
        let value = match source {
            Source::Usual => match find(&name, places)? {
                None if is_minted(name.as_str()) => Some(creel_secrets::unborn().map_err(told)?),
                found => found,
            },
            Source::File(path) => Some(read(&name, path)?),
            Source::Command(words) => Some(printed(&name, words)?),
            Source::Fetch(fetch) => Some(fetched(&name, fetch)?),
            Source::Store => None,
        };
        if let Some(value) = value {
            ring.add(name.clone(), Secret::load(&name, Zeroizing::new(value.as_bytes().to_vec())).map_err(told)?)
                .map_err(told)?;
            continue;
        }
        if store.is_none() {
            store = Some(places.safe.read()?);
        }
        let store = store.iter().find(|store| store.has(&name));
        let store = store.ok_or_else(|| nowhere(&name, source, places.mounted))?;
        store.hand(&name, crate::clock::wall_ms(), &mut ring).map_err(told)?;
    }
    let lines = ring.write().map_err(told)?;
    let text = std::str::from_utf8(&lines).map_err(|error| error.to_string())?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The first place that has a value; none when it can only be in the store.
fn find(name: &SecretName, places: &Places<'_>) -> Result<Option<Zeroizing<String>>, String> {
    let Places { variable, mounted, safe: _ } = places;
    if let Some(value) = variable(name.as_str()).filter(|value| !value.is_empty()) {
        return Ok(Some(Zeroizing::new(value)));
    }
    let named = variable(&format!("{name}_FILE")).map(PathBuf::from);
    let folders = variable("CREDENTIALS_DIRECTORY").map(PathBuf::from).into_iter().chain([mounted.to_path_buf()]);
    let found = named.or_else(|| folders.map(|folder| folder.join(name.as_str())).find(|path| path.is_file()));
    found.map(|path| read(name, &path)).transpose()
}

fn nowhere(name: &SecretName, source: &Source, mounted: &Path) -> String {
    if *source == Source::Store {
        return format!("the secret `{name}` is not in the store: `creel secret put {name}`");
    }
    format!(
        "the secret `{name}` has no value: put it into the store with `creel secret put {name}`, or set {name} in the \
         environment of `creel up`, or the path of a file with it in {name}_FILE, or hand it over as a credential of \
         systemd or in `{}`",
        mounted.display()
    )
}

#[expect(clippy::disallowed_methods, reason = "this file owns the reading of secrets")]
pub(crate) fn read(name: &SecretName, path: &Path) -> Result<Zeroizing<String>, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string());
    let text = file.and_then(bounded);
    text.map_err(|why| format!("the secret `{name}` can't be read from `{}`: {why}", path.display()))
}

/// A value without the one line feed at its end that `echo` leaves. No more is read than a value can have.
pub(crate) fn bounded(from: impl Read) -> Result<Zeroizing<String>, String> {
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

    fn no_safe() -> Safe {
        Safe::new(&crate::site::Site::new(Path::new("/nonexistent")), "main", None)
    }

    fn check(set: &[(&str, &str)], mounted: &Path, wanted: Result<&str, &str>) {
        check_with(set, mounted, &no_safe(), wanted);
    }

    fn check_with(set: &[(&str, &str)], mounted: &Path, safe: &Safe, wanted: Result<&str, &str>) {
        let variable = |name: &str| set.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned());
        let places = Places { variable: &variable, mounted, safe };
        let found = handover(&BTreeMap::from([("A_TOKEN", &Source::Usual)]), &|_| false, &places);
        match wanted {
            Ok(value) => {
                let line = format!("{{\"name\":\"A_TOKEN\",\"value\":\"{value}\"}}\n");
                assert_eq!(found.map(|text| text.to_string()), Ok(line));
            }
            Err(why) => assert!(found.as_ref().is_err_and(|text| text.contains(why)), "{found:?}"),
        }
    }

    #[test]
    fn the_store_is_the_last_of_the_usual_places_and_may_be_the_only_one() {
        let folder = crate::canary::scratch::Scratch::new();
        let site = crate::site::Site::new(&folder.0);
        site.make().unwrap();
        let safe = Safe::new(&site, "main", None);
        let name = SecretName::parse("A_TOKEN").unwrap();
        let value = |text: &str| Secret::given(&name, Zeroizing::new(text.as_bytes().to_vec())).unwrap();
        let told = |error: creel_secrets::Error| error.to_string();
        safe.change(|store| store.put(&name, value("of-the-store"), 1).map_err(told)).unwrap();
        let nowhere = Path::new("/nonexistent");
        check_with(&[("A_TOKEN", "of-the-environment")], nowhere, &safe, Ok("of-the-environment"));
        check_with(&[], nowhere, &safe, Ok("of-the-store"));
        safe.change(|store| store.rotate(&name, value("of-a-rotation"), 2, u64::MAX).map_err(told)).unwrap();
        let variable = |_: &str| Some("of-the-environment".to_owned());
        let places = Places { variable: &variable, mounted: nowhere, safe: &safe };
        let found = handover(&BTreeMap::from([("A_TOKEN", &Source::Store)]), &|_| false, &places).unwrap();
        let ring = Keyring::parse(Zeroizing::new(found.as_bytes().to_vec())).unwrap();
        assert!(ring.has(&name, &value("of-a-rotation")) && ring.old_of(&name) == 1, "the old one is known still");
        let missing = handover(&BTreeMap::from([("B", &Source::Store)]), &|_| false, &places).unwrap_err();
        assert!(missing.contains("creel secret put B"), "{missing}");
        std::fs::write(site.store("main"), "damaged").unwrap();
        check_with(&[("A_TOKEN", "of-the-environment")], nowhere, &safe, Ok("of-the-environment"));
        check_with(&[], nowhere, &safe, Err("damaged"));
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
        let safe = no_safe();
        let places = Places { variable: &nothing, mounted: Path::new("/nonexistent"), safe: &safe };
        let check = |source: Source| handover(&BTreeMap::from([("T", &source)]), &|_| false, &places);
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
