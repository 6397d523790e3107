//! Backslash escapes of JSON and of program texts.
//!
//! Owns their undoing: tool results are often JSON in JSON, and an order in it must not hide behind `\n` or `\u0069`.
//! It never fails: what is no escape stays as it is. Called by the normaliser.

use crate::view::View;

/// Whether there is an escape at all.
pub(crate) fn any(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'\\', bytes).any(|at| bytes.get(at + 1).is_some_and(|next| b"nrtu\"/\\".contains(next)))
}

/// The text without them.
pub(crate) fn undo(text: &str) -> View {
    let mut view = View::with_capacity(text.len());
    let mut kept = 0;
    let mut at = 0;
    while let Some(offset) = text.get(at..).and_then(|rest| memchr::memchr(b'\\', rest.as_bytes())) {
        at += offset;
        let Some((c, length)) = escape(text.as_bytes(), at) else {
            at += 1;
            continue;
        };
        view.keep(text.get(kept..at).unwrap_or_default(), kept);
        view.put_char(c, at..at + length);
        at += length;
        kept = at;
    }
    view.keep(text.get(kept..).unwrap_or_default(), kept);
    view
}

fn escape(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    match bytes.get(at + 1)? {
        b'n' | b'r' => Some(('\n', 2)),
        b't' => Some(('\t', 2)),
        b'"' => Some(('"', 2)),
        b'/' => Some(('/', 2)),
        b'\\' => Some(('\\', 2)),
        b'u' => {
            let high = unit(bytes, at + 2)?;
            if (0xd800..0xdc00).contains(&high) && bytes.get(at + 6..at + 8) == Some(b"\\u") {
                let low = unit(bytes, at + 8)?;
                let code = 0x10000 + ((high - 0xd800) << 10) + low.checked_sub(0xdc00)?;
                return Some((char::from_u32(code)?, 12));
            }
            Some((char::from_u32(high)?, 6))
        }
        _ => None,
    }
}

fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |code, digit| Some(code * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, plain: &str) {
        assert_eq!(undo(text).text, plain);
    }

    #[test]
    fn escapes_are_undone() {
        check(r#"a\nb\"c\\d"#, "a\nb\"c\\d");
        check(r"\u0069gnore \ud83d\ude00", "ignore 😀");
        check(r"C:\dir \u12 \ud83d \", r"C:\dir \u12 \ud83d \");
    }
}
