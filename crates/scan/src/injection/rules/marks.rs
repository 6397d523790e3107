//! Marks that are no words: tags and brackets of chat templates, placeholders in addresses.
//!
//! Owns the search for them. What stands in a tag is read without its case; a mark that starts with a line's end opens a
//! line, and one with two a paragraph. One pass for each first byte. Called by the rules.

use std::ops::Range;
use std::sync::OnceLock;

use super::{RULES, Rule};
use crate::token::Seen;

type Mark = (u8, &'static str);

/// Marks by where they are looked for.
#[derive(Debug, Default)]
struct Marks {
    /// Start with `<`, `[` or `#`.
    inner: Vec<Mark>,
    /// Open a line.
    lines: Vec<Mark>,
    /// End with a bracket behind an equals sign.
    holes: Vec<Mark>,
}

/// The hits of all marks, as ranges of bytes.
pub(super) fn find(text: &str, shapes: u16) -> Vec<(u8, Range<usize>)> {
    let marks = marks();
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    for (first, shape) in [(b'<', Seen::ANGLE), (b'[', Seen::BRACKET), (b'#', Seen::HASH)] {
        if shapes & shape != 0 {
            for at in memchr::memchr_iter(first, bytes) {
                found.extend(inner(&marks.inner, bytes, at));
            }
        }
    }
    for at in memchr::memchr2_iter(b'{', b'[', bytes).filter(|at| bytes.get(at.wrapping_sub(1)) == Some(&b'=')) {
        found.extend(hole(&marks.holes, bytes, at));
    }
    for at in std::iter::once(0).chain(memchr::memchr_iter(b'\n', bytes).map(|at| at + 1)) {
        if bytes.get(at).is_some_and(|byte| matches!(byte, b'A' | b'B' | b'E' | b'H' | b'S')) {
            found.extend(line(&marks.lines, bytes, at));
        }
    }
    found
}

fn marks() -> &'static Marks {
    static BUILT: OnceLock<Marks> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut built = Marks::default();
        for (rule, at) in RULES.iter().zip(0_u8..) {
            for mark in rule.marks {
                let list = match mark.as_bytes() {
                    [b'<' | b'[' | b'#', ..] => &mut built.inner,
                    [.., b'{' | b'['] => &mut built.holes,
                    _ => &mut built.lines,
                };
                list.push((at, mark));
            }
        }
        built
    })
}

/// The rule of a hit.
pub(super) fn rule(at: u8) -> &'static Rule {
    RULES.get(usize::from(at)).copied().unwrap_or(&super::override_idiom::RULE)
}

fn inner(marks: &[Mark], bytes: &[u8], at: usize) -> Option<(u8, Range<usize>)> {
    let rest = bytes.get(at..)?;
    let fits = |mark: &str| rest.get(..mark.len()).is_some_and(|head| head.eq_ignore_ascii_case(mark.as_bytes()));
    marks.iter().find(|(_, mark)| fits(mark)).map(|(rule, mark)| (*rule, at..at + mark.len()))
}

fn hole(marks: &[Mark], bytes: &[u8], at: usize) -> Option<(u8, Range<usize>)> {
    let before = bytes.get(..=at)?;
    marks
        .iter()
        .find(|(_, mark)| before.ends_with(mark.as_bytes()))
        .map(|(rule, mark)| (*rule, at + 1 - mark.len()..at + 1))
}

fn line(marks: &[Mark], bytes: &[u8], at: usize) -> Option<(u8, Range<usize>)> {
    let rest = bytes.get(at..)?;
    let is_apart = at >= 2 && bytes.get(at - 2) == Some(&b'\n');
    let fits = |mark: &str| {
        (is_apart || !mark.starts_with("\n\n")) && rest.starts_with(mark.trim_start_matches('\n').as_bytes())
    };
    marks.iter().find(|(_, mark)| fits(mark)).map(|(rule, mark)| (*rule, at..at + mark.trim_start_matches('\n').len()))
}
