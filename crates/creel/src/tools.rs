//! Tools that are declared before anybody else speaks of them.
//!
//! Owns the shipped profile of OpenClaw's own tools. The model door and `creel judge` start from it; what the operator
//! declares goes before it.

use creel_provenance::{Declaration, Tools};

use crate::config::Config;

/// OpenClaw's own tools (its documentation of tool groups, releases of 2026).
const OPENCLAW: &str = include_str!("../../../profiles/tools/openclaw.json");

/// The shipped profile, with the directories that the configuration names.
pub(crate) fn shipped(config: &Config) -> Tools {
    let mut tools = Tools::default();
    // A test reads it: what can't be read would leave each tool to its name, which is stricter.
    tools.declare(openclaw().unwrap_or_default());
    tools.trust(&config.tools().directories);
    tools
}

/// The names of OpenClaw's own tools.
pub(crate) fn own() -> Vec<String> {
    openclaw().unwrap_or_default().into_iter().map(|tool| tool.name).collect()
}

fn openclaw() -> Result<Vec<Declaration>, String> {
    serde_json::from_str(OPENCLAW).map_err(|error| format!("the profile of OpenClaw's tools can't be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_declares_each_tool_once_with_an_effect_that_is_known() {
        let declared = openclaw().unwrap();
        let mut names: Vec<&str> = declared.iter().map(|tool| tool.name.as_str()).collect();
        assert!(names.len() > 50);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), declared.len());
        let known = ["read", "contained", "send", "share", "egress", "instruct", "install", "operate"];
        for tool in &declared {
            assert!(known.contains(&tool.effect.as_deref().unwrap()), "{}", tool.name);
        }
    }
}
