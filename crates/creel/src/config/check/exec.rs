//! `[exec]`: which programs may run.
//!
//! Owns the reading of its patterns. What they cover is the policy's business. Part of the second pass.

use creel_policy::{CommandPattern, ExecRules, PathGlob};

use super::{Checker, short};
use crate::config::raw::RawExec;
use crate::config::size::Placed;

impl Checker<'_> {
    pub(super) fn exec(&mut self, exec: RawExec) -> ExecRules {
        let RawExec { deny, ask, allow } = exec;
        let mut commands = |name: &str, list: &[Placed<String>]| {
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
        };
        let (deny, ask) = (commands("exec.deny", &deny.value), commands("exec.ask", &ask.value));
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
}
