//! `[exec]`: which programs may run, and `[snapshots]`: before which a snapshot is taken.
//!
//! Owns the reading of their patterns. What they cover is the policy's business. Part of the second pass.

use std::time::Duration;

use creel_policy::{CommandPattern, ExecRules, PathGlob};

use super::{Checker, short};
use crate::config::SnapshotRules;
use crate::config::raw::{RawExec, RawSnapshots};
use crate::config::size::Placed;

impl Checker<'_> {
    pub(super) fn exec(&mut self, exec: RawExec) -> ExecRules {
        let RawExec { deny, ask, allow } = exec;
        let (deny, ask) = (self.commands("exec.deny", &deny.value), self.commands("exec.ask", &ask.value));
        let allow = allow.map(|list| {
            let mut places = Vec::new();
            for line in &list.value {
                match PathGlob::parse(&line.value) {
                    Ok(place) => places.push(place),
                    Err(why) => {
                        let what = format!("`exec.allow` can't hold `{}`: {why}", short(&line.value));
                        self.fault(line.span.clone(), what, "write a path: `/usr/**`");
                    }
                }
            }
            places
        });
        ExecRules { deny, ask, allow }
    }

    pub(super) fn snapshots(&mut self, snapshots: RawSnapshots) -> SnapshotRules {
        let RawSnapshots { every, before, pause, keep, room } = snapshots;
        SnapshotRules {
            every: (every.value > 0).then(|| Duration::from_secs(every.value)),
            before: self.commands("snapshots.before", &before.value),
            pause: Duration::from_secs(pause.value),
            keep: usize::try_from(keep.value).unwrap_or(usize::MAX),
            room: room.value.0,
        }
    }

    fn commands(&mut self, name: &str, list: &[Placed<String>]) -> Vec<CommandPattern> {
        let mut patterns = Vec::new();
        for line in list {
            match CommandPattern::parse(&line.value) {
                Ok(pattern) => patterns.push(pattern),
                Err(why) => {
                    let what = format!("`{name}` can't hold `{}`: {why}", short(&line.value));
                    self.fault(line.span.clone(), what, "write a program and words of its arguments: `git push`");
                }
            }
        }
        patterns
    }
}
