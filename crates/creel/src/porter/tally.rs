//! Calls that the kernel refuses, counted.
//!
//! Owns [`Tally`]: the first try of a process is told at once, more of them as a number some seconds later, and of more
//! processes than are counted apart only the sum. So a flood is a few records a second, and none is missing from the numbers.
//! The porter keeps it.

use std::collections::HashMap;
use std::time::Duration;

use creel_doors::exec::Saw;

/// Processes and calls that are counted apart at once.
const MOST: usize = 32;
/// How long what is counted is kept back.
const KEPT: Duration = Duration::from_secs(5);

pub(super) struct Tally {
    counts: HashMap<(i32, &'static str), (String, u64)>,
    flushed: Duration,
}

impl Tally {
    pub(super) fn new(now: Duration) -> Self {
        Self { counts: HashMap::new(), flushed: now }
    }

    /// One try more; what is told of it at once.
    pub(super) fn tried(&mut self, thread: i32, call: &'static str, now: Duration) -> Option<Saw> {
        let pid = super::look::leader(thread).unwrap_or(thread);
        self.count(pid, call, now, || super::look::program_of(pid))
    }

    fn count(&mut self, pid: i32, call: &'static str, now: Duration, program: impl FnOnce() -> String) -> Option<Saw> {
        if self.counts.is_empty() {
            self.flushed = now;
        }
        if let Some((_, count)) = self.counts.get_mut(&(pid, call)) {
            *count += 1;
            return None;
        }
        if self.counts.len() < MOST {
            let program = program();
            self.counts.insert((pid, call), (program.clone(), 0));
            return Some(Saw::Tried { program, pid, call: call.to_owned(), times: 1 });
        }
        // as many more at most as there are calls
        self.counts.entry((0, call)).or_default().1 += 1;
        None
    }

    /// What is to be told now.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Saw> {
        if now.saturating_sub(self.flushed) < KEPT {
            return Vec::new();
        }
        self.flushed = now;
        self.rest()
    }

    /// All that is not told yet.
    pub(super) fn rest(&mut self) -> Vec<Saw> {
        let told = |((pid, call), (program, times)): ((i32, &'static str), (String, u64))| {
            (times > 0).then(|| Saw::Tried { program, pid, call: call.to_owned(), times })
        };
        std::mem::take(&mut self.counts).into_iter().filter_map(told).collect()
    }

    /// What is not told yet of a process that is over.
    pub(super) fn of(&mut self, pid: i32) -> Vec<Saw> {
        let mut told = Vec::new();
        self.counts.retain(|(counted, call), (program, times)| {
            if *counted == pid && *times > 0 {
                told.push(Saw::Tried {
                    program: std::mem::take(program),
                    pid,
                    call: (*call).to_owned(),
                    times: *times,
                });
            }
            *counted != pid
        });
        told
    }

    /// How long until something is.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        (!self.counts.is_empty()).then(|| KEPT.saturating_sub(now.saturating_sub(self.flushed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_few_records_and_all_of_it_is_counted() {
        let start = Duration::from_secs(9);
        let mut tally = Tally::new(start);
        let mut told = Vec::new();
        for pid in 1..=1000 {
            for _ in 0..10 {
                told.extend(tally.count(pid, "mount", start, || "x".to_owned()));
            }
        }
        assert_eq!(told.len(), MOST);
        assert_eq!(tally.due(start), []);
        assert_eq!(tally.wait(start), Some(KEPT));
        told.extend(tally.due(start + KEPT));
        assert_eq!(told.len(), 2 * MOST + 1);
        let times = |saw: &Saw| if let Saw::Tried { times, .. } = saw { *times } else { 0 };
        assert_eq!(told.iter().map(times).sum::<u64>(), 10_000);
        assert_eq!(tally.wait(start + KEPT), None);
        let mut count = |pid, call| tally.count(pid, call, start, || "x".to_owned()).is_some();
        assert_eq!([count(1, "bpf"), count(1, "bpf"), count(1, "mount"), count(2, "bpf")], [true, false, true, true]);
        assert_eq!(tally.of(1).iter().map(times).collect::<Vec<_>>(), [1]);
        assert_eq!((tally.of(1), tally.rest()), (vec![], vec![]));
    }
}
