//! The versions of protected files, where the agent can't reach them.
//!
//! Owns [`Shelf`]: a folder of the guard's with one folder a file. What a person accepted stays; of the rest the oldest go when
//! there are too many, those of the file that takes the most room first, so that nobody pushes another file's versions out by
//! writing. Accepted is what stood there before a model was first asked, and what a person restored. The files door keeps
//! versions here, and people look at them.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use creel_doors::files::{Standing, Versions};
use creel_doors::model::Memories;
use creel_guard::Protected;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

/// So many files have versions.
const MOST_FILES: usize = 4096;
/// So many bytes are kept in all.
const MOST_BYTES: u64 = 256 << 20;
/// So much of a file that nobody vouches for is followed, and of so many.
const MOST_RECALLED: usize = 64 << 10;
const MOST_FILES_RECALLED: usize = 64;
/// The longest list of versions that is read.
const LONGEST_LIST: u64 = 1 << 20;

/// One version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    /// Counted from 1 for each file.
    pub(crate) number: u64,
    /// SHA-256, lower-case hex; empty when there was no file.
    pub(crate) digest: String,
    /// How long it is.
    pub(crate) bytes: u64,
    /// When it was seen, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// See [`Protected::accepted`].
    pub(crate) accepted: bool,
    /// Its content is still kept.
    pub(crate) kept: bool,
    /// It was seen before untrusted content had reached a model.
    #[serde(default)]
    pub(crate) clean: bool,
}

/// A file's list, as it is written.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct File {
    path: String,
    versions: Vec<Version>,
}

impl File {
    fn last_accepted(&self) -> Option<&Version> {
        self.versions.iter().rev().find(|version| version.accepted)
    }

    fn bytes(&self) -> u64 {
        self.versions.iter().filter(|version| version.kept).map(|version| version.bytes).sum()
    }
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, File>,
    /// What a person is about to put back.
    restored: BTreeMap<String, String>,
    /// A model was asked: what the agent does from now on may be somebody else's will.
    begun: bool,
    /// Untrusted content has reached a model, or may have before this guard: it sticks to the jail (HARDENING.md 1).
    tainted: bool,
    /// What untrusted files say that stand there now, since it was last asked for.
    recalled: Option<Vec<(String, Arc<str>)>>,
    /// How often that changed.
    kept: u64,
}

/// The folder.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    most: usize,
    most_bytes: u64,
    state: Mutex<State>,
    undo: mpsc::UnboundedSender<String>,
}

impl Shelf {
    /// Reads what is there; keeps at most `most` versions of each file. What is to be undone comes out of the receiver.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn open(home: &Path, most: usize) -> io::Result<(Self, mpsc::UnboundedReceiver<String>)> {
        let folder = home.join("files");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let begun = folder.join(BEGUN).exists();
        let mut state = State { begun, tainted: begun, ..State::default() };
        for entry in std::fs::read_dir(&folder)? {
            let list = entry?.path().join(LIST);
            match std::fs::metadata(&list) {
                Ok(found) if found.len() <= LONGEST_LIST => {
                    let file: File = serde_json::from_slice(&std::fs::read(&list)?)?;
                    state.files.insert(file.path.clone(), file);
                }
                Ok(_) => return Err(io::Error::other(format!("`{}` is too long", list.display()))),
                Err(_) => {}
            }
        }
        let (undo, undone) = mpsc::unbounded_channel();
        Ok((Self { folder, most: most.max(2), most_bytes: MOST_BYTES, state: Mutex::new(state), undo }, undone))
    }

    /// A model is asked.
    pub(crate) fn begin(&self) {
        let mut state = self.state();
        if !state.begun {
            state.begun = true;
            if let Err(error) = std::fs::write(self.folder.join(BEGUN), "") {
                tracing::error!(%error, "it can't be written down that the agent has begun; it holds while this guard lives");
            }
        }
    }

    /// Every file and what stands there.
    pub(crate) fn all(&self) -> Vec<(String, Version)> {
        let state = self.state();
        let last = |file: &File| file.versions.last().map(|version| (file.path.clone(), version.clone()));
        state.files.values().filter_map(last).collect()
    }

    /// The versions of a file, the oldest first.
    pub(crate) fn history(&self, path: &str) -> Vec<Version> {
        self.state().files.get(path).map_or_else(Vec::new, |file| file.versions.clone())
    }

    /// The content of a version; `None` when there was no file.
    ///
    /// # Errors
    /// When there is no such version, or it is not kept any more.
    pub(crate) fn content(&self, path: &str, number: u64) -> io::Result<Option<Vec<u8>>> {
        let version = self.history(path).into_iter().find(|version| version.number == number);
        let version = version.ok_or_else(|| {
            io::Error::other(format!("there is no version {number} of it; `creel files history {path}` shows them"))
        })?;
        if version.digest.is_empty() {
            return Ok(None);
        }
        if !version.kept {
            return Err(io::Error::other(format!("version {number} is not kept any more; the ledger has its digest")));
        }
        let bytes = std::fs::read(self.place(path).join(number.to_string()))?;
        if digest(&bytes) != version.digest {
            return Err(io::Error::other(format!("version {number} is damaged")));
        }
        Ok(Some(bytes))
    }

    /// The last version that a person accepted: its number and content, `None` inside when there was no file. Nothing when none
    /// was ever accepted, which means no file too.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn accepted(&self, path: &str) -> io::Result<Option<(u64, Option<Vec<u8>>)>> {
        let number = self.state().files.get(path).and_then(File::last_accepted).map(|version| version.number);
        number.map(|number| Ok((number, self.content(path, number)?))).transpose()
    }

    /// A person puts this back: when it stands there, it is accepted.
    pub(crate) fn accept(&self, path: &str, content: Option<&[u8]>) {
        let digest = content.map(digest).unwrap_or_default();
        let mut state = self.state();
        let last = state.files.get_mut(path).and_then(|file| file.versions.last_mut());
        match last {
            // it stands there already
            Some(last) if last.digest == digest => {
                last.accepted = true;
                state.recalled = None;
                state.kept += 1;
                if let Some(file) = state.files.get(path)
                    && let Err(error) = self.write(file)
                {
                    tracing::error!(%error, path, "it can't be written down that a version is accepted");
                }
            }
            _ => {
                state.restored.insert(path.to_owned(), digest);
            }
        }
    }

    fn write(&self, file: &File) -> io::Result<()> {
        let folder = self.place(&file.path);
        put(&folder.join(LIST), &serde_json::to_vec(file)?)
    }

    fn place(&self, path: &str) -> PathBuf {
        let name = digest(path.as_bytes());
        self.folder.join(name.get(..32).unwrap_or(&name))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of one version's content.
    fn forget(&self, file: &mut File, number: u64) {
        let _ = std::fs::remove_file(self.place(&file.path).join(number.to_string()));
        file.versions.iter_mut().filter(|version| version.number == number).for_each(|version| version.kept = false);
    }

    /// Makes room for so many bytes.
    fn make_room(&self, state: &mut State, bytes: u64) -> io::Result<()> {
        while state.files.values().map(File::bytes).sum::<u64>() + bytes > self.most_bytes {
            let spare = |file: &File| {
                let kept = |version: &&Version| version.kept && version.bytes > 0 && !version.accepted;
                file.versions.iter().find(kept).map(|version| version.number)
            };
            let largest = state.files.values_mut().filter(|file| spare(file).is_some()).max_by_key(|file| file.bytes());
            let Some(file) = largest else { return Err(io::Error::other("there is no room for more versions")) };
            let Some(number) = spare(file) else { return Err(io::Error::other("there is no room for more versions")) };
            self.forget(file, number);
            self.write(file)?;
        }
        Ok(())
    }
}

impl Versions for Shelf {
    fn look(&self, path: &str, content: Option<&[u8]>) -> Standing {
        let digest = content.map(digest).unwrap_or_default();
        let state = self.state();
        let file = state.files.get(path);
        let last = file.and_then(|file| file.versions.last());
        let same = last.map_or(digest.is_empty(), |last| last.digest == digest);
        let settled = file.and_then(File::last_accepted).map_or("", |version| version.digest.as_str());
        let restored = state.restored.get(path).is_some_and(|restored| *restored == digest);
        let accepted = !state.begun || restored || settled == digest;
        let number = last.map_or(0, |last| last.number) + u64::from(!same);
        Standing { version: Protected { version: number, digest, accepted }, same }
    }

    fn keep(&self, path: &str, content: Option<&[u8]>, version: &Protected) -> io::Result<()> {
        let mut state = self.state();
        if !state.files.contains_key(path) && state.files.len() >= MOST_FILES {
            return Err(io::Error::other(format!("{MOST_FILES} files have versions already")));
        }
        let bytes = content.map_or(0, |content| content.len() as u64);
        let room = self.make_room(&mut state, bytes);
        let folder = self.place(path);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let kept = match (content, &room) {
            (Some(content), Ok(())) => put(&folder.join(version.version.to_string()), content).map(|()| true),
            (Some(_), Err(_)) => Ok(false),
            (None, _) => Ok(true),
        };
        let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let mut file = state.files.remove(path).unwrap_or_else(|| File { path: path.to_owned(), versions: Vec::new() });
        file.versions.push(Version {
            number: version.version,
            digest: version.digest.clone(),
            bytes,
            at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            accepted: version.accepted,
            kept: matches!(kept, Ok(true)),
            clean: !state.tainted,
        });
        state.recalled = None;
        state.kept += 1;
        while file.versions.len() > self.most {
            // neither what stands there now nor what a person accepted last
            let settled = file.last_accepted().map(|version| version.number);
            let newest = file.versions.len() - 1;
            let spare = |(at, one): &(usize, &Version)| *at != newest && Some(one.number) != settled;
            let unaccepted = file.versions.iter().enumerate().filter(spare).find(|(_, one)| !one.accepted);
            let gone = unaccepted.or_else(|| file.versions.iter().enumerate().find(spare)).map(|(at, _)| at);
            let Some(at) = gone else { break };
            let number = file.versions.remove(at).number;
            let _ = std::fs::remove_file(folder.join(number.to_string()));
        }
        let written = self.write(&file);
        state.files.insert(path.to_owned(), file);
        if state.restored.get(path) == Some(&version.digest) {
            state.restored.remove(path);
        }
        kept.and(written).and(room)
    }

    fn missing(&self, found: &HashSet<String>) -> Vec<String> {
        let state = self.state();
        let exists = |file: &&File| file.versions.last().is_some_and(|last| !last.digest.is_empty());
        let missing = state.files.values().filter(exists).filter(|file| !found.contains(&file.path));
        missing.map(|file| file.path.clone()).collect()
    }

    fn undo(&self, path: &str) {
        let _ = self.undo.send(path.to_owned());
    }
}

impl Memories for Shelf {
    fn untrusted(&self) -> Vec<(String, Arc<str>)> {
        let before = {
            let state = self.state();
            if let Some(known) = &state.recalled {
                return known.clone();
            }
            state.kept
        };
        let stands = |(path, last): &(String, Version)| {
            // The same content may have been accepted before, or stand in another place: trust is by content.
            let is_good = |version: &Version| version.digest == last.digest && (version.accepted || version.clean);
            !last.digest.is_empty() && !self.history(path).iter().any(is_good)
        };
        let said = |(path, last): (String, Version)| {
            // What can't be read any more says something all the same.
            let content = self.content(&path, last.number).ok().flatten().unwrap_or_default();
            let text = String::from_utf8_lossy(content.get(..content.len().min(MOST_RECALLED)).unwrap_or_default());
            let text =
                if text.trim().is_empty() { format!("(what stands in {path} is not known)") } else { text.into() };
            (path, text.into())
        };
        let mut found: Vec<_> = self.all().into_iter().filter(stands).collect();
        let more = found.len() > MOST_FILES_RECALLED;
        found.truncate(MOST_FILES_RECALLED);
        let mut found: Vec<_> = found.into_iter().map(said).collect();
        if more {
            // A name that every prompt holds: whatever hides behind so many counts.
            found.push((String::new(), "(more was noted than is followed)".into()));
        }
        let mut state = self.state();
        // What was kept meanwhile is not in it.
        if state.kept == before {
            state.recalled = Some(found.clone());
        }
        found
    }

    fn taint(&self) {
        self.state().tainted = true;
    }
}

/// Writes a file, whole or not at all.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let _ = std::fs::remove_file(&draft);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    std::fs::rename(&draft, path)
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

const LIST: &str = "list.json";
const BEGUN: &str = "begun";

#[cfg(test)]
mod tests;
