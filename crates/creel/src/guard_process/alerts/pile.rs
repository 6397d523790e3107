//! What waits to be told to one place.
//!
//! Owns [`Pile`]: the first of its kind goes out at once, those that follow soon are bundled, and what can't be delivered
//! waits in bounded room, counted. It knows no clock and sends nothing; times are milliseconds, handed in.

use std::collections::BTreeMap;

use crate::config::Event;

/// So many of a kind are told in their own words; the rest is a count.
pub(super) const MOST_KEPT: usize = 5;
/// After a message nothing of its kind is sent for so long, the first time.
const FIRST_GAP: u64 = 10_000;
/// While they keep coming the time doubles up to this.
const LONGEST_GAP: u64 = 300_000;
/// After a failure the next try waits so long; doubled up to [`LONGEST_GAP`].
const FIRST_PAUSE: u64 = 1_000;

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alert {
    /// Of which kind.
    pub(crate) event: Event,
    /// What happened, in Creel's own words.
    pub(crate) text: String,
    /// What the agent wrote, or what it read: shown as that, and never as it stands.
    pub(crate) quoted: Option<String>,
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// The question that it is about, and until when it can be answered.
    pub(crate) question: Option<(u64, u64)>,
}

/// What becomes one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bundle {
    pub(super) event: Event,
    /// The first of them, at least one.
    pub(super) alerts: Vec<Alert>,
    /// How many more there were.
    pub(super) more: u64,
}

impl Bundle {
    /// One alone.
    pub(super) fn of(alert: Alert) -> Self {
        Self { event: alert.event, alerts: vec![alert], more: 0 }
    }

    /// How many happened.
    pub(super) fn count(&self) -> u64 {
        self.more.saturating_add(self.alerts.len() as u64)
    }
}

/// What waits for one place.
#[derive(Debug, Default)]
pub(super) struct Pile {
    kinds: BTreeMap<Event, Heap>,
    failures: u32,
    not_before: u64,
}

#[derive(Debug, Default)]
struct Heap {
    alerts: Vec<Alert>,
    more: u64,
    quiet_until: u64,
    gap: u64,
}

impl Pile {
    /// Takes one more.
    pub(super) fn push(&mut self, alert: Alert) {
        let heap = self.kinds.entry(alert.event).or_default();
        if heap.alerts.len() < MOST_KEPT {
            heap.alerts.push(alert);
        } else {
            heap.more = heap.more.saturating_add(1);
        }
    }

    /// When there is something to send; `None` while nothing waits.
    pub(super) fn due(&self) -> Option<u64> {
        let waiting = self.kinds.values().filter(|heap| !heap.alerts.is_empty());
        waiting.map(|heap| heap.quiet_until.max(self.not_before)).min()
    }

    /// The most urgent that is due now.
    pub(super) fn take(&mut self, now: u64) -> Option<Bundle> {
        if now < self.not_before {
            return None;
        }
        let due = |heap: &Heap| !heap.alerts.is_empty() && heap.quiet_until <= now;
        let (event, heap) = self.kinds.iter_mut().find(|(_, heap)| due(heap))?;
        let alerts = std::mem::take(&mut heap.alerts);
        Some(Bundle { event: *event, alerts, more: std::mem::take(&mut heap.more) })
    }

    /// It was delivered.
    pub(super) fn delivered(&mut self, event: Event, now: u64) {
        (self.failures, self.not_before) = (0, 0);
        let heap = self.kinds.entry(event).or_default();
        let calm = now >= heap.quiet_until.saturating_add(heap.gap);
        heap.gap = if calm { FIRST_GAP } else { heap.gap.saturating_mul(2).min(LONGEST_GAP) };
        heap.quiet_until = now.saturating_add(heap.gap);
    }

    /// It was not: it waits in front of what came meanwhile.
    pub(super) fn put_back(&mut self, bundle: Bundle, now: u64) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(20)).min(LONGEST_GAP);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.saturating_add(pause);
        let heap = self.kinds.entry(bundle.event).or_default();
        heap.more = heap.more.saturating_add(bundle.more);
        let later = std::mem::replace(&mut heap.alerts, bundle.alerts);
        for alert in later {
            if heap.alerts.len() < MOST_KEPT {
                heap.alerts.push(alert);
            } else {
                heap.more = heap.more.saturating_add(1);
            }
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> u64 {
        self.kinds.values().map(|heap| heap.more.saturating_add(heap.alerts.len() as u64)).sum()
    }

    /// How often in a row it could not be told.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(event: Event, text: &str) -> Alert {
        Alert { event, text: text.to_owned(), quoted: None, at_ms: 0, question: None }
    }

    #[test]
    fn the_first_goes_at_once_and_a_flood_becomes_few_messages() {
        let (mut pile, mut sent, mut told, mut now) = (Pile::default(), 0, 0, 5);
        // Ten minutes of a hundred a second.
        for n in 0..60_000_u64 {
            pile.push(alert(Event::Leak, &n.to_string()));
            now += 10;
            while let Some(bundle) = pile.take(now) {
                if sent == 0 {
                    assert_eq!((bundle.count(), now), (1, 15), "the first does not wait");
                }
                assert!(bundle.alerts.len() <= MOST_KEPT);
                (sent, told) = (sent + 1, told + bundle.count());
                pile.delivered(Event::Leak, now);
            }
        }
        assert!((5..=8).contains(&sent), "{sent}");
        let rest = pile.take(now + LONGEST_GAP).unwrap();
        assert_eq!(told + rest.count(), 60_000, "each is counted");
        pile.delivered(Event::Leak, now + LONGEST_GAP);
        // After a calm time the next is told at once again.
        let calm = now + 10 * LONGEST_GAP;
        pile.push(alert(Event::Leak, "again"));
        assert!(pile.take(calm).is_some());
        pile.delivered(Event::Leak, calm);
        pile.push(alert(Event::Leak, "and again"));
        assert_eq!(pile.due(), Some(calm + FIRST_GAP));
    }

    #[test]
    fn a_flood_of_one_kind_keeps_no_other_waiting() {
        let mut pile = Pile::default();
        pile.push(alert(Event::Question, "q"));
        assert_eq!(pile.take(0).unwrap().event, Event::Question);
        pile.delivered(Event::Question, 0);
        (0..100).for_each(|_| pile.push(alert(Event::Question, "q")));
        pile.push(alert(Event::Canary, "c"));
        assert_eq!(pile.due(), Some(0));
        assert_eq!(pile.take(1).unwrap().event, Event::Canary, "the most urgent first");
        assert_eq!(pile.take(1), None);
        assert_eq!(pile.take(FIRST_GAP).unwrap().count(), 100);
    }

    #[test]
    fn a_place_that_is_down_for_a_day_costs_little_and_hears_of_all() {
        let (mut pile, mut tries, mut now) = (Pile::default(), 0, 0);
        while now < 86_400_000 {
            pile.push(alert(Event::Canary, "c"));
            if let Some(bundle) = pile.take(now) {
                tries += 1;
                pile.put_back(bundle, now);
            }
            now += 100;
        }
        assert!((250..=320).contains(&tries), "{tries}");
        assert_eq!((pile.waiting(), pile.kinds[&Event::Canary].alerts.len()), (864_000, MOST_KEPT));
        let bundle = pile.take(now + LONGEST_GAP).unwrap();
        assert_eq!(bundle.count(), 864_000);
        pile.delivered(Event::Canary, now + LONGEST_GAP);
        assert_eq!((pile.waiting(), pile.failures(), pile.due()), (0, 0, None));
    }
}
