//! Rules about Rust files: their length, their names, `unsafe`, silenced lints, ignored tests.
//!
//! Owns these rules and their lists of exceptions. A list may only shrink: an exception that is no longer needed is a
//! finding too.

use super::Finding;
use super::code::{blank, lines_with_word, without_tests};
use super::tree::Tree;

/// Lines a file may have, inline tests left out. What one reads in one sitting.
const FILE_CEILING: usize = 600;

/// Files that may be longer: path, ceiling, why.
const LONG: [(&str, usize, &str); 0] = [];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 9] = ["common", "core", "helper", "helpers", "manager", "misc", "util", "utils", "mod"];

/// The one crate that may hold `unsafe`.
const UNSAFE_CRATE: &str = "crates/jail-sys/";

/// Whether a file is test code as a whole.
pub(crate) fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs" || part == "benches")
        || path.starts_with("e2e/")
        || path.starts_with("crates/testkit/")
}

pub(crate) fn long_files(tree: &Tree) -> Vec<Finding> {
    long_files_but(tree, &LONG)
}

fn long_files_but(tree: &Tree, exceptions: &[(&str, usize, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| !is_test(path)) {
        let lines = without_tests(text).lines().count();
        let exception = exceptions.iter().find(|(long, _, _)| *long == path);
        let ceiling = exception.map_or(FILE_CEILING, |(_, ceiling, _)| *ceiling);
        if lines > ceiling {
            findings.push(Finding::new(path, 0, format!("{lines} lines, the ceiling is {ceiling}: split it by idea")));
        } else if exception.is_some() && lines <= FILE_CEILING {
            findings.push(Finding::new(path, 0, "no longer needs its exception in xtask/src/tidy/sources.rs"));
        }
    }
    let gone = exceptions.iter().filter(|(path, _, _)| tree.text(path).is_none());
    findings.extend(gone.map(|(path, _, _)| Finding::new(path, 0, "is an exception for a file that is gone")));
    findings
}

pub(crate) fn module_names(tree: &Tree) -> Vec<Finding> {
    let empty = |path: &str| {
        let parts = path.trim_end_matches(".rs").split('/');
        parts.map(ToOwned::to_owned).find(|part| EMPTY_NAMES.contains(&part.as_str()))
    };
    let named = tree.rust().filter_map(|(path, _)| Some((path, empty(path)?)));
    named.map(|(path, name)| Finding::new(path, 0, format!("`{name}` names no idea of the product"))).collect()
}

/// Each module says in its first lines what it owns, what it never does, who calls it.
pub(crate) fn module_words(tree: &Tree) -> Vec<Finding> {
    let silent = tree.rust().filter(|(path, text)| {
        let exempt = is_test(path) || path.contains("/tests/") || path.ends_with("build.rs");
        !exempt && !text.trim_start().starts_with("//!")
    });
    silent
        .map(|(path, _)| Finding::new(path, 1, "opens without `//!`: say what it owns, never does, who calls it"))
        .collect()
}

pub(crate) fn unsafe_outside_its_crate(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| !path.starts_with(UNSAFE_CRATE)) {
        let code = blank(text);
        let lines: Vec<usize> = lines_with_word(&code, "unsafe").collect();
        findings
            .extend(lines.into_iter().map(|line| Finding::new(path, line, "`unsafe` stands in crates/jail-sys alone")));
    }
    findings
}

/// libFuzzer's macro makes the two C functions that its engine calls.
const FUZZ_ENGINE: &str = "fuzz/src/main.rs";

pub(crate) fn forbids_unsafe(tree: &Tree) -> Vec<Finding> {
    let is_root = |path: &str| path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs");
    let excepted = |path: &str| path.starts_with(UNSAFE_CRATE) || path == FUZZ_ENGINE;
    let roots = tree.rust().filter(|(path, _)| is_root(path) && !excepted(path));
    let open = roots.filter(|(_, text)| !text.contains("#![forbid(unsafe_code)]"));
    open.map(|(path, _)| Finding::new(path, 1, "needs `#![forbid(unsafe_code)]`")).collect()
}

/// Product code never says `allow`; an exception is an `expect` with its reason, and goes when it is no longer needed.
pub(crate) fn silenced_lints(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| !is_test(path)) {
        let code = blank(without_tests(text));
        for (number, line) in (1..).zip(code.lines()) {
            let line = line.trim_start();
            if line.starts_with("#[allow(") || line.starts_with("#![allow(") {
                findings.push(Finding::new(path, number, "say `#[expect(…, reason = \"…\")]` instead of `allow`"));
            }
        }
        for (at, _) in code.match_indices("[expect(") {
            let attribute = code.get(at..).and_then(|rest| rest.split(']').next()).unwrap_or_default();
            if !attribute.contains("reason") {
                let number = code.get(..at).unwrap_or_default().matches('\n').count() + 1;
                findings.push(Finding::new(path, number, "an `expect` needs its `reason`"));
            }
        }
    }
    findings
}

/// An ignored test names the issue that will wake it.
pub(crate) fn ignored_tests(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        let code = blank(text);
        for ((line, blanked), number) in text.lines().zip(code.lines()).zip(1..) {
            if blanked.trim_start().starts_with("#[ignore") && !line.contains("issue ") {
                findings.push(Finding::new(path, number, "an ignored test says `#[ignore = \"issue N: why\"]`"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    fn places(findings: &[Finding]) -> Vec<(&str, usize)> {
        findings.iter().map(|finding| (finding.place.as_str(), finding.line)).collect()
    }

    #[test]
    fn long_files_are_found() {
        let long = "//! a\n".repeat(601);
        let tested = format!("{}#[cfg(test)]\nmod tests {{\n{long}}}\n", "x\n".repeat(600));
        let tree = Tree::made(&[("a/src/long.rs", &long), ("a/src/tested.rs", &tested), ("a/src/b/tests.rs", &long)]);
        assert_eq!(places(&long_files(&tree)), [("a/src/long.rs", 0)]);
        assert_eq!(places(&long_files_but(&tree, &[("a/src/long.rs", 700, "")])), []);
        let stale = [("a/src/long.rs", 700, ""), ("a/src/tested.rs", 700, ""), ("gone.rs", 1, "")];
        assert_eq!(places(&long_files_but(&tree, &stale)), [("a/src/tested.rs", 0), ("gone.rs", 0)]);
    }

    #[test]
    fn empty_names_are_found() {
        let tree = Tree::made(&[
            ("a/src/utils.rs", ""),
            ("a/src/x/mod.rs", ""),
            ("a/src/corset.rs", ""),
            ("core/src/x.rs", ""),
        ]);
        assert_eq!(places(&module_names(&tree)), [("a/src/utils.rs", 0), ("a/src/x/mod.rs", 0), ("core/src/x.rs", 0)]);
    }

    #[test]
    fn silent_modules_are_found() {
        let tree =
            Tree::made(&[("a/src/x.rs", "use y;\n"), ("a/src/z.rs", "//! Owns z.\n"), ("a/tests/t.rs", "fn t() {}")]);
        assert_eq!(places(&module_words(&tree)), [("a/src/x.rs", 1)]);
    }

    #[test]
    fn unsafe_is_found_in_code_alone() {
        let text = "// unsafe\nconst A: &str = \"unsafe\";\nfn f() { unsafe { g() } }\n";
        let tree = Tree::made(&[("crates/guard/src/x.rs", text), ("crates/jail-sys/src/x.rs", text)]);
        assert_eq!(places(&unsafe_outside_its_crate(&tree)), [("crates/guard/src/x.rs", 3)]);
    }

    #[test]
    fn a_root_without_the_ban_is_found() {
        let tree = Tree::made(&[
            ("a/src/lib.rs", "#![forbid(unsafe_code)]"),
            ("b/src/main.rs", ""),
            ("crates/jail-sys/src/lib.rs", ""),
            ("b/src/other.rs", ""),
        ]);
        assert_eq!(places(&forbids_unsafe(&tree)), [("b/src/main.rs", 1)]);
    }

    #[test]
    fn silenced_lints_are_found() {
        let text = "#[allow(dead_code)]\nfn a() {}\n#[expect(dead_code)]\nfn b() {}\n#[expect(\n    x,\n    reason = \"y\"\n)]\nfn c() {}\n\
                    #[cfg(test)]\nmod tests {\n#[allow(x)]\n}\n";
        let tree = Tree::made(&[("a/src/x.rs", text), ("a/src/x/tests.rs", text)]);
        assert_eq!(places(&silenced_lints(&tree)), [("a/src/x.rs", 1), ("a/src/x.rs", 3)]);
    }

    #[test]
    fn ignored_tests_without_an_issue_are_found() {
        let text =
            "#[ignore]\nfn a() {}\n#[ignore = \"issue 7: waits for approvals\"]\nfn b() {}\n#[ignore = \"slow\"]\n";
        let tree = Tree::made(&[("a/tests/x.rs", text)]);
        assert_eq!(places(&ignored_tests(&tree)), [("a/tests/x.rs", 1), ("a/tests/x.rs", 5)]);
    }
}
