//! What was touched within a moment.
//!
//! Owns [`Bursts`]: of the files of one folder one record a moment, of each protected file one of its own. A hundred thousand
//! files are a few records with their numbers, and none is missing from these; what is kept is bounded. It reads no clock. The
//! sentry asks it.

use std::collections::HashMap;
use std::time::Duration;

use creel_doors::files::{Counts, Touched};

/// How long a folder's files are counted before they are told.
const FOLDERS: Duration = Duration::from_secs(1);
/// The same where OpenClaw itself writes all the time.
const OWN_FOLDERS: Duration = Duration::from_secs(10);
/// The same for a protected file, which is read then.
const FILES: Duration = Duration::from_millis(250);
/// The same for one that was opened and not changed.
const OPENS: Duration = Duration::from_secs(5);
/// The same for one with bait: whoever opened it is to be stopped.
const BAIT: Duration = Duration::from_millis(50);
/// Folders that are counted apart; of more only their place is known.
const MOST_FOLDERS: usize = 1024;
/// Protected files that are told apart.
const MOST_FILES: usize = 4096;

/// Who did it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) pid: i32,
    pub(super) parent: i32,
}

struct Burst {
    since: Duration,
    counts: Counts,
    who: Who,
    several: bool,
    /// The one file, and what it was called before; none when there are more.
    one: Option<(String, String)>,
    /// How often it was seen to be written, and not closed.
    writing: bool,
}

/// One thing that was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Deed {
    pub(super) path: String,
    pub(super) counts: Counts,
    /// Written, and not closed yet: many of these are one write.
    pub(super) writing: bool,
    /// What a renamed file was called.
    pub(super) from: String,
}

#[derive(Default)]
pub(super) struct Bursts {
    folders: HashMap<String, Burst>,
    files: HashMap<String, Burst>,
    opens: HashMap<String, Burst>,
    bait: HashMap<String, Burst>,
}

impl Bursts {
    /// Counts `deed` by its folder. `who` is asked for the first of a burst.
    pub(super) fn count(&mut self, deed: Deed, pid: i32, now: Duration, who: impl FnOnce() -> Who) {
        let folder = deed.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let key = if self.folders.contains_key(folder) || self.folders.len() < MOST_FOLDERS {
            format!("{folder}/")
        } else {
            // its place alone: there are a handful
            let place = folder.match_indices('/').nth(1).map_or(folder, |(end, _)| folder.get(..end).unwrap_or(folder));
            format!("{place}/**")
        };
        add(&mut self.folders, key, deed, pid, now, who);
    }

    /// Counts a protected file apart; false when there are too many of them, and it is counted by its folder.
    pub(super) fn count_protected(&mut self, deed: Deed, pid: i32, now: Duration, who: impl FnOnce() -> Who) -> bool {
        let changes = deed.counts.changes() > 0 || deed.writing;
        // who opens it and who changes it are told apart
        let bursts = if changes { &mut self.files } else { &mut self.opens };
        if !bursts.contains_key(&deed.path) && bursts.len() >= MOST_FILES {
            self.count(deed, pid, now, who);
            return false;
        }
        add(bursts, deed.path.clone(), deed, pid, now, who);
        true
    }

    /// Counts the opening of a file with bait: there are a handful of these.
    pub(super) fn count_bait(&mut self, deed: Deed, pid: i32, now: Duration, who: impl FnOnce() -> Who) {
        add(&mut self.bait, deed.path.clone(), deed, pid, now, who);
    }

    /// Files with bait and protected files that are due, at most `room`.
    pub(super) fn protected(&mut self, now: Duration, room: usize) -> Vec<Touched> {
        let mut told = due(&mut self.bait, |_| BAIT, now, room);
        told.extend(due(&mut self.files, |_| FILES, now, room - told.len()));
        told.extend(due(&mut self.opens, |_| OPENS, now, room - told.len()));
        told
    }

    /// This protected file was changed, and is not told yet.
    pub(super) fn is_pending(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Folders that are due, at most `room`.
    pub(super) fn folders(&mut self, now: Duration, room: usize) -> Vec<Touched> {
        due(&mut self.folders, folder_kept, now, room)
    }

    /// How long until something is due.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        let folders = self.folders.iter().map(|(key, burst)| burst.since + folder_kept(key));
        let files = self.files.values().map(|burst| burst.since + FILES);
        let opens = self.opens.values().map(|burst| burst.since + OPENS);
        let bait = self.bait.values().map(|burst| burst.since + BAIT);
        folders.chain(files).chain(opens).chain(bait).min().map(|due| due.saturating_sub(now))
    }
}

fn add(
    bursts: &mut HashMap<String, Burst>,
    key: String,
    deed: Deed,
    pid: i32,
    now: Duration,
    who: impl FnOnce() -> Who,
) {
    let Deed { path, counts, writing, from } = deed;
    let burst = bursts.entry(key).or_insert_with(|| Burst {
        since: now,
        counts: Counts::default(),
        who: who(),
        several: false,
        one: Some((path.clone(), String::new())),
        writing: false,
    });
    burst.counts.add(counts);
    burst.several |= burst.who.pid != pid;
    burst.writing |= writing;
    match &mut burst.one {
        Some((one, before)) if *one == path => {
            if !from.is_empty() {
                *before = from;
            }
        }
        one => *one = None,
    }
}

fn folder_kept(key: &str) -> Duration {
    let is_own =
        [creel_openclaw::layout::STATE, creel_openclaw::layout::HOME].iter().any(|place| key.starts_with(place));
    if is_own { OWN_FOLDERS } else { FOLDERS }
}

fn due(
    bursts: &mut HashMap<String, Burst>,
    kept: impl Fn(&str) -> Duration,
    now: Duration,
    room: usize,
) -> Vec<Touched> {
    let mut keys: Vec<(Duration, String)> = bursts
        .iter()
        .filter(|(key, burst)| now.saturating_sub(burst.since) >= kept(key))
        .map(|(key, burst)| (burst.since, key.clone()))
        .collect();
    keys.sort_unstable();
    keys.truncate(room);
    keys.into_iter().filter_map(|(_, key)| bursts.remove(&key).map(|burst| told(key, burst))).collect()
}

fn told(key: String, burst: Burst) -> Touched {
    let Burst { since: _, mut counts, who: Who { pid, parent }, several, one, writing } = burst;
    if writing && counts.written == 0 {
        counts.written = 1;
    }
    // of a folder that is gone nothing else is known
    let whole = if key == "/**/" { "/**".to_owned() } else { key };
    let (path, from) = one.unwrap_or((whole, String::new()));
    // two that changed places are no story of one name
    let from = if counts.renamed == 1 && from != path { from } else { String::new() };
    Touched { path, pid, parent, several, counts, from, ..Touched::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(path: &str) -> Deed {
        Deed { path: path.to_owned(), counts: Counts { created: 1, ..Counts::default() }, ..Deed::default() }
    }

    const NOW: Duration = Duration::from_secs(100);

    fn who() -> Who {
        Who { pid: 7, parent: 1 }
    }

    #[test]
    fn files_of_a_folder_are_one_record_and_a_lone_file_is_itself() {
        let mut bursts = Bursts::default();
        for number in 0..20_000 {
            bursts.count(made(&format!("/workspace/many/{number}")), 7, NOW, who);
        }
        bursts.count(made("/workspace/one"), 7, NOW, who);
        let writes = Deed { counts: Counts::default(), writing: true, ..made("/workspace/one") };
        (0..3).for_each(|_| bursts.count(writes.clone(), 8, NOW, || panic!("asked for the first alone")));
        assert_eq!(bursts.folders(NOW, 9), []);
        assert_eq!(bursts.wait(NOW), Some(FOLDERS));
        let mut told = bursts.folders(NOW + FOLDERS, 9);
        told.sort_by(|one, other| one.path.cmp(&other.path));
        let [many, one] = &told[..] else { panic!("{told:?}") };
        assert_eq!((many.path.as_str(), many.counts.created, many.several), ("/workspace/many/", 20_000, false));
        assert_eq!((one.path.as_str(), one.counts.created, one.counts.written), ("/workspace/one", 1, 1));
        assert_eq!((one.pid, one.parent, one.several), (7, 1, true));
        assert_eq!(bursts.wait(NOW), None);
    }

    #[test]
    fn what_is_kept_is_bounded_and_nothing_is_missing_from_the_numbers() {
        let mut bursts = Bursts::default();
        for number in 0..10_000 {
            bursts.count(made(&format!("/workspace/{number}/x/y")), 7, NOW, who);
            let kept = bursts.count_protected(made(&format!("/workspace/skills/{number}")), 7, NOW, who);
            assert_eq!(kept, number < MOST_FILES);
        }
        assert!(bursts.folders.len() <= MOST_FOLDERS + 8 && bursts.files.len() == MOST_FILES);
        let told = bursts.folders(NOW + FOLDERS, usize::MAX);
        assert!(told.iter().any(|one| one.path == "/workspace/**"));
        let protected = bursts.protected(NOW + FILES, usize::MAX);
        assert!(protected.iter().all(|one| one.path.starts_with("/workspace/skills/")));
        let sum: u64 = told.iter().chain(&protected).map(|one| one.counts.created).sum();
        assert_eq!(sum, 20_000);
    }

    #[test]
    fn the_oldest_come_first_and_no_more_than_there_is_room_for() {
        let mut bursts = Bursts::default();
        for (after, name) in [(1, "b"), (0, "a"), (2, "c")] {
            let at = NOW + Duration::from_millis(after);
            bursts.count_protected(made(name), 7, at, who);
        }
        let names = |told: Vec<Touched>| told.into_iter().map(|one| one.path).collect::<Vec<_>>();
        assert_eq!(names(bursts.protected(NOW + FILES * 2, 2)), ["a", "b"]);
        assert_eq!(names(bursts.protected(NOW + FILES * 2, 2)), ["c"]);
    }

    #[test]
    fn what_is_only_opened_and_what_openclaw_writes_all_the_time_waits_longer() {
        let mut bursts = Bursts::default();
        let opened = Deed { counts: Counts { opened: 1, ..Counts::default() }, ..made("/workspace/SOUL.md") };
        bursts.count_protected(opened.clone(), 7, NOW, who);
        bursts.count(made("/var/lib/openclaw/state/wal"), 7, NOW, who);
        assert_eq!((bursts.protected(NOW + FOLDERS, 9), bursts.folders(NOW + FOLDERS, 9)), (vec![], vec![]));
        assert_eq!(bursts.wait(NOW), Some(OPENS));
        assert_eq!(bursts.folders(NOW + OWN_FOLDERS, 9).len(), 1);
        // who changes it is told apart, and soon
        bursts.count_protected(made("/workspace/SOUL.md"), 8, NOW, || Who { pid: 8, parent: 1 });
        let told = bursts.protected(NOW + FILES, 9);
        assert_eq!((told.len(), told[0].pid, told[0].several, told[0].counts.opened), (1, 8, false, 0));
        let told = bursts.protected(NOW + OPENS, 9);
        assert_eq!((told.len(), told[0].pid, told[0].counts.opened), (1, 7, 1));
    }

    #[test]
    fn a_renamed_file_bears_its_old_name_while_it_is_alone() {
        let mut bursts = Bursts::default();
        let renamed = Deed {
            counts: Counts { renamed: 1, ..Counts::default() },
            from: "/workspace/a".to_owned(),
            ..made("/workspace/b")
        };
        bursts.count(renamed.clone(), 7, NOW, who);
        assert_eq!(bursts.folders(NOW + FOLDERS, 1)[0].from, "/workspace/a");
        bursts.count(renamed, 7, NOW, who);
        bursts.count(made("/workspace/c"), 7, NOW, who);
        let told = bursts.folders(NOW + FOLDERS, 1);
        assert_eq!((told[0].from.as_str(), told[0].path.as_str()), ("", "/workspace/"));
    }
}
