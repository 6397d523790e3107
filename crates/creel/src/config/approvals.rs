//! `[approvals]`: who answers questions, and how long they wait.
//!
//! Owns the section and [`Approvals`]. What a question is and what an answer is worth is the guard's process's business.

use std::time::Duration;

use super::settings::{Legal, section};
use super::size::Placed;

section! {
    /// Who answers questions, and how long they wait. Silence is No.
    RawApprovals "approvals" {
        /// How long an act that is asked about is held, in seconds; 0 refuses it at once and leaves the question open.
        wait: Placed<u64> = Placed::unset(240), Legal::Count { min: 0, max: 240 },
            why "OpenClaw was seen to wait 250 s for a model's answer";
        /// How long a question stays open, in seconds. Once nobody waits for it any more, a Yes allows the very same act
        /// once.
        keep: Placed<u64> = Placed::unset(3600), Legal::Count { min: 1, max: 604_800 },
            why "people are away for an hour";
        /// How long such a Yes is worth something, in seconds.
        grant: Placed<u64> = Placed::unset(900), Legal::Count { min: 1, max: 86_400 },
            why "the agent is told to try again, and does so within minutes or never";
        /// So many questions an hour may come up about one tool, host or program. Beyond it the answer is No, unasked, which
        /// you are told once.
        per_hour: Placed<u64> = Placed::unset(30), Legal::Count { min: 1, max: 1000 },
            why "one every two minutes is more than a person reads with care";
        /// Users of this host who may answer besides root, by number (`id -u anna`): `creel approvals`, `creel approve` and
        /// `creel deny` work for them, and nothing else does.
        people: Placed<Vec<Placed<u64>>> = Placed::unset(Vec::new()), Legal::Counts { min: 1, max: 1_879_048_191 },
            why "an answer lets the agent do what it may not do by itself", example "[1001, 1002]";
        /// Rules whose questions take two people: two different users must say Yes, and one No is a No. The ids stand in
        /// each question's record and in docs/rules.md; a rule of your own (`operator/…`) can say `@persons("two")` itself.
        two: Placed<Vec<Placed<String>>> = Placed::unset(Vec::new()), Legal::Texts("the id of a rule that asks"),
            why "one person is enough for most", example "[\"model/ask-high-risk\"]";
    }
}

/// Who answers questions, and how long they wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approvals {
    /// How long an act is held.
    pub wait: Duration,
    /// How long a question stays open.
    pub keep: Duration,
    /// How long a Yes that nobody waits for is worth one act.
    pub grant: Duration,
    /// So many questions of one origin within an hour.
    pub per_hour: usize,
    /// Who may answer besides root, by user id.
    pub people: Vec<u32>,
    /// The rules whose questions two people must answer.
    pub two: Vec<String>,
}
