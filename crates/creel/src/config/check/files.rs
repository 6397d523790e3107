//! `[files]`: what is kept of protected files.
//!
//! Owns the reading of its patterns as places in the jail. Part of the second pass.

use creel_openclaw::layout::{STATE, WORKSPACE};
use creel_policy::{PathGlob, Protect};

use super::{Checker, short};
use crate::config::FileRules;
use crate::config::raw::RawFiles;

/// The most patterns.
const MOST: usize = 200;

impl Checker<'_> {
    pub(super) fn protected(&mut self, files: RawFiles) -> FileRules {
        let RawFiles { protected, protect, versions } = files;
        let mut patterns = Vec::new();
        for line in &protected.value {
            match place(&line.value) {
                Ok(pattern) => patterns.push(pattern),
                Err(why) => {
                    let what = format!("`files.protected` can't hold `{}`: {why}", short(&line.value));
                    self.fault(line.span.clone(), what, "write a path below the workspace: `AGENTS.md`, `skills/**`");
                }
            }
        }
        if patterns.len() > MOST {
            self.fault(protected.span, format!("`files.protected` holds more than {MOST} patterns"), "use `**`");
        }
        let protect = if protect.value == "undo" { Protect::Undo } else { Protect::Keep };
        FileRules { protected: patterns, protect, versions: usize::try_from(versions.value).unwrap_or(usize::MAX) }
    }
}

/// The pattern as a path of the jail.
fn place(text: &str) -> Result<String, String> {
    let whole = if text.starts_with('/') { text.to_owned() } else { format!("{WORKSPACE}/{text}") };
    let glob = PathGlob::parse(&whole)?;
    let folder = glob.folder();
    let below = |top: &str| folder == top || folder.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'));
    if whole.ends_with('/') || !(below(WORKSPACE) || below(STATE)) {
        return Err(format!("it names no file below `{WORKSPACE}` or `{STATE}`"));
    }
    // what servers could read differently, file systems do not: the text itself is the name
    if whole.contains(['%', ';', '\\']) || whole.contains("//") {
        return Err("it holds characters that no file is named with here".to_owned());
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn patterns_name_files_below_the_two_folders() {
        for (text, whole) in [
            ("AGENTS.md", "/workspace/AGENTS.md"),
            ("skills/**", "/workspace/skills/**"),
            ("*/SKILL.md", "/workspace/*/SKILL.md"),
            ("/var/lib/openclaw/skills/**", "/var/lib/openclaw/skills/**"),
            ("/workspace/**", "/workspace/**"),
        ] {
            assert_eq!(place(text).unwrap(), whole);
        }
        for text in
            ["", "/etc/passwd", "../x", "a/../../etc/x", "/**", "/workspace", "a/", "/workspaces/x", "a%2fb", "a//b"]
        {
            assert!(place(text).is_err(), "{text}: {:?}", place(text));
        }
    }
}
