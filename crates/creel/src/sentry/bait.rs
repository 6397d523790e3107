//! Files that nobody opens but who looks for something to take.
//!
//! Owns [`Bait`]: which they are, and the watch on their folders, whatever file system these lie on. It reads none of them. The
//! sentry asks it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use creel_jail_sys::fanotify::{Group, Handle, Place, handle_of};

use super::places::text;

/// Files with bait, by their folders.
#[derive(Debug, Default)]
pub(super) struct Bait {
    folders: Vec<(Handle, String)>,
    files: BTreeMap<String, Vec<String>>,
}

impl Bait {
    /// Has the folders of `files` watched, each of which is open in `folders`, in the order of their paths.
    ///
    /// # Errors
    /// When one can't be watched: its file system has no handles, or the host's limit on marks is reached.
    pub(super) fn watch(group: &Group, files: &[String], folders: Vec<OwnedFd>) -> io::Result<Self> {
        let files = by_folder(files);
        let mut bait = Self { folders: Vec::new(), files: BTreeMap::new() };
        if files.len() != folders.len() {
            return Err(io::Error::other("a folder with bait is missing"));
        }
        for ((path, names), folder) in files.into_iter().zip(folders) {
            group.watch_opens(folder.as_fd())?;
            bait.folders.push((handle_of(folder.as_fd())?, path.clone()));
            bait.files.insert(path, names);
        }
        Ok(bait)
    }

    /// The path of the file with bait that this is about; none of another.
    pub(super) fn path(&self, place: Place<'_>) -> Option<String> {
        let handle = place.folder.to_owned();
        let (_, folder) = self.folders.iter().find(|(own, _)| *own == handle)?;
        let name = text(place.name);
        let is_bait = self.files.get(folder).is_some_and(|names| names.contains(&name));
        is_bait.then(|| format!("{}/{name}", folder.trim_end_matches('/')))
    }
}

/// The folders of some files, in order, with the names of the files in each.
pub(crate) fn by_folder(files: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut folders = BTreeMap::<String, Vec<String>>::new();
    for (folder, name) in files.iter().filter_map(|path| path.rsplit_once('/')) {
        let names = folders.entry(folder.to_owned()).or_default();
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_sorted_by_their_folders_and_named_once() {
        let files = ["/srv/app/.env", "/srv/.netrc", "/srv/.aws/credentials", "/srv/.netrc"].map(str::to_owned);
        let found: Vec<(String, Vec<String>)> = by_folder(&files).into_iter().collect();
        let one = |folder: &str, name: &str| (folder.to_owned(), vec![name.to_owned()]);
        assert_eq!(found, [one("/srv", ".netrc"), one("/srv/.aws", "credentials"), one("/srv/app", ".env")]);
    }
}
