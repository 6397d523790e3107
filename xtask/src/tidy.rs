//! The repository's own rules, each a function with a test that proves that it can fail.
//!
//! Owns the list of rules. A rule gets the files that git knows (and new ones that it does not ignore) or the packages
//! that cargo resolved, and gives findings. It never changes a file.

mod arrows;
mod code;
mod documents;
mod licences;
mod machine;
mod packages;
mod rules;
mod sources;
mod tree;

use std::fmt;

use self::packages::Packages;
use self::tree::Tree;

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file, or the package.
    place: String,
    /// The line, 0 when no single one is at fault.
    line: usize,
    /// What is wrong and what to do.
    what: String,
}

impl Finding {
    fn new(place: &str, line: usize, what: impl Into<String>) -> Self {
        Self { place: place.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.place, self.what),
            line => write!(f, "{}:{line}: {}", self.place, self.what),
        }
    }
}

type FileRule = fn(&Tree) -> Vec<Finding>;
type PackageRule = fn(&Packages) -> Vec<Finding>;

const FILE_RULES: [FileRule; 13] = [
    sources::long_files,
    sources::module_names,
    sources::unsafe_outside_its_crate,
    sources::forbids_unsafe,
    sources::silenced_lints,
    sources::ignored_tests,
    sources::module_words,
    rules::rule_names,
    documents::paths_exist,
    documents::promises,
    documents::threats,
    machine::machine_paths,
    machine::lock_files,
];

const PACKAGE_RULES: [PackageRule; 5] =
    [arrows::arrows, arrows::kept_out, arrows::lint_tables, licences::licences, licences::duplicates];

/// How many rules there are.
pub(crate) const RULES: usize = FILE_RULES.len() + PACKAGE_RULES.len();

/// Everything that breaks a rule, in the order of places.
///
/// # Errors
/// When git or cargo can't be asked.
pub(crate) fn all() -> Result<Vec<Finding>, String> {
    let tree = Tree::of_repository()?;
    let packages = Packages::of_workspace(&tree)?;
    let mut findings: Vec<Finding> = FILE_RULES.iter().flat_map(|rule| rule(&tree)).collect();
    findings.extend(PACKAGE_RULES.iter().flat_map(|rule| rule(&packages)));
    findings.sort();
    findings.dedup();
    Ok(findings)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        let findings = super::all().unwrap();
        let lines: String = findings.iter().map(|finding| format!("\n{finding}")).collect();
        assert!(findings.is_empty(), "{} findings:{lines}", findings.len());
    }
}
