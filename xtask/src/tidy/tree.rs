//! The files of the repository.
//!
//! Owns [`Tree`]. It reads what git lists and nothing else, so that a build folder or an editor's leftovers don't count.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Path from the root, with `/` → text. Files that are no text are there with an empty one.
pub(crate) struct Tree {
    root: PathBuf,
    files: BTreeMap<String, String>,
}

impl Tree {
    /// The repository that this crate stands in.
    ///
    /// # Errors
    /// When git can't list it.
    pub(crate) fn of_repository() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask has no parent folder")?.to_owned();
        let mut files = BTreeMap::new();
        for path in list(&root)? {
            match std::fs::read(root.join(&path)) {
                Ok(bytes) => files.insert(path, String::from_utf8(bytes).unwrap_or_default()),
                // Deleted and not yet committed.
                Err(_) => continue,
            };
        }
        Ok(Self { root, files })
    }

    /// A made-up one.
    #[cfg(test)]
    pub(crate) fn made(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Self { root: PathBuf::new(), files }
    }

    /// Where it is.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Every file.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Every Rust file.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// A file's text.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether there is a file or a folder of that name.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        self.files.contains_key(path)
            || self.files.range(folder.clone()..).next().is_some_and(|(p, _)| p.starts_with(&folder))
    }
}

#[expect(clippy::disallowed_methods, reason = "this file owns asking git for the list of files")]
fn list(root: &Path) -> Result<Vec<String>, String> {
    let mut git = Command::new("git");
    // A container's root does not own the checkout that CI hands it.
    git.arg("-C").arg(root).args([
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let output = git.output().map_err(|error| format!("git can't be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("git can't list the files: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let text = String::from_utf8(output.stdout).map_err(|_| "a file's name is no UTF-8")?;
    Ok(text.split_terminator('\0').map(ToOwned::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::Tree;

    #[test]
    fn folders_are_there_by_their_files() {
        let tree = Tree::made(&[("a/b/c.rs", ""), ("a-b", "")]);
        assert!(tree.has("a/b/c.rs") && tree.has("a/b") && tree.has("a/") && tree.has("a-b"));
        assert!(!tree.has("a/b/c") && !tree.has("b") && !tree.has("a/b/c.rs/d"));
    }

    #[test]
    fn the_repository_lists_this_file() {
        assert!(Tree::of_repository().unwrap().has("xtask/src/tidy/tree.rs"));
    }
}
