//! Known values in prompts to the model's provider.
//!
//! Owns what is answered to the model door: a secret gets its name in its place, always the same, and is told once a text; a
//! canary raises the alarm once a text, as anywhere else, and is taken out of the conversation from then on, or no release would
//! last. [`Told`] knows the texts that have raised it, also after this guard. It keeps digests alone.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use creel_doors::model::Masks;
use creel_guard::{BoxFuture, Door};
use sha2::{Digest, Sha256};

use super::Watch;

/// Where a value turned up, in words.
pub(super) const PROMPT: &str = "a prompt";
/// The name of the file that is kept.
const FILE: &str = "told.json";
/// Texts that are remembered: a conversation has some hundred.
const REMEMBERED: usize = 4096;

/// A shorter text is looked through as soon as it is known again.
const WORTH_IT: usize = 128;

/// The beginning of a text's SHA-256.
type Mark = [u8; 16];

/// Texts that hold nothing, which each prompt of a conversation repeats. Two generations: what was not asked for during a whole
/// one is forgotten.
#[derive(Debug, Default)]
pub(super) struct Clean {
    /// Counts the sets of values that were looked for.
    generation: u64,
    young: HashSet<Mark>,
    old: HashSet<Mark>,
}

impl Clean {
    /// Other values are looked for from now on.
    pub(super) fn forget(&mut self) {
        *self = Self { generation: self.generation + 1, ..Self::default() };
    }

    fn knows(&mut self, mark: Mark) -> bool {
        self.young.contains(&mark) || self.old.contains(&mark) && self.add(mark)
    }

    fn add(&mut self, mark: Mark) -> bool {
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(mark)
    }
}

fn mark(text: &str) -> Mark {
    let mut mark = [0; 16];
    mark.iter_mut().zip(Sha256::digest(text)).for_each(|(mark, byte)| *mark = byte);
    mark
}

/// Texts of which people were told.
#[derive(Debug)]
pub(super) struct Told {
    file: PathBuf,
    order: VecDeque<Mark>,
    known: HashSet<Mark>,
}

impl Told {
    /// What the guard before remembered.
    pub(super) fn open(home: &Path) -> io::Result<Self> {
        let file = home.join(FILE);
        let order: VecDeque<Mark> = match std::fs::read(&file) {
            // What is damaged is forgotten: people are told again, which harms nobody.
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => VecDeque::new(),
            Err(error) => return Err(error),
        };
        let known = order.iter().copied().collect();
        Ok(Self { file, order, known })
    }

    /// Whether this text is new; it is not from now on.
    fn is_new(&mut self, text: &str) -> bool {
        let mark = mark(text);
        if !self.known.insert(mark) {
            return false;
        }
        self.order.push_back(mark);
        while self.order.len() > REMEMBERED {
            let oldest = self.order.pop_front();
            oldest.map(|oldest| self.known.remove(&oldest));
        }
        let kept = serde_json::to_vec(&self.order).map_err(io::Error::from);
        if let Err(error) = kept.and_then(|bytes| std::fs::write(&self.file, bytes)) {
            tracing::warn!(%error, "what was told of prompts can't be kept; it may be told again");
        }
        true
    }
}

impl Watch {
    /// Tells of values in a text that was not met before.
    fn tell(&self, text: &str, found: &[super::Found]) {
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).is_new(text) {
            let mut names = HashSet::new();
            for one in found.iter().filter(|one| names.insert(&one.name)) {
                self.sound(&one.name, one.form, PROMPT, Door::Model);
            }
        }
    }
}

impl Masks for Watch {
    fn masked(&self, text: &str) -> Option<String> {
        let mark = (text.len() >= WORTH_IT).then(|| mark(text));
        let clean = || self.clean.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = clean().generation;
        if mark.is_some_and(|mark| clean().knows(mark)) {
            return None;
        }
        let found = self.all(text.as_bytes(), false);
        let Some(first) = found.first() else {
            // Unless it was looked through for values of before.
            let mut clean = clean();
            if let Some(mark) = mark.filter(|_| clean.generation == generation) {
                clean.add(mark);
            }
            return None;
        };
        self.tell(text, &found);
        let masked = self.without(text);
        // What is left of it in another reading goes as well.
        let rest = self.all(masked.as_bytes(), false);
        Some(if rest.is_empty() { masked } else { format!("[withheld: it holds the secret {}]", first.name) })
    }

    fn is_spread(&self, texts: &[&str]) -> bool {
        let found = self.spread(texts);
        for one in &found {
            // The next prompt repeats these texts and adds to them.
            self.tell(&format!("in pieces: {}", one.name), std::slice::from_ref(one));
        }
        !found.is_empty()
    }

    fn calm(&self) -> BoxFuture<'_, ()> {
        let mut changes = self.changes();
        Box::pin(async move {
            // It fails when the guard ends.
            let _released = changes.wait_for(Option::is_none).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{BAIT, SECRET, watch, watch_that};
    use super::*;
    use crate::canary::scratch::Scratch;
    use crate::config::{Canaries, Taken};
    use creel_scan::secrets::Known;

    #[test]
    fn a_secret_in_a_prompt_gets_its_name_and_is_told_once() {
        let home = Scratch::new();
        let (first, mut trips) = watch(&home.0);
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
        for text in [format!("export KEY={SECRET}\n"), format!("dump: {hex}, and {SECRET}")] {
            let masked = first.masked(&text).unwrap();
            assert!(masked.contains("[secret KEY]") && !masked.contains(SECRET) && !masked.contains(&hex), "{masked}");
            assert_eq!(first.masked(&text).as_ref(), Some(&masked), "the same again, for caches");
            assert_eq!(first.masked(&masked), None, "there is nothing left");
            let told = trips.try_recv().unwrap();
            assert!(told.what.contains("secret `KEY` turned up in a prompt") && told.door == Door::Model, "{told:?}");
            assert!(trips.try_recv().is_err(), "told once");
        }
        let clean = "nothing of the kind, many times over; ".repeat(9);
        assert_eq!((first.masked(&clean), first.masked(&clean), first.masked("nothing")), (None, None, None));
        let other = Known::new([("PHRASE", &b"kind, many times over; nothing of the"[..])]);
        first.look_for(other);
        assert!(first.masked(&clean).is_some(), "a value that is new is looked for in what was clean before");
        first.look_for(Known::new([("KEY", SECRET.as_bytes())]));
        assert!(trips.try_recv().is_ok());
        assert_eq!(first.quarantine(), None);
        let (front, back) = SECRET.split_at(14);
        assert!(first.is_spread(&["x", front, back]) && !first.is_spread(&["x", front, "y", "z"]));
        assert!(trips.try_recv().unwrap().what.contains("secret `KEY`"));
    }

    #[test]
    fn a_canary_in_a_prompt_closes_every_door_once_and_is_gone_after_the_release() {
        let home = Scratch::new();
        let (first, mut trips) = watch(&home.0);
        let text = format!("$ env\nX={BAIT}\n");
        let masked = first.masked(&text).unwrap();
        assert!(!masked.contains(BAIT));
        assert_eq!(first.quarantine().unwrap().canary, "bait");
        assert!(trips.try_recv().unwrap().what.contains("canary `bait` turned up in a prompt"));
        assert!(first.release().unwrap());
        for again in [&first, &watch(&home.0).0] {
            assert_eq!(again.masked(&text).as_ref(), Some(&masked));
            assert_eq!(again.quarantine(), None, "the same text of the same conversation");
        }
        assert!(first.masked(&format!("{BAIT} once more")).is_some() && first.quarantine().is_some());
    }

    #[tokio::test]
    async fn a_prompt_waits_for_the_release() {
        let home = Scratch::new();
        let (watch, _trips) = watch(&home.0);
        watch.calm().await;
        watch.masked(BAIT).unwrap();
        let soon = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(soon, watch.calm()).await.is_err(), "the alarm is on");
        assert!(watch.release().unwrap());
        watch.calm().await;
    }

    #[test]
    fn where_people_only_want_to_be_told_the_conversation_goes_on() {
        let home = Scratch::new();
        let (watch, mut trips) = watch_that(&home.0, Canaries { prompts: Taken::Alert, ..Canaries::default() });
        assert!(!watch.masked(&format!("it says {BAIT}")).unwrap().contains(BAIT));
        assert!(trips.try_recv().unwrap().what.contains("canary `bait`") && watch.quarantine().is_none());
    }
}
