//! What the porter saw, as an act.
//!
//! Owns the translation and the bounds of a record: what is longer is judged whole and recorded cut. It reads nothing
//! itself. Called by the door.

use creel_guard::Run;

use super::Sight;

/// The flaw of a program that runs with other arguments than those that were judged.
pub(super) fn flaw(sight: &Sight) -> Option<String> {
    sight.changed.then(|| "argv-changed".to_owned())
}

pub(super) fn run(sight: &Sight) -> Run {
    let Sight { pid, parent, program, argv, cut, cwd, changed: _ } = sight.clone();
    Run { program, argv, cwd, pid, parent, cut }
}

/// One line about refused calls.
pub(super) fn tried(program: &str, pid: i32, call: &str, times: u64) -> String {
    let program: String = program.chars().take(256).flat_map(char::escape_debug).collect();
    let who = if pid == 0 { "several processes".to_owned() } else { format!("`{program}` (pid {pid})") };
    let call: String = call.chars().take(32).flat_map(char::escape_debug).collect();
    if times == 1 { format!("{call}(2) by {who}") } else { format!("{call}(2) by {who}, {times} times") }
}
