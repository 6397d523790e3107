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

/// [`for_terminal`], and nothing left that a chat makes a link, a mention or markup of: such a text may be sent to people
/// (HARDENING.md 5, 13).
#[must_use]
pub(crate) fn defanged(text: &str) -> String {
    let text = for_terminal(text);
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let (mut before, mut chars) = (' ', text.chars().peekable());
    while let Some(c) = chars.next() {
        let joins = chars.peek().is_some_and(|next| !next.is_whitespace()) && !before.is_whitespace();
        match c {
            // the full stops that IDNA takes for one too (UTS 46, section 4.5)
            '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}' if joins => out.push_str("[.]"),
            ':' if chars.peek() == Some(&'/') || joins && before.is_alphanumeric() => out.push_str("[:]"),
            '@' | '\u{ff20}' => out.push_str("[@]"),
            '<' => out.push('\u{2039}'),
            '>' => out.push('\u{203a}'),
            '`' => out.push('\''),
            // a command of a chat's: `/approve`
            '/' if before.is_whitespace() => out.push_str("[/]"),
            c => out.push(c),
        }
        before = c;
    }
    out
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
    use super::{defanged, for_terminal, one_line};

    #[test]
    fn nothing_can_be_clicked() {
        for (text, wanted) in [
            ("see https://evil.test/a?b=1.", "see https[:]//evil[.]test/a?b=1."),
            ("evil\u{3002}test and evil\u{ff0e}test", "evil[.]test and evil[.]test"),
            ("//evil.test mailto:a@b.c", "[/]/evil[.]test mailto[:]a[@]b[.]c"),
            ("<!channel> <https://a.b|ok>", "\u{2039}!channel\u{203a} \u{2039}https[:]//a[.]b|ok\u{203a}"),
            ("/approve_7 a/b\n/deny", "[/]approve_7 a/b\n[/]deny"),
            ("``` @here", "''' [@]here"),
            ("At 10:40. All: fine.", "At 10[:]40. All: fine."),
            ("{\"command\":\"ls -l\"}", "{\"command\":\"ls -l\"}"),
            ("a\u{202e}b\u{1b}[2J", "a\\u{202e}b\\u{1b}[2J"),
        ] {
            assert_eq!(defanged(text), wanted);
        }
    }

    #[test]
    fn controls_become_text() {
        assert_eq!(for_terminal("a\x1b]0;x\x07b\r\n"), "a\\u{1b}]0;x\\u{7}b\\u{d}\n");
        assert_eq!(for_terminal("\u{202e}gpj\u{9b}31m"), "\\u{202e}gpj\\u{9b}31m");
        assert_eq!(one_line("a\nb\tc"), "a\\nb\\tc");
        assert_eq!(for_terminal("grüß 漢字 🦞"), "grüß 漢字 🦞");
    }
}
