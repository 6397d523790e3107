//! `cargo run --bin xtask -- tidy`: the repository's own rules. `-- train DATA`, `-- eval DATA`: the detector's weights.
//! `-- eval-calls FOLDER CREEL`: the judge's verdicts on labelled tool calls.
//!
//! Owns the command line and nothing else. The rules are in `tidy`; they run as tests of this crate too, and `make check`
//! calls it. `train` and `eval` need labelled texts, which nothing else does.

#![forbid(unsafe_code)]

mod calls;
mod tidy;
mod train;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (code, text) = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => tidy(),
        ["train", data] => done(train::train(std::path::Path::new(data))),
        ["eval-calls", data, creel] => done(calls::eval(std::path::Path::new(data), std::path::Path::new(creel))),
        ["eval", data] => done(train::eval(std::path::Path::new(data))),
        _ => (
            ExitCode::from(2),
            "usage: cargo run --bin xtask -- tidy | train DATA.jsonl | eval DATA.jsonl | eval-calls FOLDER CREEL\n"
                .to_owned(),
        ),
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

fn done(result: Result<String, String>) -> (ExitCode, String) {
    match result {
        Ok(text) => (ExitCode::SUCCESS, text),
        Err(why) => (ExitCode::from(2), format!("xtask: {why}\n")),
    }
}
