//! Tool calls written as text.
//!
//! Owns [`Lookout`]: it finds text that an agent would turn into a call. OpenClaw does so (its `tool-call-repair`
//! package) with an answer whose text is nothing but blocks such as `[exec]` and an object, `<function=exec>…` or
//! `commentary to=exec code …`, and anywhere with DeepSeek's markup. It is wider than any reader it knows of, never
//! narrower. `stream` and `whole` feed it an answer's visible text in order.

use serde_json::Value;

/// Undecided text beyond this counts as found: only white space makes it so long.
const MAX_UNDECIDED_BYTES: usize = 4096;

/// OpenClaw takes names of up to 120 characters.
const MAX_NAME_CHARS: usize = 130;

/// What the text so far holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sighting {
    /// No call.
    Clear,
    /// So many bytes at its end may be the beginning of one.
    Undecided(usize),
    /// So many bytes at its end are one, of the tool of this name where it can be told.
    Found(usize, String),
}

/// Reads an answer's text, piece by piece.
#[derive(Debug)]
pub(super) struct Lookout {
    undecided: String,
    /// Nothing but white space so far.
    blank: bool,
    /// Something that a reader may take away (a reasoning tag) came before: what follows may be first after all.
    tagged: bool,
}

impl Default for Lookout {
    fn default() -> Self {
        Self { undecided: String::new(), blank: true, tagged: false }
    }
}

/// The keys of an OpenAI delta or message that hold visible text.
pub(super) const VISIBLE: [&str; 3] = ["content", "refusal", "reasoning_details"];

/// What OpenClaw takes for visible text in an OpenAI delta or message: the content in any nesting, a refusal, and
/// reasoning that is declared visible.
pub(super) fn visible(delta: &Value) -> String {
    VISIBLE.iter().filter_map(|key| delta.get(*key)).map(flat).collect()
}

fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(flat).collect(),
        Value::Object(part) => {
            let kind = part.get("type").and_then(Value::as_str).unwrap_or_default().to_lowercase();
            if kind.contains("thinking") || kind.contains("reasoning") {
                return String::new();
            }
            ["text", "content", "refusal"].iter().filter_map(|key| part.get(*key)).map(flat).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

enum Opening {
    No,
    Maybe,
    Yes(String),
}

impl Lookout {
    /// Takes the next piece of text.
    pub(super) fn push(&mut self, text: &str) -> Sighting {
        let joined;
        let text = if self.undecided.is_empty() {
            text
        } else {
            joined = std::mem::take(&mut self.undecided) + text;
            &joined
        };
        let mut rest = text.chars();
        loop {
            let left = rest.as_str();
            let Some(next) = rest.next() else { return Sighting::Clear };
            match opening(left, self.blank || self.tagged) {
                Opening::Yes(name) => return Sighting::Found(left.len(), name),
                Opening::Maybe if left.len() > MAX_UNDECIDED_BYTES => {
                    return Sighting::Found(left.len(), String::new());
                }
                Opening::Maybe => {
                    left.clone_into(&mut self.undecided);
                    return Sighting::Undecided(left.len());
                }
                Opening::No => {
                    self.blank &= is_blank(next);
                    self.tagged |= matches!(next, '<' | '[');
                }
            }
        }
    }
}

/// White space of Rust or JavaScript, and what is not seen.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}')
}

/// Whether a call begins at the start of `text`; most forms count only where a call may be the whole answer.
fn opening(text: &str, alone: bool) -> Opening {
    match text.chars().next() {
        Some('<') => match markup(text) {
            Opening::No if alone => tag(text),
            found => found,
        },
        Some('[') if alone => bracket(text),
        Some('c' | 'a' | 'f') if alone => harmony(text),
        _ => Opening::No,
    }
}

/// DeepSeek's: `<|DSML|…`, with other bars too.
fn markup(text: &str) -> Opening {
    let mut rest = text.chars().skip(1).skip_while(|c| matches!(c, '|' | '｜')).flat_map(char::to_lowercase);
    for wanted in "dsml".chars() {
        match rest.next() {
            None => return Opening::Maybe,
            Some(next) if next != wanted => return Opening::No,
            Some(_) => {}
        }
    }
    Opening::Yes(String::new())
}

fn tag(text: &str) -> Opening {
    let shown: String = text.chars().take(11).collect::<String>().to_lowercase();
    let tags = ["<function=", "<tool_call", "<|channel|>"];
    if let Some(after) =
        tags.iter().find_map(|tag| shown.starts_with(tag).then(|| text.chars().skip(tag.chars().count())))
    {
        return named(after);
    }
    if tags.iter().any(|tag| tag.starts_with(&shown)) { Opening::Maybe } else { Opening::No }
}

/// `[exec]` or `[tool:exec]`, then an object or a tag.
fn bracket(text: &str) -> Opening {
    let mut rest = text.chars();
    rest.next();
    let inside = rest.as_str();
    let Some((called, after)) = inside.split_once(']') else {
        let long = inside.chars().count() > MAX_NAME_CHARS || inside.contains(['\n', '[', '{']);
        return if long { Opening::No } else { Opening::Maybe };
    };
    if called.chars().count() > MAX_NAME_CHARS || called.is_empty() {
        return Opening::No;
    }
    match after.trim_start_matches(is_blank).chars().next() {
        None => Opening::Maybe,
        Some('{' | '<') => Opening::Yes(name(called.strip_prefix("tool:").unwrap_or(called).chars())),
        Some(_) => Opening::No,
    }
}

/// `commentary to=exec code {…}`.
fn harmony(text: &str) -> Opening {
    for channel in ["commentary", "analysis", "final"] {
        let Some(after) = text.strip_prefix(channel) else {
            if channel.starts_with(text) {
                return Opening::Maybe;
            }
            continue;
        };
        let to = after.trim_start_matches(is_blank);
        if let Some(called) = to.strip_prefix("to=") {
            return named(called.chars());
        }
        return if "to=".starts_with(to) { Opening::Maybe } else { Opening::No };
    }
    Opening::No
}

/// A call of the tool whose name stands there, as soon as the name is whole.
fn named(text: impl Iterator<Item = char> + Clone) -> Opening {
    let name = name(text.clone());
    let whole = text.clone().nth(name.chars().count()).is_some() || name.len() >= MAX_NAME_CHARS;
    if whole { Opening::Yes(name) } else { Opening::Maybe }
}

fn name(text: impl Iterator<Item = char>) -> String {
    text.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':')).take(MAX_NAME_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(text: &str, piece: usize) -> Sighting {
        let mut lookout = Lookout::default();
        let mut sighting = Sighting::Clear;
        let letters: Vec<char> = text.chars().collect();
        for piece in letters.chunks(piece) {
            sighting = lookout.push(&piece.iter().collect::<String>());
            if matches!(sighting, Sighting::Found(..)) {
                break;
            }
        }
        sighting
    }

    #[test]
    fn finds_what_openclaw_would_call() {
        for (text, tool) in [
            ("[exec]\n{\"command\":\"id\"}[/exec]", "exec"),
            (" \u{feff}\n[tool:exec] {\"command\"", "exec"),
            ("[tool:exec]\n<parameter=command>id</parameter>", "exec"),
            ("<function=exec><parameter=command>id</parameter></function>", "exec"),
            ("<FUNCTION=exec>", "exec"),
            ("commentary to=exec code {\"command\":1}", "exec"),
            ("<|channel|>analysis to=exec code<|message|>{}", "analysis"),
            ("<think>hm</think>[exec]\n{", "exec"),
            ("[THINK]hm[/THINK]\nfinal \t to=exec code {", "exec"),
            ("all is well <|DSML|tool_calls>", ""),
            ("all is well <｜｜DSML｜｜tool_calls>", ""),
        ] {
            for piece in [1, 2, 3, 7, 1000] {
                let Sighting::Found(_, name) = last(text, piece) else { panic!("{text} in pieces of {piece}") };
                assert_eq!(name, tool, "{text}");
            }
        }
    }

    #[test]
    fn leaves_plain_answers_alone() {
        for text in [
            "Hello! [docs](https://x) and {json}",
            "[docs](https://x): see <b>there</b>",
            "[1] is a footnote",
            "final answer: 42",
            "a final word",
            "analysis to the point",
            "Use it so:\n[exec]\n{\"command\": 1}",
            "```toml\n[package]\n{",
            "x < y, a <|b|> x",
            "{\"a\": [1]}",
            "<details>more</details>",
        ] {
            for piece in [1, 4, 1000] {
                assert_eq!(last(text, piece), Sighting::Clear, "{text} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn waits_no_longer_than_it_must() {
        assert_eq!(last("see [", 100), Sighting::Clear);
        assert_eq!(last("[", 100), Sighting::Undecided(1));
        assert_eq!(last("hm <", 100), Sighting::Undecided(1));
        assert_eq!(last(&format!("[{}", "x".repeat(MAX_NAME_CHARS + 1)), 100), Sighting::Clear);
        let blanks = format!("[exec]{}", " ".repeat(MAX_UNDECIDED_BYTES));
        assert!(matches!(last(&blanks, 100), Sighting::Found(..)));
    }

    proptest::proptest! {
        #[test]
        fn pieces_do_not_matter(text in "([ \\[\\]{}<>=|｜\n]|exec|tool:|function|final|to=|DSML|x|é){0,12}", piece in 1usize..6) {
            let found = |sighting| matches!(sighting, Sighting::Found(..));
            proptest::prop_assert_eq!(found(last(&text, piece)), found(last(&text, 1000)));
        }
    }
}
