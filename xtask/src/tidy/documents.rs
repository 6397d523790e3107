//! Documents that stay true: the paths and tests that they name exist.
//!
//! Owns the rules about ARCHITECTURE.md, PROMISES.md, THREATS.md, README.md and docs/. A test is named as
//! `path::function`; what is not built yet says `PENDING (issue N)`.

use super::Finding;
use super::tree::Tree;

const PROMISES: &str = "PROMISES.md";
const THREATS: &str = "THREATS.md";

/// What a document's path may start with: the folders and files at the root.
fn is_ours(path: &str, tree: &Tree) -> bool {
    let top = path.split('/').next().unwrap_or_default();
    let known = ["crates", "docs", "e2e", "fuzz", "profiles", "runtime", "schema", "xtask", "deploy", ".ci"];
    let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/-".contains(&b));
    plain
        && (known.contains(&top) && path.contains('/')
            || path.ends_with(".md") && !path.contains('/')
            || tree.has(path))
}

fn documents(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    let is_document = |path: &str| !path.contains('/') || path.starts_with("docs/");
    tree.files().filter(move |(path, _)| path.ends_with(".md") && is_document(path))
}

/// Every path in backticks, and every relative link, leads somewhere.
pub(crate) fn paths_exist(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (document, text) in documents(tree) {
        for (line, number) in text.lines().zip(1..) {
            for path in quoted(line).filter(|path| !path.contains("::") && is_ours(path, tree)) {
                if !tree.has(path) {
                    findings.push(Finding::new(document, number, format!("`{path}` does not exist")));
                }
            }
            for test in quoted(line).filter(|part| part.contains(".rs::")) {
                findings.extend(missing(tree, test).map(|fault| Finding::new(document, number, fault)));
            }
            for link in links(line) {
                let path = resolve(document, link);
                if !tree.has(&path) {
                    findings.push(Finding::new(document, number, format!("the link to `{link}` leads nowhere")));
                }
            }
        }
    }
    findings
}

/// Each numbered promise is a row with a test that exists, or is pending.
pub(crate) fn promises(tree: &Tree) -> Vec<Finding> {
    rows(tree, PROMISES, 3)
}

/// Each attack is a row: where it stops, and the test.
pub(crate) fn threats(tree: &Tree) -> Vec<Finding> {
    rows(tree, THREATS, 3)
}

fn rows(tree: &Tree, document: &str, cells: usize) -> Vec<Finding> {
    let Some(text) = tree.text(document) else {
        return vec![Finding::new(document, 0, "is missing")];
    };
    let mut findings = Vec::new();
    let mut seen = 0;
    for (line, number) in text.lines().zip(1..) {
        let Some(row) = line.trim().strip_prefix('|').and_then(|row| row.strip_suffix('|')) else { continue };
        let row: Vec<&str> = row.split('|').map(str::trim).collect();
        let is_rule = row.iter().all(|cell| !cell.is_empty() && cell.bytes().all(|b| b == b'-' || b == b':'));
        let is_head = text.lines().nth(number).is_some_and(|next| next.starts_with("|---") || next.starts_with("|:--"));
        if is_rule || is_head {
            continue;
        }
        seen += 1;
        if row.len() != cells || row.iter().any(|cell| cell.is_empty()) {
            findings.push(Finding::new(document, number, format!("a row has {cells} cells, none of them empty")));
            continue;
        }
        let proof = row.last().copied().unwrap_or_default();
        findings.extend(proof_faults(tree, proof).into_iter().map(|fault| Finding::new(document, number, fault)));
    }
    if seen == 0 {
        findings.push(Finding::new(document, 0, "has no row"));
    }
    findings
}

/// What is wrong with the cell that names the tests.
fn proof_faults(tree: &Tree, cell: &str) -> Vec<String> {
    let tests: Vec<&str> = quoted(cell).filter(|part| part.contains("::")).collect();
    let pending = cell.split("PENDING (issue ").skip(1).any(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && rest.get(digits..).is_some_and(|end| end.starts_with(')'))
    });
    if tests.is_empty() && !pending {
        return vec!["names no test (`path::function`) and is not `PENDING (issue N)`".to_owned()];
    }
    tests.into_iter().filter_map(|test| missing(tree, test)).collect()
}

fn missing(tree: &Tree, test: &str) -> Option<String> {
    let (path, function) = test.split_once("::")?;
    match tree.text(path) {
        None => Some(format!("`{path}` does not exist")),
        Some(text) if !text.contains(&format!("fn {function}(")) => Some(format!("`{path}` has no test `{function}`")),
        Some(_) => None,
    }
}

/// What stands between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The relative targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let targets = targets.map(|target| target.split('#').next().unwrap_or_default());
    targets.filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
}

/// A link's path from the root.
fn resolve(document: &str, link: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    #[test]
    fn dead_paths_are_found() {
        let text = "`crates/guard/` and `crates/gone.rs`\n`make check`, `a/b`, [x](docs/y.md), [z](https://x/y), \
                    `GONE.md`\n`crates/guard/src/lib.rs::gone`\n";
        let tree = Tree::made(&[("README.md", text), ("crates/guard/src/lib.rs", "")]);
        let found = paths_exist(&tree);
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [1, 2, 2, 3], "{found:?}");
        let tree = Tree::made(&[("docs/a.md", "[x](b.md#y) [z](../README.md)"), ("docs/b.md", ""), ("README.md", "")]);
        assert_eq!(paths_exist(&tree), []);
    }

    #[test]
    fn rows_without_proof_are_found() {
        let head = "| attack | stops at | test |\n|---|---|---|\n";
        let check = |row: &str| {
            let text = format!("{head}{row}\n");
            let tree = Tree::made(&[("THREATS.md", &text), ("a/tests/x.rs", "fn holds() {}")]);
            threats(&tree).len()
        };
        assert_eq!(check("| a | b | `a/tests/x.rs::holds` |"), 0);
        assert_eq!(check("| a | b | PENDING (issue 2) |"), 0);
        for bad in [
            "| a | b | |",
            "| a | b |",
            "| a | b | soon |",
            "| a | b | PENDING (issue ) |",
            "| a | b | `a/tests/x.rs::gone` |",
            "| a | b | `a/tests/y.rs::holds` and PENDING (issue 2) |",
        ] {
            assert_eq!(check(bad), 1, "{bad}");
        }
        assert_eq!(threats(&Tree::made(&[("THREATS.md", head)])).len(), 1);
        assert_eq!(promises(&Tree::made(&[])).len(), 1);
    }
}
