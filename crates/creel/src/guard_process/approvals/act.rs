//! What exactly is asked about.
//!
//! Owns the canonical form that an approval is bound to, and the text that a person reads. Never asks.

use creel_guard::{Action, Deed, Question};
use sha2::{Digest, Sha256};

use super::book::Act;

/// The longest question that a person is shown, in bytes; what is longer is named by length and digest.
const LONGEST_TEXT: usize = 4096;

/// `action` as a question.
pub(super) fn act(action: &Action, question: &Question) -> Act {
    Act {
        key: key(action),
        origin: origin(action),
        what: format!("{} {}", action.door, action.deed.verb()),
        text: shown(&question.text),
        pinned: pinned(&action.deed),
    }
}

/// SHA-256 over everything that was seen of the act; the provider's number for a call and the kernel's for a process are none
/// of it, so that the same can be tried again.
fn key(action: &Action) -> String {
    let mut action = action.clone();
    match &mut action.deed {
        Deed::Call(call) => call.call_id.clear(),
        Deed::Run(run) => (run.pid, run.parent) = (0, 0),
        _ => {}
    }
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(&action).unwrap_or_default());
    if let Deed::Send(send) = &action.deed {
        // Records don't hold the values.
        for (name, value) in send.headers.iter() {
            hash.update([0]);
            hash.update(name);
            hash.update([1]);
            hash.update(value);
        }
    }
    hex(&hash.finalize())
}

/// Whether all that would be done was seen: a body or an argument that nobody read could be another one the next time.
fn pinned(deed: &Deed) -> bool {
    match deed {
        Deed::Send(send) => send.body == Some(0) || send.content.is_some(),
        // U+FFFD stands for bytes that can be others.
        Deed::Run(run) => !run.cut && !run.argv.iter().any(|word| word.contains('\u{fffd}')),
        _ => true,
    }
}

/// What is counted together.
fn origin(action: &Action) -> String {
    let what = match &action.deed {
        Deed::Call(call) => call.tool.to_lowercase(),
        Deed::Send(send) => send.to.to_string(),
        Deed::Run(run) => run.program.clone(),
        other => other.verb().to_owned(),
    };
    format!("{} {}", action.door, what.chars().take(200).collect::<String>())
}

fn shown(text: &str) -> String {
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let cut = (0..=LONGEST_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let rest = text.len() - cut;
    let digest = hex(&Sha256::digest(text.as_bytes()));
    format!("{} […{rest} more bytes are not shown; SHA-256 of the whole {digest}]", text.get(..cut).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use creel_guard::{Actor, Call, Door, Headers, HostName, Send, Target, Tenant};

    use super::*;

    fn action(deed: Deed) -> Action {
        Action { tenant: Tenant::parse("default").unwrap(), actor: Actor::Agent, door: Door::Model, deed }
    }

    fn call(tool: &str, arguments: &str, id: &str) -> Action {
        action(Deed::Call(Call { tool: tool.into(), arguments: arguments.into(), call_id: id.into() }))
    }

    fn send(path: &str, header: &str, body: Option<u64>) -> Action {
        let to = Target::Host(HostName::parse("a.test").unwrap());
        let headers = Headers::new([("x", header.as_bytes())]);
        action(Deed::Send(Send { path: path.into(), headers, body, ..Send::connection(to, 443) }))
    }

    #[test]
    fn one_other_letter_is_another_act_and_another_number_is_not() {
        let same = key(&call("exec", "{\"command\":\"ls\"}", "1"));
        assert_eq!(same, key(&call("exec", "{\"command\":\"ls\"}", "2")));
        assert_ne!(same, key(&call("exec", "{\"command\":\"ls \"}", "1")));
        assert_ne!(same, key(&call("exec2", "{\"command\":\"ls\"}", "1")));
        assert_ne!(key(&send("/a", "1", Some(0))), key(&send("/b", "1", Some(0))));
        assert_ne!(key(&send("/a", "1", Some(0))), key(&send("/a", "2", Some(0))));
        assert_eq!(key(&run(&["ls", "-l"], 7)), key(&run(&["ls", "-l"], 8)));
        assert_ne!(key(&run(&["ls", "-l"], 7)), key(&run(&["ls -l"], 7)));
    }

    fn run(argv: &[&str], pid: i32) -> Action {
        let argv = argv.iter().map(ToString::to_string).collect();
        action(Deed::Run(creel_guard::Run { argv, pid, parent: pid - 1, ..creel_guard::Run::default() }))
    }

    #[test]
    fn a_body_that_nobody_read_pins_nothing() {
        let pins = |action: Action| pinned(&action.deed);
        assert!(pins(send("/", "", Some(0))) && !pins(send("/", "", Some(3))) && !pins(send("/", "", None)));
        assert!(pins(call("exec", "{}", "")) && pins(run(&["ls"], 1)) && !pins(run(&["ls", "\u{fffd}"], 1)));
    }

    #[test]
    fn a_long_question_says_what_it_leaves_out() {
        let text = "é".repeat(1 << 20);
        let shown = shown(&text);
        assert!(
            shown.len() < LONGEST_TEXT + 200 && shown.contains(&format!("{} more bytes", text.len() - LONGEST_TEXT))
        );
    }
}
