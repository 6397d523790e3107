//! When a model first hears of the agent.
//!
//! Owns [`Begun`]: it stands before whoever judges, changes nothing, and tells the versions of protected files that from the first
//! request to a model on a change may be somebody else's will. What stands there until then is OpenClaw's own making: it lays
//! out its workspace when the first message comes in.

use std::sync::Arc;

use creel_guard::{Action, Deed, Facts, Judge, Judgement, Needs};

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
        self.inner.judge(action, facts)
    }

    fn needs(&self, action: &Action) -> Needs {
        self.inner.needs(action)
    }
}
