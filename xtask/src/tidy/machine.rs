//! Nothing of the machine that a file was written on stands in the file.
//!
//! Owns the rules about machine paths, registry hosts and npm lock files. A checkout must build anywhere.

use serde_json::Value;

use super::Finding;
use super::tree::Tree;

/// Parts of paths that only one machine has. Put together here, so that this file does not hold them.
const MACHINE: [&str; 6] = [
    concat!("/work", "/"),
    concat!("/root", "/"),
    concat!("/Users", "/"),
    concat!("/tmp", "/brief"),
    concat!("oc-", "lab"),
    concat!(".cargo/", "registry"),
];

/// Home folders that are no machine's: the agent's own, in the jail.
const HOMES: [&str; 2] = ["/home/agent", "/home/node"];

/// Words in the host of a URL that give away a package registry or a mirror of one.
const REGISTRY_WORDS: [&str; 5] = ["registry", "artifactory", "nexus", "mirror", "proxy"];

/// URLs that may stand although they hold such a word: the form of Cargo's own lock file.
const KNOWN_URLS: [&str; 1] = ["https://github.com/rust-lang/crates.io-index"];

pub(crate) fn machine_paths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        for (line, number) in text.lines().zip(1..) {
            if let Some(part) = MACHINE.iter().find(|part| line.contains(**part)) {
                findings.push(Finding::new(path, number, format!("`{part}` is a path of one machine")));
            }
            for (at, _) in line.match_indices(concat!("/home", "/")) {
                let rest = line.get(at..).unwrap_or_default();
                if !HOMES.iter().any(|home| rest.starts_with(home)) {
                    findings.push(Finding::new(path, number, "a home folder of one machine"));
                }
            }
            if let Some(host) = registry_host(line) {
                findings.push(Finding::new(path, number, format!("`{host}` is a package registry's host")));
            }
        }
    }
    findings
}

fn registry_host(line: &str) -> Option<&str> {
    let mut urls = line.match_indices("https://").chain(line.match_indices("http://")).map(|(at, _)| at);
    urls.find_map(|at| {
        let url = line.get(at..)?;
        if KNOWN_URLS.iter().any(|known| url.starts_with(known)) {
            return None;
        }
        let host = url.split_once("://")?.1.split(|c: char| !(c.is_ascii_alphanumeric() || ".-".contains(c))).next()?;
        REGISTRY_WORDS.iter().any(|word| host.contains(word)).then_some(host)
    })
}

/// An npm lock file names contents (`integrity`), never places (`resolved`): the registry is the machine's business.
pub(crate) fn lock_files(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| path.ends_with("package-lock.json")) {
        let Ok(lock) = serde_json::from_str::<Value>(text) else {
            findings.push(Finding::new(path, 0, "is no JSON"));
            continue;
        };
        for (name, package) in lock.get("packages").and_then(Value::as_object).into_iter().flatten() {
            if package.get("resolved").is_some() {
                findings.push(Finding::new(
                    path,
                    0,
                    format!("`{name}` has `resolved`: see `omit-lockfile-registry-resolved`"),
                ));
            }
            let linked = package.get("link").is_some() || package.get("inBundle").is_some();
            if !name.is_empty() && !linked && package.get("integrity").is_none() {
                findings.push(Finding::new(path, 0, format!("`{name}` has no `integrity`")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    #[test]
    fn machine_paths_are_found() {
        let bad = [
            concat!("see /work", "/x"),
            concat!("/home", "/kim/x"),
            concat!("https://npm-", "registry.corp.example/x"),
            concat!("/root", "/.npmrc"),
        ];
        for line in bad {
            assert_eq!(machine_paths(&Tree::made(&[("a.md", line)])).len(), 1, "{line}");
        }
        let good = [
            "/home/agent/x",
            "/workspace/x",
            "source = \"registry+https://github.com/rust-lang/crates.io-index\"",
            "/var/lib/creel",
        ];
        for line in good {
            assert_eq!(machine_paths(&Tree::made(&[("a.md", line)])), [], "{line}");
        }
    }

    #[test]
    fn lock_files_that_name_places_are_found() {
        let lock =
            r#"{"packages": {"": {}, "node_modules/a": {"resolved": "x", "integrity": "y"}, "node_modules/b": {}}}"#;
        assert_eq!(lock_files(&Tree::made(&[("r/package-lock.json", lock)])).len(), 2);
        let good = r#"{"packages": {"": {}, "node_modules/a": {"integrity": "y"}}}"#;
        assert_eq!(lock_files(&Tree::made(&[("r/package-lock.json", good)])), []);
        assert_eq!(lock_files(&Tree::made(&[("package-lock.json", "{")])).len(), 1);
    }
}
