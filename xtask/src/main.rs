//! `cargo run --bin xtask -- tidy`: the repository's own rules.
//!
//! Owns the command line and nothing else. The rules are in `tidy`; they run as tests of this crate too. `make check`
//! calls it.

#![forbid(unsafe_code)]

mod tidy;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (code, text) = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => tidy(),
        _ => (ExitCode::from(2), "usage: cargo run --bin xtask -- tidy\n".to_owned()),
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
    code
}

fn tidy() -> (ExitCode, String) {
    match tidy::all() {
        Ok(findings) if findings.is_empty() => (ExitCode::SUCCESS, format!("tidy: {} rules hold\n", tidy::RULES)),
        Ok(findings) => {
            let lines: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
            (ExitCode::FAILURE, format!("{lines}tidy: {} findings\n", findings.len()))
        }
        Err(why) => (ExitCode::from(2), format!("tidy: {why}\n")),
    }
}
