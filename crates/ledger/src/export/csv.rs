//! Comma-separated values (RFC 4180).
//!
//! Owns the columns and the escaping. Agent-made text stays text: a spreadsheet runs no field as a formula (HARDENING.md
//! 19), and a terminal obeys none. Pure.

use std::fmt::Write as _;

use super::Row;
use crate::frame::hex;

/// The names of the columns.
pub(super) const HEADER: &str = "seq,index,time,tenant,actor,door,deed,target,verdict,rule,why,outcome,ended,sent,received,status,failure,trace,leaf_hash\r\n";

/// One record.
pub(super) fn line(row: &Row) -> String {
    let line = &row.line;
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let mut text = format!("{},{}", line.seq, line.index);
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    for field in
        [&line.time, &line.tenant, &line.actor, &line.door, &line.deed, &line.target, &line.verdict, &line.rule]
    {
        push(&mut text, field);
    }
    for field in [&line.why, &line.outcome, &optional(&line.ended)] {
        push(&mut text, field);
    }
    let status = line.status.map(|status| status.to_string()).unwrap_or_default();
    // Writing into a String can't fail.
    let _ = write!(text, ",{},{},{status}", number(line.sent), number(line.received));
    push(&mut text, &optional(&line.failure));
    push(&mut text, &optional(&line.trace));
    let _ = write!(text, ",{}\r\n", hex(&row.frame.hash));
    text
}

/// Appends a comma and the field. What a spreadsheet would take for a formula gets an apostrophe before it; control
/// characters and those that turn the direction of writing are written as `\u{…}`.
fn push(text: &mut String, field: &str) {
    text.push_str(",\"");
    if field.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
        text.push('\'');
    }
    for char in field.chars() {
        match char {
            '"' => text.push_str("\"\""),
            char if char.is_control() || is_invisible(char) => drop(write!(text, "\\u{{{:x}}}", char as u32)),
            char => text.push(char),
        }
    }
    text.push('"');
}

/// Marks without width, and what turns the direction of writing (UAX 9).
fn is_invisible(char: char) -> bool {
    matches!(char as u32, 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb | 0xe0000..=0xe007f)
}

#[cfg(test)]
mod tests {
    use super::push;

    fn check(field: &str, written: &str) {
        let mut text = String::new();
        push(&mut text, field);
        assert_eq!(text, format!(",\"{written}\""));
    }

    #[test]
    fn no_field_is_a_formula_or_ends_its_line() {
        check("GET https://a.test/?a=1,2", "GET https://a.test/?a=1,2");
        check("say \"hi\"", "say \"\"hi\"\"");
        check("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0");
        check("\t@SUM(1)", "'\\u{9}@SUM(1)");
        check("\u{a0}+1", "'\u{a0}+1");
        check("a\r\nb\u{1b}[2J\u{202e}", "a\\u{d}\\u{a}b\\u{1b}[2J\\u{202e}");
    }
}
