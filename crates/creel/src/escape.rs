//! Agent-made text on its way to a terminal.
//!
//! Owns the one escaping of control characters (HARDENING.md 19): a terminal obeys them, so none but the line feed and
//! the tab get through. The command line calls it on everything that comes from the jail.

use std::fmt::Write as _;

/// `text` with every control, format and private-use character written as `\u{…}`, bidi overrides included.
#[must_use]
pub(crate) fn for_terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if is_unsafe(c) => {
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

/// [`for_terminal`] on one line: line feeds and tabs are escaped too.
#[must_use]
pub(crate) fn one_line(text: &str) -> String {
    for_terminal(text).replace('\n', "\\n").replace('\t', "\\t")
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c as u32,
            0x200b..=0x200f // zero width, marks
            | 0x2028..=0x202e // separators, bidi embedding (UAX 9)
            | 0x2060..=0x206f // invisible operators, bidi isolates
            | 0xfeff | 0xfff9..=0xfffb
            | 0xe000..=0xf8ff // private use
            | 0xe0000..=0xe007f // tags
            | 0xf0000..=0x10_ffff)
}

#[cfg(test)]
mod tests {
    use super::{for_terminal, one_line};

    #[test]
    fn controls_become_text() {
        assert_eq!(for_terminal("a\x1b]0;x\x07b\r\n"), "a\\u{1b}]0;x\\u{7}b\\u{d}\n");
        assert_eq!(for_terminal("\u{202e}gpj\u{9b}31m"), "\\u{202e}gpj\\u{9b}31m");
        assert_eq!(one_line("a\nb\tc"), "a\\nb\\tc");
        assert_eq!(for_terminal("grüß 漢字 🦞"), "grüß 漢字 🦞");
    }
}
