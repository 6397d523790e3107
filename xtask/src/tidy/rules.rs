//! A rule is found from its name: file, function, public id and docs agree.
//!
//! Owns that one check over `crates/policy/src/rules`. What the rules say is tested in `policy` itself.

use super::Finding;
use super::tree::Tree;

const FOLDER: &str = "crates/policy/src/rules/";
const DOCS: &str = "docs/rules.md";

pub(crate) fn rule_names(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let docs = tree.text(DOCS);
    for (path, text) in tree.rust() {
        let Some((door, name)) = path.strip_prefix(FOLDER).and_then(|rest| rest.strip_suffix(".rs")?.split_once('/'))
        else {
            continue;
        };
        if name == "tests" {
            continue;
        }
        let id = format!("{door}/{}", name.replace('_', "-"));
        if !text.contains(&format!("fn {name}(")) {
            findings.push(Finding::new(path, 0, format!("has no function `{name}`")));
        }
        if !text.contains(&format!("\"{id}\"")) {
            findings.push(Finding::new(path, 0, format!("does not name its id `{id}`")));
        }
        if !docs.is_some_and(|docs| docs.contains(&format!("`{id}`"))) {
            findings.push(Finding::new(path, 0, format!("`{id}` is not in {DOCS}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    #[test]
    fn a_rule_that_does_not_bear_its_name_is_found() {
        let good = ("crates/policy/src/rules/dns/not_a_name.rs", "\"dns/not-a-name\" fn not_a_name() {}");
        let bad = ("crates/policy/src/rules/dns/other.rs", "\"dns/another\" fn another() {}");
        let tree = Tree::made(&[good, bad, ("crates/policy/src/rules/dns.rs", ""), (DOCS, "`dns/not-a-name`")]);
        let found = rule_names(&tree);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().all(|finding| finding.place == bad.0));
        assert_eq!(rule_names(&Tree::made(&[good])).len(), 1);
    }
}
