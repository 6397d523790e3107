//! When a model first hears of the agent, and when the jail first of what stands outside.
//!
//! Owns [`Begun`]: it stands before whoever judges, changes nothing, and tells the versions of protected files that from the first
//! request to a model on a change may be somebody else's will, and from the first request that leaves on it may have been
//! written by what came back. What stands there until then is OpenClaw's own making: it lays
//! out its workspace when the first message comes in.

use std::sync::Arc;

use creel_doors::model::Memories as _;
use creel_guard::{Action, Actor, Deed, Facts, Judge, Judgement, Needs, Verdict};

use crate::files::versions::Shelf;

pub(super) struct Begun {
    pub(super) inner: Arc<dyn Judge>,
    pub(super) shelf: Arc<Shelf>,
}

impl Judge for Begun {
    fn judge(&self, action: &Action, facts: &Facts) -> Judgement {
        if matches!(action.deed, Deed::Prompt(_)) {
            self.shelf.begin();
        }
        let judgement = self.inner.judge(action, facts);
        let leaves = matches!(action.deed, Deed::Send(_)) && action.actor == Actor::Agent;
        if leaves && !matches!(judgement.verdict, Verdict::Deny(_)) {
            self.shelf.taint();
        }
        judgement
    }

    fn needs(&self, action: &Action) -> Needs {
        self.inner.needs(action)
    }
}

#[cfg(test)]
mod tests {
    use creel_doors::files::Versions as _;
    use creel_policy::examples;

    use super::*;
    use crate::canary::scratch::Scratch;

    #[test]
    fn what_a_command_may_have_fetched_is_untrusted_where_it_is_remembered() {
        let scratch = Scratch::new();
        let shelf = Arc::new(Shelf::open(&scratch.0, 50).unwrap().0);
        let begun = Begun { inner: Arc::new(examples::policy().unwrap()), shelf: Arc::clone(&shelf) };
        let noted = |text: &str| {
            let standing = shelf.look("/workspace/MEMORY.md", Some(text.as_bytes()));
            shelf.keep("/workspace/MEMORY.md", Some(text.as_bytes()), &standing.version).unwrap();
            creel_doors::model::Memories::untrusted(shelf.as_ref()).len()
        };
        let judged = |act: &str| {
            let (action, facts) = examples::parse(act).unwrap();
            begun.judge(&action, &facts).verdict.word()
        };
        judged("prompt openai gpt-5");
        assert_eq!(noted("a"), 0);
        assert_eq!((judged("send GET https://unknown.test/"), noted("b")), ("deny", 0), "nothing came back");
        assert_eq!((judged("send GET https://a.test/ at 93.184.215.14"), noted("c")), ("allow", 1));
    }
}
