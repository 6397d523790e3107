//! What a person reads.
//!
//! Owns the only prints of the binary: lines for people to stderr or stdout, JSON to stdout. A closed pipe ends the
//! program quietly, as every Unix tool does.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

/// Prints a line to stdout.
pub(crate) fn line(text: impl Display) {
    write(&mut io::stdout().lock(), format_args!("{text}\n"));
}

/// Prints text to stdout as it is.
pub(crate) fn text(text: impl Display) {
    write(&mut io::stdout().lock(), format_args!("{text}"));
}

/// Prints a line to stderr.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints one JSON value on a line.
pub(crate) fn json<T: Serialize>(value: &T) {
    match serde_json::to_string(value) {
        Ok(text) => line(text),
        Err(error) => note(format_args!("creel: a value could not be written as JSON: {error}")),
    }
}

/// Says what went wrong, and ends with `code`.
pub(crate) fn fail(code: u8, why: impl Display) -> ExitCode {
    note(format_args!("creel: {why}"));
    ExitCode::from(code)
}

fn write(out: &mut dyn Write, what: std::fmt::Arguments<'_>) {
    if out.write_fmt(what).and_then(|()| out.flush()).is_err() {
        // Nobody reads any more (`creel log | head`).
        std::process::exit(0);
    }
}
