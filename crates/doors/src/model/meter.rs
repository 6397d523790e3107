//! What a prompt is to be paid for.
//!
//! Owns [`Meter`], who counts, and [`Tab`], which is open from the moment that a prompt goes out and closes whatever happens
//! then. A provider's figures are believed upwards alone: below what the bytes themselves show, they are not. Opened by
//! `enforce`, handed on to `relay`.

use std::sync::Arc;

use creel_guard::RecordId;

use super::usage::Usage;

/// Bytes of text for which no provider counts less than a token. English has some four, other scripts fewer.
const BYTES_A_TOKEN: u64 = 12;
/// What stands around a token in an event of a stream, at most: names of fields, ids, figures.
const AROUND: u64 = 400;
/// A run of base64 that is longer is a picture or the like, of which only so much counts as text.
const LONGEST_RUN: usize = 512;
/// What an answer that nobody saw the end of is taken to have had.
const UNSEEN_OUTPUT: u64 = 1000;

/// Tokens of one prompt and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// The model that the prompt named.
    pub model: String,
    /// Read.
    pub input: u64,
    /// Read from the provider's cache, where it is not among `input`.
    pub cached: u64,
    /// Written.
    pub output: u64,
}

/// Counts what prompts are paid for. Called in the middle of an exchange: it must not wait for anything.
pub trait Meter: Send + Sync {
    /// A prompt goes out, and will have used at least this.
    fn begins(&self, record: RecordId, least: &Used);

    /// It is over, and has used this; `None` for what costs nothing.
    fn ends(&self, record: RecordId, used: Option<&Used>);
}

/// The account of one prompt. Dropped, it is closed.
pub(super) struct Tab {
    meter: Option<Arc<dyn Meter>>,
    record: RecordId,
    least: Used,
    /// What the bytes of the answer show, in tokens.
    shown: u64,
    usage: Usage,
    whole: bool,
    free: bool,
}

impl Tab {
    pub(super) fn open(meter: Option<Arc<dyn Meter>>, record: RecordId, model: &str, body: &[u8]) -> Self {
        let least =
            Used { model: model.to_owned(), input: text(body) / BYTES_A_TOKEN, cached: 0, output: UNSEEN_OUTPUT };
        if let Some(meter) = &meter {
            meter.begins(record, &least);
        }
        Self { meter, record, least, shown: 0, usage: Usage::default(), whole: false, free: false }
    }

    /// So many bytes of an answer, or of one event of it, came.
    pub(super) fn answered(&mut self, bytes: usize) {
        let text = (bytes as u64).saturating_sub(AROUND);
        self.shown = self.shown.saturating_add(1 + text / BYTES_A_TOKEN);
    }

    /// What the provider says so far.
    pub(super) fn says(&mut self, usage: Usage) {
        self.usage = usage;
    }

    /// The answer came to its end.
    pub(super) fn ended(&mut self) {
        self.whole = true;
    }

    /// The provider answered nothing, or an error.
    pub(super) fn costs_nothing(&mut self) {
        self.free = true;
    }

    fn used(&self) -> Used {
        let Usage { input, cached, output } = self.usage;
        let least = self.least.input.saturating_sub(cached);
        let unseen = if self.whole { 0 } else { UNSEEN_OUTPUT };
        let output = output.max(self.shown).max(unseen);
        Used { model: self.least.model.clone(), input: input.max(least), cached, output }
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        let used = self.used();
        let Used { input, cached, output, .. } = used;
        if !self.free {
            tracing::info!(record = %self.record, input, cached, output, "tokens of a prompt");
        }
        if let Some(meter) = &self.meter {
            meter.ends(self.record, Some(&used).filter(|_| !self.free));
        }
    }
}

/// Bytes that a model reads as text: of long runs of base64 only the beginning counts.
fn text(body: &[u8]) -> u64 {
    let (mut total, mut run) = (0, 0);
    for byte in body {
        let coded = byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte);
        run = if coded { run + 1 } else { 0 };
        total += u64::from(run <= LONGEST_RUN);
    }
    total
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Counter(Mutex<Vec<Option<Used>>>);

    impl Meter for Counter {
        fn begins(&self, _record: RecordId, least: &Used) {
            self.0.lock().unwrap().push(Some(least.clone()));
        }

        fn ends(&self, _record: RecordId, used: Option<&Used>) {
            self.0.lock().unwrap().push(used.cloned());
        }
    }

    fn counted(body: &[u8], work: impl FnOnce(&mut Tab)) -> (Used, Option<Used>) {
        let counter = Arc::new(Counter::default());
        let mut tab = Tab::open(Some(Arc::clone(&counter) as Arc<dyn Meter>), RecordId(1), "m", body);
        work(&mut tab);
        drop(tab);
        let mut seen = counter.0.lock().unwrap().clone();
        assert_eq!(seen.len(), 2);
        (seen.remove(0).unwrap(), seen.remove(0))
    }

    fn used(input: u64, cached: u64, output: u64) -> Option<Used> {
        Some(Used { model: "m".to_owned(), input, cached, output })
    }

    #[test]
    fn an_honest_provider_is_believed() {
        let body = "word ".repeat(1000);
        let says = Usage { input: 1100, cached: 0, output: 50 };
        let (least, end) = counted(body.as_bytes(), |tab| {
            (0..50).for_each(|_| tab.answered(350));
            tab.says(says);
            tab.ended();
        });
        assert_eq!((least.input, end), (416, used(1100, 0, 50)));
        let cached = Usage { input: 100, cached: 1000, output: 50 };
        let (_, end) = counted(body.as_bytes(), |tab| {
            tab.says(cached);
            tab.ended();
        });
        assert_eq!(end, used(100, 1000, 50));
    }

    #[test]
    fn one_that_lies_low_is_bounded_by_the_bytes() {
        let body = "word ".repeat(1000);
        let (_, end) = counted(body.as_bytes(), |tab| {
            tab.answered(12_400);
            tab.says(Usage { input: 1, cached: 0, output: 1 });
            tab.ended();
        });
        assert_eq!(end, used(416, 0, 1001));
    }

    #[test]
    fn whoever_hangs_up_pays_and_an_error_is_free() {
        assert_eq!(counted(b"x", |_| ()).1, used(0, 0, UNSEEN_OUTPUT));
        assert_eq!(counted(b"x", Tab::costs_nothing).1, None);
    }

    #[test]
    fn a_picture_is_not_taken_for_text() {
        let body = format!("{{\"data\":\"{}\",\"text\":\"what is this\"}}", "iVBORw0KGgo".repeat(100_000));
        assert!(text(body.as_bytes()) < 700, "{}", text(body.as_bytes()));
        assert_eq!(text("a b".repeat(1000).as_bytes()), 3000);
    }
}
