//! JSON lines in, JSON lines out: the form of the commands that work off-line on many cases.
//!
//! Owns reading a line of bounded length and the exit code: an answer to each line, in order and at once; a line that is
//! none is named in its place, the work goes on, and the end says so.

use std::io::{self, BufRead, Read};
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::{FINDING, USAGE, out};

/// The longest line.
pub(crate) const MOST_BYTES: u64 = 64 << 20;

/// Answers each line of `from`. `answer` gets a line (`None` when it is too long) and its number, and says whether it was a
/// sound one.
pub(crate) fn answer<T: Serialize>(
    mut from: impl BufRead,
    mut answer: impl FnMut(Option<&[u8]>, u64) -> (bool, T),
) -> ExitCode {
    let (mut faulty, mut number) = (false, 0_u64);
    loop {
        number += 1;
        match next(&mut from, MOST_BYTES) {
            Ok(None) => break,
            Ok(Some(line)) => {
                let (is_sound, told) = answer(line.as_deref(), number);
                faulty |= !is_sound;
                out::json(&told);
            }
            Err(error) => return out::fail(USAGE, format_args!("line {number}: {error}")),
        }
    }
    if faulty { ExitCode::from(FINDING) } else { ExitCode::SUCCESS }
}

/// The next line without its end; `None` within when it is too long, which is read to its end and dropped.
fn next(from: &mut impl BufRead, most: u64) -> io::Result<Option<Option<Vec<u8>>>> {
    let mut line = Vec::new();
    let read = from.by_ref().take(most).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Some(Some(line)));
    }
    if (line.len() as u64) < most {
        return Ok(Some(Some(line)));
    }
    loop {
        line.clear();
        let read = from.by_ref().take(most).read_until(b'\n', &mut line)?;
        if read == 0 || line.last() == Some(&b'\n') {
            return Ok(Some(None));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], lines: &[Option<&str>]) {
        let (mut from, mut found) = (bytes, Vec::new());
        while let Some(line) = next(&mut from, 8).unwrap() {
            found.push(line.map(|line| String::from_utf8(line).unwrap()));
        }
        assert_eq!(found.iter().map(Option::as_deref).collect::<Vec<_>>(), lines);
    }

    #[test]
    fn lines_end_where_they_end_and_long_ones_are_dropped_whole() {
        check(b"", &[]);
        check(b"one\ntwo", &[Some("one"), Some("two")]);
        check(b"\n\nx\n", &[Some(""), Some(""), Some("x")]);
        check(b"0123456789abcdefgh\nnext\n", &[None, Some("next")]);
        check(b"0123456789abcdefgh", &[None]);
    }
}
