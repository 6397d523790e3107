//! When secrets are due for a new value.
//!
//! Owns [`Schedule`]: since when each value is in force, which is due, when the next try is, what is overdue and whether that
//! was told. Pure: time is handed in. It knows no value. The warden's desk asks it at each turn of the clock.

use std::collections::BTreeMap;

use creel_secrets::SecretName;

use crate::clock::utc;
use crate::protocol::SecretStatus;

/// The pause before another try doubles up to this, in milliseconds.
const LONGEST_PAUSE: u64 = 3_600_000;
/// The first pause is at most this, and a tenth of the time between two exchanges.
const FIRST_PAUSE: u64 = 60_000;
/// No pause is shorter.
const SHORTEST_PAUSE: u64 = 1_000;
/// What stays overdue is told again after so long.
const REMINDER: u64 = 86_400_000;
/// What could not be told is tried again after so long.
const TELL_AGAIN: u64 = 5_000;

/// Every secret that is to be exchanged from time to time.
#[derive(Debug, Default)]
pub(super) struct Schedule(BTreeMap<SecretName, Entry>);

#[derive(Debug)]
struct Entry {
    every: u64,
    since: u64,
    tries: u32,
    /// Before this nothing is tried.
    next: u64,
    overdue: Option<Overdue>,
}

#[derive(Debug)]
struct Overdue {
    why: String,
    /// Before this it is not told.
    tell: u64,
}

impl Schedule {
    /// Adds a secret: how often it is exchanged, and since when its value is in force, in milliseconds (since 1970).
    pub(super) fn add(&mut self, name: SecretName, every: u64, since: u64) {
        self.0.insert(name, Entry { every: every.max(1), since, tries: 0, next: 0, overdue: None });
    }

    /// Those to be tried now. Each has its next try later, however this one ends.
    pub(super) fn due(&mut self, now: u64) -> Vec<SecretName> {
        let mut due = Vec::new();
        for (name, entry) in &mut self.0 {
            if entry.at() <= now && entry.next <= now {
                entry.next = now.saturating_add(entry.pause());
                entry.tries = entry.tries.saturating_add(1);
                due.push(name.clone());
            }
        }
        due
    }

    /// It was tried in vain. Before it was due that is no news.
    pub(super) fn failed(&mut self, name: &SecretName, why: &str, now: u64) {
        let Some(entry) = self.0.get_mut(name).filter(|entry| entry.at() <= now) else { return };
        match &mut entry.overdue {
            Some(overdue) => overdue.why = why.to_owned(),
            None => entry.overdue = Some(Overdue { why: why.to_owned(), tell: now }),
        }
    }

    /// It has a new value.
    pub(super) fn rotated(&mut self, name: &SecretName, now: u64) {
        if let Some(entry) = self.0.get_mut(name) {
            *entry = Entry { every: entry.every, since: now, tries: 0, next: 0, overdue: None };
        }
    }

    /// What is overdue and to be told now: the secret, and why. The next time is in a day.
    pub(super) fn news(&mut self, now: u64) -> Option<(SecretName, String)> {
        let tells = |entry: &mut Entry| {
            let (since, every) = (utc(entry.since), entry.every / 1000);
            let overdue = entry.overdue.as_mut().filter(|overdue| overdue.tell <= now)?;
            overdue.tell = now.saturating_add(REMINDER);
            Some(format!("its value is of {since} and should be exchanged every {every} s: {}", overdue.why))
        };
        self.0.iter_mut().find_map(|(name, entry)| Some((name.clone(), tells(entry)?)))
    }

    /// It could not be told.
    pub(super) fn untold(&mut self, name: &SecretName, now: u64) {
        if let Some(overdue) = self.0.get_mut(name).and_then(|entry| entry.overdue.as_mut()) {
            overdue.tell = now.saturating_add(TELL_AGAIN);
        }
    }

    /// Writes into `status` what it knows.
    pub(super) fn mark(&self, status: &mut [SecretStatus]) {
        for one in status {
            let Some((_, entry)) = self.0.iter().find(|(name, _)| name.as_str() == one.name) else { continue };
            one.since = Some(utc(entry.since));
            one.due = Some(utc(entry.at()));
            one.overdue = entry.overdue.as_ref().map(|overdue| overdue.why.clone());
        }
    }
}

impl Entry {
    fn at(&self) -> u64 {
        self.since.saturating_add(self.every)
    }

    fn pause(&self) -> u64 {
        let first = (self.every / 10).clamp(SHORTEST_PAUSE, FIRST_PAUSE);
        first.saturating_mul(1 << self.tries.min(20)).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    fn name() -> SecretName {
        SecretName::parse("T").unwrap()
    }

    fn of(every: u64, since: u64) -> Schedule {
        let mut schedule = Schedule::default();
        schedule.add(name(), every, since);
        schedule
    }

    fn overdue(schedule: &Schedule) -> Option<String> {
        let mut status = [SecretStatus { name: "T".to_owned(), ..SecretStatus::default() }];
        schedule.mark(&mut status);
        status[0].overdue.clone()
    }

    #[test]
    fn it_is_due_when_its_time_is_over_and_tried_ever_more_rarely() {
        let mut schedule = of(30 * DAY, 0);
        assert!(schedule.due(30 * DAY - 1).is_empty());
        let mut at = 30 * DAY;
        for pause in [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600] {
            assert_eq!(schedule.due(at), [name()]);
            assert!(schedule.due(at + pause * 1000 - 1).is_empty(), "{pause}");
            at += pause * 1000;
        }
        schedule.rotated(&name(), at);
        assert!(schedule.due(at + 30 * DAY - 1).is_empty());
        assert_eq!(schedule.due(at + 30 * DAY), [name()]);
        assert_eq!(of(2_000, 0).due(2_000), [name()]);
    }

    #[test]
    fn what_is_overdue_is_told_once_a_day_until_it_is_exchanged() {
        let mut schedule = of(30 * DAY, 0);
        schedule.failed(&name(), "too early", DAY);
        assert_eq!((overdue(&schedule), schedule.news(DAY)), (None, None));
        let now = 30 * DAY;
        schedule.failed(&name(), "nobody answers", now);
        assert_eq!(overdue(&schedule).as_deref(), Some("nobody answers"));
        let (told, why) = schedule.news(now).unwrap();
        assert_eq!(told, name());
        assert_eq!(why, "its value is of 1970-01-01T00:00:00Z and should be exchanged every 2592000 s: nobody answers");
        schedule.untold(&name(), now);
        assert_eq!(schedule.news(now + TELL_AGAIN - 1), None);
        assert!(schedule.news(now + TELL_AGAIN).is_some());
        schedule.failed(&name(), "still nobody", now + DAY / 2);
        assert_eq!(schedule.news(now + DAY), None);
        assert!(schedule.news(now + TELL_AGAIN + REMINDER).unwrap().1.ends_with("still nobody"));
        schedule.rotated(&name(), now + 2 * DAY);
        assert_eq!((overdue(&schedule), schedule.news(now + 9 * DAY)), (None, None));
    }

    #[test]
    fn one_that_is_on_no_schedule_is_never_due() {
        let mut schedule = Schedule::default();
        schedule.failed(&name(), "x", 1);
        schedule.rotated(&name(), 1);
        assert!(schedule.due(u64::MAX).is_empty() && schedule.news(u64::MAX).is_none() && overdue(&schedule).is_none());
    }
}
