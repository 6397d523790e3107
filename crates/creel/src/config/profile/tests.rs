#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::path::Path;

use creel_policy::Policy;
use creel_policy::examples::answer;

use super::*;
use crate::config::Config;

fn config(line: &str) -> Result<Config, String> {
    let text = format!("[egress]\nprofiles = [{line:?}]\n");
    Config::again("creel.toml".as_ref(), &text, &[]).map_err(|report| report.to_string())
}

fn policy(line: &str) -> Policy {
    let config = config(line).unwrap();
    // No provider of a model: its host would be the model door's alone.
    let scripted = config.provider(&|_| false).unwrap();
    Policy::new(config.policy(1, &scripted, Vec::new()))
}

#[test]
fn every_example_of_every_profile_holds() {
    let (mut ran, mut wrong) = (0, Vec::new());
    for profile in &PROFILES {
        let said = profile.said().unwrap();
        let policy = policy(&profile.line().unwrap());
        for Example { act, answer: expected } in &said.examples {
            let said = answer(&policy, act);
            if said.as_ref() != Ok(expected) {
                wrong.push(format!("{}: {act}: {said:?} instead of {expected}", profile.name));
            }
            ran += 1;
        }
        let verdicts: BTreeSet<_> = said.examples.iter().map(|one| one.answer.split(' ').next().unwrap()).collect();
        assert!(verdicts.contains("allow") && verdicts.contains("deny"), "{}", profile.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ran > 90, "{ran}");
}

/// Each slot that a stranger's account could stand in: closed, or named on status.
#[test]
fn a_strangers_account_is_refused_or_the_place_is_named() {
    for profile in &PROFILES {
        let line = profile.line().unwrap();
        let leaks = config(&line).unwrap().leaks();
        let policy = policy(&line);
        for Example { act, .. } in profile.said().unwrap().examples.iter().filter(|one| one.answer.starts_with("allow"))
        {
            let mut words = act.splitn(3, ' ').skip(1);
            let (method, rest) = (words.next().unwrap(), words.next().unwrap());
            let (url, more) = rest.split_once(' ').unwrap_or((rest, ""));
            let host = url.split('/').nth(2).unwrap();
            let joint = if url.contains('?') { '&' } else { '?' };
            let pinned = !leaks.iter().any(|leak| leak.contains(host) || leak.starts_with("*."));
            for strange in [
                format!("{url} with authorization=Bearer-stranger {more}"),
                format!("{url} with cookie=session=stranger {more}"),
                format!("{url} with x-api-key=stranger {more}"),
                format!("{url}{joint}access_token=stranger {more}"),
                format!("{url}{joint}X-Amz-Signature=stranger {more}"),
                format!("{url}{joint}sig=stranger {more}"),
            ] {
                let said = answer(&policy, &format!("send {method} {strange}")).unwrap();
                assert!(!pinned || said.starts_with("deny"), "{}: {strange}: {said}", profile.name);
            }
        }
        let anonymous = ["npm", "pypi", "clawhub", "web"].contains(&profile.name);
        assert_eq!(leaks.is_empty(), anonymous, "{}: {leaks:?}", profile.name);
    }
}

#[test]
fn every_entry_of_every_profile_is_used_by_an_example() {
    let mut unused = Vec::new();
    for profile in &PROFILES {
        let line = profile.line().unwrap();
        let whole = config(&line).unwrap();
        let scripted = whole.provider(&|_| false).unwrap();
        let all = whole.policy(1, &scripted, Vec::new());
        let examples = profile.said().unwrap().examples;
        for left_out in 0..all.egress_allow.len() {
            let mut fewer = all.clone();
            let entry = fewer.egress_allow.remove(left_out);
            let fewer = Policy::new(fewer);
            let differs = examples.iter().any(|one| answer(&fewer, &one.act).unwrap() != one.answer);
            if !differs {
                let paths: Vec<String> = entry.paths.iter().flatten().map(ToString::to_string).collect();
                unused.push(format!("{}: {} {:?} {}", profile.name, entry.host, entry.methods, paths.join(" ")));
            }
        }
    }
    assert!(unused.is_empty(), "no example needs these entries:\n{}", unused.join("\n"));
}

#[test]
fn what_is_filled_in_must_fit() {
    for (line, words) in [
        ("githb owner=acme", "did you mean `github`?"),
        ("github", "needs one `owner`"),
        ("github owner=a owner=b", "needs one `owner`"),
        ("github acme", "`acme` is no `name=value`"),
        ("github owner=acme team=x", "takes no `team`, but `owner`"),
        ("stripe scope=x", "takes no `scope`, nor anything else"),
        ("github owner=*", "`owner` of the profile `github` can't be `*`"),
        ("github owner=a/b", "can't be `a/b`"),
        ("github owner=..", "can't be `..`"),
        ("github owner=\"x\"", "can't be"),
        ("github owner=", "can't be ``"),
        ("web host=*", "can't be `*`"),
        ("web host=*.com", "can't be `*.com`"),
        ("web host=com", "can't be `com`"),
        ("web host=10.0.0.1", "can't be `10.0.0.1`"),
        ("web host=a b", "`b` is no `name=value`"),
        (" ", "names no profile"),
    ] {
        let error = config(line).unwrap_err();
        assert!(error.contains(words) && error.contains("creel.toml:2:13"), "{line}: {error}");
    }
    let twice = "[egress]\nprofiles = [\"hubspot\", \"hubspot\"]\n";
    let error = Config::again("c".as_ref(), twice, &[]).unwrap_err().to_string();
    assert!(error.contains("stands twice"), "{error}");
}

#[test]
fn a_profile_stands_beside_other_profiles_and_entries() {
    let text = "[egress]\nprofiles = [\"github owner=a\", \"github owner=b\", \"stripe\", \"stripe-with-questions\"]\n\
                [[egress.allow]]\nhost = \"api.github.com\"\npaths = [\"/repos/c/**\"]\n";
    let config = Config::again("c".as_ref(), text, &[]).unwrap();
    let scripted = config.provider(&|_| false).unwrap();
    let policy = Policy::new(config.policy(1, &scripted, Vec::new()));
    for (owner, verdict) in [("a", "allow"), ("b", "allow"), ("c", "allow"), ("d", "deny")] {
        let said = answer(&policy, &format!("send GET https://api.github.com/repos/{owner}/x")).unwrap();
        assert!(said.starts_with(verdict), "{owner}: {said}");
    }
    let pinned =
        "[egress]\nprofiles = [\"hubspot\"]\n[[egress.allow]]\nhost = \"api.hubapi.com\"\naddress = \"192.0.2.1\"\n";
    let error = Config::again("c".as_ref(), pinned, &[]).unwrap_err().to_string();
    assert!(error.contains("two rules for `api.hubapi.com` port 443 differ") && error.contains("c:2:13"), "{error}");
}

#[test]
fn each_file_is_shipped_and_the_page_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files: Vec<String> = std::fs::read_dir(root.join("profiles/egress"))
        .unwrap()
        .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut shipped = PROFILES.map(|profile| format!("{}.toml", profile.name));
    shipped.sort();
    assert_eq!(files, shipped);
    let made = page().unwrap();
    let page = root.join("docs/profiles.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&page, &made).unwrap();
    }
    assert!(std::fs::read_to_string(page).unwrap_or_default() == made, "run `UPDATE=1 cargo test -p creel`");
}
