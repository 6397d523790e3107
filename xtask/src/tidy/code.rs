//! Rust text without what is no code.
//!
//! Owns the blanking of comments and literals and the cutting off of inline tests. It is a scanner of a few states, not
//! a parser: enough to look for words. The rules about sources call it.

/// `text` with every comment and the inside of every string and character blanked, line feeds kept.
pub(crate) fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' | 'b' | 'c' if !ends_in_word(&out) => raw_string(rest).unwrap_or_default(),
            '\'' => character(rest),
            _ => 0,
        };
        let (piece, keep) = if length == 0 { (c.len_utf8(), true) } else { (length, false) };
        let (head, tail) = rest.split_at_checked(piece).unwrap_or((rest, ""));
        if keep {
            out.push_str(head);
        } else {
            out.extend(head.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = tail;
    }
    out
}

/// The lines before the inline tests: a `#[cfg(test)]` in the first column, followed by `mod … {`.
pub(crate) fn without_tests(text: &str) -> &str {
    let mut at = 0;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let opens = lines.peek().is_some_and(|next| next.starts_with("mod ") && next.trim_end().ends_with('{'));
        if line.trim_end() == "#[cfg(test)]" && opens {
            return text.get(..at).unwrap_or(text);
        }
        at += line.len();
    }
    text
}

/// The numbers of the lines, from 1, that hold `word` between word boundaries.
pub(crate) fn lines_with_word<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let holds = move |line: &str| line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|part| part == word);
    code.lines().zip(1..).filter(move |(line, _)| holds(line)).map(|(_, number)| number)
}

fn ends_in_word(out: &str) -> bool {
    out.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let bytes = rest.as_bytes();
    let mut at = 0;
    while let Some(pair) = bytes.get(at..at + 2) {
        match pair {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, `br"…"`, `cr"…"`, and `b"…"`, `c"…"` with their escapes.
fn raw_string(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c"].into_iter().find(|prefix| {
        let after = rest.strip_prefix(prefix).unwrap_or_default();
        after.trim_start_matches('#').starts_with('"') && (prefix.ends_with('r') || after.starts_with('"'))
    })?;
    let after = rest.strip_prefix(prefix)?;
    if !prefix.ends_with('r') {
        return Some(prefix.len() + string(after));
    }
    let hashes = after.bytes().take_while(|b| *b == b'#').count();
    let end = format!("\"{}", "#".repeat(hashes));
    let body = after.get(hashes + 1..)?;
    Some(body.find(&end).map_or(rest.len(), |at| prefix.len() + hashes + 1 + at + end.len()))
}

/// The length of a character literal; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            chars.next();
            chars.find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{blank, lines_with_word, without_tests};

    #[test]
    fn comments_and_literals_are_blanked() {
        let text =
            "a /* x /* y */ z */ b // c\n\"unsafe \\\" x\" r#\"unsafe\"# 'u' '\\'' b\"q\" 'static let r = br\"z\";\n";
        let code = blank(text);
        assert_eq!(code.len(), text.len());
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "b", "'static", "let", "r", "=", ";"]);
        assert_eq!(blank("for c in 'a'..='z' {}").split_whitespace().count(), 5);
    }

    #[test]
    fn words_stand_alone() {
        let code = "unsafe_code\nunsafe {\n  an_unsafe\nx(unsafe)";
        assert_eq!(lines_with_word(code, "unsafe").collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn inline_tests_are_cut_off() {
        assert_eq!(without_tests("fn a() {}\n#[cfg(test)]\nmod tests {\n}\n"), "fn a() {}\n");
        let outside = "#[cfg(test)]\nmod tests;\nfn a() {}\n";
        assert_eq!(without_tests(outside), outside);
    }
}
