//! Characters that nobody sees, taken out.
//!
//! Owns which of them go: control characters, tags, rows of variation selectors, bidi controls, zero widths. What scripts
//! and pictures need (a joiner between Arabic letters, one selector behind a sign) stays. Called by the sanitiser.

use super::Edit;
use crate::normal::unicode;

/// The text without them, and what was taken. `None`: nothing to take.
pub(super) fn strip(text: &str, rule: &'static str) -> Option<(String, Vec<Edit>)> {
    if text.is_ascii() && !text.bytes().any(unicode::is_control) {
        return None;
    }
    let (mut clean, mut edits): (String, Vec<Edit>) = (String::with_capacity(text.len()), Vec::new());
    let mut before = None;
    let mut rest = text.chars().peekable();
    let mut gone = String::new();
    while let Some(c) = rest.next() {
        if goes(c, before, rest.peek().copied()) {
            gone.push(c);
            continue;
        }
        if !gone.is_empty() {
            edits.push(Edit { pass: 0, at: clean.len(), put: "", took: std::mem::take(&mut gone), rule });
        }
        clean.push(c);
        before = Some(c);
    }
    if !gone.is_empty() {
        edits.push(Edit { pass: 0, at: clean.len(), put: "", took: gone, rule });
    }
    (!edits.is_empty()).then_some((clean, edits))
}

/// Whether a character goes, between what was kept before it and what follows.
fn goes(c: char, before: Option<char>, after: Option<char>) -> bool {
    match c {
        '\0'..='\u{7f}' => u8::try_from(c).is_ok_and(unicode::is_control),
        '\u{80}'..='\u{9f}' => c != '\u{85}',
        '\u{200c}' | '\u{200d}' => !(joins(before) && joins(after)),
        _ if unicode::is_selector(c) => before.is_none_or(|c| c.is_ascii_alphabetic() || unicode::is_selector(c)),
        _ => unicode::is_tag(c) || unicode::is_bidi(c) || unicode::is_invisible(c),
    }
}

/// A joiner belongs between letters of scripts that join, and between pictures.
fn joins(c: Option<char>) -> bool {
    c.is_some_and(|c| {
        matches!(c, '\u{620}'..='\u{8ff}' | '\u{900}'..='\u{dff}' | '\u{2190}'..='\u{2bff}' | '\u{fe0f}' | '\u{1f000}'..='\u{1faff}')
    })
}
